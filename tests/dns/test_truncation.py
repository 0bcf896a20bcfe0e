"""What is left of a reply that says nothing but to ask again over TCP."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import dns.flags
import dns.message
import dns.rcode
import pytest

from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.truncation import truncated

NAMES = ["foo.node.consul A", "consul NS", "consul SOA", "nobody.node.consul A", "example.com A", ". A"]


def replied(query: dns.message.Message, context: QueryContext) -> bytes:
    reply = respond(query.to_wire(), context)
    assert isinstance(reply, Reply)
    return reply.wire


@pytest.mark.parametrize("edns", [-1, 0])
@pytest.mark.parametrize("asked", NAMES)
def test_question_code_and_edns_stay_and_records_go(context: QueryContext, asked: str, edns: int) -> None:
    name, rtype = asked.split()
    query = dns.message.make_query(name, rtype, use_edns=edns, want_dnssec=edns == 0)
    whole = replied(query, context)

    left = dns.message.from_wire(truncated(whole, len(whole)))
    least = truncated(whole, len(query.to_wire()))

    before = dns.message.from_wire(whole)
    assert query.is_response(left)
    assert left.flags == before.flags | dns.flags.TC
    assert (before.rcode(), before.edns, before.ednsflags) == (left.rcode(), left.edns, left.ednsflags)
    assert ([], [], []) == (left.answer, left.authority, left.additional)
    assert len(least) <= len(query.to_wire())
    assert left.edns == dns.message.from_wire(least).edns


@pytest.mark.parametrize("room", [0, 10, 11, 12, 100])
def test_options_go_first_where_there_is_no_room(make_context: Callable[..., QueryContext], room: int) -> None:
    query = dns.message.make_query("foo.node.consul", "A", use_edns=0)
    whole = replied(query, make_context((), cluster_known=False))
    assert dns.message.from_wire(whole).options
    question_end = len(query.to_wire()) - 11

    wire = truncated(whole, question_end + room)

    left = dns.message.from_wire(wire)
    assert len(wire) <= question_end + room
    assert (0 if room >= 11 else -1) == left.edns
    assert (room == 100) == bool(left.options)


def test_reply_without_a_question_is_left_with_its_header(context: QueryContext) -> None:
    refusal = replied(dns.message.Message(id=7), context)
    assert refusal[:2] + bytes((refusal[2] | 2,)) + refusal[3:] == truncated(refusal, 12)


def test_compressed_records_are_passed_over(context: QueryContext) -> None:
    query = dns.message.make_query("consul", "NS", use_edns=0)
    whole = replied(query, attrs.evolve(context, transport=Transport.TCP))
    assert 0 == dns.message.from_wire(truncated(whole, len(whole))).edns
