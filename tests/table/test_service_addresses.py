"""The IPs that instances have of their own: who has each, and which prefixes hold one."""

from __future__ import annotations

from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service, ServiceAddress
from nodedns.table.address_index import Digits
from nodedns.table.changes import CheckRegistered, ExternalNode, NodeRegistered, ServiceDeregistered, ServiceRegistered
from nodedns.table.node_table import NodeTable
from nodedns.table.service_addresses import ServiceAddresses

WEB, DB = ("web", "a", "web"), ("db", "a", "db")
A = NodeName("a")


def test_those_at_one_address_are_sorted_and_the_address_goes_with_the_last() -> None:
    both = ServiceAddresses().changed((), [("10.0.0.9", WEB), ("10.0.0.9", DB)])
    assert {"10.0.0.9": (DB, WEB)} == both.by_ip
    one = both.changed([("10.0.0.9", DB)], ())
    assert {"10.0.0.9": (WEB,)} == one.by_ip
    assert both.addresses is one.addresses
    none = one.changed([("10.0.0.9", WEB)], ())
    assert ({}, False) == (none.by_ip, none.addresses.has_under(Digits(4, "0a")))
    assert one.addresses.has_under(Digits(4, "0a000009"))


def test_one_that_goes_and_comes_back_at_once_is_there() -> None:
    before = ServiceAddresses().changed((), [("2001:db8::9", WEB)])
    after = before.changed([("2001:db8::9", WEB)], [("2001:db8::9", WEB)])
    assert (before.by_ip, before.addresses) == (after.by_ip, after.addresses)


def test_change_of_health_leaves_the_addresses_as_they_are() -> None:
    table = NodeTable("dc1", NodeName("self"), 1)
    table.apply(
        [
            NodeRegistered(ExternalNode(A, "", "10.0.0.1")),
            ServiceRegistered(A, Service("web", "web", address="10.0.0.9")),
        ]
    )
    before = table.view._service_set.addresses
    table.apply([CheckRegistered(A, Check("c", "c", CheckStatus.CRITICAL, service_id="web"))])
    (change,) = table.service_changes
    assert ((), True) == (change.moved_ips, change.moves_instances)
    assert before is table.view._service_set.addresses


def test_moves_of_addresses_are_told() -> None:
    table = NodeTable("dc1", NodeName("self"), 1)
    tagged = {"lan_ipv6": ServiceAddress("2001:db8::9")}
    table.apply(
        [
            NodeRegistered(ExternalNode(A, "", "10.0.0.1")),
            ServiceRegistered(A, Service("web", "web", address="10.0.0.9", tagged_addresses=tagged)),
        ]
    )
    assert ("10.0.0.9", "2001:db8::9") == table.service_changes[0].moved_ips
    table.apply([ServiceRegistered(A, Service("web", "web", address="10.0.0.8"))])
    assert {"10.0.0.8", "10.0.0.9", "2001:db8::9"} == set(table.service_changes[0].moved_ips)
    table.apply([ServiceRegistered(A, Service("web", "Web", address="10.0.0.8"))])
    assert ["10.0.0.8"] == list(table.service_changes[0].moved_ips)
    table.apply([ServiceDeregistered(A, "web")])
    assert ["10.0.0.8"] == list(table.service_changes[0].moved_ips)
    assert not table.view.has_addresses_under(Digits(4, "0a000008"))
