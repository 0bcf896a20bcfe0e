"""DNS wire format: bytes to ``Query``.

Strategy: queries are parsed here and not by dnslib, which refuses labels that
are not UTF-8 and lets trailing bytes pass. A query is header, one question and
an additional section (and IXFR's SOA), each read exactly; ``DnsWireError`` is
the only way out for anything else.

This decides no response code. Source: RFC 1035 section 4, RFC 7873 section 5.4, RFC 9619.
"""

from __future__ import annotations

import struct
from typing import Final

import attrs

from nodedns.dns.additional import decode_additional_untrusted, decode_client_soa_untrusted
from nodedns.dns.name import MAX_NAME_BYTES, Labels, fold_labels
from nodedns.dns.question import Edns, Query, Question, RRType
from nodedns.errors import DnsWireError
from nodedns.model.names import MAX_LABEL_BYTES

__all__ = [
    "HEADER",
    "HEADER_BYTES",
    "Header",
    "decode_header_untrusted",
    "decode_opt_alone_untrusted",
    "decode_query_untrusted",
]

#   +------+-------+---------+---------+---------+---------+
#   |  ID  | flags | QDCOUNT | ANCOUNT | NSCOUNT | ARCOUNT |
#   +------+-------+---------+---------+---------+---------+
HEADER = struct.Struct("!6H")
HEADER_BYTES: Final = 12
#   after a name: type, class
_QUESTION_TAIL = struct.Struct("!HH")

_FLAG_QR: Final = 0x8000
_OPCODE_SHIFT: Final = 11
_OPCODE_MASK: Final = 0x7800

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
    client_soa = None
    if header.authorities:
        # RFC 1995 section 3: an IXFR query carries the client's SOA there; no other query has business with it.
        if rtype != RRType.IXFR or header.authorities != 1:
            raise DnsWireError(_WHAT, offset, "records in the authority section")
        owner, found, offset = decode_client_soa_untrusted(wire, offset)
        # That of another zone says nothing of what the client has of this one.
        client_soa = found if owner == fold_labels(labels) else None
    edns = tsig = None
    if header.additionals:
        edns, tsig, offset = decode_additional_untrusted(wire, offset, header.additionals)
    if offset != len(wire):
        raise DnsWireError(_WHAT, offset, "trailing bytes")
    question = Question(labels, fold_labels(labels), rtype, rclass)
    return Query(header.query_id, header.flags, question, question_wire, edns, tsig, client_soa)


def decode_opt_alone_untrusted(wire: bytes, header: Header) -> Edns:
    """Read a message of no question, which a client sends to learn its cookie (RFC 7873 section 5.4).

    Args:
        wire: The whole message.
        header: Its header, as ``decode_header_untrusted`` gave it.

    Raises:
        DnsWireError: There is anything but an OPT record, or none.
    """
    if header.questions or header.answers or header.authorities:
        raise DnsWireError(_WHAT, HEADER_BYTES, "more than an additional section")
    edns, tsig, offset = decode_additional_untrusted(wire, HEADER_BYTES, header.additionals)
    if edns is None or tsig is not None or offset != len(wire):
        raise DnsWireError(_WHAT, offset, "no question, and not just an OPT record")
    return edns


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
