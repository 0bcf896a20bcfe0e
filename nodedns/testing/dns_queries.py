"""DNS queries as bytes, for tests that care about each of them."""

from __future__ import annotations

from typing import Final

from nodedns.dns.name import packed_name
from nodedns.dns.question import RRType

__all__ = ["OPT", "query_wire"]

OPT: Final = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
"""An OPT record of 1232 bytes, without options."""


def query_wire(name: str, rtype: int = RRType.A, *, query_id: int = 7, flags: int = 0x0100, opt: bytes = b"") -> bytes:
    """Return a query of one question.

    Args:
        name: Labels with dots between them, without escapes.
        rtype: 0..65535.
        query_id: 0..65535.
        flags: The 16 bits behind the ID.
        opt: What follows the question, counted as one additional record unless empty.
    """
    counts = (1, 0, 0, 1 if opt else 0)
    head = b"".join(number.to_bytes(2, "big") for number in (query_id, flags, *counts))
    labels = [label.encode() for label in name.split(".") if label]
    question = packed_name(tuple(labels))
    return head + question + rtype.to_bytes(2, "big") + b"\0\1" + opt
