"""``TimerHeap``: absolute deadlines and what is due at each, in a replayable order.

Keyed (deadline, sequence), so that two timers of one instant fire in the order
they were set. Cancelling marks the entry; cancelled entries are dropped when
they surface, and swept when they outnumber the live ones.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

__all__ = ["Timer", "TimerHeap"]

SWEEP_ABOVE_ENTRIES = 64


class Timer:
    """One pending deadline; ``cancel`` makes it never fire."""

    __slots__ = ("_heap", "action", "deadline")

    def __init__(self, heap: TimerHeap, deadline: float, action: Callable[[float], None]) -> None:
        self._heap = heap
        self.deadline = deadline
        self.action: Callable[[float], None] | None = action

    def cancel(self) -> None:
        """Make the timer never fire; cancelling twice, or after it fired, does nothing."""
        if self.action is not None:
            self.action = None
            self._heap.note_cancelled()


class TimerHeap:
    """Timers ordered by deadline, then by the order in which they were set."""

    __slots__ = ("_cancelled", "_entries", "_sequence")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Timer]] = []
        self._sequence = 0
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._entries) - self._cancelled

    def set(self, deadline: float, action: Callable[[float], None]) -> Timer:
        """Call ``action(now)`` from the first ``fire`` at or after ``deadline``.

        Args:
            deadline: Monotonic seconds.
            action: Called with the ``now`` handed to ``fire``.

        Returns:
            The timer, to be cancelled if need be.
        """
        timer = Timer(self, deadline, action)
        self._sequence += 1
        heapq.heappush(self._entries, (deadline, self._sequence, timer))
        return timer

    def next_deadline(self) -> float | None:
        """Return the earliest deadline, or None when nothing is pending."""
        entries = self._entries
        while entries and entries[0][2].action is None:
            heapq.heappop(entries)
            self._cancelled -= 1
        return entries[0][0] if entries else None

    def fire(self, now: float) -> None:
        """Run every action due at ``now``, earliest first; actions may set further timers."""
        entries = self._entries
        while entries and entries[0][0] <= now:
            timer = heapq.heappop(entries)[2]
            action = timer.action
            if action is None:
                self._cancelled -= 1
                continue
            timer.action = None
            action(now)

    def note_cancelled(self) -> None:
        """Take note that a timer of this heap was cancelled; called by the timer itself."""
        self._cancelled += 1
        # Without the sweep, a flood of cancelled probes would stay until their deadlines pass.
        if self._cancelled > SWEEP_ABOVE_ENTRIES and self._cancelled * 2 > len(self._entries):
            # In place: ``fire`` may be iterating over this very list.
            self._entries[:] = [entry for entry in self._entries if entry[2].action is not None]
            heapq.heapify(self._entries)
            self._cancelled = 0
