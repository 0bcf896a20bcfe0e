"""``FilterBudget``: how much work strangers' regular expressions may make, per second.

A filter is matched in time linear in the text, but its states may be some hundreds and a
stranger may send many filters in one packet. So each pattern is paid for before it is compiled, and each
match before it is tried, by states times characters, out of a bucket that fills at a steady rate. What
cannot be paid is not matched.

Source: the token bucket; the figures are measured (a step takes 0.6 to 1.4 µs).
"""

from __future__ import annotations

from nodedns.errors import NodednsError

__all__ = ["COMPILE_STEPS", "FilterBudget", "FilterTooCostly"]

MAX_STEPS = 60_000  # at once: under 100 ms, so that acks are not late
STEPS_A_SECOND = 60_000  # under a tenth of a core; 130 filters such as ^web- for names of 20 characters
COMPILE_STEPS = 300  # to compile a pattern, or to find that it is none: half a millisecond at the most


class FilterTooCostly(NodednsError):
    """The filters of an event or a query would take more work than a stranger may make us do now."""


class FilterBudget:
    """Steps that may still be spent."""

    __slots__ = ("_left", "_seen_at")

    def __init__(self) -> None:
        self._left = float(MAX_STEPS)
        self._seen_at: float | None = None

    def spend(self, steps: int, now: float) -> bool:
        """Take ``steps`` if so many are left; whether they were.

        Args:
            steps: States times characters, or ``COMPILE_STEPS``.
            now: Monotonic seconds.
        """
        if self._seen_at is not None:
            self._left = min(float(MAX_STEPS), self._left + (now - self._seen_at) * STEPS_A_SECOND)
        self._seen_at = now
        if steps > self._left:
            return False
        self._left -= steps
        return True
