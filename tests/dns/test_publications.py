"""Zones as they are published: their content, serials, and what leads from one state to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dns.message
import dns.name
import pytest

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.publications import Publications
from nodedns.dns.published import PublishedZone
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.reverse_names import cut_reverse_zone
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.names import NodeName
from nodedns.table.changes import Change, ExternalNode, NodeDeregistered, NodeRegistered
from nodedns.table.node_table import NodeTable

CONSUL = (b"consul",)
DERIVED = (b"1", b"1", b"10", b"in-addr", b"arpa")
NOW = 1_800_000_000
OTHERS = "agent-one.node.dc1.consul"


class Publisher:
    """A table and its published zones."""

    def __init__(self, changes: Sequence[Change], domains: Sequence[str], prefixes: Sequence[str] | None) -> None:
        forward = Zone.of_domains(domains)
        listed = None if prefixes is None else [zone for prefix in prefixes for zone in cut_reverse_zone(prefix)]
        self.zones = Zones(forward, ReverseZones.of_prefixes(listed, forward[0].origin))
        self.table = NodeTable("dc1", NodeName("agent-one"), 1)
        self.kept = Publications("agent-one", "dc1", NOW - 100)
        self.policy = DnsPolicy()
        self.apply(*changes)

    def apply(self, *changes: Change) -> None:
        before = self.table.view
        if self.table.apply(changes) is not before:
            self.kept.mark(self.table.row_changes, self.table.service_changes)

    def publish(self, now: int = NOW) -> list[tuple[bytes, ...]]:
        steps = self.kept.publish(self.zones, self.table.view, self.policy, now)
        return [origin for moved in steps for origin in moved]

    def zone(self, origin: tuple[bytes, ...] = CONSUL) -> PublishedZone:
        zone = self.kept.zone(origin)
        assert zone is not None
        return zone

    def lines(self, origin: tuple[bytes, ...] = CONSUL) -> set[str]:
        return lines_of(origin, self.zone(origin).records())


def lines_of(origin: tuple[bytes, ...], records: Sequence[bytes]) -> set[str]:
    """Return records as zone file lines, as an independent parser reads them behind the question for ``origin``."""
    query = dns.message.make_query(dns.name.Name([*origin, b""]), "AXFR").to_wire()
    header = query[:2] + b"\x84\0\0\1" + len(records).to_bytes(2, "big") + b"\0\0\0\0"
    message = dns.message.from_wire(header + query[12:].split(b"\0\0\x29", 1)[0] + b"".join(records))
    return {line for rrset in message.answer for line in rrset.to_text().splitlines()}


@pytest.fixture
def publisher(pool: Sequence[Change]) -> Callable[..., Publisher]:
    """Make a publisher of the pool."""

    def make(
        domains: Sequence[str] = ("consul",), prefixes: Sequence[str] | None = None, changes: Sequence[Change] = pool
    ) -> Publisher:
        return Publisher(changes, domains, prefixes)

    return make


def external(name: str, address: str) -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address, {}, {}))


def test_nothing_is_there_before_it_was_published(publisher: Callable[..., Publisher]) -> None:
    kept = publisher().kept
    assert (None, True, ()) == (kept.zone(CONSUL), kept.is_due, kept.origins)


def test_every_zone_is_published_at_the_seconds_of_now(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    assert set(made.publish()) == set(made.kept.origins) >= {CONSUL, DERIVED}
    assert {NOW} == {made.zone(origin).serial for origin in made.kept.origins}
    assert not made.kept.is_due


def test_forward_zone_holds_each_node_in_every_spelling_of_its_place(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    places = ("consul", "dc1.consul", "dc1.dc.consul")
    assert {f"foo.node.{place}. 0 IN A 127.0.0.1" for place in places} <= made.lines()
    assert {f"7f000001.addr.{place}. 0 IN A 127.0.0.1" for place in places} <= made.lines()


def test_soa_names_the_node_that_publishes(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    expected = {f"consul. 0 IN SOA {OTHERS}. hostmaster.consul. {NOW} 3600 600 86400 0"}
    assert expected == lines_of(CONSUL, [made.zone().soa])


def test_reverse_zone_points_to_nodes_in_the_first_domain(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    assert "1.1.1.10.in-addr.arpa. 0 IN PTR dual.node.dc1.consul." in made.lines(DERIVED)


def test_change_moves_the_zones_that_it_shows_in(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    made.apply(external("new", "10.1.1.77"))
    assert made.kept.is_due
    assert {CONSUL, DERIVED} == set(made.publish(NOW + 5))
    assert (NOW + 5, NOW) == (made.zone().serial, made.zone((b"0", b"0", b"127", b"in-addr", b"arpa")).serial)


def test_difference_holds_what_came_and_what_went(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    before = made.lines()
    made.apply(external("new", "10.1.1.77"), NodeDeregistered(NodeName("bar")))
    made.publish(NOW + 5)
    (difference,) = made.zone().since(NOW, tuple(OTHERS.encode().upper().split(b"."))) or ()
    assert (NOW, NOW + 5) == (difference.before, difference.after)
    assert before - made.lines() == lines_of(CONSUL, difference.removed)
    assert made.lines() - before == lines_of(CONSUL, difference.added)


def test_serial_rises_though_the_clock_stands_still(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    made.apply(external("new", "10.1.1.77"))
    made.publish()
    assert (NOW + 1, NOW + 1) == (made.zone().serial, made.kept.highest_serial)


def test_fingerprints_of_host_keys_are_in_the_zone(publisher: Callable[..., Publisher]) -> None:
    meta = {"sshfp-4-1": 40 * "0"}
    made = publisher(changes=(NodeRegistered(ExternalNode(NodeName("web"), "", "10.1.1.1", {}, meta)),))
    made.publish()
    assert {f"web.node.consul. 0 IN SSHFP 4 1 {40 * '0'}"} == {
        line for line in made.lines() if line.startswith("web.node.consul.") and " IN A " not in line
    }
