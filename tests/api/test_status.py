"""``/v1/status``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodedns.api.context import ApiContext
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.member import MemberStatus
from nodedns.table.changes import MemberUpserted
from nodedns.testing.table_agent import TableAgent, agent_member

Ask = Callable[..., Outcome]
Get = Callable[..., object]


def test_leader_is_the_first_alive_server_and_peers_are_all(get: Get, agent: TableAgent) -> None:
    agent.apply(
        MemberUpserted(agent_member("Also", "2001:db8::1", is_server=True)),
        MemberUpserted(agent_member("client", "10.0.0.8")),
    )
    assert "[2001:db8::1]:8301" == get(agent.api_context(), "/v1/status/leader")
    assert ["[2001:db8::1]:8301", "10.0.0.1:8301"] == get(agent.api_context(), "/v1/status/peers")


def test_nobody_leads_before_the_cluster_is_known(get: Get) -> None:
    agent = TableAgent(cluster_known=False, is_server=True)
    agent.apply(MemberUpserted(agent_member("one", is_server=True)))
    assert "" == get(agent.api_context(), "/v1/status/leader")
    assert [] == get(agent.api_context(), "/v1/status/peers")


def test_nobody_leads_once_the_server_left(get: Get) -> None:
    agent = TableAgent(is_server=True)
    agent.apply(MemberUpserted(agent_member("one", is_server=True, status=MemberStatus.LEFT)))
    assert "" == get(agent.api_context(), "/v1/status/leader")


@pytest.mark.parametrize("path", ["/v1/status/leader", "/v1/status/peers"])
def test_client_without_servers_says_so(ask: Ask, path: str) -> None:
    response = ask(TableAgent().api_context(), path)
    assert isinstance(response, Response)
    assert (500, b"No known Consul servers") == (response.status, response.body)


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [("dc=dc9", 500, "No path to datacenter"), ("stale&consistent", 400, "Cannot specify ?stale with ?consistent")],
)
def test_status_checks_its_parameters(ask: Ask, ctx: ApiContext, query: str, status: int, text: str) -> None:
    response = ask(ctx, f"/v1/status/leader?{query}")
    assert isinstance(response, Response)
    assert status == response.status
    assert response.body.decode().startswith(text)
