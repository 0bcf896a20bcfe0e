"""``/v1/coordinate``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from nodedns.api.blocking import Topic, Wait
from nodedns.api.context import ApiContext
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.coordinate import ORIGIN, Coordinate
from nodedns.model.member import MemberStatus
from nodedns.table.changes import MemberUpserted
from nodedns.testing.table_agent import TableAgent, agent_member

Ask = Callable[..., Outcome]
Get = Callable[..., object]

NODES = "/v1/coordinate/nodes"
THERE = Coordinate((0.01, *[0.0] * 7), 0.5, -0.001, 0.002)
SHAPE_THERE = {"Vec": [0.01, *[0.0] * 7], "Error": 0.5, "Adjustment": -0.001, "Height": 0.002}
SHAPE_ORIGIN = {"Vec": [0.0] * 8, "Error": 1.5, "Adjustment": 0.0, "Height": 1e-05}


@pytest.fixture
def located(agent: TableAgent) -> TableAgent:
    """The usual agent, which knows where ``one`` and ``two`` are."""
    agent.locate("two", THERE)
    agent.locate("one", ORIGIN)
    return agent


def test_nodes_are_those_whose_coordinate_is_known_by_name(get: Get, located: TableAgent) -> None:
    assert [
        {"Node": "one", "Segment": "", "Coord": SHAPE_ORIGIN},
        {"Node": "two", "Segment": "", "Coord": SHAPE_THERE},
    ] == get(located.api_context(), NODES)


def test_node_that_has_left_is_not_listed(get: Get, located: TableAgent) -> None:
    located.apply(MemberUpserted(agent_member("two", is_server=True, status=MemberStatus.LEFT)))
    listed = get(located.api_context(), NODES)
    assert isinstance(listed, list)
    assert ["one"] == [entry["Node"] for entry in listed]


def test_nothing_known_is_an_empty_list(get: Get, ctx: ApiContext) -> None:
    assert [] == get(ctx, NODES)


def test_one_node_is_a_list_of_one_in_any_letter_case(get: Get, located: TableAgent) -> None:
    expected = [{"Node": "two", "Segment": "", "Coord": SHAPE_THERE}]
    assert expected == get(located.api_context(), "/v1/coordinate/node/TWO")


@pytest.mark.parametrize("name", ["nobody", "printer", "two?segment=alpha"])
def test_node_without_a_coordinate_is_404_without_a_body(ask: Ask, located: TableAgent, name: str) -> None:
    response = ask(located.api_context(), f"/v1/coordinate/node/{name}")
    assert isinstance(response, Response)
    assert (404, b"") == (response.status, response.body)
    assert "3" == dict(response.headers)["X-Consul-Index"]


def test_node_needs_a_name(ask: Ask, ctx: ApiContext) -> None:
    response = ask(ctx, "/v1/coordinate/node/")
    assert isinstance(response, Response)
    assert (400, b"Missing node name") == (response.status, response.body)


@pytest.mark.parametrize(("segment", "count"), [("", 2), ("alpha", 0)])
def test_only_the_nameless_segment_has_nodes(get: Get, located: TableAgent, segment: str, count: int) -> None:
    listed = get(located.api_context(), f"{NODES}?segment={segment}")
    assert isinstance(listed, list)
    assert count == len(listed)


def test_other_datacenter_is_refused(ask: Ask, ctx: ApiContext) -> None:
    response = ask(ctx, f"{NODES}?dc=elsewhere")
    assert isinstance(response, Response)
    assert (500, b"No path to datacenter") == (response.status, response.body)


def test_datacenters_are_none_without_a_wan_pool(get: Get, located: TableAgent) -> None:
    assert [] == get(located.api_context(), "/v1/coordinate/datacenters")


def test_update_is_refused_with_the_reason(ask: Ask, ctx: ApiContext) -> None:
    body = {"Node": "printer", "Coord": SHAPE_THERE}
    response = ask(ctx, "/v1/coordinate/update", "PUT", body)
    assert isinstance(response, Response)
    assert 400 == response.status
    assert b"takes no coordinates over HTTP" in response.body


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "datacenters"), ("GET", "nodes"), ("GET", "node/one"), ("PUT", "update")]
)
def test_turned_off_is_401(ask: Ask, agent: TableAgent, method: str, path: str) -> None:
    agent.coordinates = None
    response = ask(agent.api_context(), f"/v1/coordinate/{path}", method)
    assert isinstance(response, Response)
    assert (401, b"Coordinate support disabled") == (response.status, response.body)


# --- waiting ----------------------------------------------------------------------


def test_wait_is_for_the_coordinates_and_not_for_the_table(ask: Ask, located: TableAgent) -> None:
    wait = ask(located.api_context(), f"{NODES}?index=3&wait=10s")
    assert isinstance(wait, Wait)
    assert (3, Topic.COORDINATES) == (wait.view_index, wait.topic)
    located.apply(MemberUpserted(agent_member("four")))
    assert isinstance(wait.resume(located.api_context()), Wait)
    located.locate("four", THERE)
    response = wait.resume(located.api_context())
    assert isinstance(response, Response)
    assert ["four", "one", "two"] == [entry["Node"] for entry in json.loads(response.body)]
    assert "4" == dict(response.headers)["X-Consul-Index"]


def test_read_of_the_catalog_is_not_woken_by_a_coordinate(ask: Ask, located: TableAgent) -> None:
    index = located.table.view.catalog_index
    wait = ask(located.api_context(), f"/v1/catalog/nodes?index={index}&near=_agent")
    assert isinstance(wait, Wait)
    assert Topic.TABLE is wait.topic
    located.locate("four", THERE)
    assert isinstance(wait.resume(located.api_context()), Wait)


@pytest.mark.parametrize("index", [2, 4])
def test_older_index_and_one_from_another_life_are_answered_at_once(ask: Ask, located: TableAgent, index: int) -> None:
    assert isinstance(ask(located.api_context(), f"{NODES}?index={index}"), Response)


def test_wait_for_a_missing_node_ends_when_it_is_known(ask: Ask, located: TableAgent) -> None:
    wait = ask(located.api_context(), "/v1/coordinate/node/printer?index=3")
    assert isinstance(wait, Wait)
    located.locate("elsewhere", THERE)
    assert isinstance(wait.resume(located.api_context()), Wait)
    located.locate("printer", THERE)
    response = wait.resume(located.api_context())
    assert isinstance(response, Response)
    assert 200 == response.status
    expired = wait.expire(located.api_context())
    assert 200 == expired.status
