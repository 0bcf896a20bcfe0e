"""``truncated``: a reply made one that says no more than "ask again over TCP".

Strategy: of a finished reply the header, the question and the OPT record stay,
TC is set, and the rest goes. So it serves any reply, whoever made it. It is
never longer than the query it answers but for the content of EDNS options, and
those go where they would make it longer than it may be.

Source: RFC 1035 section 4.1.1, RFC 2181 section 9, RFC 6891 section 7.
"""

from __future__ import annotations

import struct
from typing import Final

from nodedns.dns.decode import HEADER, HEADER_BYTES
from nodedns.dns.question import RRType
from nodedns.model.names import MAX_LABEL_BYTES

__all__ = ["truncated"]

_FLAG_TC: Final = 0x0200
_QUESTION_TAIL_BYTES: Final = 4
#   after a record's name: type, class, TTL, RDLENGTH
_RECORD_TAIL = struct.Struct("!HHIH")
_OPT_HEAD_BYTES: Final = 1 + _RECORD_TAIL.size


def truncated(reply: bytes, most_bytes: int) -> bytes:
    """Return ``reply`` without its records and with TC set.

    Args:
        reply: A whole reply, with one question or none.
        most_bytes: How long the result may be; at least what header and question take.
    """
    query_id, flags, questions, *counts = HEADER.unpack_from(reply)
    end = _after_name(reply, HEADER_BYTES) + _QUESTION_TAIL_BYTES if questions else HEADER_BYTES
    opt = _opt_of(reply, end, sum(counts))
    if opt and end + len(opt) > most_bytes:
        opt = opt[: _OPT_HEAD_BYTES - 2] + bytes(2)
    if end + len(opt) > most_bytes:
        opt = b""
    header = HEADER.pack(query_id, flags | _FLAG_TC, questions, 0, 0, 1 if opt else 0)
    return header + reply[HEADER_BYTES:end] + opt


def _opt_of(reply: bytes, offset: int, records: int) -> bytes:
    for _ in range(records):
        tail = _after_name(reply, offset)
        kind, _, _, content_bytes = _RECORD_TAIL.unpack_from(reply, tail)
        end = tail + _RECORD_TAIL.size + content_bytes
        if kind == RRType.OPT:
            return reply[offset:end]
        offset = end
    return b""


def _after_name(reply: bytes, offset: int) -> int:
    while reply[offset]:
        if reply[offset] > MAX_LABEL_BYTES:
            return offset + 2  # a pointer ends a name
        offset += 1 + reply[offset]
    return offset + 1
