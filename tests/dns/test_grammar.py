"""How names below a domain are parted."""

from __future__ import annotations

import pytest

from nodedns.dns.grammar import (
    ADDR,
    HERE,
    NODE,
    SERVICE,
    TYPE,
    Place,
    RelativeName,
    is_empty_name,
    parse_place,
    parse_relative,
)
from nodedns.dns.name import Labels, labels_of


def labels(text: str) -> Labels:
    return labels_of(text) or ()


@pytest.mark.parametrize(
    ("text", "kind", "query", "locality"),
    [
        ("foo.node", NODE, "foo", ""),
        ("foo.bar.node.dc1", NODE, "foo.bar", "dc1"),
        ("foo.node.dc1.dc", NODE, "foo", "dc1.dc"),
        ("service.node", NODE, "service", ""),
        ("node.node", NODE, "node", ""),
        ("x.addr.node", NODE, "x.addr", ""),
        ("x.node.addr.y", ADDR, "x.node", "y"),
        ("node", NODE, "", ""),
        ("addr.dc1", ADDR, "", "dc1"),
        ("foo.dc1", None, "", "foo.dc1"),
        ("nodes.xnode", None, "", "nodes.xnode"),
        ("v1.primary.db.service", SERVICE, "v1.primary.db", ""),
        ("_db._tcp.service.dc1", SERVICE, "_db._tcp", "dc1"),
        ("x.node.service", SERVICE, "x.node", ""),
        ("_db._tcp", TYPE, "_db._tcp", ""),
        ("node._db._tcp.dc1", TYPE, "node._db._tcp", "dc1"),
        ("_tcp.http.port", TYPE, "_tcp", "http.port"),
        ("_x.node", NODE, "_x", ""),
    ],
)
def test_rightmost_kind_parts_the_name(text: str, kind: bytes | None, query: str, locality: str) -> None:
    assert RelativeName(kind, labels(query), labels(locality)) == parse_relative(labels(text), "dc1")


def test_datacenter_that_begins_with_an_underscore_is_no_type() -> None:
    assert RelativeName(NODE, labels("x"), labels("_dc")) == parse_relative(labels("x.node._dc"), "_DC")


@pytest.mark.parametrize(
    ("locality", "expected"),
    [
        ("", HERE),
        ("dc1", HERE),
        ("dc1.dc", HERE),
        ("http.port", Place(b"http")),
        ("dc1.dc.http.port", Place(b"http")),
        ("http.port.dc1.dc", Place(b"http")),
        ("dc2", None),
        ("dc2.dc", None),
        ("dc1.peer", None),
        ("dc1.dc.dc", None),
        ("dc1.http.port", None),
        ("dc1.dc.dc1.dc", None),
        ("dc2.dc.http.port", None),
        ("dc", None),
    ],
)
def test_place_is_here_or_not(locality: str, expected: Place | None) -> None:
    assert expected == parse_place(labels(locality), "DC1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("node", True),
        ("addr.dc1", True),
        ("node.dc1.dc", True),
        ("dc1", True),
        ("dc", True),
        ("dc1.dc", True),
        ("foo.node", False),
        ("node.dc", False),
        ("node.dc2", False),
        ("dc2", False),
        ("dc2.dc", False),
        ("service", True),
        ("service.http.port", True),
        ("node.http.port", False),
        ("http.port", True),
        ("port", True),
        ("dc.http.port", True),
        ("port.dc1.dc", True),
        ("port.dc1", False),
        ("_tcp", False),
        ("web", False),
    ],
)
def test_name_that_others_end_in_is_empty(text: str, expected: bool) -> None:
    assert expected == is_empty_name(parse_relative(labels(text), "dc1"), "dc1")
