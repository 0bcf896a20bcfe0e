"""``SnapshotWriter``: turns what happens into snapshot lines, and the lines into events at a bounded rate.

Lines wait at most ``snapshot_flush_interval_s`` and leave together. A leave
goes out at once, since the agent may be gone soon.

Source: Serf's snapshot.go (gossip-protocol 4.14).
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.gossip.timers import TimerHeap
from nodedns.serf.events import (
    MemberChanged,
    MemberChangeKind,
    SerfEvent,
    SnapshotAppend,
    SnapshotRewrite,
    UserEventReceived,
)
from nodedns.serf.snapshot import SnapshotLog

__all__ = ["SnapshotWriter"]


class SnapshotWriter:
    """Watches the event stream for the snapshot.

    Args:
        log: Gathers the lines.
        flush_interval_s: How long a line may wait.
        timers: For the flush.
        emit: Takes ``SnapshotAppend`` and ``SnapshotRewrite``.
    """

    def __init__(
        self, log: SnapshotLog, flush_interval_s: float, timers: TimerHeap, emit: Callable[[SerfEvent], None]
    ) -> None:
        self._log = log
        self._flush_interval_s = flush_interval_s
        self._timers = timers
        self._emit = emit
        self._is_due = False

    def note(self, event: SerfEvent) -> None:
        """Record what of ``event`` belongs into the snapshot."""
        if isinstance(event, UserEventReceived):
            self._log.note_event(event.ltime)
        elif isinstance(event, MemberChanged):
            if event.kind is MemberChangeKind.JOIN:
                self._log.note_alive(event.member)
            elif event.kind in (MemberChangeKind.LEAVE, MemberChangeKind.FAILED):
                self._log.note_not_alive(event.member)

    def note_query(self, ltime: int) -> None:
        """Record the Lamport time of a query that was for us."""
        self._log.note_query(ltime)

    def note_leave(self, now: float) -> None:
        """Record that we leave, at once."""
        self._log.note_leave()
        self._flush(now)

    def schedule(self, now: float) -> None:
        """See to it that lines waiting are flushed in time."""
        if self._log.is_dirty and not self._is_due:
            self._is_due = True
            self._timers.set(now + self._flush_interval_s, self._flush_due)

    def _flush_due(self, now: float) -> None:
        self._is_due = False
        self._flush(now)

    def _flush(self, _now: float) -> None:
        data, replaces = self._log.take()
        if data:
            self._emit(SnapshotRewrite(data) if replaces else SnapshotAppend(data))
