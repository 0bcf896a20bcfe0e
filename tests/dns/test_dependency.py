"""What a change of the table drops."""

from __future__ import annotations

from nodedns.dns.dependency import SERVERS, ip_key, keys_of_change, node_key
from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode, NodeDeregistered, NodeRegistered
from nodedns.table.node_table import NodeTable


def test_change_touches_the_name_the_names_it_makes_exist_and_both_addresses() -> None:
    table = NodeTable("dc1", NodeName("me"), 1)
    table.apply([NodeRegistered(ExternalNode(NodeName("A.b.c"), "", "10.0.0.1"))])
    table.apply([NodeRegistered(ExternalNode(NodeName("A.b.c"), "", "10.0.0.2"))])
    (change,) = table.row_changes
    names = tuple(node_key(name) for name in ("a.b.c", "b.c", "c"))
    assert (*names, ip_key("10.0.0.1"), ip_key("10.0.0.2")) == keys_of_change(change)


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
