"""``Scheduler``: things to do at times to come; ``EventHeap``: the order in which they are done.

Keyed (time, sequence): what was planned first for one instant happens first,
so a simulation replays. The event engine runs the heap itself, the trio runner
has a task that sleeps until the next entry.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Action", "EventHeap", "Scheduler"]

Action = Callable[..., None]


class Scheduler(Protocol):
    """Knows the time and calls back later."""

    @property
    def now(self) -> float:
        """Virtual monotonic seconds."""
        ...

    def call_at(self, when: float, action: Action, *args: Any) -> None:  # noqa: ANN401
        """Call ``action(*args)`` at ``when``, or as soon as possible if that is past."""
        ...


class EventHeap:
    """Planned actions, earliest first, then in the order in which they were planned."""

    __slots__ = ("_entries", "_sequence")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Action, tuple[Any, ...]]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._entries)

    def push(self, when: float, action: Action, args: tuple[Any, ...]) -> None:
        """Plan ``action(*args)`` for ``when``."""
        self._sequence += 1
        heapq.heappush(self._entries, (when, self._sequence, action, args))

    def next_time(self) -> float | None:
        """Return when the earliest action is planned, or None."""
        return self._entries[0][0] if self._entries else None

    def pop(self) -> tuple[float, Action, tuple[Any, ...]]:
        """Remove and return the earliest action; ``IndexError`` if there is none."""
        when, _, action, args = heapq.heappop(self._entries)
        return when, action, args
