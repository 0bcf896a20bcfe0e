"""The sections of a query after the question: bytes to ``Edns`` and ``Tsig``, and to the ``ClientSoa`` of IXFR.

In the additional section an OPT record may stand anywhere, once; a TSIG record stands last. Any
other record has nothing to tell us and is stepped over, if it is whole. Every
byte is accounted for; ``DnsWireError`` is the only way out for what is not.

An option's content is not looked at here: ``edns`` does that. Where the version
is one that we do not know, not even the options' form is.

Source: RFC 6891 section 6.1, RFC 8945 section 5.1, RFC 1995 section 3, RFC 1035 section 4.1.4.
"""

from __future__ import annotations

import struct
from typing import Final

from nodedns.dns.name import MAX_NAME_BYTES, Labels, fold_labels
from nodedns.dns.question import ClientSoa, Edns, RRType, Tsig
from nodedns.errors import DnsWireError
from nodedns.model.names import MAX_LABEL_BYTES

__all__ = [
    "MAX_SIGNED_RECORDS",
    "decode_additional_untrusted",
    "decode_client_soa_untrusted",
    "decode_tsig_untrusted",
]

#   after a name: type, class, TTL, RDLENGTH
_RECORD_TAIL = struct.Struct("!HHIH")
_OPTION_HEAD = struct.Struct("!HH")
#   after the algorithm's name: 48 bits of time, fudge, MAC length
_TSIG_HEAD = struct.Struct("!6sHH")
#   after the MAC: original ID, error, length of other data
_TSIG_TAIL = struct.Struct("!HHH")
#   after the names: serial, refresh, retry, expire, minimum
_SOA_NUMBERS = struct.Struct("!5I")

#   ID, flags, four counts
_HEADER = struct.Struct("!6H")

MAX_SIGNED_RECORDS: Final = 64
"""Ours; in a response to a request of ours. A response to NOTIFY has none but OPT and TSIG."""

_QUESTION_TAIL_BYTES: Final = 4
_EDNS_DO: Final = 0x8000
_POINTER: Final = 0xC0
_CLASS_ANY: Final = 255
_MAX_RECORDS: Final = 2  # Consul's limit: OPT and a signature
_MAX_OPTIONS: Final = 64  # ours: real clients send at most a handful

_WHAT = "DNS query"


def decode_additional_untrusted(wire: bytes, offset: int, records: int) -> tuple[Edns | None, Tsig | None, int]:
    """Read ``records`` records, which begin at ``offset``.

    Returns:
        The OPT record and the TSIG record, each None if there is none, and where the section ends.

    Raises:
        DnsWireError: A record is malformed or cut off, is there twice, stands after TSIG, or there are too many.
    """
    if records > _MAX_RECORDS:
        raise DnsWireError(_WHAT, offset, "too many additional records")
    edns: Edns | None = None
    tsig: Tsig | None = None
    for _ in range(records):
        if tsig is not None:
            raise DnsWireError(_WHAT, offset, "a record after TSIG")
        start = offset
        tail, rtype, end = _decode_record(wire, offset)
        if rtype == RRType.OPT:
            # RFC 6891 section 6.1.1: two OPT records are a format error; 6.1.2: its name is the root.
            if edns is not None or tail != start + 1:
                raise DnsWireError(_WHAT, offset, "a second OPT record, or one with a name")
            edns = _decode_opt(wire, tail, end)
        elif rtype == RRType.TSIG:
            tsig = _decode_tsig(wire, start, tail, end)
        offset = end
    return edns, tsig, offset


def decode_client_soa_untrusted(wire: bytes, offset: int) -> tuple[Labels, ClientSoa, int]:
    """Read the SOA record at ``offset``.

    Returns:
        Its owner, folded, what it says, and where it ends.

    Raises:
        DnsWireError: It is no SOA record, is cut off, or a name in it is malformed.
    """
    tail, rtype, end = _decode_record(wire, offset)
    if rtype != RRType.SOA:
        raise DnsWireError(_WHAT, offset, "a record other than SOA in the authority section")
    mname_at = tail + _RECORD_TAIL.size
    rname_at = _skip_name(wire, mname_at)
    numbers_at = _skip_name(wire, rname_at)
    if end != numbers_at + _SOA_NUMBERS.size:
        raise DnsWireError(_WHAT, offset, "SOA of another length than its fields")
    serial, *_ = _SOA_NUMBERS.unpack_from(wire, numbers_at)
    owner, mname = _decode_name(wire, offset), _decode_name(wire, mname_at)
    return fold_labels(owner), ClientSoa(fold_labels(mname), serial), end


def decode_tsig_untrusted(wire: bytes) -> Tsig | None:
    """Return the TSIG record that any message ends with; None if its last record is another.

    Raises:
        DnsWireError: The message is not whole, has bytes left over, or more than ``MAX_SIGNED_RECORDS``.
    """
    if len(wire) < _HEADER.size:
        raise DnsWireError(_WHAT, len(wire), "shorter than a header")
    *_, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    records = answers + authorities + additionals
    if questions > 1 or not records or records > MAX_SIGNED_RECORDS:
        raise DnsWireError(_WHAT, _HEADER.size, "more than one question, no record, or too many")
    start = offset = _skip_name(wire, _HEADER.size) + _QUESTION_TAIL_BYTES if questions else _HEADER.size
    tail = rtype = 0
    for _ in range(records):
        start = offset
        tail, rtype, offset = _decode_record(wire, start)
    if offset != len(wire):
        raise DnsWireError(_WHAT, offset, "trailing bytes")
    return _decode_tsig(wire, start, tail, offset) if additionals and rtype == RRType.TSIG else None


def _decode_record(wire: bytes, offset: int) -> tuple[int, int, int]:
    """Return where the name ends, the type, and where the record ends."""
    tail = _skip_name(wire, offset)
    if len(wire) < tail + _RECORD_TAIL.size:
        raise DnsWireError(_WHAT, offset, "record cut off")
    rtype, _, _, rdlength = _RECORD_TAIL.unpack_from(wire, tail)
    end = tail + _RECORD_TAIL.size + int(rdlength)
    if end > len(wire):
        raise DnsWireError(_WHAT, offset, "record cut off")
    return tail, int(rtype), end


def _skip_name(wire: bytes, offset: int) -> int:
    while offset < len(wire):
        length = wire[offset]
        if length >= _POINTER:
            return offset + 2  # a pointer ends a name; where it points is of interest to TSIG only
        if length > MAX_LABEL_BYTES:
            raise DnsWireError(_WHAT, offset, "unknown label type")
        offset += 1 + length
        if not length:
            return offset
    raise DnsWireError(_WHAT, offset, "record cut off")


def _decode_opt(wire: bytes, tail: int, end: int) -> Edns:
    _, payload_bytes, extended, _ = _RECORD_TAIL.unpack_from(wire, tail)
    version = extended >> 16 & 0xFF
    options = _decode_options(wire, tail + _RECORD_TAIL.size, end) if version == 0 else ()
    return Edns(version, payload_bytes, bool(extended & _EDNS_DO), options)


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


def _decode_tsig(wire: bytes, start: int, tail: int, end: int) -> Tsig:
    _, rclass, _, _ = _RECORD_TAIL.unpack_from(wire, tail)
    if rclass != _CLASS_ANY:
        raise DnsWireError(_WHAT, tail, "TSIG of a class other than ANY")
    key_name = _decode_name(wire, start)
    # RFC 8945 section 4.2 has the algorithm uncompressed; where a pointer is, its form is not known.
    algorithm_at = tail + _RECORD_TAIL.size
    algorithm = _decode_name(wire, algorithm_at)
    offset = _skip_name(wire, algorithm_at)
    if end < offset + _TSIG_HEAD.size:
        raise DnsWireError(_WHAT, offset, "TSIG cut off")
    time_signed, fudge_s, mac_bytes = _TSIG_HEAD.unpack_from(wire, offset)
    mac_at = offset + _TSIG_HEAD.size
    offset = mac_at + int(mac_bytes)
    if end < offset + _TSIG_TAIL.size:
        raise DnsWireError(_WHAT, offset, "TSIG cut off")
    original_id, error, other_bytes = _TSIG_TAIL.unpack_from(wire, offset)
    other_at = offset + _TSIG_TAIL.size
    if end != other_at + int(other_bytes):
        raise DnsWireError(_WHAT, offset, "TSIG of another length than it says")
    mac, other = wire[mac_at:offset], wire[other_at:end]
    return Tsig(key_name, algorithm, time_signed, fudge_s, original_id, mac, error, other, start)


def _decode_name(wire: bytes, offset: int) -> Labels:
    """Return the labels of a name that was skipped before, so that at least its first part is whole."""
    labels: list[bytes] = []
    name_bytes = 1
    lowest = offset
    while True:
        if offset >= len(wire):
            raise DnsWireError(_WHAT, offset, "name cut off")
        length = wire[offset]
        if length >= _POINTER:
            target = int.from_bytes(wire[offset : offset + 2], "big") & 0x3FFF
            # Each pointer leads below everything read before, so that none can lead in a circle.
            if target >= lowest:
                raise DnsWireError(_WHAT, offset, "pointer that leads nowhere")
            lowest = offset = target
            continue
        if not length:
            return tuple(labels)
        name_bytes += 1 + length
        if length > MAX_LABEL_BYTES or name_bytes > MAX_NAME_BYTES or offset + 1 + length > len(wire):
            raise DnsWireError(_WHAT, offset, "malformed name")
        labels.append(wire[offset + 1 : offset + 1 + length])
        offset += 1 + length
