"""Query parameters, index headers, and when a blocking query wakes."""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs
import pytest

from nodedns.api.blocking import Wait
from nodedns.api.context import ApiContext
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode, MemberUpserted, NodeDeregistered, NodeRegistered
from nodedns.testing.chance import seeded_random
from nodedns.testing.table_agent import TableAgent, agent_member

Ask = Callable[..., Outcome]


def external(name: str, address: str = "10.0.0.7") -> NodeRegistered:
    return NodeRegistered(ExternalNode(NodeName(name), "", address))


def index_of(response: Response) -> int:
    return int(dict(response.headers)["X-Consul-Index"])


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("wait=5", "Invalid wait time"),
        ("wait=soon&index=1", "Invalid wait time"),
        ("index=-1", "Invalid index"),
        ("index=1.0", "Invalid index"),
        ("index=x", "Invalid index"),
        ("index=18446744073709551616", "Invalid index"),
        ("index=%D9%A3", "Invalid index"),
        ("max_stale=x", 'Invalid max_stale value "x"'),
        ("stale&consistent", "Cannot specify ?stale with ?consistent, conflicting semantics."),
        ("cached&consistent=1", "Cannot specify ?cached with ?consistent, conflicting semantics."),
    ],
)
def test_bad_parameter_is_400_with_consuls_text(ask: Ask, ctx: ApiContext, query: str, text: str) -> None:
    response = ask(ctx, f"/v1/catalog/nodes?{query}")
    assert isinstance(response, Response)
    assert (400, text) == (response.status, response.body.decode())


@pytest.mark.parametrize("value", ["max-age=x", "must-revalidate, max-age=", "stale-if-error=1s"])
def test_bad_cache_control_is_400(ask: Ask, ctx: ApiContext, value: str) -> None:
    response = ask(ctx, "/v1/catalog/nodes", cache_control=value)
    assert isinstance(response, Response)
    assert (400, b"Invalid Cache-Control header.") == (response.status, response.body)


@pytest.mark.parametrize(
    "query",
    ["stale", "stale=1", "consistent", "cached", "max_stale=5s&stale", "dc=DC1", "datacenter=dc1&dc=x", "index="],
)
def test_good_parameters_are_taken(ask: Ask, ctx: ApiContext, query: str) -> None:
    response = ask(ctx, f"/v1/catalog/nodes?{query}", cache_control="max-age=30, must-revalidate, no-cache")
    assert isinstance(response, Response)
    assert 200 == response.status


@pytest.mark.parametrize("query", ["dc=dc9", "datacenter=dc9&dc=dc1"])
def test_other_datacenter_has_no_path(ask: Ask, ctx: ApiContext, query: str) -> None:
    response = ask(ctx, f"/v1/catalog/nodes?{query}")
    assert isinstance(response, Response)
    assert (500, b"No path to datacenter") == (response.status, response.body)


def test_answer_carries_the_headers(ask: Ask, ctx: ApiContext) -> None:
    response = ask(ctx, "/v1/catalog/nodes")
    assert isinstance(response, Response)
    assert {
        "Content-Type": "application/json",
        "X-Consul-Index": "104",
        "X-Consul-KnownLeader": "true",
        "X-Consul-LastContact": "0",
        "X-Consul-Effective-Consistency": "stale",
        "X-Consul-Query-Backend": "blocking-query",
    } == dict(response.headers)


def test_no_leader_is_known_without_servers(ask: Ask) -> None:
    response = ask(TableAgent().api_context(), "/v1/catalog/nodes")
    assert isinstance(response, Response)
    assert "false" == dict(response.headers)["X-Consul-KnownLeader"]


def test_unknown_cluster_answers_only_who_takes_stale_data(ask: Ask) -> None:
    ctx = TableAgent(cluster_known=False).api_context()
    refused, answered = ask(ctx, "/v1/catalog/nodes"), ask(ctx, "/v1/catalog/nodes?stale")
    assert isinstance(refused, Response)
    assert isinstance(answered, Response)
    assert (500, b"No cluster leader") == (refused.status, refused.body)
    assert (200, b"[]") == (answered.status, answered.body)


@pytest.mark.parametrize("index", [0, 1, 103, 105, 10**19])
def test_index_that_differs_is_answered_at_once(ask: Ask, ctx: ApiContext, index: int) -> None:
    response = ask(ctx, f"/v1/catalog/nodes?index={index}")
    assert isinstance(response, Response)
    assert 104 == index_of(response)


def test_current_index_waits_and_wakes_with_the_change(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/nodes?index=104")
    assert isinstance(wait, Wait)
    assert 104 == wait.view_index
    agent.apply(external("new"))
    response = wait.resume(agent.api_context())
    assert isinstance(response, Response)
    assert 105 == index_of(response)
    assert b'"new"' in response.body


def test_expired_wait_answers_what_there_is(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/nodes?index=104")
    assert isinstance(wait, Wait)
    response = wait.expire(agent.api_context())
    assert (200, 104) == (response.status, index_of(response))


@pytest.mark.parametrize(
    ("query", "at_least_s"),
    [("", 300), ("&wait=0", 300), ("&wait=-5s", 300), ("&wait=16s", 16), ("&wait=2h", 600), ("&wait=120000ms", 120)],
)
def test_time_out_is_bounded_and_spread_by_a_sixteenth(ask: Ask, ctx: ApiContext, query: str, at_least_s: int) -> None:
    times = set()
    for seed in range(20):
        wait = ask(attrs.evolve(ctx, rng=seeded_random(seed)), f"/v1/catalog/nodes?index=104{query}")
        assert isinstance(wait, Wait)
        times.add(wait.timeout_s)
    assert at_least_s <= min(times) < max(times) <= at_least_s * 17 / 16
    assert max(times) - min(times) > at_least_s / 32


def test_wait_for_a_node_sleeps_through_changes_of_others(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/node/PRINTER?index=104")
    assert isinstance(wait, Wait)
    agent.apply(external("other"), MemberUpserted(agent_member("four")))
    again = wait.resume(agent.api_context())
    assert isinstance(again, Wait)
    assert (106, wait.timeout_s) == (again.view_index, again.timeout_s)
    agent.apply(external("printer", "10.0.0.8"))
    response = again.resume(agent.api_context())
    assert isinstance(response, Response)
    assert (107, "10.0.0.8") == (index_of(response), json.loads(response.body)["Node"]["Address"])


def test_wait_for_a_node_wakes_when_it_goes(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/node/printer?index=104")
    assert isinstance(wait, Wait)
    agent.apply(NodeDeregistered(NodeName("printer")))
    response = wait.resume(agent.api_context())
    assert isinstance(response, Response)
    assert (105, b"null") == (index_of(response), response.body)


def test_wait_for_a_missing_node_wakes_only_when_it_comes(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/node/new?index=104")
    assert isinstance(wait, Wait)
    agent.apply(external("other"))
    again = wait.resume(agent.api_context())
    assert isinstance(again, Wait)
    agent.apply(external("new"))
    response = again.resume(agent.api_context())
    assert isinstance(response, Response)
    assert 106 == index_of(response)
