"""``BroadcastQueue``: what is waiting to be gossiped, and in which order it goes.

A batch prefers what was sent the fewest times; within that the longest message
that still fits; among equals the newest. Each taking counts as a transmission,
and at the retransmit limit the message is dropped and its owner told. A newer
message about the same subject replaces the older one.

Source: memberlist's TransmitLimitedQueue; SWIM paper section 4.1.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable

__all__ = ["BroadcastQueue", "retransmit_limit"]


def retransmit_limit(retransmit_mult: int, members: int) -> int:
    """Return how often a broadcast is sent in a cluster of ``members``."""
    return retransmit_mult * math.ceil(math.log10(members + 1))


class _Broadcast:
    __slots__ = ("on_finished", "payload", "sequence", "subject", "transmits")

    def __init__(
        self, subject: str | None, payload: bytes, sequence: int, on_finished: Callable[[], None] | None
    ) -> None:
        self.subject = subject
        self.payload = payload
        self.sequence = sequence
        self.transmits = 0
        self.on_finished = on_finished

    @property
    def key(self) -> tuple[int, int, int]:
        return (self.transmits, -len(self.payload), -self.sequence)

    def finish(self) -> None:
        if self.on_finished is not None:
            self.on_finished()


class BroadcastQueue:
    """Broadcasts ordered by (transmissions, longest, newest), at most ``max_entries`` of them.

    Args:
        retransmit_mult: See ``retransmit_limit``.
        max_entries: Beyond it the most transmitted are dropped.
    """

    __slots__ = ("_by_key", "_by_subject", "_keys", "_max_entries", "_mult", "_sequence")

    def __init__(self, retransmit_mult: int, max_entries: int) -> None:
        self._mult = retransmit_mult
        self._max_entries = max_entries
        self._keys: list[tuple[int, int, int]] = []
        self._by_key: dict[tuple[int, int, int], _Broadcast] = {}
        self._by_subject: dict[str, _Broadcast] = {}
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._keys)

    def queue(self, subject: str | None, payload: bytes, on_finished: Callable[[], None] | None = None) -> None:
        """Add a broadcast.

        Args:
            subject: Replaces a queued broadcast of the same subject; None: replaces nothing.
            payload: The encoded message.
            on_finished: Called once the message was sent to the limit, replaced or dropped.
        """
        if subject is not None:
            older = self._by_subject.get(subject)
            if older is not None:
                self._remove(older)
                older.finish()
        self._sequence += 1
        broadcast = _Broadcast(subject, payload, self._sequence, on_finished)
        if subject is not None:
            self._by_subject[subject] = broadcast
        self._insert(broadcast)
        self.prune(self._max_entries)

    def take(self, overhead_bytes: int, limit_bytes: int, members: int) -> list[bytes]:
        """Return messages for one packet and count each as transmitted once more.

        Args:
            overhead_bytes: What each message costs beside its own length.
            limit_bytes: Room in the packet.
            members: Cluster size, for the retransmit limit.
        """
        keys = self._keys
        if not keys:
            return []
        taken: list[_Broadcast] = []
        free = limit_bytes
        index = 0
        while index < len(keys):
            transmits, negative_length, _ = keys[index]
            room = free - overhead_bytes
            if room <= 0:
                break
            if -negative_length > room:
                # Jump to the longest of this tier that fits, or past its end.
                index = bisect_left(keys, (transmits, -room, -self._sequence - 1), index)
                continue
            broadcast = self._by_key.pop(keys.pop(index))
            taken.append(broadcast)
            free -= overhead_bytes - negative_length
        self._put_back(taken, members)
        return [broadcast.payload for broadcast in taken]

    def _put_back(self, taken: list[_Broadcast], members: int) -> None:
        limit = retransmit_limit(self._mult, members)
        for broadcast in taken:
            if broadcast.transmits + 1 >= limit:
                self._forget_subject(broadcast)
                broadcast.finish()
            else:
                broadcast.transmits += 1
                self._insert(broadcast)

    def prune(self, max_entries: int) -> None:
        """Drop the most transmitted until at most ``max_entries`` are left."""
        while len(self._keys) > max_entries:
            broadcast = self._by_key.pop(self._keys.pop())
            self._forget_subject(broadcast)
            broadcast.finish()

    def _insert(self, broadcast: _Broadcast) -> None:
        key = broadcast.key
        insort(self._keys, key)
        self._by_key[key] = broadcast

    def _remove(self, broadcast: _Broadcast) -> None:
        key = broadcast.key
        del self._keys[bisect_left(self._keys, key)]
        del self._by_key[key]
        self._forget_subject(broadcast)

    def _forget_subject(self, broadcast: _Broadcast) -> None:
        if broadcast.subject is not None and self._by_subject.get(broadcast.subject) is broadcast:
            del self._by_subject[broadcast.subject]
