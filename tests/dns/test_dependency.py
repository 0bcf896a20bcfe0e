"""What a change of the table drops."""

from __future__ import annotations

import attrs

from nodedns.dns.dependency import SERVERS, ip_key, keys_of_change, node_key, prefix_key
from nodedns.model.names import NodeName
from nodedns.table.address_index import Digits
from nodedns.table.changes import ExternalNode, NodeDeregistered, NodeRegistered
from nodedns.table.node_table import NodeTable

TOUCHED = [["0a", "0a01", "0a0102"], ["0a0102", "0a0103"], [], ["0a", "0a01", "0a0103"]]


def test_change_touches_the_name_the_names_it_makes_exist_and_both_addresses() -> None:
    table = NodeTable("dc1", NodeName("me"), 1)
    table.apply([NodeRegistered(ExternalNode(NodeName("A.b.c"), "", "10.0.0.1"))])
    table.apply([NodeRegistered(ExternalNode(NodeName("A.b.c"), "", "10.0.0.2"))])
    (change,) = table.row_changes
    names = tuple(node_key(name) for name in ("a.b.c", "b.c", "c"))
    assert (*names, ip_key("10.0.0.1"), ip_key("10.0.0.2")) == keys_of_change(change)


def test_prefixes_are_touched_where_the_row_comes_or_goes_and_not_where_it_stays() -> None:
    table = NodeTable("dc1", NodeName("me"), 1)
    node = ExternalNode(NodeName("a"), "", "10.1.2.3")
    touched = []
    for change in (
        NodeRegistered(node),
        NodeRegistered(attrs.evolve(node, address="10.1.3.3")),
        NodeRegistered(attrs.evolve(node, address="10.1.3.3", meta={"rack": "a7"})),
        NodeDeregistered(NodeName("a")),
    ):
        table.apply([change])
        keys = keys_of_change(table.row_changes[0])
        touched.append([key for key in keys if key.startswith("prefix:")])
    prefixes = [[prefix_key(Digits(4, text)) for text in texts] for texts in TOUCHED]
    assert prefixes == touched


def test_prefixes_of_an_ipv6_address_end_at_every_nibble() -> None:
    table = NodeTable("dc1", NodeName("me"), 1)
    table.apply([NodeRegistered(ExternalNode(NodeName("a"), "", "2001:db8::1"))])
    (change,) = table.row_changes
    digits = "20010db8000000000000000000000001"
    expected = [prefix_key(Digits(6, digits[:end])) for end in range(1, 32)]
    assert expected == [key for key in keys_of_change(change) if key.startswith("prefix:")]


def test_own_row_is_a_name_server() -> None:
    table = NodeTable("dc1", NodeName("me"), 1)
    table.apply([NodeRegistered(ExternalNode(NodeName("ME"), "", "10.0.0.1"))])
    (change,) = table.row_changes
    assert SERVERS in keys_of_change(change)


def test_row_changed_twice_in_one_step_is_told_once_from_first_to_last() -> None:
    table = NodeTable("dc1", NodeName("me"), 1)
    node = ExternalNode(NodeName("a"), "", "10.0.0.1")
    table.apply([NodeRegistered(node), NodeDeregistered(NodeName("a"))])
    (change,) = table.row_changes
    assert ("a", None, None, False) == (change.folded, change.before, change.after, change.is_local)
