"""``/v1/catalog`` of nodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nodedns.api.blocking import Wait
from nodedns.api.context import ApiContext
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.check import Check, CheckStatus
from nodedns.model.coordinate import ORIGIN, Coordinate
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import CheckRegistered, ExternalNode, NodeRegistered, ServiceRegistered
from nodedns.table.parts import NODES, node_part
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]
Get = Callable[..., object]


def test_datacenters_are_listed(get: Get, ctx: ApiContext) -> None:
    assert ["dc1"] == get(ctx, "/v1/catalog/datacenters")


def test_nodes_are_those_not_left_by_name(get: Get, ctx: ApiContext) -> None:
    nodes = get(ctx, "/v1/catalog/nodes")
    assert isinstance(nodes, list)
    assert ["one", "printer", "two"] == [node["Node"] for node in nodes]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("node-meta=rack:two", ["two"]),
        ("node-meta=rack:two&node-meta=x:y", []),
        ("node-meta=rack", []),
        ("node-meta=absent", []),
    ],
)
def test_nodes_are_kept_by_their_meta(get: Get, ctx: ApiContext, query: str, names: list[str]) -> None:
    nodes = get(ctx, f"/v1/catalog/nodes?{query}")
    assert isinstance(nodes, list)
    assert names == [node["Node"] for node in nodes]


@pytest.mark.parametrize(("near", "names"), [("_agent", ["one", "two", "printer"]), ("two", ["two", "one", "printer"])])
def test_nodes_near_one_come_in_order_of_distance(get: Get, agent: TableAgent, near: str, names: list[str]) -> None:
    agent.locate("one", ORIGIN)
    agent.locate("two", Coordinate((0.01, *[0.0] * 7)))
    nodes = get(agent.api_context(), f"/v1/catalog/nodes?near={near}")
    assert isinstance(nodes, list)
    assert names == [node["Node"] for node in nodes]


def test_nodes_are_kept_by_a_filter(get: Get, ctx: ApiContext) -> None:
    nodes = get(ctx, "/v1/catalog/nodes?filter=Meta.rack%20!=%20two")
    assert isinstance(nodes, list)
    assert ["one", "printer"] == [node["Node"] for node in nodes]


def test_bad_filter_is_500_with_consuls_text(ask: Ask, ctx: ApiContext) -> None:
    response = ask(ctx, "/v1/catalog/nodes?filter=Name%20==%20x")
    assert isinstance(response, Response)
    text = b'Failed to create boolean expression evaluator: Selector "Name" is not valid'
    assert (500, text) == (response.status, response.body)


def test_server_has_the_service_of_servers(get: Get, ctx: ApiContext) -> None:
    node: Any = get(ctx, "/v1/catalog/node/ONE")
    assert ["Node", "Services"] == list(node)
    assert "one" == node["Node"]["Node"]
    assert ["consul"] == list(node["Services"])


def test_node_shows_its_services_by_id(get: Get, agent: TableAgent) -> None:
    web = Service("web2", "web", ("v2", "v1"), "10.0.0.9", 80, {"b": "2", "a": "1"})
    agent.apply(
        ServiceRegistered(NodeName("printer"), web), ServiceRegistered(NodeName("printer"), Service("db", "db"))
    )
    node: Any = get(agent.api_context(), "/v1/catalog/node/printer")
    wanted = {
        "ID": "web2",
        "Service": "web",
        "Tags": ["v2", "v1"],
        "Address": "10.0.0.9",
        "Meta": {"a": "1", "b": "2"},
        "Port": 80,
        "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": False,
        "Proxy": {"Mode": "", "MeshGateway": {}, "Expose": {}},
        "Connect": {},
        "PeerName": "",
        "CreateIndex": 105,
        "ModifyIndex": 105,
    }
    assert ["db", "web2"] == list(node["Services"])
    assert list(wanted.items()) == list(node["Services"]["web2"].items())


@pytest.mark.parametrize("query", ["", "?filter=Service%20==%20db"])
def test_services_of_a_node_are_a_list_too(get: Get, agent: TableAgent, query: str) -> None:
    for name in ("db", "web"):
        agent.apply(ServiceRegistered(NodeName("printer"), Service(name, name)))
    found: Any = get(agent.api_context(), f"/v1/catalog/node-services/PRINTER{query}")
    by_id: Any = get(agent.api_context(), f"/v1/catalog/node/PRINTER{query}")
    assert found["Node"] == by_id["Node"]
    assert found["Services"] == list(by_id["Services"].values())
    assert (["db"] if query else ["db", "web"]) == list(by_id["Services"])


def test_unknown_node_has_no_list_of_services(get: Get, ctx: ApiContext) -> None:
    assert {"Node": None, "Services": []} == get(ctx, "/v1/catalog/node-services/nobody")


def test_wait_for_a_node_sleeps_through_its_health(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/node/printer?index=104")
    assert isinstance(wait, Wait)
    assert node_part("printer") == wait.part
    agent.apply(CheckRegistered(NodeName("printer"), Check("c", "c", CheckStatus.PASSING)))
    again = wait.resume(agent.api_context())
    assert isinstance(again, Wait)
    agent.apply(ServiceRegistered(NodeName("printer"), Service("db", "db")))
    response = again.resume(agent.api_context())
    assert isinstance(response, Response)
    assert ["db"] == list(json.loads(response.body)["Services"])


def test_wait_for_the_nodes_is_for_nodes_alone(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/nodes?index=104")
    assert isinstance(wait, Wait)
    assert NODES == wait.part
    agent.apply(ServiceRegistered(NodeName("printer"), Service("db", "db")))
    assert isinstance(wait.resume(agent.api_context()), Wait)


def test_name_of_a_node_may_hold_a_slash(get: Get, agent: TableAgent) -> None:
    agent.apply(NodeRegistered(ExternalNode(NodeName("a/b é"), "", "10.0.0.7")))
    node = get(agent.api_context(), "/v1/catalog/node/a%2Fb%20%C3%A9")
    assert isinstance(node, dict)
    assert "a/b é" == node["Node"]["Node"]


@pytest.mark.parametrize("name", ["nobody", "three"])
def test_unknown_node_is_null(get: Get, ctx: ApiContext, name: str) -> None:
    assert None is get(ctx, f"/v1/catalog/node/{name}")


@pytest.mark.parametrize("kind", ["node", "node-services"])
def test_empty_node_name_is_missing(ask: Ask, ctx: ApiContext, kind: str) -> None:
    response = ask(ctx, f"/v1/catalog/{kind}/")
    assert isinstance(response, Response)
    assert (400, b"Missing node name") == (response.status, response.body)
