"""Records taken out of a recursor's reply, to go into a reply of our own.

Strategy: a compressed name means nothing in another message, so every name is
followed and spelt out: owners, and those within the data of the types that RFC
3597 section 4 lets compress. All other data are kept as they are. A pointer must
lead back, so following ends; a name has at most 255 bytes, so it ends soon.

TTLs are kept record by record: the recursor counts them down.

Source: RFC 1035 sections 3.3 and 4.1.4, RFC 3597 section 4, RFC 2181 section 8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import attrs

from nodedns.dns.name import MAX_NAME_BYTES, Labels, packed_name
from nodedns.dns.question import RRClass, RRType
from nodedns.dns.rrset import Rdata, RRset, SoaData
from nodedns.dns.upstream_reply import RECORD_TAIL, WHAT, UpstreamReply
from nodedns.errors import DnsWireError
from nodedns.model.names import MAX_LABEL_BYTES

__all__ = ["check_records_untrusted", "decode_answer_untrusted", "decode_soa_untrusted"]

_SOA_NUMBERS = struct.Struct("!5I")
_POINTER: Final = 0xC000
_MAX_TTL_S: Final = 2**31 - 1  # RFC 2181 section 8: larger ones count as 0

_NAMES_ALONE = frozenset({RRType.NS, RRType.CNAME, RRType.PTR})
_ADDRESS_BYTES: Final = {RRType.A.value: 4, RRType.AAAA.value: 16}
# Bytes before the names, and number of names, in the data of the other types that may be compressed.
_NAMES_WITHIN: Final = {
    3: (0, 1),  # MD
    4: (0, 1),  # MF
    7: (0, 1),  # MB
    8: (0, 1),  # MG
    9: (0, 1),  # MR
    14: (0, 2),  # MINFO
    15: (2, 1),  # MX
    17: (0, 2),  # RP
    18: (2, 1),  # AFSDB
    21: (2, 1),  # RT
    33: (6, 1),  # SRV
}


@attrs.frozen
class _Record:
    owner: Labels
    rtype: int
    ttl_s: int
    rdata: Rdata


def decode_answer_untrusted(reply: UpstreamReply) -> tuple[RRset, ...]:
    """Return the records of the answer section, in order, those of one name, type and TTL together.

    Raises:
        DnsWireError: A name or a record's data are malformed.
    """
    return _grouped(_records(reply.wire, reply.answer_at, reply.counts[0]))


def decode_soa_untrusted(reply: UpstreamReply) -> tuple[RRset, ...]:
    """Return the SOA records of the authority section: how long a negative answer may be kept.

    Raises:
        DnsWireError: A name or a record's data are malformed.
    """
    records = _records(reply.wire, reply.authority_at, reply.counts[1])
    return _grouped(record for record in records if record.rtype == RRType.SOA)


def check_records_untrusted(reply: UpstreamReply) -> None:
    """Make sure that the other two functions will not raise.

    Raises:
        DnsWireError: They would.
    """
    decode_answer_untrusted(reply)
    decode_soa_untrusted(reply)


def _grouped(records: Iterator[_Record]) -> tuple[RRset, ...]:
    groups: dict[tuple[Labels, int, int], list[Rdata]] = {}
    for record in records:
        groups.setdefault((record.owner, record.rtype, record.ttl_s), []).append(record.rdata)
    return tuple(RRset(owner, rtype, ttl_s, tuple(rdatas)) for (owner, rtype, ttl_s), rdatas in groups.items())


def _records(wire: bytes, offset: int, count: int) -> Iterator[_Record]:
    for _ in range(count):
        owner, tail = _read_name(wire, offset)
        rtype, rclass, ttl_s, length = RECORD_TAIL.unpack_from(wire, tail)
        start = tail + RECORD_TAIL.size
        offset = start + length
        if rclass == RRClass.IN:
            yield _Record(owner, rtype, ttl_s if ttl_s <= _MAX_TTL_S else 0, _read_rdata(wire, start, offset, rtype))


def _read_rdata(wire: bytes, start: int, end: int, rtype: int) -> Rdata:
    if rtype in _NAMES_ALONE:
        return _names(wire, start, end, 1)[0]
    if rtype == RRType.SOA:
        mname, rname = _names(wire, start, end - _SOA_NUMBERS.size, 2)
        return SoaData(mname, rname, *_SOA_NUMBERS.unpack_from(wire, end - _SOA_NUMBERS.size))
    if rtype == RRType.TXT:
        return _strings(wire[start:end], start)
    if rtype in _ADDRESS_BYTES and end - start != _ADDRESS_BYTES[rtype]:
        raise DnsWireError(WHAT, start, "an address of the wrong length")
    if rtype in _NAMES_WITHIN:
        ahead, count = _NAMES_WITHIN[rtype]
        return wire[start : start + ahead] + b"".join(map(packed_name, _names(wire, start + ahead, end, count)))
    return wire[start:end]


def _names(wire: bytes, offset: int, end: int, count: int) -> list[Labels]:
    """Return ``count`` names that fill the bytes from ``offset`` to ``end`` exactly."""
    names = []
    for _ in range(count):
        name, offset = _read_name(wire, offset)
        names.append(name)
    if offset != end:
        raise DnsWireError(WHAT, offset, "names that do not fill their record")
    return names


def _read_name(wire: bytes, offset: int) -> tuple[Labels, int]:
    """Return the name, and where what follows it begins."""
    labels: list[bytes] = []
    size = 1
    end, reach = None, offset
    while True:
        if offset >= len(wire):
            raise DnsWireError(WHAT, offset, "name cut off")
        length = wire[offset]
        if length > MAX_LABEL_BYTES:
            target = int.from_bytes(wire[offset : offset + 2], "big") - _POINTER
            if not 0 <= target < reach:
                raise DnsWireError(WHAT, offset, "a label of unknown type, or a pointer that does not lead back")
            end = end or offset + 2
            offset = reach = target
            continue
        offset += 1
        if not length:
            return tuple(labels), end or offset
        labels.append(wire[offset : offset + length])
        offset += length
        size += 1 + length
        if size > MAX_NAME_BYTES:
            raise DnsWireError(WHAT, offset, "name longer than 255 bytes")


def _strings(data: bytes, offset: int) -> tuple[bytes, ...]:
    strings = []
    while data:
        size = 1 + data[0]
        if size > len(data):
            raise DnsWireError(WHAT, offset, "text cut off")
        strings.append(data[1:size])
        data = data[size:]
    if not strings:
        raise DnsWireError(WHAT, offset, "text without a string")
    return tuple(strings)
