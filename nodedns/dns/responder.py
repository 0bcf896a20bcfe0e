"""``respond``: any bytes in; a reply, or a reason to stay silent, out.

The ladder of refusals, header first, as NSD has it:

1. shorter than a header, or itself a response: nothing (a reply could loop)
2. opcode other than QUERY: NOTIMP, header only
3. not one question, stray or malformed or trailing bytes, two OPT records: FORMERR, header only
4. EDNS version above 0: BADVERS
5. class other than IN and ANY: REFUSED
6. a name outside our zones: REFUSED
7. zone transfer: REFUSED
8. the cluster is not known yet: SERVFAIL, with Extended DNS Error 14
9. the zone with the longest origin answers

Class ANY is answered from class IN without AA: we cannot vouch for the other
classes (RFC 1035 section 6.2; NSD does the same). AXFR and IXFR are refused on
both transports until there are secondaries to allow (RFC 5936 section 5 leaves
it to policy; RFC 1995 has no other error for it).

Nothing here raises, whatever the bytes. Source: RFC 1035, 6891, 8906, 9619.
"""

from __future__ import annotations

import enum
from random import Random

import attrs

from nodedns.dns.codec import encode_answer, encode_header_only
from nodedns.dns.decode import Header, decode_header_untrusted, decode_query_untrusted
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Query, Rcode, RRClass, RRType, Transport
from nodedns.dns.rrset import EDE_NOT_READY, Answer
from nodedns.dns.zones import Zones
from nodedns.errors import DnsWireError
from nodedns.model.address import Address
from nodedns.table.view import TableView

__all__ = ["Drop", "DropReason", "QueryContext", "Reply", "respond"]

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
    """

    client: Address | None
    transport: Transport
    view: TableView
    zones: Zones
    policy: DnsPolicy
    rng: Random


@attrs.frozen
class Reply:
    """What to send back.

    Attributes:
        wire: The message, without TCP's length.
        rcode: Response code, for metrics.
        qtype: Type asked for; None if the question was not read.
        is_truncated: Whether TC is set.
        keys: What the reply depends on (``dependency``); None if it must not be kept. Only a function of
            the question, EDNS and flags of the query, the table and the policy may have keys, never
            one of the client, the time or the transport's state.
        is_proved: Whether the client is who its address says: it speaks TCP, or has our cookie.
        has_answer: Whether the answer section has records.
    """

    wire: bytes
    rcode: Rcode
    qtype: int | None = None
    is_truncated: bool = False
    keys: tuple[str, ...] | None = None
    is_proved: bool = False
    has_answer: bool = False


@attrs.frozen
class Drop:
    """Nothing is to be sent."""

    reason: DropReason


def respond(wire: bytes, context: QueryContext) -> Reply | Drop:
    """Answer one message. Never raises, whatever ``wire`` holds."""
    try:
        header = decode_header_untrusted(wire)
    except DnsWireError:
        return Drop(DropReason.SHORT)
    if header.is_response:
        return Drop(DropReason.RESPONSE)
    if header.opcode != 0:
        return _header_only(header, Rcode.NOTIMP, context)
    try:
        query = decode_query_untrusted(wire, header)
    except DnsWireError:
        return _header_only(header, Rcode.FORMERR, context)
    answer = _answer(query, context)
    encoded = encode_answer(query, answer, context.transport, context.policy.udp_payload_bytes)
    return Reply(
        encoded.wire,
        answer.rcode,
        query.question.rtype,
        encoded.is_truncated,
        answer.keys,
        is_proved=context.transport is Transport.TCP,
        has_answer=bool(answer.answer),
    )


def _header_only(header: Header, rcode: Rcode, context: QueryContext) -> Reply:
    return Reply(encode_header_only(header, rcode), rcode, is_proved=context.transport is Transport.TCP)


def _answer(query: Query, context: QueryContext) -> Answer:
    question = query.question
    if query.edns is not None and query.edns.version > 0:
        return Answer(rcode=Rcode.BADVERS)
    if question.rclass not in (RRClass.IN, RRClass.ANY):
        return Answer(rcode=Rcode.REFUSED)
    zone = context.zones.covering(question.folded, context.view)
    if zone is None or question.rtype in _TRANSFERS:
        return Answer(rcode=Rcode.REFUSED)
    if not context.view.cluster_known:
        return Answer(rcode=Rcode.SERVFAIL, ede=EDE_NOT_READY)
    answer = zone.answer(question, context.view, context.policy)
    if question.rclass == RRClass.ANY:
        return attrs.evolve(answer, authoritative=False)
    return answer
