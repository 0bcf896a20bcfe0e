"""Which queries are for recursors, and what those are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest

from nodedns.dns.forward import Forward, encode_upstream_query
from nodedns.dns.question import Transport
from nodedns.dns.recursion import Recursion, Recursor
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.rrset import EDE_NOT_AUTHORITATIVE, EDE_PROHIBITED
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address

MakeContext = Callable[..., QueryContext]

INSIDE = Address.from_text("127.0.0.1", 40_000)
STRANGER = Address.from_text("8.8.8.8", 40_000)


@pytest.fixture
def recursive(context: QueryContext) -> QueryContext:
    return attrs.evolve(context, client=INSIDE, recursion=Recursion(recursors=(Recursor("192.0.2.53", 53),)))


def asked(name: str, rtype: str = "A", **options: Any) -> dns.message.Message:
    return dns.message.make_query(name, rtype, **options)


def forward_of(query: dns.message.Message, context: QueryContext) -> Forward:
    outcome = respond(query.to_wire(), context)
    assert isinstance(outcome, Forward)
    return outcome


def reply_of(query: dns.message.Message, context: QueryContext) -> dns.message.Message:
    outcome = respond(query.to_wire(), context)
    assert isinstance(outcome, Reply)
    return dns.message.from_wire(outcome.wire)


def ede_of(message: dns.message.Message) -> list[int]:
    return [int(option.code) for option in message.options if isinstance(option, dns.edns.EDEOption)]


@pytest.mark.parametrize("rtype", ["A", "AAAA", "ANY", "DS", "TYPE65280"])
@pytest.mark.parametrize("name", ["www.example.com", "notconsul", "com", ".", "1.2.0.192.in-addr.arpa"])
def test_name_outside_is_for_recursors(recursive: QueryContext, name: str, rtype: str) -> None:
    upstream = dns.message.from_wire(encode_upstream_query(forward_of(asked(name, rtype), recursive), 7))
    assert (7, name) == (upstream.id, str(upstream.question[0].name).rstrip(".") or ".")
    assert dns.rdatatype.from_text(rtype) == upstream.question[0].rdtype


@pytest.mark.parametrize("rtype", ["A", "NS", "SOA", "DNSKEY", "ANY", "SRV"])
@pytest.mark.parametrize("name", ["consul", "CONSUL", "ns.consul", "nobody.node.consul", "a.b.node.nodc.consul"])
def test_our_own_names_are_never_forwarded(recursive: QueryContext, name: str, rtype: str) -> None:
    assert isinstance(respond(asked(name, rtype).to_wire(), recursive), Reply)


@pytest.mark.parametrize("name", ["ns.consul", "node.consul", "nobody.node.consul", "ds.consul"])
def test_ds_below_a_zone_is_never_forwarded(recursive: QueryContext, name: str) -> None:
    assert isinstance(respond(asked(name, "DS").to_wire(), recursive), Reply)


@pytest.mark.parametrize("name", ["consul", "CONSUL"])
@pytest.mark.parametrize("denies_names", [False, True])
def test_ds_of_a_zone_is_for_its_parent_to_tell(recursive: QueryContext, name: str, denies_names: bool) -> None:
    # RFC 4035 section 3.1.4.1: "no data" is for servers that offer no recursion.
    forward = forward_of(asked(name, "DS"), attrs.evolve(recursive, denies_names=denies_names))
    assert (name, dns.rdatatype.DS) == (forward.asked.labels[0].decode(), forward.asked.rtype)


def test_ds_of_a_zone_is_denied_without_recursion(context: QueryContext, recursive: QueryContext) -> None:
    without_rd = asked("consul", "DS", flags=0)
    stranger = attrs.evolve(recursive, client=STRANGER)
    for query, server in ((asked("consul", "DS"), context), (without_rd, recursive), (asked("consul", "DS"), stranger)):
        reply = reply_of(query, server)
        assert (dns.rcode.NOERROR, []) == (reply.rcode(), reply.answer)
        assert dns.flags.AA & reply.flags
        assert dns.rdatatype.SOA == reply.authority[0].rdtype


def test_ds_of_a_zone_inside_another_of_ours_is_not_forwarded(recursive: QueryContext) -> None:
    zones = Zones(Zone.of_domains(["consul", "test.consul"]))
    reply = reply_of(asked("test.consul", "DS"), attrs.evolve(recursive, zones=zones))
    assert ("consul.", dns.rcode.NOERROR) == (str(reply.authority[0].name), reply.rcode())


@pytest.mark.parametrize("name", ["consul", "nobody.node.consul"])
def test_our_own_names_are_not_forwarded_before_the_cluster_is_known(make_context: MakeContext, name: str) -> None:
    context = make_context(cluster_known=False)
    context = attrs.evolve(context, client=INSIDE, recursion=Recursion(recursors=(Recursor("192.0.2.53", 53),)))
    assert dns.rcode.SERVFAIL == reply_of(asked(name), context).rcode()
    forward_of(asked("www.example.com"), context)


def test_stranger_is_refused_as_prohibited(recursive: QueryContext) -> None:
    reply = reply_of(asked("www.example.com", use_edns=0), attrs.evolve(recursive, client=STRANGER))
    assert (dns.rcode.REFUSED, [EDE_PROHIBITED]) == (reply.rcode(), ede_of(reply))


def test_query_that_wants_no_recursion_is_refused(recursive: QueryContext) -> None:
    reply = reply_of(asked("www.example.com", use_edns=0, flags=0), recursive)
    assert (dns.rcode.REFUSED, [EDE_NOT_AUTHORITATIVE]) == (reply.rcode(), ede_of(reply))


def test_without_recursors_all_are_refused(context: QueryContext) -> None:
    reply = reply_of(asked("www.example.com", use_edns=0), attrs.evolve(context, client=INSIDE))
    assert (dns.rcode.REFUSED, [EDE_NOT_AUTHORITATIVE]) == (reply.rcode(), ede_of(reply))


@pytest.mark.parametrize("rtype", ["AXFR", "IXFR", "OPT", "TSIG", "TKEY"])
def test_transaction_between_neighbours_is_not_forwarded(recursive: QueryContext, rtype: str) -> None:
    wire = asked("www.example.com", "A").to_wire()
    number = int(dns.rdatatype.from_text(rtype)).to_bytes(2, "big")
    assert not isinstance(respond(wire[:-4] + number + wire[-2:], recursive), Forward)


@pytest.mark.parametrize("rclass", [dns.rdataclass.CH, dns.rdataclass.ANY, dns.rdataclass.HS])
def test_other_class_is_not_forwarded(recursive: QueryContext, rclass: dns.rdataclass.RdataClass) -> None:
    assert not isinstance(respond(asked("www.example.com", rdclass=rclass).to_wire(), recursive), Forward)


def test_flags_of_the_client_that_concern_the_recursor_are_passed_on(recursive: QueryContext) -> None:
    plain = asked("www.example.com")
    plain.flags = dns.flags.Flag(dns.flags.RD | dns.flags.AD | dns.flags.CD | dns.flags.TC | dns.flags.RA)
    upstream = dns.message.from_wire(encode_upstream_query(forward_of(plain, recursive), 7))
    assert dns.flags.RD | dns.flags.AD | dns.flags.CD == upstream.flags


@pytest.mark.parametrize(("offered", "sent"), [(0, 512), (511, 512), (800, 800), (1232, 1232), (4096, 1232)])
def test_recursor_is_offered_what_the_client_takes_from_us(recursive: QueryContext, offered: int, sent: int) -> None:
    query = asked("www.example.com", use_edns=0, payload=offered, want_dnssec=True)
    upstream = dns.message.from_wire(encode_upstream_query(forward_of(query, recursive), 7))
    assert (sent, True) == (upstream.payload, bool(upstream.ednsflags & dns.flags.DO))


def test_client_without_edns_gets_none_upstream(recursive: QueryContext) -> None:
    upstream = dns.message.from_wire(encode_upstream_query(forward_of(asked("www.example.com"), recursive), 7))
    assert -1 == upstream.edns


def test_options_of_the_client_stay_behind(recursive: QueryContext) -> None:
    options = [dns.edns.ECSOption("198.51.100.0", 24), dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(8))]
    query = asked("www.example.com", use_edns=0, options=options)
    assert () == dns.message.from_wire(encode_upstream_query(forward_of(query, recursive), 7)).options


def test_letter_case_is_passed_on_and_makes_no_other_search(recursive: QueryContext) -> None:
    mixed, plain = forward_of(asked("WwW.eXample.com"), recursive), forward_of(asked("www.example.com"), recursive)
    assert b"WwW\7eXample\3com\0" == encode_upstream_query(mixed, 7)[13:29]
    assert mixed.key == plain.key


@pytest.mark.parametrize(
    "other",
    [
        asked("www.example.org"),
        asked("www.example.com", "AAAA"),
        asked("www.example.com", use_edns=0),
        asked("www.example.com", flags=dns.flags.RD | dns.flags.CD),
    ],
)
def test_different_question_is_a_search_of_its_own(recursive: QueryContext, other: dns.message.Message) -> None:
    assert forward_of(asked("www.example.com"), recursive).key != forward_of(other, recursive).key


def test_tcp_is_a_search_of_its_own(recursive: QueryContext) -> None:
    over_tcp = attrs.evolve(recursive, transport=Transport.TCP)
    query = asked("www.example.com")
    assert forward_of(query, recursive).key != forward_of(query, over_tcp).key


@pytest.mark.parametrize(("rtype", "wanted"), [("A", "A"), ("AAAA", "AAAA"), ("TXT", "TXT"), ("ANY", "A")])
def test_end_of_an_alias_is_asked_for_what_the_client_wants(recursive: QueryContext, rtype: str, wanted: str) -> None:
    forward = forward_of(asked("google.node.consul", rtype), recursive)
    upstream = dns.message.from_wire(encode_upstream_query(forward, 7))
    assert ("www.google.com.", wanted) == (
        str(upstream.question[0].name),
        dns.rdatatype.to_text(upstream.question[0].rdtype),
    )


@pytest.mark.parametrize("changes", [{"client": STRANGER}, {"client": None}])
def test_alias_alone_is_for_whom_there_is_no_recursion(recursive: QueryContext, changes: dict[str, Any]) -> None:
    outcome = respond(asked("google.node.consul").to_wire(), attrs.evolve(recursive, **changes))
    assert isinstance(outcome, Reply)
    assert 1 == len(dns.message.from_wire(outcome.wire).answer)
    assert outcome.keys is None


def test_alias_alone_is_for_who_wants_no_recursion(recursive: QueryContext) -> None:
    reply = reply_of(asked("google.node.consul", flags=0), recursive)
    assert (dns.rcode.NOERROR, 1) == (reply.rcode(), len(reply.answer))


def test_alias_itself_is_never_asked_for(recursive: QueryContext) -> None:
    assert 1 == len(reply_of(asked("google.node.consul", "CNAME"), recursive).answer)
