"""``Awareness``: how healthy we think we ourselves are (Lifeguard's local health multiplier).

0 is healthy. Missed acks and nacks, and having to refute, raise the score;
answered probes lower it. It only stretches our own probe interval, so that a
slow machine accuses others less quickly.

Source: Lifeguard paper section IV.A; memberlist's awareness.
"""

from __future__ import annotations

__all__ = ["Awareness"]


class Awareness:
    """A health score clamped to 0..max_multiplier - 1."""

    __slots__ = ("_max", "_score")

    def __init__(self, max_multiplier: int) -> None:
        self._max = max_multiplier
        self._score = 0

    @property
    def score(self) -> int:
        """The score, 0 when healthy."""
        return self._score

    def apply_delta(self, delta: int) -> None:
        """Move the score by ``delta``, within its bounds."""
        self._score = min(max(self._score + delta, 0), self._max - 1)

    def scale(self, timeout_s: float) -> float:
        """Return ``timeout_s`` stretched by the score."""
        return timeout_s * (self._score + 1)
