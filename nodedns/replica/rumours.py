"""``RumourQueue``: new writes waiting to be told, and how often each was told.

Told is what was told least; among equals what came first, because of one origin
nothing can be taken in before what stands before it. The number of times grows with
the digits of the number of peers, as memberlist has it; hearing a rumour that waits here counts as
having told it, for then it is about already. What does not fit into the queue
any more is dropped: digests will carry it.

Source: memberlist's TransmitLimitedQueue; Demers et al., "Epidemic Algorithms for
Replicated Database Maintenance", 1987, section 1.4 (counter and feedback).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence

import attrs

from nodedns.replica.entry import Origin
from nodedns.replica.params import DATAGRAM_BYTES, MAX_RUMOUR_BYTES
from nodedns.replica.wire import encode_rumours

__all__ = ["RumourQueue", "rumour_packets", "times_to_tell"]


def times_to_tell(mult: int, peers: int) -> int:
    """Return how often a rumour is told where there are so many peers, at least once."""
    return max(1, mult * math.ceil(math.log10(peers + 1)))


@attrs.define(eq=False)
class _Rumour:
    subject: tuple[Origin, int]
    raw: bytes
    times: int = 0


class RumourQueue:
    """Encoded ranges in the order in which they are to be told.

    Args:
        mult: See ``times_to_tell``.
        max_rumours: Past it, those told most are dropped.
        max_bytes: Of all together; likewise.
    """

    def __init__(self, mult: int, max_rumours: int, max_bytes: int = MAX_RUMOUR_BYTES) -> None:
        self._mult = mult
        self._max = max_rumours
        self._max_bytes = max_bytes
        self._bytes = 0
        # A rumour stands in the tier of the times it had been told when it was put there.
        self._tiers: dict[int, deque[_Rumour]] = {}
        self._waiting: dict[tuple[Origin, int], _Rumour] = {}
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def dropped(self) -> int:
        """How many were dropped because there were too many."""
        return self._dropped

    def queue(self, origin: Origin, upto: int, raw: bytes) -> None:
        """Add a rumour that nobody was told yet: an encoded range, whose, and up to which version."""
        if (origin, upto) in self._waiting:
            return
        self._add(_Rumour((origin, upto), raw))
        while len(self._waiting) > self._max or self._bytes > self._max_bytes:
            most = max(times for times, tier in self._tiers.items() if tier)
            # Of those told as often the last: others hang on what came first.
            self._remove(self._tiers[most].pop())
            self._dropped += 1

    def heard(self, origin: Origin, upto: int) -> None:
        """Count that a peer told us what is known here."""
        rumour = self._waiting.get((origin, upto))
        if rumour is not None:
            rumour.times += 1

    def take(self, limit_bytes: int, listeners: int, peers: int) -> list[bytes]:
        """Return what to tell to some peers at once.

        Args:
            limit_bytes: Of rumours; the first is taken whatever its length.
            listeners: How many peers it is told; counted as so many times.
            peers: How many there are.
        """
        enough = times_to_tell(self._mult, peers)
        taken: list[_Rumour] = []
        left = limit_bytes
        for tier_times in sorted(self._tiers):
            tier = self._tiers[tier_times]
            while tier and (left >= len(tier[0].raw) or not taken):
                rumour = tier.popleft()
                self._remove(rumour)
                if rumour.times >= enough:
                    continue
                if rumour.times == tier_times:
                    left -= len(rumour.raw)
                    taken.append(rumour)
                else:
                    self._add(rumour)  # heard meanwhile: its turn comes with its equals
            if tier:
                break
        for rumour in taken:
            rumour.times += listeners
            if rumour.times < enough:
                self._add(rumour)
        return [rumour.raw for rumour in taken]

    def _add(self, rumour: _Rumour) -> None:
        self._tiers.setdefault(rumour.times, deque()).append(rumour)
        self._waiting[rumour.subject] = rumour
        self._bytes += len(rumour.raw)

    def _remove(self, rumour: _Rumour) -> None:
        del self._waiting[rumour.subject]
        self._bytes -= len(rumour.raw)


def rumour_packets(raws: Sequence[bytes]) -> Iterator[bytes]:
    """Yield messages with as many rumours each, given as encoded ranges, as fit into a datagram, or one."""
    packet: list[bytes] = []
    size = 0
    for raw in raws:
        if packet and size + len(raw) > DATAGRAM_BYTES - 8:
            yield encode_rumours(packet)
            packet, size = [], 0
        packet.append(raw)
        size += len(raw)
    if packet:
        yield encode_rumours(packet)
