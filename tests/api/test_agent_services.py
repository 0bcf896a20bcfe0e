"""``/v1/agent/services``, ``/v1/agent/service`` and maintenance."""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs
import pytest

from nodedns.api.actions import Perform
from nodedns.api.blocking import Topic, Wait
from nodedns.api.context import ApiContext, LocalReadings
from nodedns.api.local_actions import DeregisterService, RegisterService, SetMaintenance
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.checks.decode_service import decode_service_untrusted
from nodedns.checks.scripts import ScriptRights
from nodedns.model.service import NamedPort, Service, ServiceAddress, Weights
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]
Get = Callable[..., object]

SERVICES = "/v1/agent/services"
REGISTER = "/v1/agent/service/register"
WEB = Service(
    "web1",
    "web",
    ("v1", "eu"),
    "10.1.2.3",
    8000,
    {"rack": "a", "env": "x<y"},
    {"wan": ServiceAddress("192.0.2.1", 80), "lan": ServiceAddress("10.1.2.3", 8000)},
    Weights(10, 1),
)
DB = Service("db", "db", enable_tag_override=True, ports=(NamedPort("sql", 5432, is_default=True),), socket_path="/s")


@pytest.fixture
def agent() -> TableAgent:
    agent = TableAgent()
    agent.have(LocalReadings(services={"web1": WEB, "db": DB}, revision=3))
    return agent


@pytest.fixture
def ctx(agent: TableAgent) -> ApiContext:
    return agent.api_context()


def answered(outcome: Outcome) -> Response:
    assert isinstance(outcome, Response)
    return outcome


def test_services_are_listed_by_id_with_consul_s_fields_in_order(ask: Ask, ctx: ApiContext) -> None:
    expected = (
        '{"db":{"ID":"db","Service":"db","Tags":[],"Meta":{},"Port":0,'
        '"Ports":[{"Name":"sql","Port":5432,"Default":true}],"Address":"","SocketPath":"/s",'
        '"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":true,"Datacenter":"dc1"},'
        '"web1":{"ID":"web1","Service":"web","Tags":["v1","eu"],"Meta":{"env":"x\\u003cy","rack":"a"},"Port":8000,'
        '"Address":"10.1.2.3","TaggedAddresses":{"lan":{"Address":"10.1.2.3","Port":8000},'
        '"wan":{"Address":"192.0.2.1","Port":80}},"Weights":{"Passing":10,"Warning":1},'
        '"EnableTagOverride":false,"Datacenter":"dc1"}}'
    )
    assert expected == answered(ask(ctx, SERVICES)).body.decode()


def test_no_services_are_an_empty_object(ask: Ask) -> None:
    assert b"{}" == answered(ask(TableAgent().api_context(), SERVICES)).body


def test_services_are_there_before_the_cluster_is_known(ask: Ask) -> None:
    agent = TableAgent(cluster_known=False)
    assert 200 == answered(ask(agent.api_context(), SERVICES)).status


def test_services_are_filtered(get: Get, ask: Ask, ctx: ApiContext) -> None:
    kept = get(ctx, f'{SERVICES}?filter="v1"+in+Tags+and+Meta.rack==a')
    assert isinstance(kept, dict)
    assert ["web1"] == list(kept)
    assert 500 == answered(ask(ctx, f"{SERVICES}?filter=Bad+==+1")).status


def test_service_has_a_hash_in_body_and_header(ask: Ask, ctx: ApiContext) -> None:
    response = answered(ask(ctx, "/v1/agent/service/web1"))
    shape = json.loads(response.body)
    assert ["EnableTagOverride", "ContentHash", "Datacenter"] == list(shape)[-3:]
    assert ("X-Consul-ContentHash", shape["ContentHash"]) in response.headers
    assert len(shape["ContentHash"]) == 16


def test_unknown_service_is_not_found(ask: Ask, ctx: ApiContext) -> None:
    response = answered(ask(ctx, "/v1/agent/service/web"))
    assert (404, b"unknown service ID: web") == (response.status, response.body)


def hash_of(ask: Ask, ctx: ApiContext) -> str:
    told: str = json.loads(answered(ask(ctx, "/v1/agent/service/web1")).body)["ContentHash"]
    return told


def test_service_with_the_hash_that_the_client_has_is_waited_for(ask: Ask, agent: TableAgent) -> None:
    ctx = agent.api_context()
    known = hash_of(ask, ctx)
    wait = ask(ctx, f"/v1/agent/service/web1?hash={known}&wait=10s")
    assert isinstance(wait, Wait)
    assert (Topic.LOCAL, 3) == (wait.topic, wait.view_index)
    assert 10.0 <= wait.timeout_s <= 10.0 + 10.0 / 16
    agent.have(LocalReadings(services={"web1": WEB}, revision=4))
    again = wait.resume(agent.api_context())
    assert isinstance(again, Wait)
    expired = wait.expire(agent.api_context())
    assert (200, known) == (expired.status, json.loads(expired.body)["ContentHash"])
    agent.have(LocalReadings(services={"web1": attrs.evolve(WEB, port=1)}, revision=5))
    changed = again.resume(agent.api_context())
    assert isinstance(changed, Response)
    assert (1, False) == (json.loads(changed.body)["Port"], json.loads(changed.body)["ContentHash"] == known)


def test_service_that_the_client_knows_otherwise_is_answered_at_once(ask: Ask, ctx: ApiContext) -> None:
    assert isinstance(ask(ctx, "/v1/agent/service/web1?hash=0123456789abcdef"), Response)


def test_wait_that_is_no_duration_is_refused(ask: Ask, ctx: ApiContext) -> None:
    assert b"Invalid wait time" == answered(ask(ctx, "/v1/agent/service/web1?hash=x&wait=x")).body


@pytest.mark.parametrize(
    ("query", "replaces"),
    [
        ("", False),
        ("?replace-existing-checks", True),
        ("?replace-existing-checks=", True),
        ("?replace-existing-checks=true", True),
        ("?replace-existing-checks=false", False),
        ("?replace-existing-checks=1", False),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        {"Name": "web", "Tags": ["v1"], "EnableTagOverride": True, "Check": {"TTL": "10s", "CheckID": "c"}},
        {"name": "web", "tags": ["v1"], "enable_tag_override": True, "checks": [{"ttl": "10s", "id": "c"}]},
    ],
    ids=["camel", "snake"],
)
def test_service_is_registered(ask: Ask, ctx: ApiContext, query: str, replaces: bool, body: dict[str, object]) -> None:
    outcome = ask(ctx, REGISTER + query, "PUT", body)
    assert isinstance(outcome, Perform)
    assert RegisterService(decode_service_untrusted(body), replaces) == outcome.action
    response = outcome.answer(None)
    assert (200, b"") == (response.status, response.body)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "Request decode failed: EOF"),
        (b"{", 400, "Request decode failed: "),
        (b"[]", 400, "Request decode failed: a JSON object is expected"),
        (b'{"Name": NaN}', 400, "Request decode failed: NaN is not JSON"),
        (b'{"Name": "a", "Tags": ["\\ud800"]}', 200, ""),
        ({"Nmae": "web"}, 400, 'Request decode failed: json: unknown field "Nmae"'),
        ({"Name": 7}, 400, "Request decode failed: name must be a string, not 7"),
        ({}, 400, "Missing service name"),
        ({"Name": ""}, 400, "Missing service name"),
        ({"Name": "web", "Address": "0.0.0.0"}, 400, "Invalid service address"),
        ({"Name": "web", "Address": "::"}, 400, "Invalid service address"),
        ({"Name": "web", "Weights": {"Passing": 0}}, 400, "Invalid Weights: Passing must be greater than 0"),
        ({"Name": "web", "Meta": {"a b": "x"}}, 400, "Invalid Service Meta: Couldn't load metadata pair ('a b', 'x')"),
        ({"Name": "web", "Port": -1}, 400, "Validation failed: "),
        ({"Name": "web", "Check": {"Name": "x"}}, 400, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"Name": "web", "Check": {"TTL": "1s", "Interval": "1s"}}, 400, "Invalid check: Interval and TTL cannot both"),
        (
            {"Name": "web", "Check": {"TTL": "1s", "Status": "ok"}},
            400,
            "Status for checks must 'passing', 'warning', 'critical'",
        ),
        (
            {"Name": "web", "Check": {"Args": ["/bin/true"], "Interval": "1s"}},
            500,
            "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
        ),
    ],
)
def test_service_that_cannot_be_registered_is_refused(
    ask: Ask, ctx: ApiContext, body: object, status: int, text: str
) -> None:
    outcome = ask(ctx, REGISTER, "PUT", body)
    if status == 200:
        assert isinstance(outcome, Perform)
        return
    response = answered(outcome)
    assert (status, True) == (response.status, response.body.decode().startswith(text)), response.body


def test_script_is_taken_where_scripts_are_on(ask: Ask, agent: TableAgent) -> None:
    agent.have(LocalReadings(scripts=ScriptRights(from_anywhere=True)))
    body = {"Name": "web", "Check": {"Args": ["/bin/true"], "Interval": "1s"}}
    assert isinstance(ask(agent.api_context(), REGISTER, "PUT", body), Perform)


def test_service_is_deregistered(ask: Ask, ctx: ApiContext) -> None:
    outcome = ask(ctx, "/v1/agent/service/deregister/web1", "PUT")
    assert isinstance(outcome, Perform)
    assert (DeregisterService("web1"), b"") == (outcome.action, outcome.answer(None).body)


@pytest.mark.parametrize(("path", "service_id"), [("web", "web"), ("", ""), ("%22", '\\"')])
def test_unknown_service_is_not_deregistered(ask: Ask, ctx: ApiContext, path: str, service_id: str) -> None:
    response = answered(ask(ctx, f"/v1/agent/service/deregister/{path}", "PUT"))
    text = f'Unknown service ID "{service_id}". Ensure that the service ID is passed, not the service name.'
    assert (404, text) == (response.status, response.body.decode())


@pytest.mark.parametrize(
    ("query", "action"),
    [
        ("enable=true", SetMaintenance("web1", True)),
        ("enable=1&reason=new+disk", SetMaintenance("web1", True, "new disk")),
        ("enable=T&reason=%FF", SetMaintenance("web1", True, "\ufffd")),
        ("enable=false", SetMaintenance("web1", False)),
        ("enable=0", SetMaintenance("web1", False)),
    ],
)
def test_maintenance_is_switched(ask: Ask, ctx: ApiContext, query: str, action: SetMaintenance) -> None:
    of_service = ask(ctx, f"/v1/agent/service/maintenance/web1?{query}", "PUT")
    assert isinstance(of_service, Perform)
    assert action == of_service.action
    of_node = ask(ctx, f"/v1/agent/maintenance?{query}", "PUT")
    assert isinstance(of_node, Perform)
    assert attrs.evolve(action, service_id="") == of_node.action


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("service/maintenance/?enable=true", 400, "Missing service ID"),
        ("service/maintenance/web1", 400, "Missing value for enable"),
        ("service/maintenance/web1?enable=yes", 400, 'Invalid value for enable: "yes"'),
        ("service/maintenance/web1?enable=", 400, 'Invalid value for enable: ""'),
        (
            "service/maintenance/web?enable=true",
            404,
            'Unknown service ID "web". Ensure that the service ID is passed, not the service name.',
        ),
        ("maintenance", 400, "Missing value for enable"),
        ("maintenance?enable=on", 400, 'Invalid value for enable: "on"'),
    ],
)
def test_maintenance_that_makes_no_sense_is_refused(
    ask: Ask, ctx: ApiContext, target: str, status: int, text: str
) -> None:
    response = answered(ask(ctx, f"/v1/agent/{target}", "PUT"))
    assert (status, text) == (response.status, response.body.decode())
