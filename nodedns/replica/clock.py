"""``HybridClock``: versions that follow the wall clock and never go back.

A version is an integer: milliseconds of Unix time, shifted by 16 bits, and a counter
below them. It is above every version that was made or heard before, and as near to
the wall clock as that allows, so that of two writes the later one has the higher
version even if two agents made them, as far as their clocks agree. A version that is further ahead
than clocks may differ is not to be believed: one agent with a clock in the next century
would otherwise win every argument from then on.

Source: Kulkarni, Demirbas et al., "Logical Physical Clocks", 2014.
"""

from __future__ import annotations

__all__ = ["COUNTER_BITS", "MAX_VERSION", "HybridClock", "milliseconds_of"]

COUNTER_BITS = 16
MAX_VERSION = 2**63 - 1  # what every language's integers hold; the year 6429


def milliseconds_of(version: int) -> int:
    """Return the wall clock's part of a version, in milliseconds of Unix time."""
    return version >> COUNTER_BITS


class HybridClock:
    """Makes versions.

    Args:
        max_ahead_ms: How far ahead of our wall clock another's version is believed.
    """

    __slots__ = ("_last", "_max_ahead_ms")

    def __init__(self, max_ahead_ms: int) -> None:
        self._max_ahead_ms = max_ahead_ms
        self._last = 0

    @property
    def last(self) -> int:
        """The highest version made or heard, 0 at first."""
        return self._last

    def next_version(self, wall_ms: int) -> int:
        """Return a version above all before, at the wall clock or as little past it as possible."""
        self._last = max(self._last + 1, wall_ms << COUNTER_BITS)
        return self._last

    def furthest(self, wall_ms: int) -> int:
        """Return the highest version that is believed at this time."""
        return ((wall_ms + self._max_ahead_ms + 1) << COUNTER_BITS) - 1

    def witness(self, version: int) -> None:
        """Move past a version that was heard; the caller has looked whether it is to be believed."""
        self._last = max(self._last, version)

    def step_back(self, version: int) -> None:
        """Have ``version`` be the highest: what was above is disowned."""
        self._last = version
