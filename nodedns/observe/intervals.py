"""``Intervals``: the metrics of the last ten seconds, for those who ask for figures of a stretch of time.

Strategy: at the end of each interval the numbers are remembered, and what they
rose by since the end before is what came in that interval. A counter counts
single things, so each of its values is 1, also of those that count bytes. Of
a histogram, count, sum, mean and deviation come from its sums, and the
extremes from ``Spread``, which forgets them at the end of an interval.

It has no clock and no task: the owner says when an interval ends.

Source: go-metrics' InmemSink (the last whole interval is shown, the one under way only before there is another).
"""

from __future__ import annotations

import math

from nodedns.model.figures import GaugeFigure, Interval, SumFigure
from nodedns.observe.metrics import METRICS, CounterSpec, GaugeSpec, HistogramSpec, Metrics, Spec, Values

__all__ = ["INTERVAL_S", "Intervals"]

INTERVAL_S = 10.0
"""Length of an interval (Consul's)."""

_Key = tuple[str, Values]


class Intervals:
    """Sums up what ``metrics`` counts, interval by interval.

    Args:
        metrics: What is summed up.
        now: When the first interval begins, in seconds since 1970.
    """

    def __init__(self, metrics: Metrics, now: float) -> None:
        self._metrics = metrics
        self._started = now
        self._counts: dict[_Key, float] = {}
        self._sums: dict[_Key, tuple[int, float, float]] = {}
        self._last: Interval | None = None

    def end(self, now: float) -> None:
        """End the interval under way and begin the next one at ``now``."""
        self._last = self._so_far(now)
        for spec in METRICS:
            match spec:
                case CounterSpec(name):
                    for values, tally in self._metrics.tallies(spec).items():
                        self._counts[name, values] = tally.total()
                case HistogramSpec(name):
                    for values, spread in self._metrics.spreads(spec).items():
                        self._sums[name, values] = (spread.count, spread.sum, spread.squares)
                        spread.forget_extremes()
        self._started = now

    def shown(self, now: float) -> Interval:
        """Return the last whole interval, the one under way where there is none; gauges as of now."""
        if self._last is None:
            return self._so_far(now)
        return Interval(self._last.started, self._gauges(), self._last.counters, self._last.samples)

    def _so_far(self, now: float) -> Interval:
        # A clock that was set back must not divide by zero.
        length_s = max(now - self._started, 1.0)
        counters: list[SumFigure] = []
        samples: list[SumFigure] = []
        for spec in METRICS:
            match spec:
                case CounterSpec():
                    counters += self._counted(spec, length_s)
                case HistogramSpec():
                    samples += self._observed(spec, length_s)
        return Interval(self._started, self._gauges(), tuple(counters), tuple(samples))

    def _gauges(self) -> tuple[GaugeFigure, ...]:
        return tuple(
            GaugeFigure(spec.name, _labels(spec, values), level.now())
            for spec in METRICS
            if isinstance(spec, GaugeSpec)
            for values, level in self._metrics.levels(spec).items()
        )

    def _counted(self, spec: CounterSpec, length_s: float) -> list[SumFigure]:
        figures: list[SumFigure] = []
        for values, tally in self._metrics.tallies(spec).items():
            rise = tally.total() - self._counts.get((spec.name, values), 0)
            if rise > 0:
                figures.append(
                    SumFigure(spec.name, _labels(spec, values), int(rise), rise / length_s, rise, 1, 1, 1, 0)
                )
        return figures

    def _observed(self, spec: HistogramSpec, length_s: float) -> list[SumFigure]:
        figures: list[SumFigure] = []
        for values, spread in self._metrics.spreads(spec).items():
            count_then, sum_then, squares_then = self._sums.get((spec.name, values), (0, 0.0, 0.0))
            count, total = spread.count - count_then, spread.sum - sum_then
            if count > 0:
                deviation = _deviation(count, total, spread.squares - squares_then)
                figures.append(
                    SumFigure(
                        spec.name,
                        _labels(spec, values),
                        count,
                        total / length_s,
                        total,
                        spread.low,
                        spread.high,
                        total / count,
                        deviation,
                    )
                )
        return figures


def _deviation(count: int, total: float, squares: float) -> float:
    if count < 2:
        return 0.0
    # Rounding may leave a hair below zero.
    return math.sqrt(max(squares - total * total / count, 0.0) / (count - 1))


def _labels(spec: Spec, values: Values) -> dict[str, str]:
    return dict(zip(spec.labels, values, strict=True))
