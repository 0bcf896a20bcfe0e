"""Which zones are published, and in how many steps it is found out what is to be asked of them."""

from __future__ import annotations

from nodedns.dns.marks import Marks
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.zone import Zone
from nodedns.dns.zone_works import ZoneWorks
from nodedns.dns.zones import Zones
from nodedns.model.names import NodeName
from nodedns.table.changes import Change, ExternalNode, NodeRegistered
from nodedns.table.node_table import NodeTable

FORWARD = Zone.of_domain("consul")


def test_moved_addresses_are_looked_up_a_few_in_a_step() -> None:
    zones = Zones((FORWARD,), ReverseZones.of_prefixes(None, FORWARD.origin))
    table, marks = NodeTable("dc1", NodeName("me"), 1), Marks()
    changes: list[Change] = [
        NodeRegistered(ExternalNode(NodeName(f"n{number}"), "", f"10.1.{number % 2}.{number}", {}, {}))
        for number in range(64)
    ]
    table.apply(changes)
    marks.add(table.row_changes, table.service_changes)
    derived = tuple((str(net).encode(), b"1", b"10", b"in-addr", b"arpa") for net in (0, 1))
    works = ZoneWorks(zones, table.view, DnsPolicy(), marks, derived)
    assert 4 == sum(1 for _ in works.prepare())
    asked = {work.origin: sum(1 for _ in work.names) for work in works.works()}
    assert [32, 32] == [asked[origin] for origin in derived]
