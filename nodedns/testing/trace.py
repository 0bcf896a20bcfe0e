"""``Trace``: a running hash of all that happened in a simulation; equal hashes mean equal runs."""

from __future__ import annotations

import hashlib
import struct

from nodedns.model.address import Address

__all__ = ["Trace"]

TIME = struct.Struct(">d")


class Trace:
    """Hashes deliveries and observations in the order in which they happen."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._entries = 0

    @property
    def entries(self) -> int:
        """How much was noted."""
        return self._entries

    def note_delivery(self, now: float, source: Address, destination: Address, payload: bytes) -> None:
        """Note a datagram that arrives."""
        self._entries += 1
        self._hash.update(TIME.pack(now) + source.packed + destination.packed)
        self._hash.update(payload)

    def note(self, now: float, text: str) -> None:
        """Note anything else."""
        self._entries += 1
        self._hash.update(TIME.pack(now) + text.encode())

    def digest(self) -> str:
        """Return the hash of everything noted so far, in hexadecimal."""
        return self._hash.hexdigest()
