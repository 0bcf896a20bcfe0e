"""What reverse zones say, read back by an independent parser; which there are, and what each answer depends on."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import dns.flags
import dns.message
import dns.rcode
import dns.reversename
import dns.rrset
import pytest

from nodedns.dns.dependency import SERVERS, ip_key, prefix_key
from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, RRType
from nodedns.dns.responder import QueryContext
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.reverse_names import cut_reverse_zone
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.address_index import Digits
from nodedns.table.changes import Change, ExternalNode, MemberUpserted, NodeDeregistered, NodeRegistered
from nodedns.table.node_table import NodeTable

Ask = Callable[..., dns.message.Message]
MakeContext = Callable[..., QueryContext]

FORWARD = Zone.of_domain("consul")
DERIVED = Zones((FORWARD,), ReverseZones.of_prefixes(None, FORWARD.origin))
SOA = "0 IN SOA ns.consul. hostmaster.consul. 1700000000 3600 600 86400 0"
HIGH = "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."  # of 2001:db8::/64


def listed(*texts: str) -> Zones:
    prefixes = [prefix for text in texts for prefix in cut_reverse_zone(text)]
    return Zones((FORWARD,), ReverseZones.of_prefixes(prefixes, FORWARD.origin))


LISTED = listed("10.0.0.0/8", "172.20.20.10/32", "2001:db8::/32", "fd00::/8")


def member(name: str, host: str, status: MemberStatus = MemberStatus.ALIVE, *, is_server: bool = False) -> Change:
    tags = {"nodedns": "1", **({"server": "1"} if is_server else {})}
    return MemberUpserted(SerfMember(NodeName(name), Address.from_text(host, 8301), tags, status, Versions(b"")))


def external(name: str, address: str) -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address))


def lines(section: list[dns.rrset.RRset]) -> list[str]:
    return [line for rrset in section for line in rrset.to_text().split("\n")]


def pointer(ask: Ask, ip: str, **changed: object) -> str:
    """Ask as ``dig -x`` does; return the target, or the response code's name."""
    reply = ask(f"{dns.reversename.from_address(ip)} PTR", **changed)
    return reply.answer[0][0].to_text() if reply.answer else dns.rcode.to_text(reply.rcode())


# --- which node --------------------------------------------------------------------------


@pytest.mark.parametrize("zones", [DERIVED, LISTED, listed("0.0.0.0/0", "::/0")], ids=["derived", "listed", "all"])
@pytest.mark.parametrize(
    ("ip", "target"),
    [
        ("10.1.1.1", "dual.node.dc1.consul."),
        ("2001:db8::1", "dual.node.dc1.consul."),
        ("2001:db8::42", "bar.node.dc1.consul."),
        ("172.20.20.10", "Agent-One.node.dc1.consul."),
        ("10.1.1.2", "a.b.c.node.dc1.consul."),
        ("10.1.1.3", "Under_Score.node.dc1.consul."),
        ("10.1.1.4", "m\\195\\188ller.node.dc1.consul."),
    ],
)
def test_every_address_names_its_node_as_it_was_announced(ask: Ask, zones: Zones, ip: str, target: str) -> None:
    assert target == pointer(ask, ip, zones=zones)


def test_answer_is_one_record_in_the_name_asked(ask: Ask) -> None:
    reply = ask("1.1.1.10.In-Addr.ARPA. PTR", zones=DERIVED)
    assert ["1.1.1.10.In-Addr.ARPA. 0 IN PTR dual.node.dc1.consul."] == lines(reply.answer)
    assert ([], []) == (reply.authority, reply.additional)
    assert dns.flags.QR | dns.flags.AA | dns.flags.RD == reply.flags


def test_nibbles_are_found_in_either_letter_case(ask: Ask, make_context: MakeContext) -> None:
    there = make_context((external("six", "2001:db8::abcd"),))
    name = f"D.c.B.a.0.0.0.0.0.0.0.0.0.0.0.0.{HIGH}"
    assert [f"{name} 0 IN PTR six.node.dc1.consul."] == lines(ask(f"{name} PTR", there, zones=DERIVED).answer)


SHARED = "10.1.1.1"


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ([member("b", SHARED), member("a", SHARED)], "a.node.dc1.consul."),
        ([member("a", SHARED, MemberStatus.FAILED), member("b", SHARED)], "b.node.dc1.consul."),
        ([member("a", SHARED, MemberStatus.FAILED), external("b", SHARED)], "b.node.dc1.consul."),
        ([external("a", SHARED), member("b", SHARED, MemberStatus.LEAVING)], "b.node.dc1.consul."),
        ([member("a", SHARED, MemberStatus.LEAVING), member("b", SHARED)], "b.node.dc1.consul."),
        ([member("b", SHARED, MemberStatus.FAILED), member("a", SHARED, MemberStatus.FAILED)], "a.node.dc1.consul."),
        ([member("a", SHARED, MemberStatus.LEFT)], "REFUSED"),
        ([external("x" * 64, SHARED), external("y", SHARED)], "y.node.dc1.consul."),
    ],
    ids=[
        "first name",
        "alive",
        "registered before failed",
        "leaving before registered",
        "alive before leaving",
        "failed",
        "left",
        "name that dns can spell",
    ],
)
def test_shared_address_names_the_node_likeliest_to_be_there(
    ask: Ask, make_context: MakeContext, changes: list[Change], target: str
) -> None:
    assert target == pointer(ask, SHARED, of=make_context(tuple(changes)), zones=DERIVED)


def test_address_of_a_node_that_dns_cannot_spell_is_there_and_has_no_record(
    ask: Ask, make_context: MakeContext
) -> None:
    there = make_context((external("x" * 64, SHARED),))
    reply = ask("1.1.1.10.in-addr.arpa. PTR", there, zones=DERIVED)
    assert (dns.rcode.NOERROR, [], [f"1.1.10.in-addr.arpa. {SOA}"]) == (
        reply.rcode(),
        reply.answer,
        lines(reply.authority),
    )


@pytest.mark.parametrize("zones", [DERIVED, listed("0.0.0.0/0")], ids=["derived", "listed"])
def test_mapped_address_is_an_ipv4_address(ask: Ask, make_context: MakeContext, zones: Zones) -> None:
    there = make_context((external("a", "::ffff:10.1.1.1"),))
    assert "a.node.dc1.consul." == pointer(ask, "10.1.1.1", of=there, zones=zones)
    name = "1.0.1.0.1.0.a.0.f.f.f.f." + 20 * "0." + "ip6.arpa."
    assert dns.rcode.REFUSED == ask(f"{name} PTR", there, zones=zones).rcode()


# --- what else a zone says ------------------------------------------------------------------

EMPTY = [
    ("1.1.1.10.in-addr.arpa. A", "10.in-addr.arpa."),
    ("1.1.1.10.in-addr.arpa. CNAME", "10.in-addr.arpa."),
    ("1.1.10.in-addr.arpa. PTR", "10.in-addr.arpa."),
    ("1.10.in-addr.arpa. ANY", "10.in-addr.arpa."),
    ("10.in-addr.arpa. PTR", "10.in-addr.arpa."),
    ("10.in-addr.arpa. A", "10.in-addr.arpa."),
    ("10.20.20.172.in-addr.arpa. TXT", "10.20.20.172.in-addr.arpa."),
    (f"{HIGH} PTR", "8.b.d.0.1.0.0.2.ip6.arpa."),
    (f"0.0.0.{HIGH} NS", "8.b.d.0.1.0.0.2.ip6.arpa."),
    ("d.f.ip6.arpa. PTR", "d.f.ip6.arpa."),
]

ABSENT = [
    ("9.1.1.10.in-addr.arpa. PTR", "10.in-addr.arpa."),
    ("9.1.1.10.in-addr.arpa. A", "10.in-addr.arpa."),
    ("2.10.in-addr.arpa. NS", "10.in-addr.arpa."),
    ("x.1.1.1.10.in-addr.arpa. PTR", "10.in-addr.arpa."),
    ("1.1.1.1.10.in-addr.arpa. PTR", "10.in-addr.arpa."),
    ("01.1.1.10.in-addr.arpa. PTR", "10.in-addr.arpa."),
    ("1.01.1.10.in-addr.arpa. PTR", "10.in-addr.arpa."),
    ("256.1.1.10.in-addr.arpa. PTR", "10.in-addr.arpa."),
    ("one.1.1.10.in-addr.arpa. PTR", "10.in-addr.arpa."),
    ("x.10.20.20.172.in-addr.arpa. PTR", "10.20.20.172.in-addr.arpa."),
    (f"1.{HIGH} PTR", "8.b.d.0.1.0.0.2.ip6.arpa."),
    (f"g.{HIGH} PTR", "8.b.d.0.1.0.0.2.ip6.arpa."),
    ("1.0.d.f.ip6.arpa. PTR", "d.f.ip6.arpa."),
    (f"{32 * '1.'}d.f.ip6.arpa. PTR", "d.f.ip6.arpa."),
]


@pytest.mark.parametrize(("what", "origin"), EMPTY, ids=[what for what, _ in EMPTY])
def test_name_without_such_data_gets_noerror_and_soa(ask: Ask, what: str, origin: str) -> None:
    reply = ask(what, zones=LISTED)
    assert (dns.rcode.NOERROR, [], [f"{origin} {SOA}"]) == (reply.rcode(), reply.answer, lines(reply.authority))


@pytest.mark.parametrize(("what", "origin"), ABSENT, ids=[what for what, _ in ABSENT])
def test_name_that_is_not_there_gets_nxdomain_and_soa(ask: Ask, what: str, origin: str) -> None:
    reply = ask(what, zones=LISTED)
    assert (dns.rcode.NXDOMAIN, [], [f"{origin} {SOA}"]) == (reply.rcode(), reply.answer, lines(reply.authority))


@pytest.mark.parametrize("zones", [DERIVED, listed("10.1.1.0/24")], ids=["derived", "listed"])
def test_apex_has_the_soa_and_name_servers_of_the_domain(ask: Ask, zones: Zones) -> None:
    names = [f"1.1.10.in-addr.arpa. 0 IN NS agent-{name}.node.dc1.consul." for name in ("one", "six")]
    addresses = ["agent-one.node.dc1.consul. 0 IN A 172.20.20.10", "agent-six.node.dc1.consul. 0 IN AAAA 2001:db8::6"]
    ns, every = ask("1.1.10.in-addr.arpa. NS", zones=zones), ask("1.1.10.in-addr.arpa. ANY", zones=zones)
    assert [f"1.1.10.in-addr.arpa. {SOA}"] == lines(ask("1.1.10.in-addr.arpa. SOA", zones=zones).answer)
    assert (names, addresses) == (lines(ns.answer), lines(ns.additional))
    assert ([f"1.1.10.in-addr.arpa. {SOA}", *names], addresses) == (lines(every.answer), lines(every.additional))


def test_zone_of_one_address_has_its_pointer_at_the_apex(ask: Ask) -> None:
    assert "Agent-One.node.dc1.consul." == pointer(ask, "172.20.20.10", zones=LISTED)
    kinds = [rrset.rdtype.name for rrset in ask("10.20.20.172.in-addr.arpa. ANY", zones=LISTED).answer]
    assert ["SOA", "NS", "PTR"] == kinds


def test_soa_names_a_server_that_resolves_with_the_serial_of_the_domain(ask: Ask) -> None:
    reverse = ask("10.in-addr.arpa. SOA", zones=LISTED).answer[0][0]
    assert ask("consul. SOA").answer[0][0].serial == reverse.serial
    assert ["ns.consul. 0 IN A 172.20.20.10"] == lines(ask(f"{reverse.mname} A", zones=LISTED).answer)


def test_policy_gives_ttls(ask: Ask) -> None:
    policy = DnsPolicy(node_ttl_s=10, ptr_ttl_s=20, soa_min_ttl_s=30)
    found = ask("1.1.1.10.in-addr.arpa. PTR", policy=policy, zones=DERIVED)
    absent = ask("9.1.1.10.in-addr.arpa. PTR", policy=policy, zones=DERIVED)
    ns = ask("1.1.10.in-addr.arpa. NS", policy=policy, zones=DERIVED)
    assert [20, 30, 10] == [found.answer[0].ttl, absent.authority[0].ttl, ns.answer[0].ttl]


NESTED = listed("10.0.0.0/8", "10.200.3.0/24", "2001:db8::/32", "2001:db8:ffff:1::/64")
INNER = "1.0.0.0.f.f.f.f.8.b.d.0.1.0.0.2.ip6.arpa."


@pytest.mark.parametrize(
    ("what", "origin"),
    [
        ("200.10.in-addr.arpa. PTR", "10.in-addr.arpa."),
        (f"{INNER.removeprefix('1.0.0.0.')} NS", "8.b.d.0.1.0.0.2.ip6.arpa."),
        ("3.200.10.in-addr.arpa. DS", "10.in-addr.arpa."),
        (f"{INNER} DS", "8.b.d.0.1.0.0.2.ip6.arpa."),
    ],
)
def test_outer_zone_knows_the_way_to_an_inner_one_without_addresses(ask: Ask, what: str, origin: str) -> None:
    reply = ask(what, zones=NESTED)
    assert (dns.rcode.NOERROR, [], [f"{origin} {SOA}"]) == (reply.rcode(), reply.answer, lines(reply.authority))


def test_name_beside_the_way_to_an_inner_zone_is_not_there(ask: Ask) -> None:
    assert dns.rcode.NXDOMAIN == ask("201.10.in-addr.arpa. PTR", zones=NESTED).rcode()
    assert dns.rcode.NXDOMAIN == ask("20.10.in-addr.arpa. PTR", zones=NESTED).rcode()


# --- which zones ----------------------------------------------------------------------------

OUTSIDE = ["arpa. NS", "in-addr.arpa. SOA", "ip6.arpa. NS", "1.1.1.11.in-addr.arpa. PTR", "1.e.ip6.arpa. PTR"]


@pytest.mark.parametrize("zones", [DERIVED, LISTED, listed()], ids=["derived", "listed", "none"])
@pytest.mark.parametrize("what", OUTSIDE)
def test_reverse_name_outside_is_refused(ask: Ask, what: str, zones: Zones) -> None:
    assert dns.rcode.REFUSED == ask(what, zones=zones).rcode()


@pytest.mark.parametrize(
    ("what", "rcode"),
    [
        ("1.10.in-addr.arpa. NS", "REFUSED"),
        ("01.1.10.in-addr.arpa. SOA", "REFUSED"),
        ("1.2.1.10.in-addr.arpa. PTR", "REFUSED"),
        ("x.1.1.10.in-addr.arpa. PTR", "NXDOMAIN"),
        ("1.1.10.in-addr.arpa. PTR", "NOERROR"),
        ("0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. SOA", "REFUSED"),
        ("1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR", "REFUSED"),
        (f"{HIGH} SOA", "NOERROR"),
        (f"0.{HIGH} PTR", "NOERROR"),
    ],
)
def test_derived_zones_are_the_24_and_64_bits_before_an_address(ask: Ask, what: str, rcode: str) -> None:
    assert rcode == dns.rcode.to_text(ask(what, zones=DERIVED).rcode())


def test_derived_zone_is_there_as_long_as_an_address_is(ask: Ask, context: QueryContext) -> None:
    table = NodeTable("dc1", NodeName("one"), 1)
    changes: list[Change] = [
        member("one", "172.16.0.1"),
        external("a", "10.1.1.1"),
        external("b", "10.1.1.2"),
        NodeDeregistered(NodeName("a")),
        external("b", "10.1.2.2"),
    ]
    seen = []
    for change in changes:
        here = attrs.evolve(context, view=table.apply([change]), zones=DERIVED)
        seen.append(dns.rcode.to_text(ask("9.1.1.10.in-addr.arpa. PTR", here).rcode()))
    assert ["REFUSED", "NXDOMAIN", "NXDOMAIN", "NXDOMAIN", "REFUSED"] == seen


def test_longest_of_the_listed_zones_wins(ask: Ask) -> None:
    zones = listed("10.0.0.0/8", "10.1.0.0/16")
    seen = [
        ask(f"{name}.in-addr.arpa. PTR", zones=zones).authority[0].name.to_text()
        for name in ("9.9.1.10", "1.10", "9.9.2.10")
    ]
    assert ["1.10.in-addr.arpa.", "1.10.in-addr.arpa.", "10.in-addr.arpa."] == seen


def test_domain_below_a_reverse_zone_is_a_zone_of_its_own(ask: Ask) -> None:
    zones = Zones((Zone.of_domain("pool.1.10.in-addr.arpa"),), listed("10.0.0.0/8").reverse)
    assert "foo.node.pool.1.10.in-addr.arpa. 0 IN A 127.0.0.1" in lines(
        ask("foo.node.pool.1.10.in-addr.arpa. A", zones=zones).answer
    )
    assert "dual.node.dc1.consul." == pointer(ask, "10.1.1.1", zones=zones)


# --- what answers depend on ------------------------------------------------------------------


def asked(name: str, rtype: int) -> Question:
    labels: Labels = tuple(name.encode().split(b"."))
    return Question(labels, labels, rtype, 1)


@pytest.mark.parametrize(
    ("name", "rtype", "zones", "keys"),
    [
        ("1.1.1.10.in-addr.arpa", RRType.PTR, DERIVED, {ip_key("10.1.1.1")}),
        ("1.1.1.10.in-addr.arpa", RRType.A, LISTED, {ip_key("10.1.1.1")}),
        ("9.1.1.10.in-addr.arpa", RRType.PTR, DERIVED, {ip_key("10.1.1.9"), prefix_key(Digits(4, "0a0101"))}),
        ("9.1.1.10.in-addr.arpa", RRType.PTR, LISTED, {ip_key("10.1.1.9")}),
        ("1.1.10.in-addr.arpa", RRType.NS, DERIVED, {SERVERS, prefix_key(Digits(4, "0a0101"))}),
        ("10.in-addr.arpa", RRType.SOA, LISTED, {SERVERS}),
        ("1.10.in-addr.arpa", RRType.A, LISTED, {prefix_key(Digits(4, "0a01"))}),
        ("x.1.1.10.in-addr.arpa", RRType.A, LISTED, set()),
    ],
)
def test_answer_names_what_it_depends_on(
    context: QueryContext, name: str, rtype: int, zones: Zones, keys: set[str]
) -> None:
    question = asked(name, rtype)
    zone = zones.covering(question.folded, context.view)
    assert zone is not None
    assert keys == set(zone.answer(question, context.view, DnsPolicy()).keys or ())
