"""``Parts``: what a Serf member is made of, wired together, and the events that pass between them.

Strategy: built once, in the order in which one needs the other. ``settle`` hands
each of Swim's events to the part that it concerns; the parts emit Serf's events
into one queue, past the snapshot.

What it does not do: the methods and commands of the core (``serf.py``), I/O, or
deciding anything that a part could.

Source: Serf 0.9.4 and 0.10 as described in gossip-protocol section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from nodedns.gossip import events as gossip
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.outbox import largest_user_broadcast_bytes
from nodedns.gossip.params import GossipParams
from nodedns.gossip.swim import Swim
from nodedns.gossip.timers import TimerHeap
from nodedns.model.member import Member
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.conflicts import ConflictBook
from nodedns.serf.delegate import SerfDelegate
from nodedns.serf.event_queue import EventQueue
from nodedns.serf.events import LocalState, MemberChanged, SerfEvent
from nodedns.serf.inbox import Inbox
from nodedns.serf.joining import Joins
from nodedns.serf.lamport import Clocks
from nodedns.serf.latency import Latency
from nodedns.serf.leaving import Departure
from nodedns.serf.members import MemberTable
from nodedns.serf.membership import Membership
from nodedns.serf.merge import MergePolicy
from nodedns.serf.outgoing_queries import default_query_timeout_s
from nodedns.serf.params import SerfParams
from nodedns.serf.peer_mail import PeerMail
from nodedns.serf.push_pull import StateExchange
from nodedns.serf.query_desk import QueryDesk
from nodedns.serf.rejoining import Rejoining
from nodedns.serf.snapshot import SnapshotLog, SnapshotState
from nodedns.serf.snapshot_writer import SnapshotWriter
from nodedns.serf.udp_check import UdpChecks
from nodedns.serf.user_events import UserEvents

__all__ = ["Parts"]

_PASSED_THROUGH = (
    gossip.StreamWanted,
    gossip.Dropped,
    gossip.Refuted,
    gossip.NodeSuspected,
    gossip.SuspicionConfirmed,
    gossip.SuspicionRefuted,
    gossip.NodeDeparted,
    gossip.PingCompleted,
    gossip.ProbeHelped,
    gossip.ProbeFailed,
    gossip.TcpOnlyAck,
    gossip.JoinFinished,
    gossip.NameMoved,
    gossip.StaleAddressOutbid,
)


class Parts:
    """The parts of one member.

    Args:
        params: Knobs and limits of the Serf layer.
        gossip_params: Those of the gossip below.
        local: Ourselves.
        rng: Every random choice is drawn from it.
        envelope: Label and encryption.
        remembered: What a snapshot of an earlier run says.
        merge_policy: Whom to refuse; None: nobody.
        is_keyring_stored: Whether the owner keeps a keyring file.
    """

    def __init__(
        self,
        params: SerfParams,
        gossip_params: GossipParams,
        local: Member,
        rng: Random,
        *,
        envelope: Envelope,
        remembered: SnapshotState,
        merge_policy: MergePolicy | None,
        is_keyring_stored: bool,
    ) -> None:
        self.params = params
        self._gossip_params = gossip_params
        self._name = local.name
        self.remembered = remembered
        self.envelope = envelope
        self._is_keyring_stored = is_keyring_stored
        self.events = EventQueue()
        self._emit = self.events.emit
        self.timers = TimerHeap()
        self.clocks = Clocks()
        self.table = MemberTable(gossip_params.max_members)
        self.broadcasts = Broadcasts(
            gossip_params.retransmit_mult,
            params.min_queue_depth,
            largest_user_broadcast_bytes(gossip_params, self.envelope),
        )
        self.latency = Latency(rng, self._emit, local.name, is_enabled=not params.disable_coordinates)
        log = SnapshotLog(
            self.clocks,
            self.remembered,
            params.snapshot_min_compact_bytes,
            rejoin_after_leave=params.rejoin_after_leave,
        )
        self.snapshot = SnapshotWriter(
            log,
            local_name=local.name,
            is_alone=self._is_alone,
            flush_interval_s=params.snapshot_flush_interval_s,
            timers=self.timers,
            emit=self._emit,
        )
        self.events.listen(self.snapshot.note)
        self.events.listen(self.latency.note)
        self._build_core(local, log, rng, merge_policy)
        self._build_readers(local, rng)
        self._settled_at = 0.0
        self._handlers = self._gossip_handlers()

    def _build_core(self, local: Member, log: SnapshotLog, rng: Random, merge_policy: MergePolicy | None) -> None:
        self.user_events = UserEvents(self.params, self.clocks.event, self.broadcasts, self._emit)
        self.membership = Membership(
            local_name=self._name,
            params=self.params,
            clock=self.clocks.member,
            table=self.table,
            broadcasts=self.broadcasts,
            timers=self.timers,
            emit=self._emit,
            is_local_alive=lambda: self.departure.state is LocalState.ALIVE,
            on_unknown_left=self.snapshot.forget,
        )
        self.state_exchange = StateExchange(
            self.table, self.membership, self.clocks, self.user_events, self._emit, self.settle
        )
        delegate = SerfDelegate(
            table=self.table,
            broadcasts=self.broadcasts,
            policy=merge_policy,
            ack_payload=self.latency.ack_payload,
            local_state=self.state_exchange.encode_local,
            merge_state=self.state_exchange.merge,
        )
        self.swim = Swim(self._gossip_params, local, delegate, rng, self.envelope)
        self.departure = Departure(
            local_name=self._name,
            params=self.params,
            timers=self.timers,
            emit=self._emit,
            leave_gossip=self.swim.leave,
        )
        self.joins = Joins(self._emit, self.swim.join, self._announce_join)
        self.rejoining = Rejoining(
            local=local,
            peers=log.peers,
            table=self.table,
            forget=self.snapshot.forget,
            is_alone=self._is_alone,
            may_try=lambda: self.local_state is LocalState.ALIVE,
            keep_s=self.params.reconnect_timeout_s,
            rng=rng,
            timers=self.timers,
            emit=self._emit,
            join_gossip=self.swim.join,
        )

    def _build_readers(self, local: Member, rng: Random) -> None:
        gossip_interval_s = self._gossip_params.gossip_interval_s
        self.queries = QueryDesk(
            local=local,
            params=self.params,
            clock=self.clocks.query,
            table=self.table,
            broadcasts=self.broadcasts,
            keyring=self.envelope.keyring,
            is_keyring_stored=self._is_keyring_stored,
            exposes_keys=self.envelope.exposes_keys,
            rng=rng,
            timers=self.timers,
            emit=self._emit,
            send=self.swim.send_user,
            default_timeout_s=lambda: default_query_timeout_s(gossip_interval_s, self.swim.alive_count()),
            on_delivered=self.snapshot.note_query,
            look_again=lambda rival, now: self.swim.look_again(self._name, rival, now),
        )
        self.udp_checks = UdpChecks(
            local=local,
            sender=self.swim,
            outgoing=self.queries.outgoing,
            member_count=lambda: len(self.table),
            timers=self.timers,
            emit=self._emit,
        )
        self.conflicts = ConflictBook(
            local_name=self._name,
            table=self.table,
            incarnation_of=self.swim.incarnation_of,
            emit=self._emit,
        )
        self.events.listen(self._note_change)
        self.peers = PeerMail(
            local_name=self._name,
            table=self.table,
            sender=self.swim,
            emit=self._emit,
            stream_timeout_s=self._gossip_params.tcp_timeout_s,
            max_message_bytes=largest_user_broadcast_bytes(self._gossip_params, self.envelope),
        )
        self._inbox = Inbox(
            peers=self.peers,
            membership=self.membership,
            events=self.user_events,
            incoming=self.queries.incoming,
            outgoing=self.queries.outgoing,
            broadcasts=self.broadcasts,
            max_relayed_bytes=self.params.query_response_limit_bytes,
            send=self.swim.send_user,
            emit=self._emit,
        )

    @property
    def local_state(self) -> LocalState:
        """Where this agent is in its life."""
        return LocalState.SHUTDOWN if self.queries.has_lost_name else self.departure.state

    def _announce_join(self, now: float) -> None:
        # A join may end after a leave has begun; its intent would take the leave back, and we would show as failed.
        if self.local_state is LocalState.ALIVE:
            self.membership.announce_join(now)

    def _join_finished(self, outcome: gossip.JoinFinished, now: float) -> None:
        if not self.rejoining.finished(outcome, now):
            self.joins.finished(outcome, now)

    def _is_alone(self) -> bool:
        return not self.membership.has_alive_peers()

    def settle(self, now: float) -> None:
        """Hand Swim's events to the parts until none is left; then see to what follows from them."""
        self._settled_at = now
        while True:
            while (event := self.swim.next_event()) is not None:
                # Told before what follows from it: who declared a member dead, then that it has failed.
                if isinstance(event, _PASSED_THROUGH):
                    self._emit(event)
                handler = self._handlers.get(type(event))
                if handler is not None:
                    handler(event, now)
            if not self.departure.advance(now):
                break
        self.rejoining.observe(now)
        self.snapshot.schedule(now)

    def _gossip_handlers(self) -> dict[type, Callable[[Any, float], None]]:
        return {
            gossip.NodeJoined: lambda event, _now: self.membership.node_joined(event.member),
            gossip.NodeUpdated: lambda event, _now: self.membership.node_updated(event.member),
            gossip.NodeDeparted: lambda event, now: self.membership.node_departed(event.member.name, now),
            gossip.ConflictSeen: self._conflict_seen,
            gossip.ConflictOver: self._conflict_over,
            gossip.PingCompleted: lambda event, _now: self.latency.ping_completed(event),
            gossip.UserMessage: lambda event, now: self._inbox.receive(event.payload, event.source, now),
            gossip.JoinFinished: self._join_finished,
            gossip.LeaveFinished: lambda event, now: self.departure.gossip_left(now, timed_out=event.timed_out),
        }

    def _note_change(self, event: SerfEvent) -> None:
        if isinstance(event, MemberChanged):
            self.conflicts.note(event, self._settled_at)

    def _conflict_seen(self, event: gossip.ConflictSeen, now: float) -> None:
        self.conflicts.seen(event, now)
        self.queries.handle_conflict(event, now)

    def _conflict_over(self, event: gossip.ConflictOver, _now: float) -> None:
        self.conflicts.over(event)
        self.queries.handle_conflict_over(event)

    def every(self, interval_s: float, action: Callable[[float], None], now: float) -> None:
        """Call ``action`` every ``interval_s`` from now on."""

        def tick(now: float) -> None:
            action(now)
            self.timers.set(now + interval_s, tick)

        self.timers.set(now + interval_s, tick)
