"""py-consul, curl, and the call sequences of Traefik and fabio, against a running agent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import consul
import pytest

from nodedns.testing.loopback import HTTP_PORT, LoneAgent, lone_agent
from nodedns.testing.processes import DEADLINE_S, nodedns_program, run_program
from nodedns.testing.programs import require_program

T = TypeVar("T")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path_factory.mktemp("agent")) as made:
        made.start("-node-meta=rack:a7")
        yield made


@pytest.fixture
def client(agent: LoneAgent) -> Iterator[consul.Consul]:
    """A client; what it registers on node ``cam`` is gone afterwards."""
    made = consul.Consul(host=agent.host, port=HTTP_PORT)
    yield made
    for node in ("cam", "tap"):
        assert made.catalog.deregister(node)


def register(agent: LoneAgent, node: str, service: dict[str, Any], status: str = "passing") -> None:
    body = {
        "Node": node,
        "Address": "10.0.0.7",
        "NodeMeta": {"kind": node},
        "Service": service,
        "Check": {"CheckID": f"{service['Service']}-up", "ServiceID": service["Service"], "Status": status},
    }
    assert (200, "true") == agent.http("PUT", "/v1/catalog/register", body)


def while_waiting(ask: Callable[[], T], change: Callable[[], object]) -> T:
    """Return what a blocking query answers that is under way while something changes."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(ask()), daemon=True)
    thread.start()
    thread.join(0.3)
    assert [] == found, "the query was answered before anything changed"
    change()
    thread.join(DEADLINE_S)
    assert found, "the query was not answered"
    return found[0]


def test_py_consul_reads_the_catalog(client: consul.Consul, agent: LoneAgent) -> None:
    register(agent, "cam", {"Service": "web", "Port": 80, "Tags": ["v1", "blue"], "Meta": {"version": "1"}})
    register(agent, "tap", {"Service": "web", "Port": 81, "Tags": ["v1"]})
    services = client.catalog.services()[1]
    _, everywhere = client.catalog.service("web")
    _, blue = client.catalog.service("web", tag="blue")
    _, by_meta = client.catalog.service("web", node_meta={"kind": "tap"})
    _, near = client.catalog.service("web", near="_agent")
    _, node = client.catalog.node("cam")

    assert {"consul": [], "web": ["blue", "v1"]} == services
    assert [80, 81] == [instance["ServicePort"] for instance in everywhere] == [one["ServicePort"] for one in near]
    assert ["cam"] == [instance["Node"] for instance in blue]
    assert ["tap"] == [instance["Node"] for instance in by_meta]
    assert {"version": "1"} == node["Services"]["web"]["Meta"]
    assert {"web": ["v1"]} == client.catalog.services(node_meta={"kind": "tap"})[1]
    assert (None, ["dc1"]) == (client.catalog.node("nobody")[1], client.catalog.datacenters())


def test_py_consul_reads_health(client: consul.Consul, agent: LoneAgent) -> None:
    register(agent, "cam", {"Service": "web", "Port": 80, "Tags": ["v1", "blue"]})
    register(agent, "tap", {"Service": "web", "Port": 81, "Tags": ["v1"]}, "critical")
    every, passing = client.health.service("web")[1], client.health.service("web", passing=True)[1]
    tagged = client.health.service("web", tag=["v1", "blue"])[1]

    assert ["cam", "tap"] == [instance["Node"]["Node"] for instance in every]
    assert ["cam"] == [instance["Node"]["Node"] for instance in passing]
    assert ["cam"] == [instance["Node"]["Node"] for instance in tagged]
    assert ["web-up"] == [check["CheckID"] for check in client.health.node("tap")[1]]
    assert ["passing", "critical"] == [check["Status"] for check in client.health.checks("web")[1]]
    assert [("tap", "web-up")] == [(c["Node"], c["CheckID"]) for c in client.health.state("critical")[1]]
    assert ("lone", "serfHealth") in [(c["Node"], c["CheckID"]) for c in client.health.state("any")[1]]


def test_py_consul_waits_for_a_service_to_come_turn_and_go(client: consul.Consul, agent: LoneAgent) -> None:
    web = {"Service": "web", "Port": 80}
    index = client.health.service("web")[0]

    def wait() -> tuple[str, list[Any]]:
        answer: tuple[str, list[Any]] = client.health.service("web", index=index, wait="60s", passing=True)
        return answer

    index, found = while_waiting(wait, lambda: register(agent, "cam", web))
    assert ["cam"] == [instance["Node"]["Node"] for instance in found]
    seen = [int(index)]
    for change, count in (
        (lambda: register(agent, "cam", web, "warning"), 0),
        (lambda: register(agent, "cam", web), 1),
        (lambda: client.catalog.deregister("cam", service_id="web"), 0),
    ):
        index, found = while_waiting(wait, change)
        seen.append(int(index))
        assert count == len(found)
    assert sorted(set(seen)) == seen


def test_py_consul_waits_out_the_changes_of_other_services(client: consul.Consul, agent: LoneAgent) -> None:
    register(agent, "cam", {"Service": "web"})
    index, before = client.catalog.service("web")
    found: list[tuple[str, list[Any]]] = []
    wait = threading.Thread(target=lambda: found.append(client.catalog.service("web", index=index, wait="2s")))
    wait.start()
    for port in range(1, 50):
        register(agent, "tap", {"Service": "other", "Port": port})
    wait.join(DEADLINE_S)

    assert [(index, before)] == found


@pytest.mark.parametrize(
    ("path", "expression", "names"),
    [
        ("/v1/catalog/nodes", "Meta.rack == a7", ["lone"]),
        ("/v1/catalog/service/web", 'ServiceTags contains v1 and NodeMeta["kind"] != lone', ["cam"]),
        ("/v1/health/service/web", 'Service.Port == 80 and Checks.Status == "passing"', ["cam"]),
        ("/v1/health/state/any", "CheckID matches `^serf` or ServiceName == web", ["cam", "lone"]),
    ],
)
def test_curl_filters(client: consul.Consul, agent: LoneAgent, path: str, expression: str, names: list[str]) -> None:
    register(agent, "cam", {"Service": "web", "Port": 80, "Tags": ["v1"]})
    program = require_program("curl", package="curl")
    url = f"http://{agent.host}:{HTTP_PORT}{path}"
    done = run_program([program, "-sS", "--fail", "--get", url, "--data-urlencode", f"filter={expression}"])
    assert 0 == done.code, done.err
    found = [item["Node"] for item in json.loads(done.out)]

    assert names == sorted(node if isinstance(node, str) else node["Node"] for node in found)


def test_py_consul_registers_and_deregisters(client: consul.Consul) -> None:
    assert client.catalog.register("cam", "10.0.0.7", service={"Service": "web", "Port": 80}, check={"name": "up"})
    assert ["web"] == list(client.catalog.node("cam")[1]["Services"])
    assert ["critical"] == [check["Status"] for check in client.health.node("cam")[1]]
    assert client.catalog.deregister("cam", check_id="up")
    assert client.catalog.deregister("cam", service_id="web")
    assert ({}, []) == (client.catalog.node("cam")[1]["Services"], client.health.node("cam")[1])
    with pytest.raises(consul.ConsulException, match="Must provide node"):
        client.catalog.register("", "10.0.0.7")


def test_prometheus_finds_its_targets(client: consul.Consul, agent: LoneAgent) -> None:
    """The datacenter, the names with an index to wait by, then each service; what its labels are made of."""
    register(agent, "cam", {"Service": "web", "Port": 80, "Tags": ["v1"], "Meta": {"version": "1"}})
    datacenter = client.agent.self()["Config"]["Datacenter"]
    index, names = client.catalog.services(consistency="stale", node_meta={"kind": "cam"})
    _, text = agent.http("GET", "/v1/health/service/web?node-meta=kind%3Acam&stale=&tag=v1")
    (found,) = json.loads(text)
    later, _ = while_waiting(
        lambda: client.catalog.services(index=index, wait="120000ms", consistency="stale", node_meta={"kind": "cam"}),
        lambda: client.catalog.deregister("cam"),
    )

    assert ("dc1", {"web": ["v1"]}) == (datacenter, names)
    assert ("cam", "10.0.0.7", {"kind": "cam"}) == tuple(found["Node"][key] for key in ("Node", "Address", "Meta"))
    assert ("web", "", 80, {"version": "1"}) == tuple(
        found["Service"][key] for key in ("ID", "Address", "Port", "Meta")
    )
    assert ["passing"] == [check["Status"] for check in found["Checks"]]
    assert int(later) > int(index)


def test_traefik_finds_its_services(client: consul.Consul, agent: LoneAgent) -> None:
    """The names, then the instances by tag, then every check, as its catalog provider asks."""
    register(agent, "cam", {"Service": "web", "Port": 80, "Tags": ["traefik.enable=true", "a,b"]})
    register(agent, "tap", {"Service": "db", "Port": 81})
    _, names = agent.http("GET", "/v1/catalog/services?stale=")
    found = {}
    for name in json.loads(names):
        _, text = agent.http("GET", f"/v1/health/service/{name}?tag=traefik.enable%3Dtrue&cached=")
        found[name] = json.loads(text)
    _, connect = agent.http("GET", "/v1/health/connect/web?stale=")
    _, checks = agent.http("GET", "/v1/health/state/any")

    assert {"consul": 0, "db": 0, "web": 1} == {name: len(instances) for name, instances in found.items()}
    node, service = found["web"][0]["Node"], found["web"][0]["Service"]
    assert (36, "dc1", "10.0.0.7") == (len(node["ID"]), node["Datacenter"], node["Address"])
    assert (["traefik.enable=true", "a,b"], 80) == (service["Tags"], service["Port"])
    assert [] == json.loads(connect)
    assert {("cam", "web-up"), ("tap", "db-up"), ("lone", "serfHealth")} == {
        (check["Node"], check["CheckID"]) for check in json.loads(checks)
    }


def test_fabio_builds_its_table_of_routes(client: consul.Consul, agent: LoneAgent) -> None:
    """The datacenter, every check with an index to wait by, then each service that passes."""
    register(agent, "cam", {"Service": "web", "Port": 80, "Tags": ["urlprefix-/web"]})
    datacenter = client.agent.self()["Config"]["Datacenter"]
    index, checks = client.health.state("any")
    passing = {check["ServiceName"] for check in checks if check["ServiceID"] and check["Status"] == "passing"}
    routes = {
        f"{instance['Node']}.{instance['ServiceID']}": (instance["ServiceAddress"] or instance["Address"])
        for name in passing
        for instance in client.catalog.service(name)[1]
    }
    later, _ = while_waiting(
        lambda: client.health.state("any", index=index, wait="60s"),
        lambda: register(agent, "cam", {"Service": "web"}, "critical"),
    )

    assert ("dc1", {"cam.web": "10.0.0.7"}) == (datacenter, routes)
    assert int(later) > int(index)


def test_commands_list_services_and_the_nodes_that_have_one(client: consul.Consul, agent: LoneAgent) -> None:
    register(agent, "cam", {"Service": "web", "Tags": ["v1"]})

    assert "consul\nweb         v1\n" == _catalog(agent, "services", "-tags")
    assert "web\n" == _catalog(agent, "services", "-node=cam")
    assert ["Node", "cam"] == [line.split()[0] for line in _catalog(agent, "nodes", "-service=web").splitlines()]
    filtered = _catalog(agent, "nodes", "-filter=Meta.rack == a7")
    assert ["Node", "lone"] == [line.split()[0] for line in filtered.splitlines()]


def _catalog(agent: LoneAgent, *words: str) -> str:
    done = run_program([nodedns_program(), "catalog", words[0], f"-http-addr={agent.host}:{HTTP_PORT}", *words[1:]])
    assert (0, "") == (done.code, done.err)
    return done.out
