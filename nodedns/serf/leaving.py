"""``Departure``: the steps of a graceful leave, in their order.

First the leave intent, until it was sent to the limit; only then memberlist's
own departure, since a peer that saw that one first would call us failed; then
a while in which we still answer pings, for those who do not know yet. A step
that takes too long is noted and the departure goes on, as newer Serf does.
Where nobody else is alive, nobody is waited for.

Source: Serf's Leave (gossip-protocol 4.5, pitfalls 17 to 19).
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from nodedns.errors import LocalProtocolError
from nodedns.gossip.timers import TimerHeap
from nodedns.model.names import NodeName
from nodedns.serf.events import LeaveDone, LocalState, SerfEvent
from nodedns.serf.membership import Membership
from nodedns.serf.params import SerfParams

__all__ = ["Departure"]


class _Step(enum.Enum):
    STAYING = enum.auto()
    TELLING = enum.auto()
    """The leave intent is being gossiped."""
    TOLD = enum.auto()
    """The intent is out; memberlist's part is next."""
    GOING = enum.auto()
    """memberlist's part is being gossiped."""
    LINGERING = enum.auto()
    """All is said; pings are still answered."""
    GONE = enum.auto()


_STATES = {_Step.STAYING: LocalState.ALIVE, _Step.LINGERING: LocalState.LEFT, _Step.GONE: LocalState.LEFT}


class Departure:
    """A leave under way, or none.

    Args:
        local_name: Our own name.
        params: How long each step may take.
        timers: For those limits.
        emit: Takes ``LeaveDone``.
        leave_gossip: memberlist's part: called with its timeout and ``now``.
    """

    def __init__(
        self,
        *,
        local_name: NodeName,
        params: SerfParams,
        timers: TimerHeap,
        emit: Callable[[SerfEvent], None],
        leave_gossip: Callable[[float, float], None],
    ) -> None:
        self._local_name = local_name
        self._params = params
        self._timers = timers
        self._emit = emit
        self._leave_gossip = leave_gossip
        self._step = _Step.STAYING
        self._had_peers = False
        self._errors: list[str] = []

    @property
    def state(self) -> LocalState:
        """Where this agent is in its life, as far as leaving goes."""
        return _STATES.get(self._step, LocalState.LEAVING)

    def begin(self, membership: Membership, now: float) -> None:
        """Say that we leave.

        Raises:
            LocalProtocolError: We are leaving already.
        """
        if self._step is not _Step.STAYING:
            raise LocalProtocolError("leave was called twice")
        self._step = _Step.TELLING
        self._had_peers = membership.has_alive_peers()
        self._timers.set(now + self._params.broadcast_timeout_s, self._telling_timed_out)
        membership.announce_leave(self._local_name, now, prune=False, on_finished=self._told)

    def advance(self, now: float) -> bool:
        """Take the next step if it is due; return whether one was taken.

        The intent is found to be spread while a packet is being filled. The
        next step waits for the packet to be out, so that the two messages never
        share one.
        """
        if self._step is not _Step.TOLD:
            return False
        self._step = _Step.GOING
        self._leave_gossip(self._params.broadcast_timeout_s, now)
        return True

    def gossip_left(self, now: float, *, timed_out: bool) -> None:
        """Take that memberlist's part is over."""
        if self._step is not _Step.GOING:
            return
        if timed_out:
            self._errors.append("timeout waiting for the departure to spread")
        self._step = _Step.LINGERING
        self._timers.set(now + (self._params.leave_propagate_delay_s if self._had_peers else 0.0), self._gone)

    def _told(self) -> None:
        if self._step is _Step.TELLING:
            self._step = _Step.TOLD

    def _telling_timed_out(self, _now: float) -> None:
        if self._step is _Step.TELLING:
            self._errors.append("timeout broadcasting the leave intent")
            self._told()

    def _gone(self, _now: float) -> None:
        self._step = _Step.GONE
        self._emit(LeaveDone("; ".join(self._errors)))
