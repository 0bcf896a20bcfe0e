"""DNS wire format: bytes to ``Query``.

Strategy: queries are parsed here and not by dnslib, which refuses labels that
are not UTF-8 and lets trailing bytes pass. A query is header, one question
and at most an OPT record (and IXFR's SOA), each read exactly; ``DnsWireError``
is the only way out for anything else.

This decides no response code. Source: RFC 1035 section 4, RFC 6891, RFC 9619.
"""

from __future__ import annotations

import struct
from typing import Final

import attrs

from nodedns.dns.name import MAX_NAME_BYTES, Labels, fold_labels
from nodedns.dns.question import Edns, Query, Question, RRType
from nodedns.errors import DnsWireError
from nodedns.model.names import MAX_LABEL_BYTES

__all__ = ["HEADER", "HEADER_BYTES", "Header", "decode_header_untrusted", "decode_query_untrusted"]

#   +------+-------+---------+---------+---------+---------+
#   |  ID  | flags | QDCOUNT | ANCOUNT | NSCOUNT | ARCOUNT |
#   +------+-------+---------+---------+---------+---------+
HEADER = struct.Struct("!6H")
HEADER_BYTES: Final = 12
#   after a name: type, class, and for records TTL and RDLENGTH
_QUESTION_TAIL = struct.Struct("!HH")
_RECORD_TAIL = struct.Struct("!HHIH")
#   root name, type 41, payload size, extended rcode + version + flags, RDLENGTH
_OPT = struct.Struct("!BHHIH")
_OPTION_HEAD = struct.Struct("!HH")

_FLAG_QR: Final = 0x8000
_OPCODE_SHIFT: Final = 11
_OPCODE_MASK: Final = 0x7800
_EDNS_DO: Final = 0x8000
_MAX_OPTIONS: Final = 64  # ours: real clients send at most a handful

_WHAT = "DNS query"


@attrs.frozen
class Header:
    """The first twelve bytes of a message."""

    query_id: int
    flags: int
    questions: int
    answers: int
    authorities: int
    additionals: int

    @property
    def is_response(self) -> bool:
        """The QR bit."""
        return bool(self.flags & _FLAG_QR)

    @property
    def opcode(self) -> int:
        """0 for QUERY."""
        return (self.flags & _OPCODE_MASK) >> _OPCODE_SHIFT


def decode_header_untrusted(wire: bytes) -> Header:
    """Read the header alone.

    Raises:
        DnsWireError: There are fewer than twelve bytes.
    """
    if len(wire) < HEADER_BYTES:
        raise DnsWireError(_WHAT, len(wire), "shorter than a header")
    return Header(*HEADER.unpack_from(wire))


def decode_query_untrusted(wire: bytes, header: Header) -> Query:
    """Read a message of one question, exactly.

    Args:
        wire: The whole message.
        header: Its header, as ``decode_header_untrusted`` gave it.

    Raises:
        DnsWireError: Anything is malformed, stands where it does not belong, or is left over.
    """
    if header.questions != 1 or header.answers:
        raise DnsWireError(_WHAT, HEADER_BYTES, "not one question and no answer")
    labels, offset = _decode_question_name(wire)
    if len(wire) < offset + _QUESTION_TAIL.size:
        raise DnsWireError(_WHAT, offset, "question cut off")
    rtype, rclass = _QUESTION_TAIL.unpack_from(wire, offset)
    offset += _QUESTION_TAIL.size
    question_wire = wire[HEADER_BYTES:offset]
    if header.authorities:
        # RFC 1995 section 3: an IXFR query carries the client's SOA there; no other query has business with it.
        if rtype != RRType.IXFR or header.authorities != 1:
            raise DnsWireError(_WHAT, offset, "records in the authority section")
        offset = _skip_record(wire, offset)
    edns = None
    if header.additionals:
        edns, offset = _decode_opt(wire, offset, header.additionals)
    if offset != len(wire):
        raise DnsWireError(_WHAT, offset, "trailing bytes")
    question = Question(labels, fold_labels(labels), rtype, rclass)
    return Query(header.query_id, header.flags, question, question_wire, edns)


def _decode_question_name(wire: bytes) -> tuple[Labels, int]:
    offset = HEADER_BYTES
    labels: list[bytes] = []
    end = len(wire)
    while True:
        if offset >= end:
            raise DnsWireError(_WHAT, offset, "name cut off")
        length = wire[offset]
        offset += 1
        if not length:
            break
        if length > MAX_LABEL_BYTES:
            # Nothing stands before the first name that a pointer could point to.
            raise DnsWireError(_WHAT, offset, "pointer or unknown label type in the question")
        labels.append(wire[offset : offset + length])
        offset += length
        if offset - HEADER_BYTES >= MAX_NAME_BYTES:
            raise DnsWireError(_WHAT, offset, "name longer than 255 bytes")
    return tuple(labels), offset


def _skip_record(wire: bytes, offset: int) -> int:
    while True:
        if offset >= len(wire):
            raise DnsWireError(_WHAT, offset, "record cut off")
        length = wire[offset]
        offset += 1
        if length > MAX_LABEL_BYTES:
            offset += 1  # a pointer ends a name; where it points is of no interest
            break
        offset += length
        if not length:
            break
    if len(wire) < offset + _RECORD_TAIL.size:
        raise DnsWireError(_WHAT, offset, "record cut off")
    rdlength = _RECORD_TAIL.unpack_from(wire, offset)[3]
    end = offset + _RECORD_TAIL.size + int(rdlength)
    if end > len(wire):
        raise DnsWireError(_WHAT, offset, "record cut off")
    return end


def _decode_opt(wire: bytes, offset: int, records: int) -> tuple[Edns, int]:
    # RFC 6891 section 6.1.1: two OPT records are a format error, and nothing else belongs here.
    if records != 1:
        raise DnsWireError(_WHAT, offset, "more than one additional record")
    if len(wire) < offset + _OPT.size:
        raise DnsWireError(_WHAT, offset, "record cut off")
    root, rtype, payload_bytes, extended, rdlength = _OPT.unpack_from(wire, offset)
    if root or rtype != RRType.OPT:
        raise DnsWireError(_WHAT, offset, "an additional record other than OPT")
    offset += _OPT.size
    end = offset + rdlength
    if end > len(wire):
        raise DnsWireError(_WHAT, offset, "record cut off")
    options = _decode_options(wire, offset, end)
    return Edns(extended >> 16 & 0xFF, payload_bytes, bool(extended & _EDNS_DO), options), end


def _decode_options(wire: bytes, offset: int, end: int) -> tuple[tuple[int, bytes], ...]:
    options: list[tuple[int, bytes]] = []
    while offset < end and len(options) < _MAX_OPTIONS:
        start = offset + _OPTION_HEAD.size
        if start > end:
            break
        code, length = _OPTION_HEAD.unpack_from(wire, offset)
        offset = start + int(length)
        if offset > end:
            break
        options.append((int(code), wire[start:offset]))
    if offset != end:
        raise DnsWireError(_WHAT, offset, "malformed EDNS options")
    return tuple(options)
