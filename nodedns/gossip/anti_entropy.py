"""``AntiEntropy``: when whole states are exchanged, and with whom.

Gossip spreads news; push/pull makes good what gossip missed. One random alive
member is asked every push/pull interval, stretched in large clusters. A join
is a push/pull with a member that the user names; one more with a random member
follows soon after, because a claim is gossiped only a few times in a small
cluster, and while many join at once one may reach nobody who needs it.

What is exchanged and how it is merged is not decided here (``pushpull.py``).
Source: memberlist's pushPull and Join; the follow-up is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from nodedns.gossip.events import Dropped, GossipEvent, JoinFinished, StreamPurpose
from nodedns.gossip.members import Listed, MemberTable
from nodedns.gossip.params import GossipParams
from nodedns.gossip.pushpull import PushPull, push_pull_scale
from nodedns.gossip.slices import Steps
from nodedns.gossip.stream_reader import PushPullState, StreamMessage
from nodedns.gossip.streams import Streams
from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.member import NodeState
from nodedns.model.names import NodeName

__all__ = ["AntiEntropy"]


class AntiEntropy:
    """Schedules push/pulls and carries out joins.

    Args:
        emit: Takes the events.
        params: Intervals and time-outs.
        local_name: Never a partner of ours.
        table: Partners are picked from it; while we are leaving none is.
        push_pull: What is told, and what is made of the answer.
        streams: Opens the exchanges.
        timers: Where deadlines are set.
        rng: Staggers the timers.
    """

    def __init__(
        self,
        *,
        emit: Callable[[GossipEvent], None],
        params: GossipParams,
        local_name: NodeName,
        table: MemberTable,
        push_pull: PushPull,
        streams: Streams,
        timers: TimerHeap,
        rng: Random,
    ) -> None:
        self._emit = emit
        self._params = params
        self._local_name = local_name
        self._table = table
        self._push_pull = push_pull
        self._streams = streams
        self._timers = timers
        self._rng = rng
        self._next_join_id = 0
        self._is_follow_up_set = False

    def start(self, now: float) -> None:
        """Set the periodic timer, at a random stagger."""
        interval_s = self._params.push_pull_interval_s
        if interval_s > 0:
            self._timers.set(now + self._rng.uniform(0, interval_s) + self._wait_s(), self._tick)

    def join(self, address: Address, now: float) -> int:
        """Exchange states with the member at ``address``; return the id that ``JoinFinished`` will carry."""
        self._next_join_id += 1
        join_id = self._next_join_id

        def over(error: str, now: float) -> None:
            self._emit(JoinFinished(join_id, address, error))
            if not error:
                self._set_follow_up(now)

        self._exchange(address, is_join=True, on_over=over, now=now)
        return join_id

    def _set_follow_up(self, now: float) -> None:
        delay_s = self._params.join_follow_up_s
        if delay_s > 0 and not self._is_follow_up_set:
            self._is_follow_up_set = True
            self._timers.set(now + delay_s * self._rng.uniform(0.5, 1.5), self._follow_up)

    def _follow_up(self, now: float) -> None:
        self._is_follow_up_set = False
        self._exchange_with_anyone(now)

    def _tick(self, now: float) -> None:
        self._timers.set(now + self._wait_s(), self._tick)
        self._exchange_with_anyone(now)

    def _wait_s(self) -> float:
        return self._params.push_pull_interval_s * push_pull_scale(len(self._table))

    def _exchange_with_anyone(self, now: float) -> None:
        partners = self._table.pick(1, self._is_partner)
        if not partners or self._table.is_leaving:
            return
        address = partners[0].member.address

        def over(error: str, _now: float) -> None:
            if error:
                self._emit(Dropped("push-pull-failed", address, error))

        self._exchange(address, is_join=False, on_over=over, now=now)

    def _is_partner(self, row: Listed) -> bool:
        return row.state == NodeState.ALIVE and row.member.name != self._local_name

    def _exchange(self, address: Address, *, is_join: bool, on_over: Callable[[str, float], None], now: float) -> None:
        def reply(message: StreamMessage, now: float) -> Steps[str | None]:
            if not isinstance(message, PushPullState):
                return f"expected a push/pull, got {type(message).__name__}"
            return (yield from self._push_pull.merge(message, address, now))

        self._streams.want(
            StreamPurpose.PUSH_PULL,
            address,
            now + self._params.tcp_timeout_s,
            encode_request=lambda: self._push_pull.encode(is_join=is_join),
            on_reply=reply,
            on_over=on_over,
        )
