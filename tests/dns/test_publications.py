"""Zones as they are published: their content, serials, and what leads from one state to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import dns.message
import dns.name
import pytest

from nodedns.dns.policy import DnsPolicy, ServiceTtls
from nodedns.dns.publications import Publications
from nodedns.dns.published import PublishedZone
from nodedns.dns.question import Question, RRType
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.reverse_names import cut_reverse_zone
from nodedns.dns.rrset import RRset, SoaData
from nodedns.dns.zone import Zone
from nodedns.dns.zone_content import STEP_WEIGHT
from nodedns.dns.zone_records import MAX_SET_BYTES, packed_records
from nodedns.dns.zone_works import MAX_DERIVED_ZONES
from nodedns.dns.zones import Zones
from nodedns.model.check import Check, CheckStatus
from nodedns.model.limits import MAX_TAGS_TIMES_PORTS
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service
from nodedns.table.changes import (
    Change,
    CheckRegistered,
    ClusterKnown,
    ExternalNode,
    NodeDeregistered,
    NodeRegistered,
    ServiceRegistered,
)
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


def service(node: str, name: str, **given: Any) -> Change:
    return ServiceRegistered(NodeName(node), Service(given.pop("service_id", name), name, port=80, **given))


def since(made: Publisher, serial: int, mname: str = OTHERS) -> int | None:
    """Return how many differences lead to now; None if the whole zone must be sent."""
    differences = made.zone().since(serial, tuple(mname.encode().split(b".")))
    return None if differences is None else len(differences)


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


def test_nothing_published_leads_to_nothing_told(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    assert ([], 0) == (made.publish(NOW + 9), since(made, NOW))


def test_difference_of_another_agent_or_run_is_not_guessed(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    made.apply(external("new", "10.1.1.77"))
    made.publish(NOW + 5)
    assert (1, None, None) == (since(made, NOW), since(made, NOW, "other.node.dc1.consul"), since(made, NOW - 1))


def test_difference_is_not_told_where_several_agents_may_go_by_one_name(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.kept = Publications("no..name", "dc1", NOW - 100)
    made.publish()
    assert (b"ns", b"consul") == made.zone().mname
    assert None is since(made, NOW, "ns.consul")


def test_other_policy_publishes_anew(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    count = len(made.zone().records())
    made.policy = attrs.evolve(made.policy, node_ttl_s=30, service_ttl=ServiceTtls({"*": 30}))
    assert CONSUL in made.publish(NOW + 5)
    assert "foo.node.consul. 30 IN A 127.0.0.1" in made.lines()
    assert count == len(made.zone().records())
    # More than the zone has would have to be told.
    assert None is since(made, NOW)


def test_other_soa_alone_is_a_difference_without_records(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    made.policy = attrs.evolve(made.policy, soa_expire_s=7)
    assert set(made.kept.origins) == set(made.publish(NOW + 5))
    (difference,) = made.zone().since(NOW, made.zone().mname) or ()
    assert ((), ()) == (difference.removed, difference.added)


def test_zone_of_addresses_goes_with_them_and_comes_back_with_a_higher_serial(
    publisher: Callable[..., Publisher],
) -> None:
    made = publisher(changes=(external("agent-one", "10.0.0.1"), external("a", "10.1.1.1")))
    made.publish()
    assert NOW == made.zone(DERIVED).serial
    made.apply(NodeDeregistered(NodeName("a")))
    made.publish()
    assert None is made.kept.zone(DERIVED)
    assert NOW <= made.kept.edition(DERIVED, CONSUL).serial
    made.apply(external("a", "10.1.1.1"))
    made.publish()
    assert NOW < made.zone(DERIVED).serial
    assert None is made.zone(DERIVED).since(NOW, made.zone(DERIVED).mname)


def test_listed_reverse_zone_is_there_without_addresses(publisher: Callable[..., Publisher]) -> None:
    made = publisher(prefixes=("192.0.2.0/24", "10.0.0.0/8", "10.1.1.0/24"))
    made.publish()
    empty = (b"2", b"0", b"192", b"in-addr", b"arpa")
    name = f"{b'.'.join(empty).decode()}. 0 IN NS "
    assert {f"{name}agent-one.node.dc1.consul.", f"{name}agent-six.node.dc1.consul."} == made.lines(empty)


def test_outer_zone_delegates_what_is_in_an_inner_one(publisher: Callable[..., Publisher]) -> None:
    made = publisher(domains=("consul", "test.consul"), prefixes=("10.0.0.0/8", "10.1.1.0/24"))
    made.publish()
    inside = {line for line in made.lines() if line.split()[0].endswith("test.consul.")}
    assert {
        "test.consul. 0 IN NS agent-one.node.dc1.test.consul.",
        "test.consul. 0 IN NS agent-six.node.dc1.test.consul.",
        "agent-one.node.dc1.test.consul. 0 IN A 172.20.20.10",
        "agent-six.node.dc1.test.consul. 0 IN AAAA 2001:db8::6",
    } == inside
    ten = made.lines((b"10", b"in-addr", b"arpa"))
    assert {"NS"} == {line.split()[3] for line in ten if line.split()[0].endswith("1.1.10.in-addr.arpa.")}


def test_delegation_follows_the_servers(publisher: Callable[..., Publisher], server: Callable[..., Change]) -> None:
    made = publisher(domains=("consul", "test.consul"))
    made.publish()
    made.apply(server("Agent-One", "172.20.20.99"))
    made.publish(NOW + 1)
    assert "agent-one.node.dc1.test.consul. 0 IN A 172.20.20.99" in made.lines()
    assert "agent-one.node.dc1.test.consul. 0 IN A 172.20.20.10" not in made.lines()


@pytest.mark.parametrize("name", ["*", "a.*", "*.a"])
def test_name_that_would_be_a_wildcard_is_left_out(publisher: Callable[..., Publisher], name: str) -> None:
    made = publisher(changes=(external("agent-one", "10.0.0.1"), external(name, "10.0.0.2"), service(name, "web")))
    made.publish()
    owners = {line.split()[0].replace("\\.", "") for line in made.lines()}
    assert not [owner for owner in owners if "*" in owner.split(".")]
    assert "web.service.consul. 0 IN A 10.0.0.2" in made.lines()


def test_of_several_host_names_of_a_service_the_first_is_in_the_zone(publisher: Callable[..., Publisher]) -> None:
    hosts = {"x": "z.example", "y": "B.example", "z": "c.example"}
    services = [service("agent-one", "db", service_id=key, address=host) for key, host in hosts.items()]
    made = publisher(changes=(external("agent-one", "10.0.0.1"), *services))
    made.publish()
    said = {line for line in made.lines() if line.startswith(("db.service.consul.", "_db._tcp.consul. 0 IN SRV"))}
    targets = [f"_db._tcp.consul. 0 IN SRV 1 1 80 {host}." for host in hosts.values()]
    assert {"db.service.consul. 0 IN CNAME B.example.", *targets} == said


def test_tag_and_service_with_underscores_have_the_name_that_looks_like_a_type(
    publisher: Callable[..., Publisher],
) -> None:
    made = publisher(changes=(external("agent-one", "10.0.0.1"), service("agent-one", "_", tags=("_t",))))
    made.publish()
    assert "_t._.consul. 0 IN A 10.0.0.1" in made.lines()


def test_service_without_a_well_instance_is_not_in_the_zone(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.publish()
    assert any(line.startswith("other.service.consul.") for line in made.lines())
    ill = Check("c", "c", CheckStatus.CRITICAL, service_id="other")
    made.apply(CheckRegistered(NodeName("a.b.c"), ill))
    made.publish(NOW + 1)
    assert not [line for line in made.lines() if "other" in line]


def test_zone_is_never_stale_for_an_instance_however_many_tags_and_ports_it_has(
    publisher: Callable[..., Publisher],
) -> None:
    tags = tuple(f"t{number}" for number in range(MAX_TAGS_TIMES_PORTS // 8 + 1))
    ports = tuple(NamedPort(f"p{number}", 80, not number) for number in range(8))
    few, many = Service("few", "wide", tags[:1], ports=ports[:1]), Service("many", "wide", tags, ports=ports)
    sick = CheckRegistered(NodeName("bar"), Check("sick", "sick", CheckStatus.CRITICAL, service_id="many"))
    made = publisher()
    made.apply(ServiceRegistered(NodeName("foo"), few), ServiceRegistered(NodeName("bar"), many))
    made.publish()
    both = "t0.wide.service.p0.port.consul. 0 IN A"
    assert 2 == len([line for line in made.lines() if line.startswith(both)])
    assert any(line.startswith("t127.wide.service.p7.port.consul. ") for line in made.lines())

    made.apply(sick)
    made.publish(NOW + 1)
    anew = publisher()
    anew.apply(ServiceRegistered(NodeName("foo"), few), ServiceRegistered(NodeName("bar"), many), sick)
    anew.publish(NOW + 1)

    assert 1 == len([line for line in made.lines() if line.startswith(both)])
    assert anew.lines() == made.lines()


def test_set_larger_than_a_reply_is_cut() -> None:
    rdatas = tuple(number.to_bytes(4, "big") for number in range(5_000))
    held = packed_records(RRset((b"web", b"consul"), RRType.A, 0, rdatas), CONSUL)
    assert rdatas[: MAX_SET_BYTES // 16] == tuple(record[-4:] for record in held)


def _host(number: int) -> str:
    return f"10.3.{number // 250}.{number % 250}"


def test_cluster_that_is_not_known_is_not_published(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    made.table = NodeTable("dc1", NodeName("agent-one"), 1, cluster_known=False)
    made.apply(external("agent-one", "10.0.0.1"))
    assert [] == made.publish()
    made.apply(ClusterKnown())
    assert CONSUL in made.publish()


def test_live_answers_tell_the_edition_that_was_published(publisher: Callable[..., Publisher]) -> None:
    made = publisher()
    forward = Zone.of_domains(("consul",), edition_of=made.kept.edition)
    made.zones = Zones(forward, ReverseZones.of_prefixes(None, CONSUL, made.kept.edition))
    assert (NOW - 100, made.kept.serials_version) == (soa_of(made, CONSUL).serial, 1)
    made.publish()
    for origin in (CONSUL, DERIVED):
        said = soa_of(made, origin)
        assert (NOW, tuple(OTHERS.encode().split(b"."))) == (said.serial, said.mname)
    assert made.kept.serials_version > 1


def soa_of(made: Publisher, origin: tuple[bytes, ...]) -> SoaData:
    question = Question(origin, origin, RRType.SOA, 1)
    zone = made.zones.answering(question, made.table.view)
    assert zone is not None
    (rrset,) = zone.answer(question, made.table.view, made.policy).answer
    (soa,) = rrset.rdatas
    assert isinstance(soa, SoaData)
    return soa


def test_no_more_zones_of_addresses_are_published_than_may_be(publisher: Callable[..., Publisher]) -> None:
    hosts = [external(f"n{number}", f"10.{number}.0.1") for number in range(256)]
    made = publisher(changes=(external("agent-one", "10.200.0.1"), *hosts[1:]))
    made.publish()
    assert 1 + 255 == len(made.kept.origins)
    made.apply(external("more", "9.0.0.1"), external("most", "9.0.1.1"))
    made.publish(NOW + 1)
    assert 1 + MAX_DERIVED_ZONES == len(made.kept.origins)


def test_no_step_does_more_than_a_few_names(publisher: Callable[..., Publisher]) -> None:
    made = publisher(changes=(external("agent-one", "10.0.0.1"), *(external(f"n{n}", _host(n)) for n in range(500))))
    steps = list(made.kept.publish(made.zones, made.table.view, made.policy, NOW))
    assert len(made.zone().sets) / STEP_WEIGHT <= len(steps)


def test_server_that_would_be_a_wildcard_has_no_address_in_the_outer_zone(
    publisher: Callable[..., Publisher], server: Callable[..., Change]
) -> None:
    made = publisher(
        domains=("consul", "test.consul"), changes=(server("agent-one", "10.0.0.1"), server("*", "10.0.0.2"))
    )
    made.publish()
    assert {"agent-one.node.dc1.test.consul. 0 IN A 10.0.0.1"} == {
        line for line in made.lines() if line.split()[0].endswith("node.dc1.test.consul.")
    }


def test_node_with_a_name_for_no_eyes_is_no_instance_to_browse(publisher: Callable[..., Publisher]) -> None:
    made = publisher(changes=(external("agent-one", "10.0.0.1"), external("\1", "10.0.0.2"), service("\1", "web")))
    made.publish()
    owners = {line.split()[0] for line in made.lines()}
    assert {r"\001.node.consul.", "web.service.consul."} <= owners
    assert not [owner for owner in owners if owner.endswith("._web._tcp.consul.")]
