"""``Reply``: what came of one DNS message, with all that those need who send, count, limit or keep it.

A reply knows nothing of who is asking how often, and keeps no bound but that of ``held_to``.
"""

from __future__ import annotations

import enum

import attrs

from nodedns.dns.name import Labels
from nodedns.dns.question import Rcode
from nodedns.dns.rate_limit import ERROR_CLASS
from nodedns.dns.spread import Spread
from nodedns.dns.transfer import TransferStream
from nodedns.dns.truncation import truncated
from nodedns.dns.tsig import TsigError

__all__ = ["Drop", "DropReason", "Reply", "held_to"]


class DropReason(enum.Enum):
    """Why a message gets no reply; the words are metric labels."""

    SHORT = "short"
    RESPONSE = "response"


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
        is_sealed: Whether no bit of ``wire`` may be changed: it is signed, or one message of several.
        tsig_error: What is wrong with the signature of the query.
        transfer: Where ``wire`` is the first message of a zone transfer, what has the others.
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
    is_sealed: bool = False
    tsig_error: TsigError = TsigError.NONE
    transfer: TransferStream | None = None


@attrs.frozen
class Drop:
    """Nothing is to be sent."""

    reason: DropReason


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
