"""``Forward``: what to ask another server, and what the client is to be told around it.

Strategy: the question to a recursor is a new one, not the client's packet sent
on: an ID of its own (RFC 5452), RD set, CD and AD as the client set them, and an
OPT record only for a client that sent one, with no size above what will fit
into the reply. Options stay behind: cookies are between two neighbours (RFC
7873), and a client's address is not ours to tell (RFC 7871).

A ``Forward`` with a ``prefix`` is an alias of ours that leads outside: the
records that lead there stand before what the recursor says.

This sends nothing. Source: RFC 5452 section 9, RFC 6891 section 6.2.6.
"""

from __future__ import annotations

import struct
from typing import Final

import attrs

from nodedns.dns.decode import HEADER
from nodedns.dns.name import Labels, packed_name
from nodedns.dns.question import Query, Question, Rcode, RRClass, RRType, Transport
from nodedns.dns.recursion import Recursion
from nodedns.dns.rrset import EDE_NOT_AUTHORITATIVE, EDE_PROHIBITED, Answer
from nodedns.model.address import Address

__all__ = ["Forward", "Key", "encode_upstream_query", "may_forward", "refuse_outside"]

FLAG_RD: Final = 0x0100
FLAG_AD: Final = 0x0020  # RFC 6840 section 5.7: in a query, that AD in the reply is understood
FLAG_CD: Final = 0x0010
PLAIN_UDP_BYTES: Final = 512
_EDNS_DO: Final = 0x8000

#   type and class, after the name
_QUESTION_TAIL = struct.Struct("!HH")
#   root name, type 41, payload size, extended rcode + version + flags, RDLENGTH
_OPT = struct.Struct("!BHHIH")

# RFC 6895 section 3.1: these are for transactions, between neighbours; TKEY and TSIG have no name here.
_NEVER_FORWARDED = frozenset({RRType.OPT, RRType.IXFR, RRType.AXFR, 249, 250})

Key = tuple[Labels, int, int, tuple[int, bool] | None, Transport, bool]


@attrs.frozen
class Forward:
    """A query that somebody else must answer.

    Attributes:
        query: The client's.
        asked: What to ask: its question, or where our alias leads.
        transport: How the client asked; the recursor is asked in the same way.
        payload_bytes: Our own largest reply over UDP.
        prefix: Our records that lead to what is asked; None where the reply is the recursor's alone.
        options: EDNS options of the reply to the client, packed.
        is_proved: Whether the client is who its address says.
        most_bytes: A further bound on the reply; None for none.
    """

    query: Query
    asked: Question
    transport: Transport
    payload_bytes: int
    prefix: Answer | None = None
    options: bytes = b""
    is_proved: bool = False
    most_bytes: int | None = None

    @property
    def flags(self) -> int:
        """The flag bits to ask with."""
        return FLAG_RD | self.query.flags & (FLAG_AD | FLAG_CD)

    @property
    def edns(self) -> tuple[int, bool] | None:
        """Payload size and DO bit to ask with; None for no OPT record."""
        edns = self.query.edns
        if edns is None:
            return None
        return max(PLAIN_UDP_BYTES, min(edns.payload_bytes, self.payload_bytes)), edns.wants_dnssec

    @property
    def key(self) -> Key:
        """What two forwards have in common that one recursor's reply can serve."""
        asked = self.asked
        return asked.folded, asked.rtype, self.flags, self.edns, self.transport, self.prefix is None


def may_forward(query: Query, recursion: Recursion, client: Address | None) -> bool:
    """Whether ``query`` asks for recursion (RD), of a kind that can be forwarded, for a client that may have it."""
    question = query.question
    is_fit = question.rclass == RRClass.IN and question.rtype not in _NEVER_FORWARDED
    return is_fit and bool(query.flags & FLAG_RD) and recursion.serves(client)


def refuse_outside(query: Query, recursion: Recursion, client: Address | None) -> Answer:
    """Return REFUSED for a name outside our zones that is not forwarded, with the reason (RFC 8914 section 4)."""
    is_stranger = bool(recursion.recursors) and bool(query.flags & FLAG_RD) and not recursion.serves(client)
    return Answer(rcode=Rcode.REFUSED, ede=EDE_PROHIBITED if is_stranger else EDE_NOT_AUTHORITATIVE)


def encode_upstream_query(forward: Forward, query_id: int) -> bytes:
    """Return the query to send, with ``query_id`` (0..65535); the name is in the client's letter case."""
    asked, edns = forward.asked, forward.edns
    name = packed_name(asked.labels)
    opt = b"" if edns is None else _OPT.pack(0, RRType.OPT, edns[0], _EDNS_DO if edns[1] else 0, 0)
    header = HEADER.pack(query_id, forward.flags, 1, 0, 0, 1 if opt else 0)
    return header + name + _QUESTION_TAIL.pack(asked.rtype, asked.rclass) + opt
