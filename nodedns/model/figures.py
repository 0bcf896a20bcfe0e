"""``Interval``: what was counted and observed in a stretch of time, summed up.

Counters and samples are what came in that time; gauges have the value of when somebody looked.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ["GaugeFigure", "Interval", "SumFigure"]


@attrs.frozen
class GaugeFigure:
    """The value of one series of a gauge."""

    name: str
    labels: Mapping[str, str]
    value: float


@attrs.frozen
class SumFigure:
    """What came of one series of a counter or a histogram.

    Attributes:
        name: Of the metric.
        labels: Of the series.
        count: How many values.
        rate: Their sum, a second.
        total: Their sum.
        low: The smallest.
        high: The largest.
        mean: The mean.
        deviation: The standard deviation of the sample; 0 of fewer than two values.
    """

    name: str
    labels: Mapping[str, str]
    count: int
    rate: float
    total: float
    low: float
    high: float
    mean: float
    deviation: float


@attrs.frozen
class Interval:
    """A stretch of time.

    Attributes:
        started: Seconds since 1970.
        gauges: Every gauge there is.
        counters: Those that rose.
        samples: Those that had a value.
    """

    started: float = 0.0
    gauges: tuple[GaugeFigure, ...] = ()
    counters: tuple[SumFigure, ...] = ()
    samples: tuple[SumFigure, ...] = ()
