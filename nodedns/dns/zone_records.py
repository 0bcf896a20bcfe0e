"""Records as they stand in a zone transfer: packed, each by itself.

Strategy: every message of a transfer repeats the question, which is the zone's name, so that this always stands at
the same offset. Names are compressed to it and to nothing else; so a record is the same bytes in every message,
and a transfer is many of them one after the other.

What a record says of whom is not known here. Source: RFC 1035 sections 3.2 and 4.1.4, RFC 5936 section 3.4.
"""

from __future__ import annotations

import struct
from typing import Final

from nodedns.dns.name import Labels, fold_labels, packed_name
from nodedns.dns.question import RRType
from nodedns.dns.rrset import Rdata, RRset, SoaData, SrvData

__all__ = ["MAX_SET_BYTES", "ORIGIN_AT", "Sets", "name_key", "packed_records", "record_ends", "relative_key"]

ORIGIN_AT: Final = 12
"""Where in every message of a transfer the zone's name stands: behind the header, as the question."""
MAX_SET_BYTES: Final = 65_000
"""What the records of one name and type may have together: a secondary's reply over TCP has 65,535 bytes."""

Sets = dict[bytes, tuple[bytes, ...]]
"""Records by their names, both packed."""

_POINTER: Final = (0xC000 | ORIGIN_AT).to_bytes(2, "big")
_RECORD_TAIL = struct.Struct("!HHIH")
_SOA = struct.Struct("!5I")


def packed_records(rrset: RRset, origin: Labels) -> tuple[bytes, ...]:
    """Return each record of ``rrset`` packed, as many as one reply can hold.

    Args:
        rrset: The records; their owner lies in the zone.
        origin: The zone's name, folded.
    """
    start = name_key(rrset.owner, origin)
    return tuple([start + end for end in record_ends(rrset, origin)])


def record_ends(rrset: RRset, origin: Labels) -> list[bytes]:
    """Return the same records without their owner."""
    ends: list[bytes] = []
    left = MAX_SET_BYTES
    for rdata in rrset.rdatas:
        packed = _packed(rdata, rrset.rtype, origin)
        end = _RECORD_TAIL.pack(rrset.rtype, rrset.rclass, rrset.ttl_s, len(packed)) + packed
        left -= len(_POINTER) + len(end)  # the owner, in a reply, is a pointer to the question
        if left < 0:
            break
        ends.append(end)
    return ends


def name_key(labels: Labels, origin: Labels) -> bytes:
    """Return a name packed, its end that is ``origin`` (folded) as a pointer; in lower case it tells names apart."""
    depth = len(labels) - len(origin)
    if depth < 0 or fold_labels(labels[depth:]) != origin:
        return packed_name(labels)
    return relative_key(labels[:depth])


def relative_key(labels: Labels) -> bytes:
    """Return a name of the zone, given without the zone's, packed likewise."""
    return b"".join([bytes((len(label),)) + label for label in labels]) + _POINTER


def _packed(rdata: Rdata, rtype: int, origin: Labels) -> bytes:
    if isinstance(rdata, bytes):
        return rdata
    if isinstance(rdata, SrvData):
        return rdata.packed
    if isinstance(rdata, SoaData):
        times = (rdata.serial, rdata.refresh_s, rdata.retry_s, rdata.expire_s, rdata.minimum_s)
        return name_key(rdata.mname, origin) + name_key(rdata.rname, origin) + _SOA.pack(*times)
    if rtype == RRType.TXT:
        return b"".join([bytes((len(string),)) + string for string in rdata])
    return name_key(rdata, origin)
