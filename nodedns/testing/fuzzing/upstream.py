"""What a recursor may reply, on its way to a client of ours.

The first byte says how the client asked, the rest is the reply. By one bit its ID and question are put right,
so that what stands behind them is looked into.
"""

from __future__ import annotations

from functools import cache

import dns.exception
import dns.message

from nodedns.dns.adoption import adopt, give_up
from nodedns.dns.decode import decode_header_untrusted, decode_query_untrusted
from nodedns.dns.forward import Forward, encode_upstream_query
from nodedns.dns.framing import MAX_MESSAGE_BYTES
from nodedns.dns.name import Labels
from nodedns.dns.question import Query, Question, Rcode, RRClass, RRType, Transport
from nodedns.dns.responder import Reply
from nodedns.dns.rrset import Answer, RRset
from nodedns.dns.upstream_records import check_records_untrusted
from nodedns.dns.upstream_reply import UpstreamReply, decode_reply_untrusted, is_reply_to
from nodedns.errors import DnsWireError
from nodedns.testing.dns_queries import OPT, query_wire
from nodedns.testing.fuzzing.demands import demand

__all__ = ["checked_upstream"]

QUERY_ID = 0x1234
PAYLOAD_BYTES = 1232
QR_RA = 0x8080
WANTED: Labels = (b"www", b"example", b"com")
ALIAS: Labels = (b"far", b"node", b"consul")
HEADER_BYTES = 12


@cache
def _forward(how: int) -> Forward:
    """Return one of the ways in which a client may have asked, by three bits."""
    is_alias, is_tcp, has_opt = bool(how & 1), bool(how & 2), bool(how & 4)
    labels = ALIAS if is_alias else WANTED
    wire = query_wire(".".join(label.decode() for label in labels), opt=OPT if has_opt else b"")
    query: Query = decode_query_untrusted(wire, decode_header_untrusted(wire))
    lead = RRset(ALIAS, RRType.CNAME, 0, (WANTED,))
    return Forward(
        query,
        Question(WANTED, WANTED, RRType.A, RRClass.IN),
        Transport.TCP if is_tcp else Transport.UDP,
        PAYLOAD_BYTES,
        prefix=Answer(rcode=Rcode.NOERROR, answer=(lead,)) if is_alias else None,
        most_bytes=None if is_tcp or has_opt else 3 * len(wire),
    )


def checked_upstream(data: bytes) -> str:
    """Take a reply as ``Forwarder`` does; return what it was good for, in a word.

    Raises:
        AssertionError: Something does not hold; any other error is one, too.
    """
    how, wire = data[0] if data else 0, data[1:]
    forward = _forward(how & 7)
    query = encode_upstream_query(forward, QUERY_ID)
    if how & 8:
        question = query[HEADER_BYTES : len(query) - (len(OPT) if forward.edns else 0)]
        wire = query[:2] + wire[2:4] + b"\0\1" + wire[6:HEADER_BYTES].ljust(6, b"\0") + question + wire[HEADER_BYTES:]
        wire = wire[:2] + bytes((wire[2] & 0x07 | 0x80,)) + wire[3:]
    if not is_reply_to(wire, query):
        return "stray"
    try:
        reply = decode_reply_untrusted(wire)
    except DnsWireError:
        return "malformed"
    _check_bounds(reply)
    if not reply.is_final:
        _check_reply(give_up(forward, reply.ede), forward)
        return "useless"
    if forward.prefix is not None:
        try:
            check_records_untrusted(reply)
        except DnsWireError:
            return "malformed"
        if reply.is_truncated:
            return "truncated"
    adopted = adopt(forward, reply)
    _check_reply(adopted, forward)
    if forward.prefix is None:
        demand(decode_reply_untrusted(adopted.wire).counts[0] in (0, reply.counts[0]), "part of an answer")
        return "handed on"
    demand(adopted.rcode == reply.rcode, "another code than the recursor gave")
    try:
        message = dns.message.from_wire(adopted.wire)
    except dns.exception.DNSException:
        # Data of types that we need not know are told as they came.
        return "spelt out"
    demand(
        adopted.is_truncated or message.answer[0].to_text() == "far.node.consul. 0 IN CNAME www.example.com.",
        "our own record is lost",
    )
    return "spelt out"


def _check_bounds(reply: UpstreamReply) -> None:
    bounds = (
        HEADER_BYTES,
        reply.answer_at,
        reply.authority_at,
        reply.additional_at,
        reply.records_end,
        len(reply.wire),
    )
    demand(list(bounds) == sorted(bounds), "sections that overlap")


def _check_reply(reply: Reply, forward: Forward) -> None:
    query, wire = forward.query, reply.wire
    header = decode_header_untrusted(wire)
    demand(header.query_id == query.query_id, "another ID")
    demand(int.from_bytes(wire[2:4], "big") & QR_RA == QR_RA, "no response, or none of a resolver")
    demand(not wire[2] & 0x04, "we are no authority for that")
    question_end = HEADER_BYTES + len(query.question_wire)
    demand(wire[HEADER_BYTES:question_end] == query.question_wire, "another question")
    again = decode_reply_untrusted(wire)
    demand(again.is_truncated == reply.is_truncated and again.rcode & 0xF == reply.rcode & 0xF, "not what metrics say")
    if forward.transport is Transport.TCP:
        demand(len(wire) <= MAX_MESSAGE_BYTES, "longer than TCP can carry")
    else:
        demand(len(wire) <= (512 if query.edns is None else PAYLOAD_BYTES), "longer than the client takes")
    demand(forward.most_bytes is None or len(wire) <= forward.most_bytes, "more than the amplification limit")
