"""Records: what an agent writes to its own disk, so that its replica is there after a restart.

A record is a letter and what it stands for. Replayed in the order in which they
were made, they lead to the same state; any beginning of them leads to a state that
was there once, so a file may end anywhere between two. Framing and checking of the bytes is the file's business.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from nodedns.errors import WireError
from nodedns.replica.clock import MAX_VERSION
from nodedns.replica.entry import Entry, Origin, Registration, change_of, target_of
from nodedns.replica.messages import Census, Range
from nodedns.replica.wire import (
    decode_message_untrusted,
    decode_ranges_untrusted,
    encode_own_entry,
    encode_range,
    join_ranges,
)

__all__ = [
    "CensusRecord",
    "Intent",
    "RangesRecord",
    "Record",
    "decode_record",
    "encode_census_record",
    "encode_intent",
    "encode_ranges_record",
]

_NOBODY = Origin(bytes(24))


@attrs.frozen
class RangesRecord:
    """These ranges were taken in, or are our own writes."""

    ranges: tuple[Range, ...]


@attrs.frozen
class CensusRecord:
    """This census was taken in as a whole."""

    parts: tuple[Census, ...]


@attrs.frozen
class Intent:
    """This is about to be written; if no record of ours says that it was, it is written after the restart."""

    change: Registration


Record = RangesRecord | CensusRecord | Intent

_RANGES, _CENSUS, _INTENT = b"R", b"C", b"I"


def encode_ranges_record(raw_ranges: Sequence[bytes]) -> bytes:
    """Return the record of ranges that were taken in."""
    return _RANGES + join_ranges(raw_ranges)


def encode_census_record(raw_parts: Sequence[bytes]) -> bytes:
    """Return the record of a census; the parts are its messages as they came."""
    return _CENSUS + b"".join(len(raw).to_bytes(4, "big") + raw for raw in raw_parts)


def encode_intent(change: Registration) -> bytes:
    """Return the record of a change that is about to be written.

    Raises:
        TooBig: ``Replicator.write`` would refuse it.
        LocalProtocolError: Likewise.
    """
    key, node, value = target_of(change)
    encoded = encode_own_entry(Entry(key, node, MAX_VERSION, _NOBODY, value))
    return _INTENT + join_ranges([encode_range(_NOBODY, 0, MAX_VERSION, [encoded])])


def decode_record(record: bytes) -> Record:
    """Return what a record says.

    Raises:
        WireError: It makes no sense.
    """
    letter, body = record[:1], record[1:]
    if letter == _RANGES:
        return RangesRecord(decode_ranges_untrusted(body))
    if letter == _CENSUS:
        return CensusRecord(_decode_census(body))
    if letter == _INTENT:
        ranges = decode_ranges_untrusted(body)
        if len(ranges) == 1 and len(ranges[0].entries) == 1 and not ranges[0].entries[0].excess:
            return Intent(change_of(ranges[0].entries[0]))
    raise WireError("replica record", 0, "no such record")


def _decode_census(body: bytes) -> tuple[Census, ...]:
    parts = []
    at = 0
    while at < len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        message = decode_message_untrusted(body[at + 4 : at + 4 + size])
        if not isinstance(message, Census):
            raise WireError("replica record", at, "no part of a census")
        parts.append(message)
        at += 4 + size
    return tuple(parts)
