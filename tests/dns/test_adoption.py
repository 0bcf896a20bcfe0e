"""A recursor's reply as our client gets it; replies are made by dnspython, and read by it."""

from __future__ import annotations

from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest

from nodedns.dns.adoption import adopt, give_up
from nodedns.dns.decode import decode_header_untrusted, decode_query_untrusted
from nodedns.dns.forward import Forward, encode_upstream_query
from nodedns.dns.name import labels_of
from nodedns.dns.question import Question, Rcode, RRClass, RRType, Transport
from nodedns.dns.responder import Reply
from nodedns.dns.rrset import EDE_NO_REACHABLE_AUTHORITY, Answer, RRset
from nodedns.dns.upstream_reply import UpstreamReply, decode_reply_untrusted, is_reply_to

OWN_ID, CLIENT_ID = 0x0707, 0xBEEF
SIZE = 1232
AUTHORITY = "example.com. 60 IN NS ns.example.com."
SOA = "example.com. 60 IN SOA ns.example.com. root.example.com. 1 2 3 4 5"


def query(name: str = "WWW.example.com", rtype: str = "A", **options: Any) -> dns.message.Message:
    made = dns.message.make_query(name, rtype, **options)
    made.id = CLIENT_ID
    return made


def forward_of(
    asked: dns.message.Message, transport: Transport = Transport.UDP, prefix: Answer | None = None, target: str = ""
) -> Forward:
    wire = asked.to_wire()
    decoded = decode_query_untrusted(wire, decode_header_untrusted(wire))
    question = decoded.question
    if target:
        name = labels_of(target)
        assert name is not None
        question = Question(name, name, question.rtype, RRClass.IN)
    return Forward(decoded, question, transport, SIZE, prefix)


def from_upstream(
    forward: Forward,
    answer: tuple[str, ...] = (),
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    *,
    rcode: int = 0,
    flags: int = dns.flags.RA,
    options: tuple[dns.edns.Option, ...] | None = None,
) -> UpstreamReply:
    upstream = encode_upstream_query(forward, OWN_ID)
    reply = dns.message.make_response(dns.message.from_wire(upstream), recursion_available=False)
    reply.set_rcode(dns.rcode.Rcode(rcode))
    reply.flags |= flags
    for section, lines in ((reply.answer, answer), (reply.authority, authority), (reply.additional, additional)):
        for line in lines:
            owner, ttl, rclass, rtype, data = line.split(maxsplit=4)
            section.append(dns.rrset.from_text(owner, int(ttl), rclass, rtype, data))
    reply.use_edns(0 if options is not None else -1, options=list(options or ()), payload=4096)
    wire = reply.to_wire(max_size=65_535)
    assert is_reply_to(wire, upstream)
    return decode_reply_untrusted(wire)


def read(reply: Reply) -> dns.message.Message:
    message = dns.message.from_wire(reply.wire)
    assert (int(message.rcode()), bool(message.flags & dns.flags.TC)) == (int(reply.rcode), reply.is_truncated)
    return message


def lines(section: list[dns.rrset.RRset]) -> list[str]:
    return [line for rrset in section for line in rrset.to_text().splitlines()]


def many(count: int, owner: str = "www.example.com.") -> tuple[str, ...]:
    return tuple(f"{owner} 60 IN TXT {'x' * 40}{number}" for number in range(count))


def test_client_gets_its_own_id_and_question_and_the_recursors_records() -> None:
    asked = query()
    forward = forward_of(asked)
    upstream = from_upstream(forward, ("www.example.com. 77 IN A 192.0.2.1",), (AUTHORITY,))
    reply = adopt(forward, upstream)
    message = read(reply)
    assert asked.is_response(message)
    assert (CLIENT_ID, "WWW.example.com.") == (message.id, message.question[0].name.to_text())
    assert ["WWW.example.com. 77 IN A 192.0.2.1"] == lines(message.answer)
    assert [AUTHORITY] == lines(message.authority)
    assert (Rcode.NOERROR, RRType.A, True, None) == (reply.rcode, reply.qtype, reply.has_answer, reply.keys)


def test_flags_are_ours_but_for_tc_and_ad() -> None:
    asked = query(flags=dns.flags.RD | dns.flags.CD)
    forward = forward_of(asked)
    upstream = from_upstream(forward, flags=dns.flags.AA | dns.flags.AD | dns.flags.TC | 0x40)
    flags = dns.flags
    assert flags.QR | flags.RD | flags.CD | flags.RA | flags.AD | flags.TC == read(adopt(forward, upstream)).flags


def test_missing_name_is_told_with_its_soa() -> None:
    forward = forward_of(query())
    message = read(adopt(forward, from_upstream(forward, (), (SOA,), rcode=dns.rcode.NXDOMAIN)))
    assert (dns.rcode.NXDOMAIN, [SOA]) == (message.rcode(), lines(message.authority))


def test_client_without_edns_gets_none() -> None:
    forward = forward_of(query())
    upstream = from_upstream(forward, ("www.example.com. 77 IN A 192.0.2.1",), options=())
    assert -1 == read(adopt(forward, upstream)).edns


@pytest.mark.parametrize("wants_dnssec", [True, False])
def test_opt_record_is_our_own(wants_dnssec: bool) -> None:
    forward = forward_of(query(use_edns=0, payload=900, want_dnssec=wants_dnssec))
    cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, bytes(16))
    message = read(adopt(forward, from_upstream(forward, options=(cookie,))))
    assert (SIZE, wants_dnssec, ()) == (message.payload, bool(message.ednsflags & dns.flags.DO), message.options)


def test_extended_error_of_the_recursor_is_handed_on() -> None:
    forward = forward_of(query(use_edns=0))
    stale = dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER, "served from yesterday")
    message = read(adopt(forward, from_upstream(forward, options=(stale,))))
    assert [dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER)] == list(message.options)


def test_additional_records_are_left_out_first_and_silently() -> None:
    forward = forward_of(query(rtype="TXT"))
    message = read(adopt(forward, from_upstream(forward, many(4), (), many(8, "a.example.com."))))
    assert (4, 0) == (len(lines(message.answer)), len(lines(message.additional)))


@pytest.mark.parametrize(("options", "limit"), [({}, 512), ({"use_edns": 0, "payload": 4096}, SIZE)])
def test_reply_that_is_too_long_says_so(options: dict[str, Any], limit: int) -> None:
    forward = forward_of(query(rtype="TXT", **options))
    reply = adopt(forward, from_upstream(forward, many(40)))
    assert len(reply.wire) <= limit
    assert ([], True, False) == (read(reply).answer, reply.is_truncated, reply.has_answer)


def test_reply_over_tcp_may_be_long() -> None:
    forward = forward_of(query(rtype="TXT"), Transport.TCP)
    assert 400 == len(lines(read(adopt(forward, from_upstream(forward, many(400)))).answer))


def test_giving_up_is_servfail_with_a_reason() -> None:
    message = read(give_up(forward_of(query(use_edns=0)), EDE_NO_REACHABLE_AUTHORITY))
    assert (dns.rcode.SERVFAIL, [EDE_NO_REACHABLE_AUTHORITY]) == (
        message.rcode(),
        [int(option.code) for option in message.options if isinstance(option, dns.edns.EDEOption)],
    )
    assert dns.flags.QR | dns.flags.RD | dns.flags.RA == message.flags & 0xFFF0


def aliased(asked: dns.message.Message, transport: Transport = Transport.UDP) -> Forward:
    owner, target = labels_of("web.node.consul"), labels_of("www.example.com")
    assert owner is not None
    assert target is not None
    alias = RRset(owner, RRType.CNAME, 10, (target,))
    prefix = Answer(rcode=Rcode.NOERROR, authoritative=True, answer=(alias,), keys=())
    return forward_of(asked, transport, prefix, "www.example.com")


def test_alias_goes_before_what_the_recursor_says_of_its_target() -> None:
    forward = aliased(query("web.node.consul", "ANY"))
    upstream = from_upstream(
        forward,
        (
            "www.example.com. 300 IN CNAME example.com.",
            "example.com. 20 IN A 192.0.2.1",
            "example.com. 20 IN A 192.0.2.2",
            'example.com. 30 IN TXT "one" "two"',
            "example.com. 30 IN MX 10 mail.example.com.",
            "example.com. 30 IN SRV 1 2 3 host.example.com.",
            "example.com. 30 IN TYPE65280 \\# 2 abcd",
            SOA,
        ),
    )
    message = read(adopt(forward, upstream))
    assert [
        "web.node.consul. 10 IN CNAME www.example.com.",
        "www.example.com. 300 IN CNAME example.com.",
        "example.com. 20 IN A 192.0.2.1",
        "example.com. 20 IN A 192.0.2.2",
        'example.com. 30 IN TXT "one" "two"',
        "example.com. 30 IN MX 10 mail.example.com.",
        "example.com. 30 IN SRV 1 2 3 host.example.com.",
        "example.com. 30 IN TYPE65280 \\# 2 abcd",
        SOA,
    ] == lines(message.answer)
    assert dns.flags.QR | dns.flags.AA | dns.flags.RD | dns.flags.RA == message.flags


def test_alias_to_a_missing_name_has_the_recursors_code_and_soa() -> None:
    forward = aliased(query("web.node.consul"))
    message = read(adopt(forward, from_upstream(forward, (), (SOA, AUTHORITY), rcode=dns.rcode.NXDOMAIN)))
    assert (dns.rcode.NXDOMAIN, 1, [SOA]) == (message.rcode(), len(message.answer), lines(message.authority))


def test_alias_whose_end_does_not_fit_says_so() -> None:
    forward = aliased(query("web.node.consul", "TXT"))
    reply = adopt(forward, from_upstream(forward, many(40)))
    assert len(reply.wire) <= 512
    assert ["web.node.consul. 10 IN CNAME www.example.com."] == lines(read(reply).answer)
    assert reply.is_truncated


def test_alias_whose_end_cannot_be_read_is_servfail() -> None:
    forward = aliased(query("web.node.consul"))
    upstream = from_upstream(forward, ("www.example.com. 20 IN A 192.0.2.1",))
    cut = upstream.wire[:-6] + b"\0\3\1\2\3"
    assert Rcode.SERVFAIL == adopt(forward, decode_reply_untrusted(cut)).rcode
