"""``SnapshotWriter``: turns what happens into snapshot lines, and the lines into events at a bounded rate.

Lines wait at most ``snapshot_flush_interval_s`` and leave together. Another
member's appearance goes out at once if the last lines did longer ago than that:
whoever joins a pool and is killed within the interval would otherwise not know of
it any more. So does a leave, since the agent may be gone soon.

Source: Serf's snapshot.go (gossip-protocol 4.14).
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.gossip.timers import TimerHeap
from nodedns.model.member import MemberStatus, SerfMember
from nodedns.model.names import NodeName
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
        local_name: Our own appearance is in no hurry.
        is_alone: Whether nobody but us is alive: then the reaped are remembered all the same.
        flush_interval_s: How long a line may wait.
        timers: For the flush.
        emit: Takes ``SnapshotAppend`` and ``SnapshotRewrite``.
    """

    def __init__(
        self,
        log: SnapshotLog,
        *,
        local_name: NodeName,
        is_alone: Callable[[], bool],
        flush_interval_s: float,
        timers: TimerHeap,
        emit: Callable[[SerfEvent], None],
    ) -> None:
        self._log = log
        self._local_name = local_name
        self._is_alone = is_alone
        self._flush_interval_s = flush_interval_s
        self._timers = timers
        self._emit = emit
        self._is_due = False
        self._is_urgent = False
        self._flushed_at = -float("inf")

    def note(self, event: SerfEvent) -> None:
        """Record what of ``event`` belongs into the snapshot."""
        if isinstance(event, UserEventReceived):
            self._log.note_event(event.ltime)
        elif isinstance(event, MemberChanged):
            self._member_changed(event.kind, event.member)

    def _member_changed(self, kind: MemberChangeKind, member: SerfMember) -> None:
        log = self._log
        has_moved = kind is MemberChangeKind.UPDATE and log.peers.alive.get(member.name) != str(member.address)
        if kind is MemberChangeKind.JOIN or (has_moved and member.status is MemberStatus.ALIVE):
            log.note_alive(member)
            self._is_urgent = self._is_urgent or member.name != self._local_name
        elif kind is MemberChangeKind.FAILED:
            log.note_failed(member)
        elif kind is MemberChangeKind.LEAVE or (kind is MemberChangeKind.REAP and not self._is_lasting(member)):
            log.note_gone(member.name)

    def _is_lasting(self, member: SerfMember) -> bool:
        return member.status is MemberStatus.FAILED and self._is_alone()

    def forget(self, name: str) -> None:
        """Record that a remembered name is to be tried no more."""
        self._log.note_gone(name)

    def note_query(self, ltime: int) -> None:
        """Record the Lamport time of a query that was for us."""
        self._log.note_query(ltime)

    def note_leave(self, now: float) -> None:
        """Record that we leave, at once."""
        self._log.note_leave()
        self._flush(now)

    def schedule(self, now: float) -> None:
        """See to it that lines waiting are flushed in time."""
        if self._is_urgent and now - self._flushed_at >= self._flush_interval_s:
            self._flush(now)
        if self._log.is_dirty and not self._is_due:
            self._is_due = True
            self._timers.set(now + self._flush_interval_s, self._flush_due)

    def _flush_due(self, now: float) -> None:
        self._is_due = False
        self._flush(now)

    def _flush(self, now: float) -> None:
        self._is_urgent = False
        self._flushed_at = now
        data, replaces = self._log.take()
        if data:
            self._emit(SnapshotRewrite(data) if replaces else SnapshotAppend(data))
