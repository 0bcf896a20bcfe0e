"""How names below a domain are parted."""

from __future__ import annotations

import pytest

from nodedns.dns.grammar import ADDR, NODE, RelativeName, is_empty_name, is_here, parse_relative
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
    ],
)
def test_rightmost_kind_parts_the_name(text: str, kind: bytes | None, query: str, locality: str) -> None:
    assert RelativeName(kind, labels(query), labels(locality)) == parse_relative(labels(text))


@pytest.mark.parametrize(
    ("locality", "expected"),
    [
        ("", True),
        ("dc1", True),
        ("dc1.dc", True),
        ("dc2", False),
        ("dc2.dc", False),
        ("dc1.peer", False),
        ("dc1.dc.dc", False),
        ("dc", False),
    ],
)
def test_place_is_here_or_not(locality: str, expected: bool) -> None:
    assert expected == is_here(labels(locality), "DC1")


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
        ("service", False),
    ],
)
def test_name_that_others_end_in_is_empty(text: str, expected: bool) -> None:
    assert expected == is_empty_name(parse_relative(labels(text)), "dc1")
