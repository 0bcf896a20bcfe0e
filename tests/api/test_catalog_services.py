"""``/v1/catalog`` of services."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nodedns.api.blocking import Wait
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.check import Check, CheckStatus
from nodedns.model.coordinate import ORIGIN, Coordinate
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service, ServiceAddress, Weights
from nodedns.table.changes import (
    CheckRegistered,
    ExternalNode,
    NodeDeregistered,
    NodeRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.table.parts import INSTANCES, SERVICES, service_part
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]
Get = Callable[..., object]

FULL = Service(
    "web2",
    "WEB",
    ("V2", "v1"),
    "192.0.2.4",
    8080,
    {"version": "2"},
    {"wan": ServiceAddress("192.0.2.5", 80)},
    Weights(10, 1),
    enable_tag_override=True,
    ports=(NamedPort("http", 8080, is_default=True),),
    socket_path="/run/web",
)


def on(node: str, service: Service) -> ServiceRegistered:
    return ServiceRegistered(NodeName(node), service)


def index_of(response: Outcome) -> int:
    assert isinstance(response, Response)
    return int(dict(response.headers)["X-Consul-Index"])


@pytest.fixture
def agent(agent: TableAgent) -> TableAgent:
    """``agent`` with web on one and the printer, db on two; indexes 105 to 107."""
    agent.apply(
        on("printer", FULL), on("one", Service("web1", "web", ("v1",), port=80)), on("two", Service("db", "db"))
    )
    return agent


def test_services_are_listed_with_all_their_tags(get: Get, agent: TableAgent) -> None:
    found: Any = get(agent.api_context(), "/v1/catalog/services")
    assert [("consul", []), ("db", []), ("web", ["V2", "v1"])] == list(found.items())


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("node-meta=rack:one", {"consul": [], "web": ["v1"]}),
        ("node-meta=rack:absent", {}),
        ("filter=ServicePort%20==%208080", {"WEB": ["V2", "v1"]}),
        ("filter=ServiceName%20!=%20consul&node-meta=rack:two", {"db": []}),
        ('filter="v1"%20in%20ServiceTags', {"web": ["V2", "v1"]}),
    ],
)
def test_services_are_those_with_an_instance_asked_for(
    get: Get, agent: TableAgent, query: str, names: dict[str, list[str]]
) -> None:
    found: Any = get(agent.api_context(), f"/v1/catalog/services?{query}")
    assert {name.lower(): tags for name, tags in names.items()} == {name.lower(): tags for name, tags in found.items()}


def test_no_services_are_an_empty_object(get: Get) -> None:
    assert {} == get(TableAgent().api_context(), "/v1/catalog/services")


def test_instance_has_consuls_fields_in_consuls_order(get: Get, agent: TableAgent) -> None:
    found: Any = get(agent.api_context(), "/v1/catalog/service/web")
    wanted = {
        "ID": "",
        "Node": "printer",
        "Address": "10.0.0.9",
        "Datacenter": "dc1",
        "TaggedAddresses": {"lan": "10.0.0.9", "wan": "192.0.2.9"},
        "NodeMeta": {},
        "ServiceKind": "",
        "ServiceID": "web2",
        "ServiceName": "WEB",
        "ServiceTags": ["V2", "v1"],
        "ServiceAddress": "192.0.2.4",
        "ServiceTaggedAddresses": {"wan": {"Address": "192.0.2.5", "Port": 80}},
        "ServiceWeights": {"Passing": 10, "Warning": 1},
        "ServiceMeta": {"version": "2"},
        "ServicePort": 8080,
        "ServicePorts": [{"Name": "http", "Port": 8080, "Default": True}],
        "ServiceSocketPath": "/run/web",
        "ServiceEnableTagOverride": True,
        "ServiceProxy": {"Mode": "", "MeshGateway": {}, "Expose": {}},
        "ServiceConnect": {},
        "CreateIndex": 105,
        "ModifyIndex": 105,
    }
    assert list(wanted.items()) == list(found[1].items())
    assert wanted.keys() - found[0].keys() == {"ServiceTaggedAddresses", "ServicePorts"}


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["web1", "web2"]),
        ("?tag=v1", ["web1", "web2"]),
        ("?tag=v1&tag=v2", ["web2"]),
        ("?tag=v1&tag=v3", []),
        ("?node-meta=rack:one", ["web1"]),
        ("?filter=ServiceMeta.version%20==%202", ["web2"]),
        ("?near=printer", ["web2", "web1"]),
    ],
)
@pytest.mark.parametrize("name", ["web", "Web"])
def test_instances_are_those_asked_for(get: Get, agent: TableAgent, name: str, query: str, ids: list[str]) -> None:
    agent.locate("printer", ORIGIN)
    agent.locate("one", Coordinate((0.01, *[0.0] * 7)))
    found: Any = get(agent.api_context(), f"/v1/catalog/service/{name}{query}")
    assert ids == [instance["ServiceID"] for instance in found]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/catalog/service/none",
        "/v1/catalog/connect/web",
        "/v1/catalog/gateway-services/web",
        "/v1/health/connect/web",
        "/v1/health/ingress/web",
    ],
)
def test_nothing_is_an_empty_list(get: Get, agent: TableAgent, path: str) -> None:
    assert [] == get(agent.api_context(), path)


@pytest.mark.parametrize(
    "path", ["catalog/service", "catalog/connect", "health/connect", "health/ingress", "health/checks"]
)
def test_service_without_a_name_is_missing(ask: Ask, agent: TableAgent, path: str) -> None:
    response = ask(agent.api_context(), f"/v1/{path}/")
    assert isinstance(response, Response)
    assert (400, b"Missing service name") == (response.status, response.body)


def test_names_wake_only_for_another_name_or_tag(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/services?index=107")
    assert isinstance(wait, Wait)
    assert SERVICES == wait.part
    agent.apply(
        on("printer", Service("web3", "web", ("v1",))),
        CheckRegistered(NodeName("one"), Check("c", "c", CheckStatus.CRITICAL)),
        NodeRegistered(ExternalNode(NodeName("other"), "", "10.0.0.7")),
    )
    again = wait.resume(agent.api_context())
    assert isinstance(again, Wait)
    agent.apply(on("printer", Service("web3", "web", ("v3",))))
    response = again.resume(agent.api_context())
    assert 111 == index_of(response)


def test_narrowed_names_wake_for_any_instance(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/services?index=107&node-meta=rack:one")
    assert isinstance(wait, Wait)
    assert INSTANCES == wait.part
    agent.apply(CheckRegistered(NodeName("one"), Check("c", "c", CheckStatus.CRITICAL)))
    again = wait.resume(agent.api_context())
    assert isinstance(again, Wait)
    agent.apply(on("one", Service("web3", "web", ("v1",))))
    assert 109 == index_of(again.resume(agent.api_context()))


def test_instances_sleep_through_health_and_wake_for_what_is_shown(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/service/Web?index=107")
    assert isinstance(wait, Wait)
    assert service_part("web") == wait.part
    agent.apply(CheckRegistered(NodeName("one"), Check("c", "c", CheckStatus.CRITICAL)))
    again = wait.resume(agent.api_context())
    assert isinstance(again, Wait)
    agent.apply(NodeRegistered(ExternalNode(NodeName("printer"), "", "10.0.0.10")))
    response = again.resume(agent.api_context())
    assert isinstance(response, Response)
    assert 109 == index_of(response)
    assert ["10.0.0.1", "10.0.0.10"] == [instance["Address"] for instance in json.loads(response.body)]


def test_service_that_goes_and_comes_wakes_each_time_with_a_higher_index(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/catalog/service/db?index=107")
    assert isinstance(wait, Wait)
    agent.apply(ServiceDeregistered(NodeName("two"), "db"))
    gone = wait.resume(agent.api_context())
    assert isinstance(gone, Response)
    assert (108, b"[]") == (index_of(gone), gone.body)
    missing = ask(agent.api_context(), "/v1/catalog/service/db?index=108")
    assert isinstance(missing, Wait)
    agent.apply(on("one", Service("cache", "cache")))
    still = missing.resume(agent.api_context())
    assert isinstance(still, Wait)
    agent.apply(on("one", Service("db", "db")))
    assert 110 == index_of(still.resume(agent.api_context()))


def test_services_of_a_node_that_goes_are_gone(get: Get, agent: TableAgent) -> None:
    agent.apply(NodeDeregistered(NodeName("printer")))
    found: Any = get(agent.api_context(), "/v1/catalog/service/web")
    assert ["web1"] == [instance["ServiceID"] for instance in found]
