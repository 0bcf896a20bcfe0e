"""``/v1/agent``."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from nodedns.api.actions import ForceLeave, Join, Leave, Perform, Reload
from nodedns.api.context import AgentFacts, ApiContext, KnownCoordinates
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.coordinate import ORIGIN
from nodedns.model.names import NodeName
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]
Get = Callable[..., object]


def test_members_lists_failed_and_left_ones_too(get: Get, ctx: ApiContext) -> None:
    members = get(ctx, "/v1/agent/members?segment=_all")
    assert isinstance(members, list)
    assert [("one", 1), ("three", 3), ("two", 4)] == [(member["Name"], member["Status"]) for member in members]


def test_wan_pool_has_no_members(get: Get, ctx: ApiContext) -> None:
    assert [] == get(ctx, "/v1/agent/members?wan=1")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("wan=1&segment=x", "Cannot provide a segment with wan=true"),
        ("segment=x", "Network segments are not supported"),
    ],
)
def test_members_refuses_what_it_would_have_to_ignore(ask: Ask, ctx: ApiContext, query: str, text: str) -> None:
    response = ask(ctx, f"/v1/agent/members?{query}")
    assert isinstance(response, Response)
    assert (400, text) == (response.status, response.body.decode())


def test_members_are_kept_by_a_filter(get: Get, ctx: ApiContext) -> None:
    members = get(ctx, '/v1/agent/members?filter=Status%20!=%201%20and%20Tags["role"]%20==%20node')
    assert isinstance(members, list)
    assert ["three", "two"] == [member["Name"] for member in members]


def test_self_has_consuls_keys(get: Get, ctx: ApiContext) -> None:
    full = attrs.evolve(
        ctx,
        stats=lambda: {"serf_lan": {"members": "3"}, "agent": {}},
        debug_config={"b": 1, "a": 2},
        coordinates=KnownCoordinates(7, {"one": ORIGIN}.get),
    )
    value = get(full, "/v1/agent/self")
    assert isinstance(value, dict)
    assert ["Config", "DebugConfig", "Coord", "Member", "Stats", "Meta"] == list(value)
    assert {
        "Datacenter": "dc1",
        "PrimaryDatacenter": "",
        "NodeName": "one",
        "NodeID": "id-of-one",
        "Revision": "abc",
        "Server": True,
        "Version": "0.1.0",
        "BuildDate": "1970-01-01T00:00:01Z",
        "BindAddr": "10.0.0.1",
    } == value["Config"]
    assert ("one", {"rack": "one"}) == (value["Member"]["Name"], value["Meta"])
    assert ["agent", "serf_lan"] == list(value["Stats"])
    assert ["a", "b"] == list(value["DebugConfig"])
    assert {"Vec": [0.0] * 8, "Error": 1.5, "Adjustment": 0.0, "Height": 1e-05} == value["Coord"]


def test_self_without_a_pool_has_nulls(get: Get) -> None:
    value = get(TableAgent("one").api_context(), "/v1/agent/self")
    assert isinstance(value, dict)
    assert (None, None, {}) == (value["Coord"], value["Member"], value["Meta"])


def test_version_is_told(get: Get, ctx: ApiContext) -> None:
    expected = {"SHA": "abc", "BuildDate": "1970-01-01T00:00:01Z", "HumanVersion": "0.1.0", "FIPS": ""}
    assert expected == get(ctx, "/v1/agent/version")


@pytest.mark.parametrize(
    ("target", "action"),
    [
        ("/v1/agent/join/10.0.0.2", Join("10.0.0.2")),
        ("/v1/agent/join/%5B2001:db8::1%5D:8301", Join("[2001:db8::1]:8301")),
        ("/v1/agent/join/h.example?wan=", Join("h.example")),
        ("/v1/agent/leave", Leave()),
        ("/v1/agent/force-leave/two", ForceLeave(NodeName("two"), prune=False)),
        ("/v1/agent/force-leave/two?prune", ForceLeave(NodeName("two"), prune=True)),
        ("/v1/agent/force-leave/t%77o?prune=1", ForceLeave(NodeName("two"), prune=True)),
    ],
)
def test_change_is_handed_to_the_agent(ask: Ask, ctx: ApiContext, target: str, action: object) -> None:
    outcome = ask(ctx, target, "PUT")
    assert isinstance(outcome, Perform)
    assert action == outcome.action
    assert (200, b"") == (outcome.answer(None).status, outcome.answer(None).body)


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/v1/agent/join/", 400, "Missing address to join"),
        ("/v1/agent/join/10.0.0.2?wan=1", 500, "nodedns has no WAN pool"),
        ("/v1/agent/force-leave/two?wan", 500, "nodedns has no WAN pool"),
        ("/v1/agent/force-leave/x", 500, "agent: No node found with name 'x'"),
        ("/v1/agent/force-leave/printer", 500, "agent: No node found with name 'printer'"),
    ],
)
def test_change_that_cannot_be_is_refused(ask: Ask, ctx: ApiContext, target: str, status: int, text: str) -> None:
    response = ask(ctx, target, "PUT")
    assert isinstance(response, Response)
    assert (status, text) == (response.status, response.body.decode())


def test_client_is_told_to_be_a_server_for_the_wan(ask: Ask, ctx: ApiContext) -> None:
    facts: AgentFacts = attrs.evolve(ctx.facts, is_server=False)
    response = ask(attrs.evolve(ctx, facts=facts), "/v1/agent/join/10.0.0.2?wan=1", "PUT")
    assert isinstance(response, Response)
    assert (500, b"Must be a server to join WAN cluster") == (response.status, response.body)


def test_reload_is_carried_out_and_answered_with_nothing(ask: Ask, ctx: ApiContext) -> None:
    outcome = ask(ctx, "/v1/agent/reload", "PUT")
    assert isinstance(outcome, Perform)
    assert (Reload(), 200, b"") == (outcome.action, outcome.answer(None).status, outcome.answer(None).body)
