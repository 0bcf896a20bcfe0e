"""``Tally``, ``Level`` and ``Spread``: one series each of a counter, a gauge and a histogram, as plain numbers.

Strategy: whoever counts often asks ``Metrics`` for the series once, keeps it
and adds to it; that costs an addition, and no look-up of a name, label or
lock. The numbers are read only when somebody looks. A code path that runs a
million times a second adds up a batch in a local variable first.

Not for several threads: an agent counts in the one thread that trio runs in.

Source: Prometheus's histogram (buckets by upper bound, inclusive).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

__all__ = ["Level", "Spread", "Tally"]


class Tally:
    """A count that only rises.

    Attributes:
        count: What was counted so far, without its parts. Code that counts in bulk may add to it directly.
    """

    __slots__ = ("_parts", "count")

    def __init__(self) -> None:
        self.count: float = 0
        self._parts: list[Tally] = []

    def include(self, part: Tally) -> None:
        """Count here what ``part`` counts, too; so one addition raises every tally that includes it."""
        self._parts.append(part)

    def total(self) -> float:
        """Return what was counted so far, parts included."""
        return self.count + sum(part.total() for part in self._parts)

    def add(self, amount: float = 1) -> None:
        """Raise the count. Raises ``ValueError`` for a negative amount."""
        if amount < 0:
            raise ValueError(f"a count only rises, not by {amount}")
        self.count += amount


class Level:
    """A value that rises and falls; set, or read when somebody looks.

    Attributes:
        value: The last value set.
    """

    __slots__ = ("_read", "value")

    def __init__(self) -> None:
        self.value: float = 0
        self._read: Callable[[], float] | None = None

    def add(self, change: float) -> None:
        """Change the value; for several that share one level."""
        self.value += change

    def set_by(self, read: Callable[[], float]) -> None:
        """Have the value made by ``read`` from now on."""
        self._read = read

    def now(self) -> float:
        """Return the value."""
        return self.value if self._read is None else self._read()


class Spread:
    """How values are spread over fixed buckets.

    Args:
        bounds: Upper bounds of the buckets, inclusive, rising; one without a bound follows.

    Attributes:
        counts: Values of each bucket, not of those below it.
        sum: Of all values.
        squares: Sum of their squares.
        low: Smallest value since ``forget_extremes``; infinite if there was none.
        high: Largest, likewise.
    """

    __slots__ = ("_bounds", "counts", "high", "low", "squares", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self.counts = [0] * (len(self._bounds) + 1)
        self.sum = 0.0
        self.squares = 0.0
        self.low = float("inf")
        self.high = float("-inf")

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def observe(self, value: float) -> None:
        """Add one value."""
        self.observe_many(value, 1)

    def observe_many(self, value: float, times: int) -> None:
        """Add one value ``times`` times, at the cost of once; nothing where that is 0."""
        if times <= 0:
            return
        self.counts[bisect_left(self._bounds, value)] += times
        total = value * times
        self.sum += total
        self.squares += value * total
        # Not min and max: two calls would take as long as all of the above, in what is done for each lone query.
        if value < self.low:  # noqa: PLR1730 - see above
            self.low = value
        if value > self.high:  # noqa: PLR1730 - see above
            self.high = value

    def forget_extremes(self) -> None:
        """Have ``low`` and ``high`` begin anew."""
        self.low = float("inf")
        self.high = float("-inf")

    def cumulative(self) -> list[tuple[float, int]]:
        """Return each bound, the last of them infinite, and how many values are not above it."""
        below = 0
        steps: list[tuple[float, int]] = []
        for bound, count in zip((*self._bounds, float("inf")), self.counts, strict=True):
            below += count
            steps.append((bound, below))
        return steps
