"""Which addresses a row gives to DNS."""

from __future__ import annotations

import ipaddress

import pytest

from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode, NodeRegistered
from nodedns.table.node_table import NodeTable


@pytest.mark.parametrize(
    ("address", "tags", "expected"),
    [
        ("10.0.0.1", {}, ("10.0.0.1",)),
        ("2001:db8::1", {}, ("2001:db8::1",)),
        ("10.0.0.1", {"lan_ipv6": "2001:db8::1"}, ("10.0.0.1", "2001:db8::1")),
        ("2001:db8::1", {"lan_ipv4": "10.0.0.1"}, ("10.0.0.1", "2001:db8::1")),
        ("10.0.0.1", {"lan_ipv4": "10.0.0.2"}, ("10.0.0.2",)),
        ("10.0.0.1", {"lan_ipv4": "2001:db8::1", "lan_ipv6": "rubbish"}, ("10.0.0.1",)),
        ("10.0.0.1", {"wan": "192.0.2.1", "wan_ipv6": "2001:db8::1"}, ("10.0.0.1",)),
        ("::ffff:10.0.0.1", {}, ("10.0.0.1",)),
        ("fe80::1%eth0", {}, ("fe80::1",)),
        ("www.example.com", {}, ()),
        ("www.example.com", {"lan_ipv4": "10.0.0.1"}, ("10.0.0.1",)),
        ("", {}, ()),
    ],
)
def test_row_gives_at_most_one_address_of_each_family(
    address: str, tags: dict[str, str], expected: tuple[str, ...]
) -> None:
    table = NodeTable("dc1", NodeName("one"), 1)
    row = table.apply([NodeRegistered(ExternalNode(NodeName("x"), "", address, tags))]).node("x")
    assert row is not None
    assert expected == row.ip_texts
    packed = [ipaddress.ip_address(text).packed for text in expected]
    assert packed == [value for value in (row.ipv4, row.ipv6) if value is not None]
