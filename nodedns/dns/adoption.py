"""A recursor's reply made the reply to our client, or SERVFAIL where nobody had one.

Strategy: where the reply is the recursor's alone, its sections go out byte for
byte behind the client's own question, which is as long, so that every pointer still
fits. Header and OPT record are ours: the client's ID, RD and CD; RA, because we
recurse; no AA, because we are no authority for the name; TC and AD as they came.
Where an alias of ours leads, its records and the recursor's make one answer.

What does not fit the client goes in two steps: the additional section, which
nobody misses, and then all, with TC (RFC 2181 section 9).

Source: RFC 1035 section 4.1.1, RFC 5625, RFC 6604, RFC 6891 section 6.2.6, RFC 8914.
"""

from __future__ import annotations

from typing import Final

import attrs

from nodedns.dns.codec import encode_answer, encode_opt, reply_limit
from nodedns.dns.decode import HEADER, HEADER_BYTES
from nodedns.dns.forward import Forward
from nodedns.dns.question import Rcode
from nodedns.dns.rate_limit import response_class
from nodedns.dns.recursion import with_ra
from nodedns.dns.responder import Reply
from nodedns.dns.rrset import EDE_NO_REACHABLE_AUTHORITY, Answer
from nodedns.dns.upstream_records import decode_answer_untrusted, decode_soa_untrusted
from nodedns.dns.upstream_reply import UpstreamReply
from nodedns.errors import DnsWireError

__all__ = ["adopt", "give_up"]

FLAG_QR: Final = 0x8000
FLAG_TC: Final = 0x0200
FLAG_RD: Final = 0x0100
FLAG_RA: Final = 0x0080
FLAG_AD: Final = 0x0020
FLAG_CD: Final = 0x0010


def adopt(forward: Forward, reply: UpstreamReply) -> Reply:
    """Return what to tell the client of ``forward``, given a final ``reply``. Never raises."""
    if forward.prefix is None:
        return _handed_on(forward, reply)
    try:
        answer = _behind(forward.prefix, reply)
    except DnsWireError:
        return give_up(forward, EDE_NO_REACHABLE_AUTHORITY)
    return _encoded(forward, answer)


def give_up(forward: Forward, ede: int | None) -> Reply:
    """Return SERVFAIL, with an extended error code where the client understands one."""
    return _encoded(forward, Answer(rcode=Rcode.SERVFAIL, ede=ede))


def _behind(prefix: Answer, reply: UpstreamReply) -> Answer:
    return attrs.evolve(
        prefix,
        rcode=Rcode(reply.rcode),  # RFC 6604: the code is that of the last name
        answer=prefix.answer + decode_answer_untrusted(reply),
        authority=decode_soa_untrusted(reply),
        extra=(),
        keys=None,
    )


def _encoded(forward: Forward, answer: Answer) -> Reply:
    encoded = encode_answer(
        forward.query,
        answer,
        forward.transport,
        forward.payload_bytes,
        forward.options,
        most_bytes=forward.most_bytes,
    )
    reply = _reply(forward, with_ra(encoded.wire), answer.rcode, is_truncated=encoded.is_truncated, has=answer.answer)
    return attrs.evolve(reply, is_bounded=encoded.is_bounded)


def _handed_on(forward: Forward, reply: UpstreamReply) -> Reply:
    query = forward.query
    rcode = Rcode(reply.rcode)
    opt = encode_opt(query.edns, Answer(rcode=rcode, ede=reply.ede), forward.payload_bytes, forward.options)
    limit = reply_limit(query.edns, forward.transport, forward.payload_bytes)
    most = limit if forward.most_bytes is None else min(limit, forward.most_bytes)
    room = most - HEADER_BYTES - len(query.question_wire)
    is_truncated = reply.is_truncated
    end, counts = reply.records_end, reply.counts
    if end - reply.answer_at > room - len(opt):
        end, counts = reply.additional_at, (*counts[:2], 0)
    if end - reply.answer_at > room - len(opt):
        end, counts, is_truncated = reply.answer_at, (0, 0, 0), True
    flags = FLAG_QR | FLAG_RA | query.flags & (FLAG_RD | FLAG_CD) | reply.flags & FLAG_AD | rcode & 0xF
    flags |= FLAG_TC if is_truncated else 0
    header = HEADER.pack(query.query_id, flags, 1, counts[0], counts[1], counts[2] + bool(opt))
    wire = header + query.question_wire + reply.wire[reply.answer_at : end] + opt
    return _reply(forward, wire, rcode, is_truncated=is_truncated, has=counts[0])


def _reply(forward: Forward, wire: bytes, rcode: Rcode, *, is_truncated: bool, has: object) -> Reply:
    question, has_answer = forward.query.question, bool(has)
    return Reply(
        wire,
        rcode,
        question.rtype,
        is_truncated,
        is_proved=forward.is_proved,
        has_answer=has_answer,
        kind=response_class(rcode, question.folded, (), has_answer=has_answer),
    )
