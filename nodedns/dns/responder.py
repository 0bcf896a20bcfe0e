"""``respond``: any bytes in; a reply, or a reason to stay silent, out.

The ladder of refusals, header first, as NSD has it:

1. shorter than a header, or itself a response: nothing (a reply could loop)
2. NOTIFY: NOTAUTH, for we copy no zone; another opcode than QUERY: NOTIMP; header only
3. not one question, stray or malformed or trailing bytes, two OPT records: FORMERR, header only;
   but no question and a cookie: a cookie
4. signed: NOTAUTH unless the signature is good (``tsig``); the answer to one that is good is signed
5. EDNS version above 0: BADVERS; malformed options: FORMERR; a cookie wanted first: BADCOOKIE
6. class CH: what the server says of itself; class other than that, IN and ANY: REFUSED
7. a zone transfer by who may have our zones: what ``transfer`` says
8. a name outside our zones: a recursor is to be asked, or REFUSED; a recursor for the DS of a zone, too, which its
   parent has
9. clients may not read our names: REFUSED, with Extended DNS Error 18; never NXDOMAIN, which would be kept
10. another zone transfer: REFUSED likewise
11. the cluster is not known yet: SERVFAIL, with Extended DNS Error 14
12. the zone with the longest origin answers; an alias is followed, out of our zones by a recursor

Class ANY is answered from class IN without AA: we cannot vouch for the other
classes (RFC 1035 section 6.2; NSD does the same). For a signed query no recursor is
asked: what one says is not ours to sign.

A client over UDP may be forged, and the reply meant to hurt whose address it
is; so it is bounded by the length of the query (``held_to``). A signature proves no address: whoever
has heard a signed query can send it again from another one, as long as its time will do (RFC 8945 section 5.2.3).

Nothing here raises, whatever the bytes. Source: RFC 1035, 6891, 7873, 8906, 8945, 9619.
"""

from __future__ import annotations

from random import Random

import attrs

from nodedns.dns.alias import follow
from nodedns.dns.chaos import chaos_answer
from nodedns.dns.codec import encode_answer, encode_header_only, encode_opt, encode_opt_alone, reply_limit
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
from nodedns.dns.name import fold_labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Edns, Query, Question, Rcode, RRClass, RRType, Transport, Tsig
from nodedns.dns.rate_limit import response_class
from nodedns.dns.recursion import NO_RECURSION, Recursion
from nodedns.dns.reply import Drop, DropReason, Reply, held_to
from nodedns.dns.rrset import EDE_NOT_AUTHORITATIVE, EDE_NOT_READY, EDE_PROHIBITED, Answer
from nodedns.dns.targets import with_targets
from nodedns.dns.transfer import (
    NO_TRANSFERS,
    ZONE_TYPES,
    Envelope,
    Transfer,
    Transfers,
    TransferStream,
    answer_transfer,
)
from nodedns.dns.tsig import Signature, with_error
from nodedns.dns.zones import ServedZone, Zones
from nodedns.errors import DnsWireError
from nodedns.model.address import Address
from nodedns.table.view import TableView

__all__ = ["Drop", "DropReason", "QueryContext", "Reply", "held_to", "respond"]

OPCODE_NOTIFY = 4  # RFC 1996 section 3.3


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
        transfers: Who may have our zones, and what signatures are judged by.
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
    transfers: Transfers = NO_TRANSFERS


def respond(wire: bytes, context: QueryContext) -> Reply | Drop | Forward:
    """Answer one message, or say whom to ask for it. Never raises, whatever ``wire`` holds."""
    most_bytes = context.amplification_limit * len(wire)
    outcome = _respond(wire, context, most_bytes)
    return held_to(outcome, most_bytes) if isinstance(outcome, Reply) else outcome


def _respond(wire: bytes, context: QueryContext, most_bytes: int) -> Reply | Drop | Forward:
    try:
        header = decode_header_untrusted(wire)
    except DnsWireError:
        return Drop(DropReason.SHORT)
    if header.is_response:
        return Drop(DropReason.RESPONSE)
    if header.opcode != 0:
        return _header_only(header, Rcode.NOTAUTH if header.opcode == OPCODE_NOTIFY else Rcode.NOTIMP, context)
    try:
        if header.questions == 0:
            return _answer_no_question(wire, header, context)
        query = decode_query_untrusted(wire, header)
        if query.tsig is not None:
            return _answer_signed(wire, query, query.tsig, context, most_bytes)
    except DnsWireError:
        return _header_only(header, Rcode.FORMERR, context)
    return _answer_query(query, context, most_bytes)


def _answer_query(
    query: Query, context: QueryContext, most_bytes: int, signature: Signature | None = None
) -> Reply | Forward:
    """Answer a query that parsed.

    Args:
        query: It.
        context: What the answer depends on.
        most_bytes: Where the client is not proved, a bound; 0 for none.
        signature: That of the query; None if it is not signed.
    """
    granted = _grant(query.edns, context)
    is_proved = granted.is_proved or context.transport is Transport.TCP
    bound = most_bytes if most_bytes and not is_proved else None
    zone = context.zones.answering(query.question, context.view)
    answer = _answer(query, zone, context, signature) if granted.rcode is None else Answer(rcode=granted.rcode)
    if isinstance(answer, Forward):
        return attrs.evolve(answer, options=granted.options, is_proved=is_proved, most_bytes=bound)
    if isinstance(answer, Transfer):
        return _begun(answer, query, context, signature, options=granted.options, bound=bound, is_proved=is_proved)
    encoded = encode_answer(
        query,
        answer,
        context.transport,
        context.policy.udp_payload_bytes,
        granted.options,
        most_bytes=bound,
        reserved_bytes=0 if signature is None else signature.record_bytes,
    )
    reply = Reply(
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
    return reply if signature is None else _signed(reply, signature)


def _signed(reply: Reply, signature: Signature) -> Reply:
    # What is signed is for this query alone.
    wire = signature.signed(reply.wire)
    return attrs.evolve(reply, wire=wire, keys=None, is_general=False, spread=None, is_sealed=True)


def _begun(
    transfer: Transfer,
    query: Query,
    context: QueryContext,
    signature: Signature | None,
    *,
    options: bytes,
    bound: int | None,
    is_proved: bool,
) -> Reply:
    """Return the first message of a transfer, or the only one."""
    payload_bytes = context.policy.udp_payload_bytes
    limit_bytes = reply_limit(query.edns, context.transport, payload_bytes)
    opt = encode_opt(query.edns, Answer(rcode=Rcode.NOERROR), payload_bytes, options)
    envelope = Envelope(query, opt, limit_bytes if bound is None else min(limit_bytes, bound), signature)
    if context.transport is Transport.UDP:
        transfer = transfer.within(envelope.room_bytes)
    stream = TransferStream(transfer, envelope, context.transfers.wall_clock)
    return Reply(
        stream.next_message() or b"",
        Rcode.NOERROR,
        query.question.rtype,
        question_end=HEADER_BYTES + len(query.question_wire),
        is_proved=is_proved,
        has_answer=True,
        kind=response_class(Rcode.NOERROR, query.question.folded, transfer.origin, has_answer=True, is_made_up=False),
        is_sealed=True,
        transfer=stream,
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


def _answer_signed(wire: bytes, query: Query, tsig: Tsig, context: QueryContext, most_bytes: int) -> Reply | Forward:
    """Answer a signed query.

    Raises:
        DnsWireError: Its MAC has a length that none can have.
    """
    transfers = context.transfers
    found = transfers.keyring.verified_untrusted(wire, tsig, transfers.wall_clock())
    if isinstance(found, Signature):
        return _answer_query(query, attrs.evolve(context, recursion=NO_RECURSION), most_bytes, found)
    payload_bytes = context.policy.udp_payload_bytes
    unsigned = encode_answer(query, Answer(rcode=Rcode.NOTAUTH), context.transport, payload_bytes).wire
    is_tcp = context.transport is Transport.TCP
    reply = Reply(unsigned, Rcode.NOTAUTH, query.question.rtype, is_proved=is_tcp, tsig_error=found.error)
    if found.signature is not None:
        return _signed(reply, found.signature)
    limit_bytes = reply_limit(query.edns, context.transport, payload_bytes)
    return attrs.evolve(reply, wire=with_error(unsigned, tsig, found.error, limit_bytes))


def _answer(
    query: Query, zone: ServedZone | None, context: QueryContext, signature: Signature | None
) -> Answer | Forward | Transfer:
    question = query.question
    if question.rclass == RRClass.CH:
        return chaos_answer(question, context.policy)
    if question.rclass not in (RRClass.IN, RRClass.ANY):
        return Answer(rcode=Rcode.REFUSED, ede=EDE_NOT_AUTHORITATIVE)
    if question.rtype in ZONE_TYPES:
        return _answer_transfer(query, zone, context, signature)
    if zone is None:
        return _outside(query, context)
    if _is_of_parent(question, zone) and may_forward(query, context.recursion, context.client):
        return _forward(query, context, question)
    if context.denies_names:
        return Answer(rcode=Rcode.REFUSED, ede=EDE_PROHIBITED)
    if not context.view.cluster_known:
        return Answer(rcode=Rcode.SERVFAIL, ede=EDE_NOT_READY)
    answer = zone.answer(question, context.view, context.policy)
    if question.rtype == RRType.SRV:
        answer = with_targets(answer, context.zones, context.view, context.policy, rng=context.rng)
    if question.rclass == RRClass.ANY:
        return attrs.evolve(answer, authoritative=False)
    return _followed(answer, query, context)


def _answer_transfer(
    query: Query, zone: ServedZone | None, context: QueryContext, signature: Signature | None
) -> Answer | Transfer:
    key = None if signature is None else signature.key
    if not context.transfers.params.allows(context.client, key):
        if zone is None:
            return refuse_outside(query, context.recursion, context.client)
        return Answer(rcode=Rcode.REFUSED, ede=EDE_PROHIBITED)
    if context.denies_names:
        return Answer(rcode=Rcode.REFUSED, ede=EDE_PROHIBITED)
    is_apex = zone is not None and zone.origin == query.question.folded
    return answer_transfer(
        query, context.transfers, context.transport, is_apex=is_apex, is_known=context.view.cluster_known
    )


def _is_of_parent(question: Question, zone: ServedZone) -> bool:
    # RFC 4035 section 3.1.4.1: who offers recursion has a way to the DS record; others say "no data".
    return question.rtype == RRType.DS and zone.origin == question.folded


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
