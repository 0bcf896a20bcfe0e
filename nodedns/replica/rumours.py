"""``RumourQueue``: new writes waiting to be told, and how often each was told.

Told is what was told least; among equals what came first, because of one origin
nothing can be taken in before what stands before it. The number of times grows with
the digits of the number of peers, as memberlist has it. What does not fit into
the queue any more is dropped: digests will carry it.

Source: memberlist's TransmitLimitedQueue; SWIM paper section 4.1.
"""

from __future__ import annotations

import math
from collections import deque

import attrs

__all__ = ["RumourQueue", "times_to_tell"]


def times_to_tell(mult: int, peers: int) -> int:
    """Return how often a rumour is told where there are so many peers, at least once."""
    return max(1, mult * math.ceil(math.log10(peers + 1)))


@attrs.define(eq=False)
class _Rumour:
    raw: bytes
    times: int = 0


class RumourQueue:
    """Encoded ranges in the order in which they are to be told.

    Args:
        mult: See ``times_to_tell``.
        max_rumours: Past it, those told most are dropped.
    """

    def __init__(self, mult: int, max_rumours: int) -> None:
        self._mult = mult
        self._max = max_rumours
        self._tiers: dict[int, deque[_Rumour]] = {}
        self._length = 0
        self._dropped = 0

    def __len__(self) -> int:
        return self._length

    @property
    def dropped(self) -> int:
        """How many were dropped because there were too many."""
        return self._dropped

    def queue(self, raw: bytes) -> None:
        """Add a rumour that nobody was told yet."""
        self._add(_Rumour(raw))
        if self._length > self._max:
            most = max(times for times, tier in self._tiers.items() if tier)
            # Of those told as often the last: others hang on what came first.
            self._tiers[most].pop()
            self._length -= 1
            self._dropped += 1

    def take(self, limit_bytes: int, listeners: int, peers: int) -> list[bytes]:
        """Return what to tell to some peers at once.

        Args:
            limit_bytes: Of rumours; the first is taken whatever its length.
            listeners: How many peers it is told; counted as so many times.
            peers: How many there are.
        """
        taken: list[_Rumour] = []
        left = limit_bytes
        for times in sorted(self._tiers):
            tier = self._tiers[times]
            while tier and (left >= len(tier[0].raw) or not taken):
                rumour = tier.popleft()
                left -= len(rumour.raw)
                taken.append(rumour)
            if tier:
                break
            del self._tiers[times]
        self._length -= len(taken)
        enough = times_to_tell(self._mult, peers)
        for rumour in taken:
            rumour.times += listeners
            if rumour.times < enough:
                self._add(rumour)
        return [rumour.raw for rumour in taken]

    def _add(self, rumour: _Rumour) -> None:
        self._tiers.setdefault(rumour.times, deque()).append(rumour)
        self._length += 1
