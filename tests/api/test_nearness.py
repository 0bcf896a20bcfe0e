"""Lists ordered by distance."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.api.context import ApiContext
from nodedns.api.nearness import nearest_first
from nodedns.model.coordinate import DIMENSIONS, Coordinate
from nodedns.table.changes import MemberUpserted
from nodedns.testing.table_agent import TableAgent, agent_member


def at(x: float) -> Coordinate:
    return Coordinate((x, *[0.0] * (DIMENSIONS - 1)))


def ordered(names: Iterable[str], near: str, ctx: ApiContext, node_of: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(name for name in nearest_first(names, near, ctx, node_of) if name is not None)


def agent_on_a_line(**places: float) -> TableAgent:
    """Members, each so far along one line; the agent is the first."""
    agent = TableAgent(next(iter(places)))
    for name, x in places.items():
        agent.apply(MemberUpserted(agent_member(name)))
        agent.locate(name, at(x))
    return agent


@pytest.mark.parametrize(
    ("near", "expected"),
    [
        ("_agent", ("a", "c", "b")),
        ("a", ("a", "c", "b")),
        ("B", ("b", "c", "a")),
        ("c", ("c", "a", "b")),
        ("", ("a", "b", "c")),
        ("nobody", ("a", "b", "c")),
    ],
)
def test_nearest_comes_first(near: str, expected: tuple[str, ...]) -> None:
    ctx = agent_on_a_line(a=0.0, b=0.03, c=0.01).api_context()
    assert expected == ordered(("a", "b", "c"), near, ctx, str)


def test_unknown_comes_last_and_equals_keep_their_order() -> None:
    ctx = agent_on_a_line(a=0.0, b=0.01, c=-0.01).api_context()
    listed = ("unknown", "c", "b", "also-unknown", "a")
    assert ("a", "c", "b", "unknown", "also-unknown") == ordered(listed, "a", ctx, str)


def test_without_coordinates_the_order_stays() -> None:
    agent = agent_on_a_line(a=0.0, b=0.03, c=0.01)
    agent.coordinates = None
    assert ("b", "a", "c") == ordered(("b", "a", "c"), "a", agent.api_context(), str)


def test_node_whose_own_coordinate_is_unknown_orders_nothing() -> None:
    agent = agent_on_a_line(a=0.0, b=0.03)
    agent.apply(MemberUpserted(agent_member("new")))
    assert ("b", "a") == ordered(("b", "a"), "new", agent.api_context(), str)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-10, 10), min_size=1))
def test_distances_never_fall_along_the_list(places: dict[str, float]) -> None:
    agent = agent_on_a_line(**places)
    listed = ordered(sorted("abcdefgh"), "_agent", agent.api_context(), str)
    here = at(places[next(iter(places))])
    distances = [here.distance_s(at(places[name])) for name in listed if name in places]
    assert sorted(distances) == distances
    assert set(listed[: len(places)]) == set(places)
    assert sorted("abcdefgh") == sorted(listed)
