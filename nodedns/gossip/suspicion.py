"""``Suspicion``: the time a suspect has left to refute, shortened by each independent accuser.

A suspicion starts with the longest time; every further member that suspects
the same node cuts it, logarithmically, down to the shortest once ``k`` have
confirmed. In a small cluster nobody can confirm, so the shortest applies.

Source: Lifeguard paper section IV.B; memberlist's suspicion timer.
"""

from __future__ import annotations

import math

from nodedns.gossip.params import GossipParams
from nodedns.model.names import NodeName

__all__ = ["Suspicion", "remaining_s", "suspicion_bounds"]


def suspicion_bounds(params: GossipParams, size: int) -> tuple[float, float, int]:
    """Return (shortest s, longest s, k confirmations wanted) for a list of ``size`` nodes.

    ``size`` counts ourselves and the dead and left nodes that are still listed.
    """
    scale_ms = math.floor(1000 * max(1.0, math.log10(max(1, size))))
    shortest_s = params.suspicion_mult * scale_ms * params.probe_interval_s / 1000
    longest_s = params.suspicion_max_timeout_mult * shortest_s
    k = params.suspicion_mult - 2
    if size - 2 < k:
        k = 0
    return shortest_s, longest_s, k


def remaining_s(confirmations: int, k: int, elapsed_s: float, shortest_s: float, longest_s: float) -> float:
    """Return the seconds left after ``elapsed_s`` with so many confirmations; <= 0 means now."""
    fraction = math.log(confirmations + 1) / math.log(k + 1)
    total_s = longest_s - fraction * (longest_s - shortest_s)
    # The small term undoes float noise such as 3999.9999999 ms before the floor.
    total_s = max(math.floor(total_s * 1000 + 1e-6) / 1000, shortest_s)
    return total_s - elapsed_s


class Suspicion:
    """One node's suspicion: who accused it so far, and when it will be declared dead."""

    __slots__ = ("_accusers", "_k", "_longest_s", "_shortest_s", "_started_at", "deadline")

    def __init__(self, accuser: str, shortest_s: float, longest_s: float, k: int, now: float) -> None:
        self._accusers: tuple[NodeName, ...] = (NodeName(accuser),)
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._k = k
        self._started_at = now
        self.deadline = now + (longest_s if k >= 1 else shortest_s)

    @property
    def accusers(self) -> tuple[NodeName, ...]:
        """Who accused it so far, the first accuser first."""
        return self._accusers

    @property
    def wanted(self) -> int:
        """How many confirmations make its time shortest; 0 where the pool is too small for any."""
        return self._k

    @property
    def confirmations(self) -> int:
        """How many members accused after the first."""
        return len(self._accusers) - 1

    def confirm(self, accuser: str, now: float) -> bool:
        """Take another member's accusation; return whether it was news, and then pull ``deadline`` in."""
        if self.confirmations >= self._k or accuser in self._accusers:
            return False
        self._accusers += (NodeName(accuser),)
        left_s = remaining_s(self.confirmations, self._k, now - self._started_at, self._shortest_s, self._longest_s)
        self.deadline = now + max(left_s, 0.0)
        return True
