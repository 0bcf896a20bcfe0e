"""The answer to a signed query: there is no such key here.

A server that does not know the key says so with NOTAUTH and an unsigned TSIG
record whose error is BADKEY; silence would look like a dead server. The record
repeats the client's names and time, and has no MAC.

Source: RFC 8945 sections 5.2.1 and 5.3.2.
"""

from __future__ import annotations

import struct
from typing import Final

from nodedns.dns.name import packed_name
from nodedns.dns.question import RRClass, RRType, Tsig

__all__ = ["with_bad_key"]

_BADKEY: Final = 17
_ARCOUNT_AT: Final = 10
#   after the name: type, class, TTL, RDLENGTH
_RECORD_TAIL = struct.Struct("!HHIH")
#   after the algorithm's name: 48 bits of time, fudge, no MAC, original ID, error, no other data
_TSIG_TAIL = struct.Struct("!6sHHHHH")


def with_bad_key(reply: bytes, tsig: Tsig, limit_bytes: int) -> bytes:
    """Return ``reply`` with a TSIG record at its end that says BADKEY; as it is if that would not fit."""
    fields = _TSIG_TAIL.pack(tsig.time_signed, tsig.fudge_s, 0, tsig.original_id, _BADKEY, 0)
    rdata = packed_name(tsig.algorithm) + fields
    record = packed_name(tsig.key_name) + _RECORD_TAIL.pack(RRType.TSIG, RRClass.ANY, 0, len(rdata)) + rdata
    if len(reply) + len(record) > limit_bytes:
        return reply
    (additionals,) = struct.unpack_from("!H", reply, _ARCOUNT_AT)
    return reply[:_ARCOUNT_AT] + struct.pack("!H", additionals + 1) + reply[_ARCOUNT_AT + 2 :] + record
