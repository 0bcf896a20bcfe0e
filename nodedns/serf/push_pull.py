"""``StateExchange``: Serf's part of a push/pull, what it says of our state and how another's is merged.

It carries the clocks, the Lamport time of every member's last intent, who has
left, and recent user events. Merging treats each as if it had been heard by
gossip, except that nothing is passed on. It is done in steps, after gossip's own
part: what gossip learnt of members must have reached us before.

Source: Serf's delegate LocalState and MergeRemoteState (gossip-protocol 4.6).
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.errors import GossipWireError
from nodedns.gossip.events import Dropped
from nodedns.gossip.slices import Steps
from nodedns.model.member import MemberStatus
from nodedns.serf.lamport import MAX_LTIME, Clocks
from nodedns.serf.members import MemberRecord, MemberTable
from nodedns.serf.membership import Membership
from nodedns.serf.messages import JoinIntent, LeaveIntent, SerfState, decode_state_untrusted, encode_state
from nodedns.serf.user_events import UserEvents

__all__ = ["StateExchange"]

DECODE_BYTE_US = 0.06
INTENT_US = 3.0


def _told_ltime(record: MemberRecord) -> int:
    """Return the Lamport time to tell of a member's last intent.

    Who hears it takes it for that of a join. Told of a leave that is still being
    gossiped, it would make the leave itself old news there, and the member failed.
    """
    return record.status_ltime - (record.status is MemberStatus.LEAVING)


class StateExchange:
    """Our state for others, and theirs for us.

    Args:
        table: The members.
        membership: Takes intents.
        clocks: The three clocks.
        events: Takes and gives user events.
        emit: Takes ``Dropped``.
        settle: Called with ``now``: takes in what gossip has learnt so far.
    """

    def __init__(  # noqa: PLR0917  # each of another type
        self,
        table: MemberTable,
        membership: Membership,
        clocks: Clocks,
        events: UserEvents,
        emit: Callable[[Dropped], None],
        settle: Callable[[float], None],
    ) -> None:
        self._table = table
        self._membership = membership
        self._clocks = clocks
        self._events = events
        self._emit = emit
        self._settle = settle
        self.ignore_old_events: Callable[[], bool] = lambda: False
        """Whether, at the moment, a joining push/pull delivers no user events from before it."""

    def encode_local(self) -> bytes:
        """Return our state, encoded."""
        slots = self._events.slots()
        return encode_state(
            SerfState(
                ltime=self._clocks.member.time,
                status_ltimes={record.name: _told_ltime(record) for record in self._table},
                left_members=tuple(record.name for record in self._table.left),
                event_ltime=self._clocks.event.time,
                # Receivers take any length, so an idle cluster need not exchange 512 empty slots.
                events=tuple(slots) if any(slot is not None for slot in slots) else (),
                query_ltime=self._clocks.query.time,
            )
        )

    def merge(self, data: bytes, now: float, is_join: bool) -> Steps[None]:
        """Merge what a push/pull brought; a malformed state is dropped.

        Args:
            data: Encoded, not empty.
            now: Monotonic seconds.
            is_join: Whether the push/pull is a join.
        """
        try:
            state = decode_state_untrusted(data)
        except GossipWireError as problem:
            self._emit(Dropped("bad-push-pull-state", None, str(problem)))
            return
        now = yield DECODE_BYTE_US * len(data)
        self._settle(now)
        self._witness(state)
        now = yield from self._merge_intents(state, now)
        if is_join and self.ignore_old_events():
            self._events.raise_min_time(min(state.event_ltime, self._clocks.event.time))
        yield from self._events.merge(state.events)

    def _witness(self, state: SerfState) -> None:
        clocks = self._clocks
        for clock, ltime in (
            (clocks.member, state.ltime),
            (clocks.event, state.event_ltime),
            (clocks.query, state.query_ltime),
        ):
            # The time sent is the one nothing has been sent at yet.
            if ltime > 0:
                clock.witness(ltime - 1)

    def _merge_intents(self, state: SerfState, now: float) -> Steps[float]:
        # Those who left come first, so that no time raised below brings them back.
        left = dict.fromkeys(state.left_members)
        for name in left:
            ltime = state.status_ltimes.get(name, 0) + 1
            # No time comes after the last one. (In Go the sum is 0 here, which is never news.)
            if ltime <= MAX_LTIME:
                self._membership.merge_leave(LeaveIntent(ltime=ltime, node=name, prune=False), now)
            now = yield INTENT_US
        for name, ltime in state.status_ltimes.items():
            if name not in left:
                self._membership.receive_join(JoinIntent(ltime=ltime, node=name), now)
                now = yield INTENT_US
        return now
