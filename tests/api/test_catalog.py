"""``/v1/catalog``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.api.actions import DeregisterNode, Perform, RegisterNode
from nodedns.api.context import ApiContext
from nodedns.api.request import Request, Response
from nodedns.api.router import Outcome, handle
from nodedns.model.coordinate import ORIGIN, Coordinate
from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode, NodeRegistered
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]
Get = Callable[..., object]

ID = "4d4a2b1e-0000-4000-8000-00000000000a"
REGISTER = "/v1/catalog/register"
DEREGISTER = "/v1/catalog/deregister"


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


def test_node_has_no_services(get: Get, ctx: ApiContext) -> None:
    node = get(ctx, "/v1/catalog/node/ONE")
    assert isinstance(node, dict)
    assert ["Node", "Services"] == list(node)
    assert ("one", {}) == (node["Node"]["Node"], node["Services"])


def test_name_of_a_node_may_hold_a_slash(get: Get, agent: TableAgent) -> None:
    agent.apply(NodeRegistered(ExternalNode(NodeName("a/b é"), "", "10.0.0.7")))
    node = get(agent.api_context(), "/v1/catalog/node/a%2Fb%20%C3%A9")
    assert isinstance(node, dict)
    assert "a/b é" == node["Node"]["Node"]


@pytest.mark.parametrize("name", ["nobody", "three"])
def test_unknown_node_is_null(get: Get, ctx: ApiContext, name: str) -> None:
    assert None is get(ctx, f"/v1/catalog/node/{name}")


def test_empty_node_name_is_missing(ask: Ask, ctx: ApiContext) -> None:
    response = ask(ctx, "/v1/catalog/node/")
    assert isinstance(response, Response)
    assert (400, b"Missing node name") == (response.status, response.body)


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
    assert isinstance(outcome, Perform)
    assert RegisterNode(node) == outcome.action
    assert b"true" == outcome.answer(None).body


def test_node_without_id_gets_one_that_stays(ask: Ask, ctx: ApiContext) -> None:
    first = ask(ctx, REGISTER, "PUT", {"Node": "Camera", "Address": "10.0.0.7"})
    second = ask(ctx, REGISTER, "PUT", {"Node": "camera", "Address": "10.0.0.8"})
    other = ask(ctx, REGISTER, "PUT", {"Node": "tap", "Address": "10.0.0.8"})
    ids = []
    for outcome in (first, second, other):
        assert isinstance(outcome, Perform)
        assert isinstance(outcome.action, RegisterNode)
        ids.append(outcome.action.node.node_id)
    assert ids[0] == ids[1] != ids[2]
    assert 36 == len(ids[0])


def test_id_once_given_is_kept_by_an_update_without_one(ask: Ask, agent: TableAgent) -> None:
    agent.apply(NodeRegistered(ExternalNode(NodeName("cam"), ID, "10.0.0.7")))
    outcome = ask(agent.api_context(), REGISTER, "PUT", {"Node": "cam", "Address": "10.0.0.8"})
    assert isinstance(outcome, Perform)
    assert isinstance(outcome.action, RegisterNode)
    assert ID == outcome.action.node.node_id


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
        ({"Node": "x", "Address": "y", "Service": {"Service": "web"}}, 500, "Service: nodedns keeps nodes only"),
        ({"Node": "x", "Address": "y", "check": {}}, 500, "Check: nodedns keeps nodes only"),
        ({"Node": "x", "Address": "y", "Checks": [{}]}, 500, "Checks: nodedns keeps nodes only"),
        ({"Node": "ONE", "Address": "y"}, 500, "Node name ONE is reserved by node 00000000-0000-4000-8000-"),
        ({"Node": "two", "Address": "y", "ID": ID}, 500, "Node name two is reserved by node"),
        ({"Node": "x" * 256, "Address": "y"}, 400, "Node is too long (limit: 255 characters)"),
        ({"Node": "x", "Address": "y" * 256}, 400, "Address is too long (limit: 255 characters)"),
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
    assert isinstance(outcome, Perform)
    assert isinstance(outcome.action, RegisterNode)
    assert "x\ufffd\ufffd" == outcome.action.node.name


@pytest.mark.parametrize("name", ["printer", "PRINTER"])
def test_external_node_is_deregistered(ask: Ask, ctx: ApiContext, name: str) -> None:
    outcome = ask(ctx, DEREGISTER, "PUT", {"Node": name})
    assert isinstance(outcome, Perform)
    assert (DeregisterNode(NodeName("printer")), b"true") == (outcome.action, outcome.answer(None).body)


@pytest.mark.parametrize(
    "body",
    [{"Node": "nobody"}, {"Node": "three"}, {"Node": "printer", "ServiceID": "web"}, {"Node": "one", "CheckID": "c"}],
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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
)
FIELDS = st.sampled_from(
    ["Node", "Address", "ID", "Datacenter", "NodeMeta", "TaggedAddresses", "SkipNodeUpdate", "Service", "Checks", "x"]
)


@given(st.binary(max_size=40) | st.dictionaries(FIELDS, JSON).map(lambda value: json.dumps(value).encode()))
def test_any_body_gives_a_node_or_a_refusal(body: bytes) -> None:
    outcome = handle(Request("PUT", REGISTER, body=body), TableAgent().api_context())
    if isinstance(outcome, Response):
        assert outcome.status in {200, 400, 500}
    else:
        assert isinstance(outcome, Perform)
        assert isinstance(outcome.action, RegisterNode)
        outcome.action.node.name.encode()
