"""``UpstreamReply``: what a recursor said, read as far as it must be to hand it on.

Strategy: the message is walked once: the bounds of every record, the OPT
record, nothing left over. Data are not looked into; ``upstream_records`` takes
records out where they go into a reply of our own.

Nothing here trusts the recursor: its reply may be anybody's. ``is_reply_to`` is the
test of RFC 5452 section 9.1, which a datagram must pass to be looked at at all.

Source: RFC 1035 section 4, RFC 6891, RFC 8914.
"""

from __future__ import annotations

import struct
from typing import Final

import attrs

from nodedns.dns.decode import HEADER, HEADER_BYTES
from nodedns.dns.question import Rcode, RRType
from nodedns.errors import DnsWireError
from nodedns.model.names import MAX_LABEL_BYTES

__all__ = ["RECORD_TAIL", "WHAT", "UpstreamReply", "decode_reply_untrusted", "is_reply_to"]

#   after a name: type, class, and for records TTL and RDLENGTH
_QUESTION_TAIL = struct.Struct("!HH")
RECORD_TAIL = struct.Struct("!HHIH")
_OPTION_HEAD = struct.Struct("!HH")

_FLAG_QR: Final = 0x8000
_FLAG_TC: Final = 0x0200
_OPCODE_MASK: Final = 0x7800
_RCODE_MASK: Final = 0xF
_POINTER: Final = 0xC0
_OPTION_EDE: Final = 15
_EDE_CODE_BYTES: Final = 2

WHAT = "reply of a recursor"


@attrs.frozen
class UpstreamReply:
    """A well-formed reply.

    Attributes:
        wire: The message as it came.
        flags: Its 16 flag bits.
        rcode: Response code, the OPT record's bits included.
        answer_at: Where its answer section begins.
        authority_at: Where its authority section begins.
        additional_at: Where its additional section begins.
        records_end: Where the last record ends that may be handed on: all before the OPT record.
        counts: Records of the three sections, the last without OPT and what follows it.
        ede: Extended DNS error code; None without one.
    """

    wire: bytes
    flags: int
    rcode: int
    answer_at: int
    authority_at: int
    additional_at: int
    records_end: int
    counts: tuple[int, int, int]
    ede: int | None = None

    @property
    def is_truncated(self) -> bool:
        """The TC bit."""
        return bool(self.flags & _FLAG_TC)

    @property
    def is_final(self) -> bool:
        """Whether no other recursor need be asked: the name is there, or is not."""
        return self.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN)


def is_reply_to(wire: bytes, query: bytes) -> bool:
    """Whether ``wire`` claims to answer our ``query``: ID, QR, opcode and question fit.

    Letter case of the name may differ. A bare header that says an error may lack the question.
    """
    if len(wire) < HEADER_BYTES or wire[:2] != query[:2]:
        return False
    _, flags, questions, *counts = HEADER.unpack_from(wire)
    if not flags & _FLAG_QR or flags & _OPCODE_MASK:
        return False
    if questions == 0:
        return not any(counts) and flags & _RCODE_MASK not in (Rcode.NOERROR, Rcode.NXDOMAIN)
    tail = _skip_name(query, HEADER_BYTES)
    end = tail + _QUESTION_TAIL.size
    # Length bytes are below every letter, so folding all bytes folds the labels alone.
    is_same_name = wire[HEADER_BYTES:tail].lower() == query[HEADER_BYTES:tail].lower()
    return questions == 1 and is_same_name and wire[tail:end] == query[tail:end]


def decode_reply_untrusted(wire: bytes) -> UpstreamReply:
    """Read a message that passed ``is_reply_to``.

    A truncated message may end anywhere; what is cut off counts as not there.

    Raises:
        DnsWireError: A record is malformed, OPT stands where it must not, or bytes are left over.
    """
    _, flags, questions, *counts = HEADER.unpack_from(wire)
    answer_at = _skip_name(wire, HEADER_BYTES) + _QUESTION_TAIL.size if questions else HEADER_BYTES
    try:
        return _walk(wire, flags, answer_at, (counts[0], counts[1], counts[2]))
    except DnsWireError:
        if not flags & _FLAG_TC:
            raise
        here = answer_at
        return UpstreamReply(wire, flags, flags & _RCODE_MASK, here, here, here, here, (0, 0, 0))


def _walk(wire: bytes, flags: int, answer_at: int, counts: tuple[int, int, int]) -> UpstreamReply:
    authority_at = _skip_records(wire, answer_at, counts[0])
    additional_at = offset = _skip_records(wire, authority_at, counts[1])
    records_end, kept = None, 0
    extended, ede = 0, None
    for _ in range(counts[2]):
        start = offset
        rtype, ttl, rdata_at, offset = _read_record(wire, offset)
        if rtype == RRType.OPT:
            if records_end is not None or wire[start]:
                raise DnsWireError(WHAT, start, "two OPT records, or one with a name")
            records_end = start
            extended = ttl >> 24 << 4
            ede = _ede_of(wire[rdata_at:offset])
        elif records_end is None:
            kept += 1
    if offset != len(wire):
        raise DnsWireError(WHAT, offset, "trailing bytes")
    rcode = extended | flags & _RCODE_MASK
    end = offset if records_end is None else records_end
    return UpstreamReply(
        wire, flags, rcode, answer_at, authority_at, additional_at, end, (counts[0], counts[1], kept), ede
    )


def _skip_records(wire: bytes, offset: int, count: int) -> int:
    for _ in range(count):
        start = offset
        rtype, _, _, offset = _read_record(wire, offset)
        if rtype == RRType.OPT:
            raise DnsWireError(WHAT, start, "OPT outside the additional section")
    return offset


def _read_record(wire: bytes, offset: int) -> tuple[int, int, int, int]:
    """Return type, TTL, and where the data begin and end."""
    tail = _skip_name(wire, offset)
    start = tail + RECORD_TAIL.size
    if start > len(wire):
        raise DnsWireError(WHAT, tail, "record cut off")
    rtype, _, ttl, length = RECORD_TAIL.unpack_from(wire, tail)
    if start + length > len(wire):
        raise DnsWireError(WHAT, tail, "record cut off")
    return int(rtype), int(ttl), start, start + int(length)


def _skip_name(wire: bytes, offset: int) -> int:
    begin = offset
    while offset < len(wire):
        length = wire[offset]
        if length >= _POINTER:
            if offset + 2 > len(wire) or (length << 8 | wire[offset + 1]) & 0x3FFF >= begin:
                raise DnsWireError(WHAT, offset, "a pointer that does not lead back")
            return offset + 2
        if length > MAX_LABEL_BYTES:
            raise DnsWireError(WHAT, offset, "unknown label type")
        offset += 1 + length
        if not length:
            return offset
    raise DnsWireError(WHAT, begin, "name cut off")


def _ede_of(options: bytes) -> int | None:
    offset = 0
    while offset + _OPTION_HEAD.size <= len(options):
        code, length = _OPTION_HEAD.unpack_from(options, offset)
        offset += _OPTION_HEAD.size
        if code == _OPTION_EDE and length >= _EDE_CODE_BYTES and offset + length <= len(options):
            return int.from_bytes(options[offset : offset + _EDE_CODE_BYTES], "big")
        offset += length
    return None
