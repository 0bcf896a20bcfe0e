"""Which zone a name belongs to."""

from __future__ import annotations

from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.names import NodeName
from nodedns.table.node_table import NodeTable

OUTER = Zone.of_domain("consul")
VIEW = NodeTable("dc1", NodeName("one"), 1).view
INNER = Zone.of_domain("test.consul")


def test_longest_origin_wins_whatever_the_order() -> None:
    for zones in (Zones((OUTER, INNER)), Zones((INNER, OUTER))):
        assert INNER == zones.covering((b"a", b"node", b"test", b"consul"), VIEW)
        assert OUTER == zones.covering((b"a", b"node", b"consul"), VIEW)


def test_names_outside_have_no_zone() -> None:
    zones = Zones((OUTER, INNER))
    for labels in ((), (b"notconsul",), (b"com",), (b"consul", b"com")):
        assert None is zones.covering(labels, VIEW)
