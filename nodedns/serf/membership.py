"""``Membership``: turns what gossip sees and what members intend into statuses and events.

The gossip core says that a node appeared, changed or went silent; intents say
whether that was meant. A node that goes after its leave intent has left, one
that goes without has failed. memberlist's own "left" is not consulted: without
the intent a graceful leave shows as failed, in Serf as here.

An intent counts only if its Lamport time is above the last one applied to that
member; those about unknown members are buffered. A leave intent about
ourselves, while we are alive, is refuted.

Source: Serf's handleNode* functions (gossip-protocol 4.4, 4.5, 4.12).
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.gossip.events import Dropped
from nodedns.gossip.timers import TimerHeap
from nodedns.model.member import Member, MemberStatus
from nodedns.model.names import NodeName
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.events import MemberChanged, MemberChangeKind, SerfEvent
from nodedns.serf.intents import IntentBuffer, IntentKind
from nodedns.serf.lamport import LamportClock
from nodedns.serf.members import MemberRecord, MemberTable
from nodedns.serf.messages import JoinIntent, LeaveIntent, encode_message
from nodedns.serf.params import SerfParams
from nodedns.serf.tags import decode_tags_untrusted

__all__ = ["Membership"]


class Membership:
    """The rules by which members change status.

    Args:
        local_name: Our own name.
        params: Timeouts and limits.
        clock: The member clock.
        table: Where the members are.
        broadcasts: Where intents are queued.
        timers: For prunes that wait.
        emit: Takes the events.
        is_local_alive: Whether we are neither leaving nor gone.
        on_unknown_left: Called with a name that we do not know and that has left.
    """

    def __init__(
        self,
        *,
        local_name: NodeName,
        params: SerfParams,
        clock: LamportClock,
        table: MemberTable,
        broadcasts: Broadcasts,
        timers: TimerHeap,
        emit: Callable[[SerfEvent], None],
        is_local_alive: Callable[[], bool],
        on_unknown_left: Callable[[NodeName], None],
    ) -> None:
        self._local_name = local_name
        self._params = params
        self._clock = clock
        self._table = table
        self._intents = IntentBuffer(params.recent_intent_timeout_s, params.max_buffered_intents)
        self._broadcasts = broadcasts
        self._timers = timers
        self._emit = emit
        self._is_local_alive = is_local_alive
        self._on_unknown_left = on_unknown_left
        self._pruning: dict[NodeName, MemberRecord] = {}  # one timer each, however often the intent comes

    def node_joined(self, member: Member) -> None:
        """Take a node that gossip sees alive and did not before."""
        record = self._table.get(member.name)
        if record is None:
            record = self._add(member)
        else:
            self._table.update(record, member, decode_tags_untrusted(member.meta))
            self._table.move(record, MemberStatus.ALIVE)
        self._tell(MemberChangeKind.JOIN, record)

    def _add(self, member: Member) -> MemberRecord:
        displaced = self._table.make_room()
        if displaced is not None:
            self._tell(MemberChangeKind.REAP, displaced)
        intent = self._intents.get(member.name)
        is_leaving = intent is not None and intent.kind is IntentKind.LEAVE
        status = MemberStatus.LEAVING if is_leaving else MemberStatus.ALIVE
        record = self._table.add(member, decode_tags_untrusted(member.meta), status)
        if intent is not None:
            record.status_ltime = intent.ltime
            record.leaving_since = intent.heard_at
        return record

    def node_updated(self, member: Member) -> None:
        """Take what a known node announces of itself now."""
        record = self._table.get(member.name)
        if record is not None:
            self._table.update(record, member, decode_tags_untrusted(member.meta))
            self._tell(MemberChangeKind.UPDATE, record)

    def node_departed(self, name: NodeName, now: float) -> None:
        """Take that gossip holds a node dead or left: it has left if it said so, else failed."""
        record = self._table.get(name)
        if record is None or record.status not in (MemberStatus.ALIVE, MemberStatus.LEAVING):
            return
        has_left = record.status is MemberStatus.LEAVING
        record.departed_at = now
        self._table.move(record, MemberStatus.LEFT if has_left else MemberStatus.FAILED)
        self._tell(MemberChangeKind.LEAVE if has_left else MemberChangeKind.FAILED, record)

    def receive_leave(self, intent: LeaveIntent, now: float) -> bool:
        """Apply a leave intent; return whether it is to be broadcast again."""
        if not self._is_credible(intent.ltime):
            return False
        name = NodeName(intent.node)
        record = self._table.get(name)
        if record is None:
            self._on_unknown_left(name)
            return self._intents.store(name, IntentKind.LEAVE, intent.ltime, now)
        if intent.ltime <= record.status_ltime:
            return False
        if name == self._local_name and self._is_local_alive():
            self.announce_join(now)
            return False
        # The time counts even where the status stays: an older join intent must not undo it.
        record.status_ltime = intent.ltime
        if record.status is MemberStatus.ALIVE:
            self._table.move(record, MemberStatus.LEAVING)
            record.leaving_since = now
            self._tell(MemberChangeKind.LEAVING, record)
        elif record.status is MemberStatus.FAILED:
            self._table.move(record, MemberStatus.LEFT)
            self._tell(MemberChangeKind.LEAVE, record)
        if intent.prune:
            self._prune(record, now)
        return True

    def merge_leave(self, intent: LeaveIntent, now: float) -> None:
        """Apply that another member holds ``intent.node`` as left.

        Such a claim may be stale: the member left, came back, and that one has not
        heard. Serf keeps it to itself, and here the member would then show as leaving
        for ever. So a live member is told of it by gossip, and refutes.

        The intent's time is one more than the member's own there. Where the member is
        known to be going, that one more is not kept: kept, told to the next and raised
        again, it would get ahead of the clock of whoever prunes the member.
        """
        record = self._table.get(NodeName(intent.node))
        if record is not None and record.status in (MemberStatus.LEAVING, MemberStatus.LEFT):
            if not self._is_credible(intent.ltime):
                return
            record.status_ltime = max(record.status_ltime, intent.ltime - 1)
            return
        was_alive = record is not None and record.status is MemberStatus.ALIVE
        if self.receive_leave(intent, now) and was_alive:
            self._broadcasts.queue_intent(encode_message(intent))

    def receive_join(self, intent: JoinIntent, now: float) -> bool:
        """Apply a join intent; return whether it is to be broadcast again."""
        if not self._is_credible(intent.ltime):
            return False
        name = NodeName(intent.node)
        record = self._table.get(name)
        if record is None:
            return self._intents.store(name, IntentKind.JOIN, intent.ltime, now)
        if intent.ltime <= record.status_ltime:
            return False
        record.status_ltime = intent.ltime
        if record.status is MemberStatus.LEAVING:
            self._table.move(record, MemberStatus.ALIVE)
            self._tell(MemberChangeKind.UPDATE, record)
        return True

    def _is_credible(self, ltime: int) -> bool:
        if self._clock.witness(ltime):
            return True
        # Kept, it would make every later intent about the member old.
        self._emit(Dropped("time-too-far", None))
        return False

    def announce_join(self, now: float) -> None:
        """Apply and broadcast a join intent about ourselves at the present Lamport time."""
        intent = JoinIntent(ltime=self._clock.time, node=self._local_name)
        self.receive_join(intent, now)
        self._broadcasts.queue_intent(encode_message(intent))

    def announce_leave(
        self, name: NodeName, now: float, *, prune: bool, on_finished: Callable[[], None] | None = None
    ) -> None:
        """Apply a leave intent about ``name`` and broadcast it if anyone is there to hear it.

        Args:
            name: Who leaves: ourselves, or a member that is to be forced out.
            now: Monotonic seconds.
            prune: Whether the member is to be erased at once.
            on_finished: Called when the intent was sent to the limit, or had nobody to go to.
        """
        intent = LeaveIntent(ltime=self._clock.time, node=name, prune=prune)
        self._clock.increment()
        # Asked first: a live member forced out is leaving once this is applied, but must hear of it to refute.
        has_listeners = self.has_alive_peers()
        self.receive_leave(intent, now)
        if has_listeners:
            self._broadcasts.queue_intent(encode_message(intent), on_finished)
        elif on_finished is not None:
            on_finished()

    def has_alive_peers(self) -> bool:
        """Whether a member other than ourselves is alive."""
        local = self._table.get(self._local_name)
        own = 1 if local is not None and local.status is MemberStatus.ALIVE else 0
        return self._table.alive_count > own

    def reap(self, now: float) -> None:
        """Forget members and buffered intents past their time."""
        expired = self._table.expired(now, self._params.reconnect_timeout_s, self._params.tombstone_timeout_s)
        for record in expired:
            self._erase(record)
        self._intents.expire(now)
        self._expire_leaves(now)

    # A leave takes seconds. Who is still there after minutes left, came back within the time in which gossip
    # would have missed it, and its join intent had a Lamport time below the leave's; Serf shows it as leaving for ever.
    def _expire_leaves(self, now: float) -> None:
        oldest = now - self._params.recent_intent_timeout_s
        for record in self._table:
            is_stale = record.status is MemberStatus.LEAVING and record.leaving_since < oldest
            if is_stale and record.name != self._local_name:
                self._table.move(record, MemberStatus.ALIVE)
                self._tell(MemberChangeKind.UPDATE, record)

    def _prune(self, record: MemberRecord, now: float) -> None:
        if record.status is not MemberStatus.LEAVING:
            self._erase(record)
            return
        if self._pruning.get(record.name) is record:
            return
        self._pruning[record.name] = record
        # A member still on its way out is given the time to go.
        wait_s = self._params.broadcast_timeout_s + self._params.leave_propagate_delay_s
        self._timers.set(now + wait_s, lambda _now: self._erase_departing(record))

    def _erase_departing(self, record: MemberRecord) -> None:
        if self._pruning.get(record.name) is record:
            del self._pruning[record.name]
        # It may have come back, or have been erased and met anew, while the prune waited.
        if self._table.holds(record) and record.status in (MemberStatus.LEAVING, MemberStatus.LEFT):
            self._erase(record)

    def _erase(self, record: MemberRecord) -> None:
        if record.name == self._local_name:
            return
        self._table.erase(record)
        self._tell(MemberChangeKind.REAP, record)

    def _tell(self, kind: MemberChangeKind, record: MemberRecord) -> None:
        self._emit(MemberChanged(kind, record.shown))
