"""Hypothesis strategies: seeds, network conditions, and whole scenarios of faults.

A drawn scenario makes sense (nobody dead is paused, nobody is killed twice) and
ends well: the network is mended, everybody paused goes on, and after that all
that run must see each other. Which members run is tracked while drawing, so
that nothing has to be filtered out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nodedns.model.names import NodeName
from nodedns.testing.builders import names_of
from nodedns.testing.faults import TOLERATED_DELAY_S, TOLERATED_LOSS
from nodedns.testing.network import Conditions
from nodedns.testing.scenario import (
    Agreed,
    Converged,
    Cut,
    Expect,
    Heal,
    Kill,
    Leave,
    Loss,
    Operation,
    Pause,
    Restart,
    Resume,
    Scenario,
    Slow,
    Start,
    Wait,
)

__all__ = [
    "JOINED_WITHIN_S",
    "bearable_conditions",
    "bearable_scenarios",
    "conditions",
    "repeatable",
    "scenarios",
    "seeds",
]

T = TypeVar("T")

JOINED_WITHIN_S = 70.0
"""A broadcast is sent four times by each of few members, and now and then misses one; push/pull tells that one."""
MENDED_WITHIN_S = 600.0
"""Serf tries a failed member again every 30 s, and not each time; so a parted cluster needs its time."""
LEAVING_S = 15.0
"""Longest leave: intent 5 s, departure 5 s, lingering 3 s."""

seeds = st.integers(0, 2**32 - 1)
"""Seeds of a run."""


def conditions() -> st.SearchStrategy[Conditions]:
    """Return networks that work, if not always well: no loss, but delay, duplicates and reordering."""
    return st.builds(
        Conditions,
        delay_s=st.sampled_from([0.0001, 0.0005, 0.005, 0.02]),
        slow_share=st.sampled_from([0.0, 0.01, 0.05]),
        slow_factor=st.just(5.0),
        duplicate_share=st.sampled_from([0.0, 0.1]),
        reorder_share=st.sampled_from([0.0, 0.1]),
    )


def bearable_conditions() -> st.SearchStrategy[Conditions]:
    """Return networks at their worst in which no healthy member may be declared failed."""
    return st.builds(
        Conditions,
        delay_s=st.sampled_from([0.0005, 0.005, 0.02]),
        slow_share=st.sampled_from([0.0, 0.01, 0.05]),
        slow_factor=st.sampled_from([5.0, 20.0]),
        loss=st.floats(0.0, TOLERATED_LOSS),
        duplicate_share=st.sampled_from([0.0, 0.1, 0.3]),
        reorder_share=st.sampled_from([0.0, 0.1, 0.3]),
        reorder_delay_s=st.sampled_from([0.02, 0.1]),
    )


def repeatable(run: Callable[[], T]) -> T:
    """Return ``run()``, run such that trio's scheduler makes the same choices each time.

    A mock clock alone does not make trio repeatable: the order within a batch of
    tasks is drawn from a ``Random`` of trio's own. Hypothesis seeds that one
    around each example, and this is an example. Not to be called under ``@given``,
    where it is not needed.
    """
    results: list[T] = []

    @settings(
        max_examples=1, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(st.none())
    def example(_: None) -> None:
        results.append(run())

    example()
    return results[0]


@attrs.define
class _Cast:
    """Who runs, while a scenario is drawn."""

    names: tuple[NodeName, ...]
    up: list[NodeName]
    paused: list[NodeName]
    gone: list[NodeName]


@st.composite
def scenarios(draw: st.DrawFn, *, max_members: int = 6, max_faults: int = 6) -> Scenario:
    """Return scenarios: members join, faults come and go, all is mended, all see each other."""
    names = names_of("m", range(draw(st.integers(2, max_members))))
    cast = _Cast(names, list(names), [], [])
    operations: list[Operation] = [Start(names), Expect(Converged(), JOINED_WITHIN_S)]
    for _ in range(draw(st.integers(1, max_faults))):
        possible = _possible(cast)
        operations += draw(st.sampled_from(possible))(draw, cast)
        operations.append(Wait(draw(st.sampled_from([0.1, 1.0, 5.0, 20.0]))))
    operations.append(Heal())
    operations += [Resume(name) for name in cast.paused]
    # Whoever leaves must be through before the living are counted.
    operations += [Wait(LEAVING_S), Expect(Agreed(), MENDED_WITHIN_S)]
    return Scenario(seed=draw(seeds), operations=tuple(operations), conditions=draw(conditions()))


@st.composite
def bearable_scenarios(
    draw: st.DrawFn, *, min_members: int = 5, max_members: int = 12, max_faults: int = 8
) -> Scenario:
    """Return scenarios in which some members are killed, paused, slow, or leave, and the network is merely bad.

    The first member is left alone, so there is always one that is healthy and reachable, and often several are.
    """
    names = names_of("m", range(draw(st.integers(min_members, max_members))))
    cast = _Cast(names, list(names[1:]), [], [])
    operations: list[Operation] = [Start(names), Expect(Converged(), JOINED_WITHIN_S)]
    for _ in range(draw(st.integers(1, max_faults))):
        possible: list[_Draw] = [_kill, _leave, _pause, _slow_a_little] if cast.up else []
        possible += [_resume] * bool(cast.paused) + [_return] * bool(cast.gone)
        operations += draw(st.sampled_from(possible))(draw, cast)
        operations.append(Wait(draw(st.sampled_from([0.1, 1.0, 5.0, 20.0, 40.0]))))
    operations += [Resume(name) for name in cast.paused]
    operations += [Wait(LEAVING_S), Expect(Agreed(), MENDED_WITHIN_S)]
    return Scenario(seed=draw(seeds), operations=tuple(operations), conditions=draw(bearable_conditions()))


_Draw = Callable[[st.DrawFn, _Cast], list[Operation]]


def _possible(cast: _Cast) -> list[_Draw]:
    possible: list[_Draw] = [_lose, _heal]
    # One stays, so that there is somebody to join.
    if len(cast.up) >= 2:
        possible += [_kill, _leave, _pause, _slow, _cut]
    if cast.paused:
        possible.append(_resume)
    if cast.gone:
        possible.append(_restart)
    return possible


def _one_of(draw: st.DrawFn, names: list[NodeName]) -> NodeName:
    return draw(st.sampled_from(names))


def _kill(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    name = _one_of(draw, cast.up)
    cast.up.remove(name)
    cast.gone.append(name)
    return [Kill((name,))]


def _leave(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    name = _one_of(draw, cast.up)
    cast.up.remove(name)
    cast.gone.append(name)
    return [Leave(name), Wait(LEAVING_S)]


def _pause(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    name = _one_of(draw, cast.up)
    cast.up.remove(name)
    cast.paused.append(name)
    return [Pause(name)]


def _resume(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    name = _one_of(draw, cast.paused)
    cast.paused.remove(name)
    cast.up.append(name)
    return [Resume(name)]


def _restart(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    name = _one_of(draw, cast.gone)
    target = _one_of(draw, cast.up)
    cast.gone.remove(name)
    cast.up.append(name)
    # A join through a broken network fails, and nobody tries again; agents have -retry-join for that.
    return [Heal(), Wait(1.0), Restart(name, target), Wait(1.0)]


def _return(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    name = _one_of(draw, cast.gone)
    cast.gone.remove(name)
    cast.up.append(name)
    return [Restart(name, cast.names[0])]


def _cut(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    size = draw(st.integers(1, len(cast.up) - 1))
    here = tuple(cast.up[:size])
    there = tuple(name for name in cast.names if name not in here)
    return [Cut(here, there, draw(st.booleans()))]


def _slow(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    return [Slow(_one_of(draw, cast.up), draw(st.sampled_from([0.1, 0.4, 2.0])))]


def _slow_a_little(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    return [Slow(_one_of(draw, cast.up), draw(st.floats(0.0, TOLERATED_DELAY_S)))]


def _lose(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    return [Loss(draw(st.one_of(st.floats(0.0, 0.4), st.just(0.9))))]


def _heal(draw: st.DrawFn, cast: _Cast) -> list[Operation]:
    return [Heal()]
