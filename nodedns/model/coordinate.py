"""``Coordinate``: where a member is in the space of round-trip times, and how far it is to another.

Strategy: eight components of Euclidean space, a height (the access link), and
an adjustment (the mean of recent errors). The order of the floating-point
operations is Serf's, so that results equal its to the last bit. Units are seconds.

What it doesn't do: move (``serf.coordinate``) or travel (``serf.latency``).
Source: Dabek et al., "Vivaldi", SIGCOMM 2004; Serf's constants.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import attrs

__all__ = [
    "DIMENSIONS",
    "ERROR_MAX",
    "HEIGHT_MIN_S",
    "ORIGIN",
    "Coordinate",
    "length_of",
    "sum_in_order",
]

DIMENSIONS = 8
ERROR_MAX = 1.5
HEIGHT_MIN_S = 1e-5
NANOSECONDS = 1e9


@attrs.frozen
class Coordinate:
    """A position.

    Attributes:
        vec: Eight components.
        error: Confidence, from 0 (sure) to 1.5.
        adjustment: Added to every distance; may be negative.
        height: Distance that every path has on top.
    """

    vec: tuple[float, ...]
    error: float = ERROR_MAX
    adjustment: float = 0.0
    height: float = HEIGHT_MIN_S

    @property
    def is_valid(self) -> bool:
        """Whether it has eight components and nothing in it is infinite or not a number."""
        return len(self.vec) == DIMENSIONS and all(
            map(math.isfinite, (*self.vec, self.error, self.adjustment, self.height))
        )

    def raw_distance_s(self, other: Coordinate) -> float:
        """Return the distance in seconds without the adjustments."""
        apart = length_of([a - b for a, b in zip(self.vec, other.vec, strict=True)])
        return apart + self.height + other.height

    def distance_s(self, other: Coordinate) -> float:
        """Return the estimated round trip in seconds, in whole nanoseconds.

        Infinite where the two lie further apart than a float can tell.

        Raises:
            ValueError: They do not have equally many components.
        """
        raw = self.raw_distance_s(other)
        adjusted = raw + self.adjustment + other.adjustment
        exact = (adjusted if adjusted > 0.0 else raw) * NANOSECONDS
        if not math.isfinite(exact):  # finite coordinates may lie further apart than a float can tell
            return exact
        nanoseconds = int(exact)
        # Go's Duration.Seconds adds whole seconds and the rest; dividing the whole may differ in the last bit.
        seconds, rest = divmod(nanoseconds, int(NANOSECONDS))
        return seconds + rest / NANOSECONDS


ORIGIN = Coordinate((0.0,) * DIMENSIONS)
"""Where every member starts."""


def length_of(vec: Sequence[float]) -> float:
    """Return the Euclidean length of a vector."""
    return math.sqrt(sum_in_order(component * component for component in vec))


def sum_in_order(values: Iterable[float]) -> float:
    """Return the sum, one addition after another as Go does it: from Python 3.12 on, ``sum`` corrects its rounding."""
    total = 0.0
    for value in values:
        total += value
    return total
