"""Records as they stand in a zone transfer: packed, each by itself.

Strategy: every message of a transfer repeats the question, which is the zone's name, so that this always stands at
the same offset. Names are compressed to it and to nothing else; so a record is the same bytes in every message,
and a transfer is many of them one after the other.

``records_of`` asks a zone for all that it says of one name, and takes from it what one reply says to no one in
particular: no order, no choice, no limit but the size of the largest message.

A zone may hold of one name a CNAME or other records, not both (RFC 1034 section 3.6.2), and one CNAME. So where a
service's name has a CNAME it has no SRV, and of several host names that stand for it, the first by name is in the zone.

Source: RFC 1035 sections 3.2 and 4.1.4, RFC 5936 section 3.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from nodedns.dns.grammar import SERVICE, UNDERSCORE
from nodedns.dns.name import Labels, fold_labels, packed_name
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRClass, RRType
from nodedns.dns.rrset import Rdata, RRset, SoaData, SrvData
from nodedns.dns.zones import ServedZone
from nodedns.table.view import TableView

__all__ = ["MAX_SET_BYTES", "ORIGIN_AT", "Sets", "name_key", "packed_records", "records_of"]

ORIGIN_AT: Final = 12
"""Where in every message of a transfer the zone's name stands: behind the header, as the question."""
MAX_SET_BYTES: Final = 65_000
"""What the records of one name and type may have together: a secondary's reply over TCP has 65,535 bytes."""

Sets = dict[bytes, tuple[bytes, ...]]
"""Records by their names, both packed."""

_POINTER: Final = (0xC000 | ORIGIN_AT).to_bytes(2, "big")
_RECORD_TAIL = struct.Struct("!HHIH")
_SRV = struct.Struct("!3H")
_SOA = struct.Struct("!5I")


def records_of(zone: ServedZone, relative: Labels, view: TableView, policy: DnsPolicy) -> tuple[bytes, ...]:
    """Return all records of a name but SOA, each packed; none where the name has none or does not exist.

    Args:
        zone: The zone.
        relative: The name, folded, without the zone's.
        view: The table to answer from.
        policy: Knobs.
    """
    name = relative + zone.origin
    found: dict[int, RRset] = {}
    for rtype in _asked_for(relative):
        answer = zone.answer(Question(name, name, rtype, RRClass.IN), view, policy)
        if answer.rcode is not Rcode.NOERROR:
            return ()
        found |= {rrset.rtype: rrset for rrset in answer.answer}
    found.pop(RRType.SOA, None)
    alias = found.get(RRType.CNAME)
    if alias is not None:
        return packed_records(RRset(alias.owner, RRType.CNAME, alias.ttl_s, (_first_name(alias.rdatas),)), zone.origin)
    return tuple(record for rrset in found.values() for record in packed_records(rrset, zone.origin))


def packed_records(rrset: RRset, origin: Labels) -> tuple[bytes, ...]:
    """Return each record of ``rrset`` packed, as many as one reply can hold.

    Args:
        rrset: The records; their owner lies in the zone.
        origin: The zone's name, folded.
    """
    start = name_key(rrset.owner, origin)
    records: list[bytes] = []
    left = MAX_SET_BYTES
    for rdata in rrset.rdatas:
        packed = _packed(rdata, rrset.rtype, origin)
        record = start + _RECORD_TAIL.pack(rrset.rtype, rrset.rclass, rrset.ttl_s, len(packed)) + packed
        left -= len(record)
        if left < 0:
            break
        records.append(record)
    return tuple(records)


def name_key(labels: Labels, origin: Labels) -> bytes:
    """Return a name packed, its end that is ``origin`` (folded) as a pointer; in lower case it tells names apart."""
    depth = len(labels) - len(origin)
    if depth < 0 or fold_labels(labels[depth:]) != origin:
        return packed_name(labels)
    return b"".join([bytes((len(label),)) + label for label in labels[:depth]]) + _POINTER


def _asked_for(relative: Labels) -> tuple[int, ...]:
    """Return the types that tell everything of a name: at names of services ANY leaves out SRV, and PTR."""
    if any(label.startswith(UNDERSCORE) for label in relative):
        return RRType.ANY, RRType.SRV, RRType.PTR
    return (RRType.ANY, RRType.SRV) if SERVICE in relative else (RRType.ANY,)


def _first_name(names: Iterable[Rdata]) -> Rdata:
    return min((name for name in names if isinstance(name, tuple)), key=_sorting)


def _sorting(name: tuple[object, ...]) -> list[bytes]:
    return [label.lower() for label in name if isinstance(label, bytes)]


def _packed(rdata: Rdata, rtype: int, origin: Labels) -> bytes:
    if isinstance(rdata, bytes):
        return rdata
    if isinstance(rdata, SrvData):
        # RFC 2782: no name compression for the target.
        return _SRV.pack(rdata.priority, rdata.weight, rdata.port) + packed_name(rdata.target)
    if isinstance(rdata, SoaData):
        times = (rdata.serial, rdata.refresh_s, rdata.retry_s, rdata.expire_s, rdata.minimum_s)
        return name_key(rdata.mname, origin) + name_key(rdata.rname, origin) + _SOA.pack(*times)
    if rtype == RRType.TXT:
        return b"".join([bytes((len(string),)) + string for string in rdata])
    return name_key(rdata, origin)
