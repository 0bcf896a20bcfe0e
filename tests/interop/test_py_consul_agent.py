"""Services and checks of an agent through py-consul and curl."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import consul
import pytest
from consul.exceptions import BadRequest

from nodedns.testing.curl import curl
from nodedns.testing.loopback import HTTP_PORT, LoneAgent, lone_agent


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path_factory.mktemp("agent")) as made:
        made.start()
        yield made


@pytest.fixture
def client(agent: LoneAgent) -> Iterator[Any]:
    """A client of an agent with nothing registered."""
    made = consul.Consul(host=agent.host, port=HTTP_PORT)
    yield made
    for check_id in made.agent.checks():
        made.agent.check.deregister(check_id)
    for service_id in made.agent.services():
        made.agent.service.deregister(service_id)


def status_of(client: Any, check_id: str) -> tuple[str, str]:
    check = client.agent.checks()[check_id]
    return check["Status"], check["Output"]


def test_service_comes_and_goes(client: Any) -> None:
    registered = client.agent.service.register(
        "web",
        service_id="web1",
        address="10.1.2.3",
        port=8000,
        tags=["v1"],
        meta={"rack": "a"},
        weights={"Passing": 5, "Warning": 1},
        check=consul.Check.ttl("10s"),
        extra_checks=[{"name": "second", "ttl": "20s"}],
        tagged_addresses={"wan": {"Address": "192.0.2.1", "Port": 80}},
    )
    assert registered is True
    service = client.agent.services()["web1"]
    assert ("web", "10.1.2.3", 8000, ["v1"], {"rack": "a"}) == tuple(
        service[key] for key in ("Service", "Address", "Port", "Tags", "Meta")
    )
    assert {"Passing": 5, "Warning": 1} == service["Weights"]
    assert ["lan_ipv4", "wan", "wan_ipv4"] == list(service["TaggedAddresses"])
    assert ["service:web1:1", "service:web1:2"] == list(client.agent.checks())
    assert service["Port"] == client.agent.service_definition("web1")["Port"]
    assert {} == client.agent.services(filter_expr='"v2" in Tags')

    assert client.agent.service.deregister("web1") is True
    assert ({}, {}) == (client.agent.services(), client.agent.checks())


def test_ttl_check_is_told_how_things_are(client: Any) -> None:
    client.agent.service.register("web")
    assert client.agent.check.register("ping", check=consul.Check.ttl("60s"), service_id="web", notes="why") is True
    assert ("critical", "") == status_of(client, "ping")
    assert "why" == client.agent.checks()["ping"]["Notes"]
    client.agent.check.ttl_pass("ping", notes="fine")
    assert ("passing", "fine") == status_of(client, "ping")
    client.agent.check.ttl_warn("ping", notes="odd")
    assert ("warning", "odd") == status_of(client, "ping")
    client.agent.check.ttl_fail("ping", notes="x" * 5000)
    status, output = status_of(client, "ping")
    assert ("critical", True) == (status, output.endswith(" ... (captured 4096 of 5000 bytes)"))
    assert ["ping"] == list(client.agent.checks(filter_expr="Status == critical"))
    assert client.agent.check.deregister("ping") is True
    assert client.agent.check.deregister("ping") is False


def test_replacing_existing_checks(client: Any) -> None:
    client.agent.service.register("web", check=consul.Check.ttl("10s"), extra_checks=[{"id": "more", "ttl": "9s"}])
    client.agent.service.register("web", check=consul.Check.ttl("10s"))
    assert ["more", "service:web", "service:web:1"] == list(client.agent.checks())
    client.agent.service.register("web", check=consul.Check.ttl("10s"), replace_existing_checks=True)
    assert ["service:web"] == list(client.agent.checks())


def test_maintenance_takes_out_of_dns_and_back(client: Any, agent: LoneAgent, dig_program: Path) -> None:
    client.agent.service.register("web", address="10.1.2.3")
    assert ["10.1.2.3"] == agent.dig("web.service.consul").data
    assert client.agent.service.maintenance("web", True, reason="disk") is True
    assert [] == agent.dig("web.service.consul").data
    assert "disk" == client.agent.checks()["_service_maintenance:web"]["Notes"]
    assert client.agent.service.maintenance("web", False) is True
    assert client.agent.maintenance(True, reason="all") is True
    assert ["_node_maintenance"] == list(client.agent.checks())
    assert [] == agent.dig("web.service.consul").data
    assert client.agent.maintenance(False) is True
    assert ["10.1.2.3"] == agent.dig("web.service.consul").data


def test_what_is_wrong_is_told_as_it_is_with_consul(client: Any) -> None:
    with pytest.raises(BadRequest, match="400 Missing service name"):
        client.agent.service.register("")
    with pytest.raises(BadRequest, match="400 Invalid check: Interval must be > 0"):
        client.agent.check.register("x", check={"tcp": "127.0.0.1:1"})
    with pytest.raises(consul.ConsulException, match="500 Scripts are disabled on this agent from remote calls"):
        client.agent.check.register("x", check=consul.Check.script(["/bin/true"], "10s"))
    client.agent.check.register("x", check={"alias_node": "lone"})
    with pytest.raises(consul.ConsulException, match='500 CheckID "x" does not have associated TTL'):
        client.agent.check.ttl_pass("x")
    assert client.agent.check.register("y", check=consul.Check.ttl("10s"), service_id="absent") is False
    assert client.agent.service.maintenance("absent", True) is False
    assert client.agent.service.deregister("absent") is False


def test_curl_asks_for_health_by_name_and_id(client: Any, agent: LoneAgent) -> None:
    client.agent.service.register("web", service_id="web1", check=consul.Check.ttl("60s"))
    for path in ("name/web", "id/web1"):
        assert ("503", "critical") == curl(agent, f"/v1/agent/health/service/{path}?format=text")
    client.agent.check.ttl_warn("service:web1")
    assert ("429", "warning") == curl(agent, "/v1/agent/health/service/name/web", "-H", "Accept: text/plain")
    client.agent.check.ttl_pass("service:web1")
    status, body = curl(agent, "/v1/agent/health/service/id/web1")
    assert ("200", "passing") == (status, json.loads(body)["AggregatedStatus"])
    assert ("404", "[]") == curl(agent, "/v1/agent/health/service/name/web1")


def test_curl_waits_for_a_service_to_change(client: Any, agent: LoneAgent) -> None:
    client.agent.service.register("web", port=1)
    known = client.agent.service_definition("web")["ContentHash"]
    status, body = curl(agent, f"/v1/agent/service/web?hash={known}&wait=100ms")
    assert ("200", 1) == (status, json.loads(body)["Port"])
    client.agent.service.register("web", port=2)
    status, body = curl(agent, f"/v1/agent/service/web?hash={known}&wait=60s")
    assert ("200", 2) == (status, json.loads(body)["Port"])


def test_body_that_is_no_json_or_too_long_is_refused(agent: LoneAgent, tmp_path: Path) -> None:
    path = "/v1/agent/service/register"
    status, body = curl(agent, path, "-X", "PUT", "-d", "{")
    assert ("400", True) == (status, body.startswith("Request decode failed: "))
    long = tmp_path / "long"
    long.write_bytes(b'{"Name": "' + b"x" * 600_000 + b'"}')
    assert "413" == curl(agent, path, "-X", "PUT", "-H", "Expect:", "--data-binary", f"@{long}")[0]
