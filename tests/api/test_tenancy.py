"""Namespaces, partitions and peers: there are none but our own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodedns.api.context import ApiContext
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import CheckRegistered, ServiceRegistered
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]
Get = Callable[..., object]


@pytest.mark.parametrize("path", ["/v1/catalog/services", "/v1/agent/services", "/v1/health/service/web"])
@pytest.mark.parametrize(("parameter", "kind"), [("ns", "Namespaces"), ("partition", "Partitions")])
def test_question_about_another_tenant_is_refused(
    ask: Ask, ctx: ApiContext, path: str, parameter: str, kind: str
) -> None:
    response = ask(ctx, f"{path}?{parameter}=team")
    assert isinstance(response, Response)
    text = f'Invalid query parameter: "{parameter}" - {kind} are a Consul Enterprise feature'
    assert (400, text) == (response.status, response.body.decode())


@pytest.mark.parametrize(
    ("header", "kind"), [("X-Consul-Namespace", "Namespaces"), ("X-Consul-Partition", "Partitions")]
)
def test_header_of_another_tenant_is_refused(ask: Ask, ctx: ApiContext, header: str, kind: str) -> None:
    response = ask(ctx, "/v1/catalog/services", **{header.lower(): "team"})
    assert isinstance(response, Response)
    text = f'Invalid header: "{header}" - {kind} are a Consul Enterprise feature'
    assert (400, text) == (response.status, response.body.decode())


@pytest.mark.parametrize("query", ["ns=", "ns=default", "partition=Default&ns=default"])
def test_default_tenant_is_where_everything_is(ask: Ask, ctx: ApiContext, query: str) -> None:
    response = ask(ctx, f"/v1/catalog/services?{query}", **{"x-consul-namespace": "default"})
    assert isinstance(response, Response)
    assert 200 == response.status


@pytest.mark.parametrize(
    ("path", "nothing"),
    [
        ("/v1/health/service/web", []),
        ("/v1/health/checks/web", []),
        ("/v1/health/node/one", []),
        ("/v1/health/state/any", []),
        ("/v1/catalog/service/web", []),
        ("/v1/catalog/nodes", []),
        ("/v1/catalog/services", {}),
        ("/v1/catalog/node/one", None),
        ("/v1/catalog/node-services/one", {"Node": None, "Services": []}),
    ],
)
def test_nothing_is_imported_from_a_peer(get: Get, agent: TableAgent, path: str, nothing: object) -> None:
    node = NodeName("one")
    check = Check("up", "up", CheckStatus.PASSING, service_id="web", service_name="web")
    agent.apply(ServiceRegistered(node, Service("web", "web")), CheckRegistered(node, check))
    assert nothing != get(agent.api_context(), path)
    assert nothing == get(agent.api_context(), f"{path}?peer=elsewhere")
