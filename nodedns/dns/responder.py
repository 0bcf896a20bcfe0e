"""``respond``: any bytes in; a reply, or a reason to stay silent, out.

The ladder of refusals, header first, as NSD has it:

1. shorter than a header, or itself a response: nothing (a reply could loop)
2. opcode other than QUERY: NOTIMP, header only
3. not one question, stray or malformed or trailing bytes, two OPT records: FORMERR, header only;
   but no question and a cookie: a cookie
4. signed: NOTAUTH, for there are no keys
5. EDNS version above 0: BADVERS; malformed options: FORMERR; a cookie wanted first: BADCOOKIE
6. class CH: what the server says of itself; class other than that, IN and ANY: REFUSED
7. a name outside our zones: a recursor is to be asked, or REFUSED
8. clients may not read our names: REFUSED, with Extended DNS Error 18; never NXDOMAIN, which would be kept
9. zone transfer: REFUSED
10. the cluster is not known yet: SERVFAIL, with Extended DNS Error 14
11. the zone with the longest origin answers; an alias is followed, out of our zones by a recursor

Class ANY is answered from class IN without AA: we cannot vouch for the other
classes (RFC 1035 section 6.2; NSD does the same). AXFR and IXFR are refused on
both transports until there are secondaries to allow (RFC 5936 section 5 leaves
it to policy; RFC 1995 has no other error for it).

A client over UDP may be forged, and the reply meant to hurt whose address it
is; so it is bounded by the length of the query (``held_to``).

Nothing here raises, whatever the bytes. Source: RFC 1035, 6891, 7873, 8906, 8945, 9619.
"""

from __future__ import annotations

import enum
from random import Random

import attrs

from nodedns.dns.alias import follow
from nodedns.dns.chaos import chaos_answer
from nodedns.dns.codec import encode_answer, encode_header_only, encode_opt_alone, reply_limit
from nodedns.dns.cookies import Cookies
from nodedns.dns.decode import (
    HEADER_BYTES,
    Header,
    decode_header_untrusted,
    decode_opt_alone_untrusted,
    decode_query_untrusted,
)
from nodedns.dns.edns import Granted, Peer, grant_options
from nodedns.dns.forward import Forward, may_forward, refuse_outside
from nodedns.dns.name import Labels, fold_labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Edns, Query, Question, Rcode, RRClass, RRType, Transport, Tsig
from nodedns.dns.rate_limit import ERROR_CLASS, response_class
from nodedns.dns.recursion import NO_RECURSION, Recursion
from nodedns.dns.rrset import EDE_NOT_AUTHORITATIVE, EDE_NOT_READY, EDE_PROHIBITED, Answer
from nodedns.dns.spread import Spread
from nodedns.dns.targets import with_targets
from nodedns.dns.truncation import truncated
from nodedns.dns.tsig import with_bad_key
from nodedns.dns.zones import ServedZone, Zones
from nodedns.errors import DnsWireError
from nodedns.model.address import Address
from nodedns.table.view import TableView

__all__ = ["Drop", "DropReason", "QueryContext", "Reply", "held_to", "respond"]

_TRANSFERS = frozenset({RRType.AXFR, RRType.IXFR})


class DropReason(enum.Enum):
    """Why a message gets no reply; the words are metric labels."""

    SHORT = "short"
    RESPONSE = "response"


@attrs.frozen
class QueryContext:
    """All that an answer depends on besides the query.

    Attributes:
        client: Who asks; None where that is not known.
        transport: How the query came.
        view: The table to answer from.
        zones: The zones to answer for.
        policy: Knobs.
        rng: Chance, for answers that have a choice.
        cookies: Judges DNS cookies; None if they are turned off.
        keepalive_s: How long the client's connection may be silent, said to those who ask; None over UDP.
        recursion: Who else may be asked, and for whom.
        amplification_limit: Bytes out for one byte in, unless the client proves itself; 0 for no limit.
        denies_names: Whether our names are refused.
    """

    client: Address | None
    transport: Transport
    view: TableView
    zones: Zones
    policy: DnsPolicy
    rng: Random
    cookies: Cookies | None = None
    keepalive_s: float | None = None
    recursion: Recursion = NO_RECURSION
    amplification_limit: int = 0
    denies_names: bool = False


@attrs.frozen
class Reply:
    """What to send back.

    Attributes:
        wire: The message, without TCP's length.
        rcode: Response code, for metrics.
        qtype: Type asked for; None if the question was not read.
        is_truncated: Whether TC is set.
        question_end: Where the question section ends in ``wire``, and in the query; 0 if it is not repeated.
        serial_at: Where in ``wire`` the serial of its SOA stands; None if it has none.
        keys: What the reply depends on (``dependency``); None if it must not be kept. Only a function of
            the question, EDNS and flags of the query, the table and the policy may have keys, never
            one of the client, the time or the transport's state.
        is_general: Whether it would have keys but for what its EDNS options brought.
        is_proved: Whether the client is who its address says: it speaks TCP, or has our cookie.
        has_answer: Whether the answer section has records.
        kind: What it counts as when responses are limited (``rate_limit``).
        is_bounded: Whether anything was left out, and the amplification limit was the least of all bounds. Such a
            reply may be kept for clients with the same limit only.
        spread: Its records that may stand in any order, of which ``wire`` has one order drawn; None for none.
        serial_of: The zone whose SOA it holds, its name folded; empty if it holds none.
    """

    wire: bytes
    rcode: Rcode
    qtype: int | None = None
    is_truncated: bool = False
    question_end: int = 0
    serial_at: int | None = None
    keys: tuple[str, ...] | None = None
    is_general: bool = False
    is_proved: bool = False
    has_answer: bool = False
    kind: bytes = ERROR_CLASS
    is_bounded: bool = False
    spread: Spread | None = None
    serial_of: Labels = ()


@attrs.frozen
class Drop:
    """Nothing is to be sent."""

    reason: DropReason


def respond(wire: bytes, context: QueryContext) -> Reply | Drop | Forward:
    """Answer one message, or say whom to ask for it. Never raises, whatever ``wire`` holds."""
    most_bytes = context.amplification_limit * len(wire)
    outcome = _respond(wire, context, most_bytes)
    return held_to(outcome, most_bytes) if isinstance(outcome, Reply) else outcome


def held_to(reply: Reply, most_bytes: int) -> Reply:
    """Return ``reply``, or where it is longer than ``most_bytes`` and its client not proved, one that says TC.

    Args:
        reply: What is to be sent.
        most_bytes: At least the length of the query; 0 for no bound.
    """
    if not most_bytes or len(reply.wire) <= most_bytes or reply.is_proved:
        return reply
    wire = truncated(reply.wire, most_bytes)
    return attrs.evolve(reply, wire=wire, is_truncated=True, keys=None, is_bounded=True, spread=None)


def _respond(wire: bytes, context: QueryContext, most_bytes: int) -> Reply | Drop | Forward:
    try:
        header = decode_header_untrusted(wire)
    except DnsWireError:
        return Drop(DropReason.SHORT)
    if header.is_response:
        return Drop(DropReason.RESPONSE)
    if header.opcode != 0:
        return _header_only(header, Rcode.NOTIMP, context)
    try:
        if header.questions == 0:
            return _answer_no_question(wire, header, context)
        query = decode_query_untrusted(wire, header)
    except DnsWireError:
        return _header_only(header, Rcode.FORMERR, context)
    if query.tsig is not None:
        return _answer_signed(query, query.tsig, context)
    granted = _grant(query.edns, context)
    is_proved = granted.is_proved or context.transport is Transport.TCP
    bound = most_bytes if most_bytes and not is_proved else None
    zone = context.zones.answering(query.question, context.view)
    answer = _answer(query, zone, context) if granted.rcode is None else Answer(rcode=granted.rcode)
    if isinstance(answer, Forward):
        return attrs.evolve(answer, options=granted.options, is_proved=is_proved, most_bytes=bound)
    payload_bytes = context.policy.udp_payload_bytes
    encoded = encode_answer(query, answer, context.transport, payload_bytes, granted.options, most_bytes=bound)
    return Reply(
        encoded.wire if encoded.spread is None else encoded.spread.drawn(context.rng),
        answer.rcode,
        query.question.rtype,
        encoded.is_truncated,
        HEADER_BYTES + len(query.question_wire),
        encoded.serial_at,
        answer.keys if granted.is_lasting else None,
        is_general=answer.keys is not None,
        is_proved=is_proved,
        has_answer=bool(answer.answer),
        kind=_kind(answer, query.question, zone),
        is_bounded=encoded.is_bounded,
        spread=encoded.spread,
        serial_of=encoded.serial_of,
    )


def _kind(answer: Answer, question: Question, zone: ServedZone | None) -> bytes:
    origin = zone.origin if zone is not None else ()
    # What depends on no row of the table is made up from its name.
    is_made_up = answer.keys == ()
    has_answer = bool(answer.answer)
    return response_class(answer.rcode, question.folded, origin, has_answer=has_answer, is_made_up=is_made_up)


def _header_only(header: Header, rcode: Rcode, context: QueryContext) -> Reply:
    return Reply(encode_header_only(header, rcode), rcode, is_proved=context.transport is Transport.TCP)


def _grant(edns: Edns | None, context: QueryContext) -> Granted:
    peer = Peer(context.client, context.transport, context.keepalive_s)
    return grant_options(edns, peer, context.policy.nsid, context.cookies)


def _answer_no_question(wire: bytes, header: Header, context: QueryContext) -> Reply:
    """Give a client that asks for nothing else its cookie (RFC 7873 section 5.4).

    Raises:
        DnsWireError: That is not what it asks for.
    """
    edns = decode_opt_alone_untrusted(wire, header)
    granted = _grant(edns, context)
    verdict = granted.cookie
    if verdict is None and granted.rcode is None:
        raise DnsWireError("DNS query", 0, "no question, and no cookie")
    rcode = granted.rcode or Rcode.NOERROR
    if verdict is not None:
        rcode = Rcode.BADCOOKIE if verdict.has_server_cookie and not verdict.is_valid else Rcode.NOERROR
    reply = encode_opt_alone(header, edns, rcode, context.policy.udp_payload_bytes, granted.options)
    return Reply(reply, rcode, is_proved=granted.is_proved or context.transport is Transport.TCP)


def _answer_signed(query: Query, tsig: Tsig, context: QueryContext) -> Reply:
    payload_bytes = context.policy.udp_payload_bytes
    unsigned = encode_answer(query, Answer(rcode=Rcode.NOTAUTH), context.transport, payload_bytes).wire
    wire = with_bad_key(unsigned, tsig, reply_limit(query.edns, context.transport, payload_bytes))
    return Reply(wire, Rcode.NOTAUTH, query.question.rtype, is_proved=context.transport is Transport.TCP)


def _answer(query: Query, zone: ServedZone | None, context: QueryContext) -> Answer | Forward:
    question = query.question
    if question.rclass == RRClass.CH:
        return chaos_answer(question, context.policy)
    if question.rclass not in (RRClass.IN, RRClass.ANY):
        return Answer(rcode=Rcode.REFUSED, ede=EDE_NOT_AUTHORITATIVE)
    if zone is None:
        return _outside(query, context)
    if context.denies_names or question.rtype in _TRANSFERS:
        return Answer(rcode=Rcode.REFUSED, ede=EDE_PROHIBITED)
    if not context.view.cluster_known:
        return Answer(rcode=Rcode.SERVFAIL, ede=EDE_NOT_READY)
    answer = zone.answer(question, context.view, context.policy)
    if question.rtype == RRType.SRV:
        answer = with_targets(answer, context.zones, context.view, context.policy, rng=context.rng)
    if question.rclass == RRClass.ANY:
        return attrs.evolve(answer, authoritative=False)
    return _followed(answer, query, context)


def _outside(query: Query, context: QueryContext) -> Answer | Forward:
    if may_forward(query, context.recursion, context.client):
        return _forward(query, context, query.question)
    return refuse_outside(query, context.recursion, context.client)


def _followed(answer: Answer, query: Query, context: QueryContext) -> Answer | Forward:
    question = query.question
    followed = follow(answer, question, context.zones, context.view, context.policy, rng=context.rng)
    if followed.outside is None or not context.recursion.recursors:
        return followed.answer
    if not may_forward(query, context.recursion, context.client):
        # Another client, or RD, would make another answer.
        return attrs.evolve(followed.answer, keys=None)
    # Asked for ANY, Consul asks its recursors for A.
    rtype = RRType.A if question.rtype == RRType.ANY else question.rtype
    asked = Question(followed.outside, fold_labels(followed.outside), rtype, RRClass.IN)
    return _forward(query, context, asked, followed.answer)


def _forward(query: Query, context: QueryContext, asked: Question, prefix: Answer | None = None) -> Forward:
    return Forward(query, asked, context.transport, context.policy.udp_payload_bytes, prefix)
