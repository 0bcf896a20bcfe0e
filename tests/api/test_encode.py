"""JSON as Go writes it, and the texts of errors."""

from __future__ import annotations

import attrs
import pytest

from nodedns.api.context import AgentFacts, ApiContext, Json
from nodedns.api.encode import error_response, json_response, member_shape, node_shape, text_response
from nodedns.api.request import Parameters, Request
from nodedns.errors import ApiError, JoinError, NodednsError
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.table.node_table import NodeTable
from nodedns.testing.chance import seeded_random
from nodedns.testing.table_agent import TableAgent, agent_member


def context(*, is_dev: bool = False) -> ApiContext:
    facts = AgentFacts(node_name="one", node_id="", datacenter="dc1", version="0", is_dev=is_dev)
    return ApiContext(view=NodeTable("dc1", NodeName("one"), 1).view, facts=facts, rng=seeded_random(1))


def body(value: Json, query: bytes = b"", *, is_dev: bool = False) -> bytes:
    request = Request("GET", "/", Parameters.from_query_untrusted(query))
    return json_response(value, request, context(is_dev=is_dev)).body


def test_json_is_compact() -> None:
    assert b'{"a":[1,2],"b":null}' == body({"a": [1, 2], "b": None})


@pytest.mark.parametrize("query", [b"pretty", b"pretty=", b"pretty=false"])
def test_pretty_indents_by_four_and_ends_the_line(query: bytes) -> None:
    assert b'{\n    "a": [\n        1\n    ],\n    "b": {}\n}\n' == body({"a": [1], "b": {}}, query)


def test_dev_mode_indents_without_ending_the_line() -> None:
    assert b'{\n    "a": 1\n}' == body({"a": 1}, is_dev=True)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("<a & b>", b'"\\u003ca \\u0026 b\\u003e"'),
        ("\u2028\u2029", b'"\\u2028\\u2029"'),
        ("é\x01\n", '"é\\u0001\\n"'.encode()),
        ("a\udcff\udc80b", '"a\ufffd\ufffdb"'.encode()),
    ],
)
def test_strings_are_escaped_as_go_escapes_them(text: str, encoded: bytes) -> None:
    assert encoded == body(text)


def test_member_has_consuls_fields_in_order() -> None:
    shape = member_shape(agent_member("one", is_server=True))
    versions = ["ProtocolMin", "ProtocolMax", "ProtocolCur", "DelegateMin", "DelegateMax", "DelegateCur"]
    assert ["Name", "Addr", "Port", "Tags", "Status", *versions] == list(shape)
    assert ["one", "10.0.0.1", 8301, 1, 1, 5, 2, 2, 5, 5] == [value for key, value in shape.items() if key != "Tags"]
    tags = shape["Tags"]
    assert isinstance(tags, dict)
    assert sorted(tags) == list(tags)


@pytest.mark.parametrize(
    ("packed", "text"),
    [(bytes(15) + b"\1", "::1"), (bytes(10) + b"\xff\xff\x0a\0\0\1", "10.0.0.1"), (b"\1\2\3", "?010203")],
)
def test_member_address_is_text_whatever_was_announced(packed: bytes, text: str) -> None:
    member = attrs.evolve(agent_member("one"), address=Address(packed, 8301))
    assert text == member_shape(member)["Addr"]


def test_node_has_consuls_fields_in_order(agent: TableAgent) -> None:
    row = agent.table.view.node("printer")
    assert row is not None
    expected = {
        "ID": "",
        "Node": "printer",
        "Address": "10.0.0.9",
        "Datacenter": "dc1",
        "TaggedAddresses": {"lan": "10.0.0.9", "wan": "192.0.2.9"},
        "Meta": {},
        "CreateIndex": 104,
        "ModifyIndex": 104,
    }
    # As pairs, because the order counts.
    assert list(expected.items()) == list(node_shape(row).items())


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ApiError(409, "no"), 409, "no"),
        (NodednsError("broken"), 500, "broken"),
        (
            JoinError([("10.0.0.9:8301", "timeout")]),
            500,
            "1 error occurred:\n\t* Failed to join 10.0.0.9:8301: timeout\n\n",
        ),
        (
            JoinError([("a", "x"), ("b", "y")]),
            500,
            "2 errors occurred:\n\t* Failed to join a: x\n\t* Failed to join b: y\n\n",
        ),
    ],
)
def test_error_is_plain_text_with_its_status(error: NodednsError, status: int, text: str) -> None:
    response = error_response(error)
    assert (status, text) == (response.status, response.body.decode())
    assert ("Content-Type", "text/plain; charset=utf-8") in response.headers


def test_text_with_bytes_that_are_no_utf8_can_be_sent() -> None:
    assert "x\ufffd".encode() == text_response(404, "x\udcff").body
