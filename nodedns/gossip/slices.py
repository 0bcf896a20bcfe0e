"""``Steps``: long work cut into slices, so that an agent goes on answering while it does it.

Strategy: what may take long is written as a generator. It yields after each step
that must not be cut any smaller, and tells about how many microseconds the step
and what follows from it cost; it is sent the time when it goes on. Whoever runs
it takes steps until ``SLICE_US`` are spent, then lets timers and datagrams have
their turn. The figures are estimates (of the machine in ``docs/performance.rst``):
a core reads no clock, and the same input must give the same slices.

What it does not do: decide whose turn it is next; that is the driver's.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import TypeVar

__all__ = ["SLICE_US", "STARVED", "Steps", "at_once", "complete"]

T = TypeVar("T")

Steps = Generator[float, float, T]
"""Yields what each step cost in microseconds, is sent ``now``, and returns the result."""

SLICE_US = 5_000.0
"""Work between two turns of the others; a hundredth of the LAN's probe time-out, so that an ack is not late."""
STARVED = math.inf
"""Yielded in place of a cost: no step can be taken before more bytes have come."""


def at_once(result: T) -> Steps[T]:
    """Return ``result`` in no steps at all."""
    yield from ()
    return result


def complete(steps: Steps[T], now: float) -> T:
    """Take all the steps at once and return the result; for what is known to be small, and for tests."""
    try:
        next(steps)
        while True:
            steps.send(now)
    except StopIteration as end:
        result: T = end.value
        return result
