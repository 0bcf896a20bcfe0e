"""``/v1/catalog/register`` and ``deregister``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.api.actions import Perform, Register
from nodedns.api.context import ApiContext
from nodedns.api.request import Request, Response
from nodedns.api.router import Outcome, handle
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service, ServiceAddress, Weights
from nodedns.table.changes import (
    CheckDeregistered,
    CheckRegistered,
    ExternalNode,
    NodeDeregistered,
    NodeRegistered,
    Registration,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]

ID = "4d4a2b1e-0000-4000-8000-00000000000a"
REGISTER = "/v1/catalog/register"
DEREGISTER = "/v1/catalog/deregister"
PRINTER = NodeName("printer")
HERE: dict[str, Any] = {"Node": "printer", "SkipNodeUpdate": True}


def ports(count: int) -> list[dict[str, Any]]:
    return [{"Name": f"p{number}", "Port": 1, "Default": not number} for number in range(count)]


def changes_of(outcome: Outcome) -> tuple[Registration, ...]:
    assert isinstance(outcome, Perform), outcome
    assert isinstance(outcome.action, Register)
    assert (200, b"true") == (outcome.answer(None).status, outcome.answer(None).body)
    return outcome.action.changes


def node_of(outcome: Outcome) -> ExternalNode:
    (change,) = changes_of(outcome)
    assert isinstance(change, NodeRegistered)
    return change.node


def test_node_is_registered_as_given(ask: Ask, ctx: ApiContext) -> None:
    body: dict[str, object] = {
        "Datacenter": "dc1",
        "ID": ID.upper(),
        "node": "Camera",
        "Address": "cam.example",
        "TaggedAddresses": {"wan": "192.0.2.1"},
        "NodeMeta": {"external-node": "true"},
        "Service": None,
        "Checks": [],
    }
    outcome = ask(ctx, REGISTER, "PUT", body)
    node = ExternalNode(NodeName("Camera"), ID, "cam.example", {"wan": "192.0.2.1"}, {"external-node": "true"})
    assert (NodeRegistered(node),) == changes_of(outcome)


def test_node_without_id_gets_one_that_stays(ask: Ask, ctx: ApiContext) -> None:
    first = ask(ctx, REGISTER, "PUT", {"Node": "Camera", "Address": "10.0.0.7"})
    second = ask(ctx, REGISTER, "PUT", {"Node": "camera", "Address": "10.0.0.8"})
    other = ask(ctx, REGISTER, "PUT", {"Node": "tap", "Address": "10.0.0.8"})
    ids = [node_of(outcome).node_id for outcome in (first, second, other)]
    assert ids[0] == ids[1] != ids[2]
    assert 36 == len(ids[0])


def test_id_once_given_is_kept_by_an_update_without_one(ask: Ask, agent: TableAgent) -> None:
    agent.apply(NodeRegistered(ExternalNode(NodeName("cam"), ID, "10.0.0.7")))
    outcome = ask(agent.api_context(), REGISTER, "PUT", {"Node": "cam", "Address": "10.0.0.8"})
    assert ID == node_of(outcome).node_id


def test_skipped_update_of_a_present_node_changes_nothing(ask: Ask, ctx: ApiContext) -> None:
    for name in ("printer", "one"):
        response = ask(ctx, REGISTER, "PUT", {"Node": name, "SkipNodeUpdate": True})
        assert isinstance(response, Response)
        assert (200, b"true") == (response.status, response.body)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"Address": "10.0.0.7"}, 500, "Must provide node"),
        ({"Node": "x"}, 500, "Must provide address if SkipNodeUpdate is not set"),
        ({"Node": "x", "SkipNodeUpdate": True}, 500, "Must provide an address for a node that is not known yet"),
        ({"Node": "x", "Address": "y", "ID": "z"}, 500, "Bad node ID: uuid string is wrong length"),
        ({"Node": "x", "Address": "y", "ID": "z" * 36}, 500, "Bad node ID: uuid is improperly formatted"),
        ({"Node": "x", "Address": "y", "Datacenter": "dc9"}, 500, "No path to datacenter"),
        ({"Node": "ONE", "Address": "y"}, 500, "Node name ONE is reserved by node 00000000-0000-4000-8000-"),
        ({"Node": "two", "Address": "y", "ID": ID}, 500, "Node name two is reserved by node"),
        ({"Node": "x" * 513, "Address": "y"}, 400, "Node is too long (limit: 512 characters)"),
        ({"Node": "x", "Address": "y" * 513}, 400, "Address is too long (limit: 512 characters)"),
        ({"Node": "x\n", "Address": "y"}, 400, "Node holds characters that cannot be printed"),
        (
            {"Node": "x", "Address": "y", "NodeMeta": {str(key): "" for key in range(65)}},
            400,
            "Node metadata cannot contain more than 64 key/value pairs",
        ),
        (
            {"Node": "x", "Address": "y", "NodeMeta": {"k" * 129: "v"}},
            400,
            f"Couldn't load metadata pair ('{'k' * 56}..., 'v'): Key is too long (limit: 128 characters)",
        ),
        (
            {"Node": "x", "Address": "y", "NodeMeta": {"k": "v" * 513}},
            400,
            f"Couldn't load metadata pair ('k', '{'v' * 56}...): Value is too long (limit: 512 characters)",
        ),
        (
            {"Node": "x", "Address": "y", "NodeMeta": {"": "v"}},
            400,
            "Couldn't load metadata pair ('', 'v'): Key cannot be blank",
        ),
        ({"Node": "x", "Address": "y", "TaggedAddresses": {"": "v"}}, 400, "Couldn't load tagged address ('', 'v')"),
        ({"Node": 5}, 400, "Request decode failed: Node must be a string, not 5"),
        ({"Node": "x", "NodeMeta": []}, 400, "Request decode failed: NodeMeta must be an object, not []"),
        ({"Node": "x", "NodeMeta": {"k": 1}}, 400, "Request decode failed: NodeMeta.k must be a string, not 1"),
        ({"Node": "x", "SkipNodeUpdate": "yes"}, 400, "Request decode failed: SkipNodeUpdate must be true or false"),
        ([], 400, "Request decode failed: a JSON object is expected"),
        (b"", 400, "Request decode failed: EOF"),
        (b"{", 400, "Request decode failed: Expecting property name"),
        (b'{"Node": NaN}', 400, "Request decode failed: NaN is not JSON"),
        (b"[" * 100_000, 400, "Request decode failed: nested too deeply"),
        (b'{"Node": ' + b"9" * 5_000 + b"}", 400, "Request decode failed: "),
    ],
)
def test_registration_that_cannot_be_kept_is_refused(
    ask: Ask, ctx: ApiContext, body: object, status: int, text: str
) -> None:
    response = ask(ctx, REGISTER, "PUT", body)
    assert isinstance(response, Response)
    assert status == response.status
    assert text == response.body.decode()[: len(text)]


def test_id_of_another_node_is_refused(ask: Ask, agent: TableAgent) -> None:
    agent.apply(NodeRegistered(ExternalNode(NodeName("cam"), ID, "10.0.0.7")))
    response = ask(agent.api_context(), REGISTER, "PUT", {"Node": "x", "Address": "y", "ID": ID})
    assert isinstance(response, Response)
    text = f"Node ID {ID} is held by node cam (10.0.0.7); deregister that first"
    assert (500, text) == (response.status, response.body.decode())


def test_half_a_surrogate_pair_becomes_a_replacement_character(ask: Ask, ctx: ApiContext) -> None:
    outcome = ask(ctx, REGISTER, "PUT", b'{"Node": "x\\ud800\xff", "Address": "y"}')
    assert "x\ufffd\ufffd" == node_of(outcome).name


@pytest.mark.parametrize("name", ["printer", "PRINTER"])
def test_external_node_is_deregistered(ask: Ask, ctx: ApiContext, name: str) -> None:
    outcome = ask(ctx, DEREGISTER, "PUT", {"Node": name})
    assert (NodeDeregistered(PRINTER),) == changes_of(outcome)


@pytest.mark.parametrize(
    "body",
    [
        {"Node": "nobody"},
        {"Node": "three"},
        {"Node": "nobody", "ServiceID": "web"},
        {"Node": "printer", "ServiceID": "web"},
        {"Node": "one", "CheckID": "c"},
    ],
)
def test_deregistering_what_is_not_there_is_true_and_changes_nothing(ask: Ask, ctx: ApiContext, body: object) -> None:
    response = ask(ctx, DEREGISTER, "PUT", body)
    assert isinstance(response, Response)
    assert (200, b"true") == (response.status, response.body)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 500, "Must provide node"),
        ({"Node": "x", "Datacenter": "dc9"}, 500, "No path to datacenter"),
        ({"Node": "two"}, 500, "Node 'two' is a member of the pool and cannot be deregistered"),
        (b"null", 400, "Request decode failed: a JSON object is expected"),
    ],
)
def test_deregistration_that_cannot_be_is_refused(
    ask: Ask, ctx: ApiContext, body: object, status: int, text: str
) -> None:
    response = ask(ctx, DEREGISTER, "PUT", body)
    assert isinstance(response, Response)
    assert status == response.status
    assert text == response.body.decode()[: len(text)]


def test_service_is_registered_with_all_that_is_told(ask: Ask, ctx: ApiContext) -> None:
    service: dict[str, Any] = {
        "ID": "web1",
        "Service": "web",
        "Tags": ["v1", "a"],
        "Address": "10.0.0.9",
        "Port": 80,
        "Meta": {"version": "1"},
        "TaggedAddresses": {"wan": {"Address": "192.0.2.9", "Port": 8080}},
        "Weights": {"Passing": 10},
        "EnableTagOverride": True,
        "SocketPath": "/run/web",
        # What Consul's Go client sends besides.
        "Kind": "",
        "Proxy": {"MeshGateway": {}, "Expose": {}},
        "Connect": {},
        "CreateIndex": 0,
        "Namespace": None,
    }
    wanted = Service(
        "web1",
        "web",
        ("v1", "a"),
        "10.0.0.9",
        80,
        {"version": "1"},
        {"wan": ServiceAddress("192.0.2.9", 8080)},
        Weights(10, 1),
        enable_tag_override=True,
        socket_path="/run/web",
    )
    assert (ServiceRegistered(PRINTER, wanted),) == changes_of(ask(ctx, REGISTER, "PUT", {**HERE, "Service": service}))


def test_weights_that_a_go_client_sends_unset_are_the_usual_ones(ask: Ask, ctx: ApiContext) -> None:
    service = {"Service": "web", "Weights": {"Passing": 0, "Warning": 0}}
    outcome = ask(ctx, REGISTER, "PUT", {**HERE, "Service": service})
    assert (ServiceRegistered(PRINTER, Service("web", "web", weights=Weights(1, 1))),) == changes_of(outcome)


def test_named_ports_are_kept(ask: Ask, ctx: ApiContext) -> None:
    ports = [{"Name": "http", "Port": 80, "Default": True}, {"Name": "admin", "Port": 81}]
    outcome = ask(ctx, REGISTER, "PUT", {**HERE, "Service": {"Service": "web", "Ports": ports}})
    wanted = Service("web", "web", ports=(NamedPort("http", 80, is_default=True), NamedPort("admin", 81)))
    assert (ServiceRegistered(PRINTER, wanted),) == changes_of(outcome)


def test_node_service_and_checks_come_in_this_order(ask: Ask, ctx: ApiContext) -> None:
    body = {
        "Node": "cam",
        "Address": "10.0.0.7",
        "Service": {"Service": "video", "Tags": ["hd"]},
        "Check": {"Name": "up", "Node": "CAM", "Status": "passing"},
        "Checks": [{"CheckID": "v", "Name": "stream", "ServiceID": "video", "ServiceName": "wrong"}],
    }
    node, service, *checks = changes_of(ask(ctx, REGISTER, "PUT", body))
    assert isinstance(node, NodeRegistered)
    assert ServiceRegistered(NodeName("cam"), Service("video", "video", ("hd",))) == service
    assert [
        CheckRegistered(
            NodeName("cam"),
            Check("v", "stream", CheckStatus.CRITICAL, "", "", "video", "video", ("hd",)),
        ),
        CheckRegistered(NodeName("cam"), Check("up", "up", CheckStatus.PASSING)),
    ] == checks


def test_check_keeps_what_is_known_of_its_definition(ask: Ask, ctx: ApiContext) -> None:
    definition = {"http": "http://x/\ud800", "Interval": "10s", "TLSSkipVerify": False, "Unknown": 1}
    body = {
        **HERE,
        "Check": {"Name": "up", "Output": "é" * 5_000, "Notes": "n", "Type": "http", "Definition": definition},
    }
    (change,) = changes_of(ask(ctx, REGISTER, "PUT", body))
    assert isinstance(change, CheckRegistered)
    assert {"HTTP": "http://x/?", "Interval": "10s"} == change.check.definition
    assert "é" * 4_096 + " ... (captured 4096 of 5000 characters)" == change.check.output
    assert ("n", "http") == (change.check.notes, change.check.type)


def test_what_is_registered_already_is_said_again_and_wakes_nobody(ask: Ask, agent: TableAgent) -> None:
    body = {
        "Node": "cam",
        "Address": "10.0.0.7",
        "Service": {"Service": "video"},
        "Check": {"Name": "up", "ServiceID": "video"},
    }
    first = changes_of(ask(agent.api_context(), REGISTER, "PUT", body))
    agent.apply(*first)
    index = agent.table.view.index
    again = changes_of(ask(agent.api_context(), REGISTER, "PUT", body))
    assert first == again
    agent.apply(*again)
    assert index == agent.table.view.index


@pytest.mark.parametrize("facts", [{"Address": "192.0.2.1"}, {"SkipNodeUpdate": True}])
def test_service_on_a_member_is_taken_and_the_member_left_as_it_is(
    ask: Ask, ctx: ApiContext, facts: dict[str, object]
) -> None:
    outcome = ask(ctx, REGISTER, "PUT", {"Node": "ONE", **facts, "Service": {"Service": "web"}})
    assert (ServiceRegistered(NodeName("one"), Service("web", "web")),) == changes_of(outcome)


@pytest.mark.parametrize(
    ("parts", "status", "text"),
    [
        ({"Service": {}}, 500, "service name (Service.Service) is required"),
        (
            {"Service": {"ID": "x"}},
            500,
            "Must provide service name (Service.Service) when service ID is provided",
        ),
        ({"Service": {"Service": "x", "Address": "0.0.0.0"}}, 500, "Invalid service address"),
        ({"Service": {"Service": "x", "Address": "::"}}, 500, "Invalid service address"),
        ({"Service": {"Service": "x", "Kind": "connect-proxy"}}, 500, "Service.Kind: nodedns has no service mesh"),
        (
            {"Service": {"Service": "x", "Weights": {"Passing": 0}}},
            500,
            "Invalid Weights: Passing must be greater than 0",
        ),
        (
            {"Service": {"Service": "x", "Weights": {"Warning": -1}}},
            500,
            "Invalid Weights: Warning must be greater or equal than 0",
        ),
        (
            {"Service": {"Service": "x", "Weights": {"Passing": 65_536}}},
            500,
            "Invalid Weights: DNS Weight must be between 0 and 65535",
        ),
        (
            {"Service": {"Service": "x", "Port": 1, "Ports": [{"Name": "a", "Port": 1, "Default": True}]}},
            500,
            "Both port and ports",
        ),
        ({"Service": {"Service": "x", "Ports": [{"Port": 1}]}}, 500, "Ports.Name cannot be empty"),
        ({"Service": {"Service": "x", "Ports": [{"Name": "a"}]}}, 500, "Ports.Port must be greater than zero"),
        (
            {"Service": {"Service": "x", "Ports": [{"Name": "a", "Port": 1}] * 2}},
            500,
            'Ports.Name "a" has to be unique',
        ),
        ({"Service": {"Service": "x", "Ports": [{"Name": "a", "Port": 1}]}}, 500, "One of the Ports must be marked"),
        (
            {
                "Service": {
                    "Service": "x",
                    "Ports": [{"Name": name, "Port": 1, "Default": True} for name in ("a", "b")],
                }
            },
            500,
            "Only one port can be marked as default",
        ),
        ({"Service": {"Service": "x", "Port": 65_536}}, 400, "Port must be between 0 and 65535"),
        (
            {"Service": {"Service": "x", "Port": "80"}},
            400,
            "Request decode failed: Service.Port must be a whole number",
        ),
        ({"Service": {"Service": "x", "Tags": "a"}}, 400, "Request decode failed: Service.Tags must be a list"),
        ({"Service": {"Service": "x", "Tags": [1]}}, 400, "Request decode failed: Service.Tags must be a list of str"),
        ({"Service": {"Service": "x", "Tags": ["t"] * 257}}, 400, "Service.Tags cannot contain more than 256 tags"),
        (
            {"Service": {"Service": "x", "Tags": ["t" * 4_097]}},
            400,
            "Service.Tags is too long (limit: 4096 characters)",
        ),
        ({"Service": {"Service": "x" * 513}}, 400, "Service.Service is too long (limit: 512 characters)"),
        ({"Service": {"Service": "x", "Ports": ports(65)}}, 400, "Service.Ports cannot contain more than 64 ports"),
        (
            {"Service": {"Service": "x", "Tags": ["t"] * 103, "Ports": ports(10)}},
            400,
            "Service.Tags times Service.Ports is 1030 (limit: 1024, a name in DNS for each pair)",
        ),
        (
            {"Service": {"Service": "x", "TaggedAddresses": {str(tag): {} for tag in range(65)}}},
            400,
            "Service.TaggedAddresses cannot contain more than 64 addresses",
        ),
        (
            {"Service": {"Service": "x", "TaggedAddresses": {"lan": "y"}}},
            400,
            "Request decode failed: Service.TaggedAddresses.lan must be an object",
        ),
        (
            {"Service": {"Service": "x", "TaggedAddresses": []}},
            400,
            "Request decode failed: Service.TaggedAddresses must",
        ),
        ({"Service": {"Service": "x", "Meta": {"": "v"}}}, 400, "Couldn't load metadata pair ('', 'v'): Key cannot be"),
        ({"Service": []}, 400, "Request decode failed: Service must be an object, not []"),
        ({"Check": {}}, 500, "Must provide a check ID or a check name"),
        (
            {"Check": {"CheckID": "c", "ServiceID": "none"}},
            500,
            "Unknown service ID 'none' for check ID 'c'",
        ),
        (
            {"Check": {"CheckID": "c", "Node": "other"}},
            500,
            "Node 'other' for check 'c' doesn't match register request node 'printer'",
        ),
        ({"Check": {"CheckID": "c", "Status": "fine"}}, 400, "Invalid check status: 'fine'"),
        ({"Check": {"CheckID": "c", "Notes": "n" * 4_097}}, 400, "Notes is too long (limit: 4096 characters)"),
        (
            {"Check": {"CheckID": "c", "Definition": {"HTTP": "h" * 4_096}}},
            400,
            "Definition is too long (limit: 4096 characters)",
        ),
        (
            b'{"Node": "printer", "SkipNodeUpdate": true, "Check": {"CheckID": "c", "Definition": {"TTL": 1e999}}}',
            400,
            "Request decode failed: Definition holds a number that JSON cannot",
        ),
        ({"Checks": [{"CheckID": "c"}] * 257}, 400, "Checks cannot contain more than 256 checks"),
        ({"Checks": [{"CheckID": 5}]}, 400, "Request decode failed: Checks[0].CheckID must be a string, not 5"),
        ({"Checks": {}}, 400, "Request decode failed: Checks must be a list, not {}"),
    ],
)
def test_service_or_check_that_cannot_be_kept_is_refused(
    ask: Ask, ctx: ApiContext, parts: dict[str, object] | bytes, status: int, text: str
) -> None:
    response = ask(ctx, REGISTER, "PUT", parts if isinstance(parts, bytes) else {**HERE, **parts})
    assert isinstance(response, Response), response
    assert status == response.status
    assert text == response.body.decode()[: len(text)]


@pytest.fixture
def printing(agent: TableAgent) -> TableAgent:
    """``agent`` with two services and three checks on the printer."""
    agent.apply(
        ServiceRegistered(PRINTER, Service("ipp", "ipp")),
        ServiceRegistered(PRINTER, Service("lpd", "lpd")),
        CheckRegistered(PRINTER, Check("ink", "ink", CheckStatus.PASSING)),
        CheckRegistered(PRINTER, Check("a", "a", CheckStatus.PASSING, service_id="ipp")),
        CheckRegistered(PRINTER, Check("b", "b", CheckStatus.PASSING, service_id="lpd")),
    )
    return agent


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ({"ServiceID": "ipp"}, [CheckDeregistered(PRINTER, "a"), ServiceDeregistered(PRINTER, "ipp")]),
        ({"CheckID": "ink"}, [CheckDeregistered(PRINTER, "ink")]),
        (
            {"ServiceID": "ipp", "CheckID": "ink"},
            [CheckDeregistered(PRINTER, "a"), ServiceDeregistered(PRINTER, "ipp")],
        ),
        (
            {},
            [
                *(CheckDeregistered(PRINTER, check) for check in ("a", "b", "ink")),
                *(ServiceDeregistered(PRINTER, service) for service in ("ipp", "lpd")),
                NodeDeregistered(PRINTER),
            ],
        ),
    ],
)
def test_deregistration_takes_along_what_belongs_to_it(
    ask: Ask, printing: TableAgent, what: dict[str, str], changes: list[Registration]
) -> None:
    outcome = ask(printing.api_context(), DEREGISTER, "PUT", {"Node": "PRINTER", **what})
    assert tuple(changes) == changes_of(outcome)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
)
FIELDS = st.sampled_from(
    ["Node", "Address", "ID", "Datacenter", "NodeMeta", "TaggedAddresses", "SkipNodeUpdate", "Service", "Checks", "x"]
)


@given(st.binary(max_size=40) | st.dictionaries(FIELDS, JSON).map(lambda value: json.dumps(value).encode()))
def test_any_body_gives_changes_or_a_refusal(body: bytes) -> None:
    outcome = handle(Request("PUT", REGISTER, body=body), TableAgent().api_context())
    if isinstance(outcome, Response):
        assert outcome.status in {200, 400, 500}
    else:
        node, *others = changes_of(outcome)
        assert isinstance(node, NodeRegistered)
        node.node.name.encode()
        assert all(isinstance(other, ServiceRegistered | CheckRegistered) for other in others)


SERVICE_KEYS = ("Service", "ID", "Tags", "Port", "Meta", "Weights", "Ports", "TaggedAddresses", "Kind", "Address")
NESTED = st.dictionaries(
    st.sampled_from([*SERVICE_KEYS, "CheckID", "Name", "Status", "ServiceID", "Output", "Definition"]),
    JSON,
    max_size=6,
)


@given(NESTED, st.lists(NESTED, max_size=2))
def test_any_service_and_checks_give_changes_or_a_refusal(
    service: dict[str, object], checks: Sequence[dict[str, object]]
) -> None:
    body = {"Node": "x", "Address": "y", "Service": {"Service": "web", **service}, "Checks": checks}
    outcome = handle(Request("PUT", REGISTER, body=json.dumps(body).encode()), TableAgent().api_context())
    if isinstance(outcome, Response):
        assert outcome.status in {400, 500}
    else:
        agent = TableAgent()
        agent.apply(*changes_of(outcome))
        shown = handle(Request("GET", "/v1/catalog/node/x"), agent.api_context())
        assert isinstance(shown, Response)
        assert 200 == shown.status
