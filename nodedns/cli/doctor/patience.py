"""``Patience``: how long the whole examination may still take, and doing many things within it at once.

Strategy: what may hang runs in a thread of its own that nobody waits for longer than there is time; the C library's
look-up can be given no time-out, and a thread that hangs in it ends with the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

__all__ = ["Patience", "at_once"]

LEAST_S = 0.05
"""A socket's time-out of 0 would mean not to wait at all."""

K = TypeVar("K")
T = TypeVar("T")


class Patience:
    """Time that runs out.

    Args:
        clock: Monotonic seconds.
        limit_s: From now on.
    """

    def __init__(self, clock: Callable[[], float], limit_s: float) -> None:
        self._clock = clock
        self._until = clock() + limit_s

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self._clock()

    @property
    def left_s(self) -> float:
        """What is left; never below 0."""
        return max(self._until - self._clock(), 0.0)

    def at_most(self, seconds: float) -> float:
        """Return a time-out for one step: ``seconds``, or what is left if that is less; always above 0."""
        return max(min(seconds, self.left_s), LEAST_S)


def at_once(jobs: Mapping[K, Callable[[], T]], patience: Patience, limit_s: float) -> dict[K, T]:
    """Run all jobs at the same time; return what those gave that ended in time, in the order of ``jobs``.

    Args:
        jobs: Each a function that blocks.
        patience: Bounds the wait.
        limit_s: Bounds it as well.

    Raises:
        Exception: What a job raised.
    """
    changed = threading.Condition()
    results: dict[K, T] = {}
    faults: list[BaseException] = []

    def run(key: K, job: Callable[[], T]) -> None:
        try:
            result = job()
        except BaseException as fault:
            with changed:
                faults.append(fault)
                changed.notify_all()
            return
        with changed:
            results[key] = result
            changed.notify_all()

    for key, job in jobs.items():
        threading.Thread(target=run, args=(key, job), daemon=True).start()
    with changed:
        changed.wait_for(lambda: len(results) == len(jobs) or bool(faults), patience.at_most(limit_s))
        if faults:
            raise faults[0]
        return {key: results[key] for key in jobs if key in results}
