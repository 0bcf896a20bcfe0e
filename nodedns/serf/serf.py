"""``Serf``: the facade of the Serf layer; a gossip core itself, wrapped around ``Swim``.

Strategy: this file wires the parts together and conducts. Whatever goes into
``Swim`` is followed by ``_settle``, which hands each of Swim's events to the
part that it concerns; the parts emit Serf's events into one queue, past the
snapshot. Streams are wrapped so that the same happens after each piece of data.

What it does not do: I/O, clocks, or deciding anything that a part could.

Source: Serf 0.9.4 and 0.10 as described in gossip-protocol section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from nodedns.errors import LocalProtocolError
from nodedns.gossip import events as gossip
from nodedns.gossip.core import StreamExchange
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.outbox import largest_user_broadcast_bytes
from nodedns.gossip.params import GossipParams
from nodedns.gossip.swim import Swim
from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.conflict import Conflict
from nodedns.model.coordinate import Coordinate
from nodedns.model.member import Member, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.conflicts import ConflictBook
from nodedns.serf.delegate import SerfDelegate
from nodedns.serf.event_queue import EventQueue
from nodedns.serf.events import LocalState, MemberChanged, QueryReceived, SerfEvent
from nodedns.serf.inbox import Inbox
from nodedns.serf.joining import Joins
from nodedns.serf.lamport import Clocks
from nodedns.serf.latency import Latency
from nodedns.serf.leaving import Departure
from nodedns.serf.members import MemberTable
from nodedns.serf.membership import Membership
from nodedns.serf.merge import MergePolicy
from nodedns.serf.outgoing_queries import QueryParams, default_query_timeout_s
from nodedns.serf.params import SerfParams
from nodedns.serf.push_pull import StateExchange
from nodedns.serf.query_desk import QueryDesk
from nodedns.serf.rejoining import Rejoining
from nodedns.serf.settling import SettlingExchange
from nodedns.serf.snapshot import SnapshotLog, SnapshotState
from nodedns.serf.snapshot_writer import SnapshotWriter
from nodedns.serf.statistics import SerfStatistics, gather_statistics
from nodedns.serf.tags import encode_tags
from nodedns.serf.udp_check import UdpChecks
from nodedns.serf.user_events import UserEvents

__all__ = ["SERF_VERSIONS", "Serf"]

SERF_VERSIONS = Versions(bytes([1, 5, 2, 2, 5, 5]))
"""memberlist protocols 1 to 5, 2 spoken; Serf protocols 2 to 5, 5 spoken (as the serf agent)."""

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


class Serf:
    """One member of a Serf pool, without its sockets and clock.

    Satisfies ``GossipCore``: after any input or command drain
    ``datagrams_to_send``, then ``next_event``, then re-read ``next_deadline``.

    Args:
        params: Knobs and limits of this layer.
        gossip_params: Knobs and limits of the gossip below.
        name: Our node name.
        address: Our advertised address and port.
        tags: What we announce of ourselves.
        rng: Every random choice is drawn from it.
        entropy: Returns that many random bytes, for nonces.
        remembered: What a snapshot of an earlier run says; None: nothing.
        merge_policy: Whom to refuse; None: nobody.
        envelope: Label and encryption; None: neither.
        is_keyring_stored: Whether the owner keeps a keyring file and answers ``KeyringToStore``.

    Raises:
        TooBig: The encoded tags exceed 512 bytes.
    """

    def __init__(  # noqa: PLR0917  # the order of the parts below, each of another type
        self,
        params: SerfParams,
        gossip_params: GossipParams,
        name: NodeName,
        address: Address,
        tags: Mapping[str, str],
        rng: Random,
        entropy: Callable[[int], bytes],
        *,
        remembered: SnapshotState | None = None,
        merge_policy: MergePolicy | None = None,
        envelope: Envelope | None = None,
        is_keyring_stored: bool = False,
    ) -> None:
        self._params = params
        self._gossip_params = gossip_params
        self._name = name
        self._remembered = remembered or SnapshotState()
        self._envelope = envelope or Envelope(entropy=entropy)
        self._is_keyring_stored = is_keyring_stored
        self._events = EventQueue()
        self._emit = self._events.emit
        self._timers = TimerHeap()
        self._clocks = Clocks()
        self._table = MemberTable(gossip_params.max_members)
        self._broadcasts = Broadcasts(
            gossip_params.retransmit_mult,
            params.min_queue_depth,
            largest_user_broadcast_bytes(gossip_params, self._envelope),
        )
        self._latency = Latency(rng, self._emit, name, is_enabled=not params.disable_coordinates)
        log = SnapshotLog(
            self._clocks,
            self._remembered,
            params.snapshot_min_compact_bytes,
            rejoin_after_leave=params.rejoin_after_leave,
        )
        self._peers = log.peers
        self._snapshot = SnapshotWriter(
            log,
            local_name=name,
            is_alone=self._is_alone,
            flush_interval_s=params.snapshot_flush_interval_s,
            timers=self._timers,
            emit=self._emit,
        )
        self._events.listen(self._snapshot.note)
        self._events.listen(self._latency.note)
        local = Member(name, address, encode_tags(tags), SERF_VERSIONS)
        self._build_parts(local, rng, merge_policy)
        self._settled_at = 0.0
        self._handlers = self._gossip_handlers()

    def _build_parts(self, local: Member, rng: Random, merge_policy: MergePolicy | None) -> None:
        self._user_events = UserEvents(self._params, self._clocks.event, self._broadcasts, self._emit)
        self._membership = Membership(
            local_name=self._name,
            params=self._params,
            clock=self._clocks.member,
            table=self._table,
            broadcasts=self._broadcasts,
            timers=self._timers,
            emit=self._emit,
            is_local_alive=lambda: self._departure.state is LocalState.ALIVE,
            on_unknown_left=self._snapshot.forget,
        )
        self._state_exchange = StateExchange(
            self._table, self._membership, self._clocks, self._user_events, self._emit, self._settle
        )
        delegate = SerfDelegate(
            table=self._table,
            broadcasts=self._broadcasts,
            policy=merge_policy,
            ack_payload=self._latency.ack_payload,
            local_state=self._state_exchange.encode_local,
            merge_state=self._state_exchange.merge,
        )
        self._swim = Swim(self._gossip_params, local, delegate, rng, self._envelope)
        self._departure = Departure(
            local_name=self._name,
            params=self._params,
            timers=self._timers,
            emit=self._emit,
            leave_gossip=self._swim.leave,
        )
        self._joins = Joins(self._emit, self._swim.join, self._announce_join)
        self._rejoining = Rejoining(
            local=local,
            peers=self._peers,
            table=self._table,
            forget=self._snapshot.forget,
            is_alone=self._is_alone,
            may_try=lambda: self.local_state is LocalState.ALIVE,
            keep_s=self._params.reconnect_timeout_s,
            rng=rng,
            timers=self._timers,
            emit=self._emit,
            join_gossip=self._swim.join,
        )
        gossip_interval_s = self._gossip_params.gossip_interval_s
        self._queries = QueryDesk(
            local=local,
            params=self._params,
            clock=self._clocks.query,
            table=self._table,
            broadcasts=self._broadcasts,
            keyring=self._envelope.keyring,
            is_keyring_stored=self._is_keyring_stored,
            exposes_keys=self._envelope.exposes_keys,
            rng=rng,
            timers=self._timers,
            emit=self._emit,
            send=self._swim.send_user,
            default_timeout_s=lambda: default_query_timeout_s(gossip_interval_s, self._swim.alive_count()),
            on_delivered=self._snapshot.note_query,
            look_again=lambda rival, now: self._swim.look_again(self._name, rival, now),
        )
        self._udp_checks = UdpChecks(
            local=local,
            sender=self._swim,
            outgoing=self._queries.outgoing,
            member_count=lambda: len(self._table),
            timers=self._timers,
            emit=self._emit,
        )
        self._conflicts = ConflictBook(
            local_name=self._name,
            table=self._table,
            incarnation_of=self._swim.incarnation_of,
            emit=self._emit,
        )
        self._events.listen(self._note_change)
        self._inbox = Inbox(
            membership=self._membership,
            events=self._user_events,
            incoming=self._queries.incoming,
            outgoing=self._queries.outgoing,
            broadcasts=self._broadcasts,
            max_relayed_bytes=self._params.query_response_limit_bytes,
            send=self._swim.send_user,
            emit=self._emit,
        )

    # --- views -------------------------------------------------------------------

    @property
    def local_state(self) -> LocalState:
        """Where this agent is in its life."""
        return LocalState.SHUTDOWN if self._queries.has_lost_name else self._departure.state

    @property
    def coordinate(self) -> Coordinate | None:
        """Our network coordinate; None where coordinates are turned off."""
        return self._latency.coordinate

    @property
    def coordinates_version(self) -> int:
        """Rises with every change to any member's coordinate kept here."""
        return self._latency.version

    def coordinate_of(self, name: str) -> Coordinate | None:
        """Return the coordinate that a member, or we, had at our last probe of it; None where none is known."""
        return self._latency.coordinate_of(name)

    @property
    def swim(self) -> Swim:
        """The gossip core below, for its views."""
        return self._swim

    def members(self) -> list[SerfMember]:
        """Return every member, ourselves, the left and the failed ones included, by name."""
        return self._table.shown()

    def member(self, name: str) -> SerfMember | None:
        """Return one member, or None."""
        record = self._table.get(name)
        return None if record is None else record.shown

    @property
    def key_refusal(self) -> str:
        """Why gossip keys may not be changed from here, in words; empty if they may."""
        return self._queries.key_changes.refusal

    def conflicts(self) -> list[Conflict]:
        """Return the names that two agents claim now."""
        return self._conflicts.shown()

    def statistics(self) -> SerfStatistics:
        """Return the counters of this moment."""
        return gather_statistics(
            self._table,
            self._swim,
            self._clocks,
            self._broadcasts,
            remembered=self._rejoining.remembered,
            coordinate_resets=self._latency.resets,
            encrypted=self._envelope.is_encrypted,
        )

    # --- the five methods, and streams -----------------------------------------------

    def start(self, now: float) -> None:
        """Announce ourselves, set the tickers, and try to rejoin remembered members. Drain after calling."""
        remembered = self._remembered
        self._clocks.resume(remembered.clock, remembered.event_clock, remembered.query_clock)
        self._user_events.raise_min_time(remembered.event_clock + 1)
        self._queries.incoming.raise_min_time(remembered.query_clock + 1)
        self._swim.start(now)
        params, table = self._params, self._table
        self._every(params.reap_interval_s, self._membership.reap, now)
        self._every(params.reap_interval_s, self._rejoining.expire, now)
        self._every(params.reconnect_interval_s, self._rejoining.reconnect, now)
        self._every(params.queue_check_interval_s, lambda _now: self._broadcasts.check_depth(len(table)), now)
        self._rejoining.start(now)
        self._settle(now)

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram; never raises for what it holds. Drain after calling."""
        self._swim.receive_datagram(data, source, now)
        self._settle(now)

    def handle_timer(self, now: float) -> None:
        """Do what is due at ``now``. Drain after calling."""
        self._swim.handle_timer(now)
        self._settle(now)
        self._timers.fire(now)
        self._settle(now)

    def next_deadline(self) -> float | None:
        """Return when ``handle_timer`` is wanted next."""
        deadlines = (self._timers.next_deadline(), self._swim.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def datagrams_to_send(self, now: float) -> list[gossip.Datagram]:
        """Return the datagrams to send, oldest first, each once."""
        return self._swim.datagrams_to_send(now)

    def next_event(self) -> SerfEvent | None:
        """Return the oldest event not yet taken, or None."""
        return self._events.take()

    def open_stream(self, wanted: gossip.StreamWanted, now: float) -> StreamExchange:
        """Return the dialling side of an exchange asked for by ``wanted``. Drain after calling."""
        exchange = self._swim.open_stream(wanted, now)
        self._settle(now)
        return SettlingExchange(exchange, self._settle)

    def stream_failed(self, wanted: gossip.StreamWanted, reason: str, now: float) -> None:
        """Tell that the stream could not be connected. Drain after calling."""
        self._swim.stream_failed(wanted, reason, now)
        self._settle(now)

    def accept_stream(self, source: Address, now: float) -> StreamExchange | None:
        """Return the answering side of a stream from ``source``; None: too many. Drain after calling."""
        exchange = self._swim.accept_stream(source, now)
        self._settle(now)
        return None if exchange is None else SettlingExchange(exchange, self._settle)

    # --- commands ------------------------------------------------------------------

    def join(self, addresses: Sequence[Address], now: float, *, ignore_old_events: bool = True) -> int:
        """Contact each address and join its pool; ``JoinDone`` tells the outcome. Drain after calling.

        Args:
            addresses: Whom to contact; one answer is enough.
            now: Monotonic seconds.
            ignore_old_events: Whether user events from before the join are not to be delivered (Consul's way).

        Returns:
            The id that ``JoinDone`` will carry.

        Raises:
            LocalProtocolError: We are leaving.
        """
        self._require_alive("join")
        # Only while joins are under way: a joiner's clock says nothing about the events that we still await.
        self._state_exchange.ignore_old_events = lambda: ignore_old_events and self._joins.is_joining
        join_id = self._joins.join(addresses, now)
        self._settle(now)
        return join_id

    def leave(self, now: float) -> None:
        """Leave the pool gracefully; ``LeaveDone`` tells when it is over. Drain after calling.

        Raises:
            LocalProtocolError: We are leaving already.
        """
        self._require_alive("leave")
        self._snapshot.note_leave(now)
        self._departure.begin(self._membership, now)
        self._settle(now)

    def force_leave(self, name: str, now: float, *, prune: bool) -> None:
        """Have a failed member count as left, or with ``prune`` be forgotten; a live one refutes. Drain after calling.

        Raises:
            LocalProtocolError: We are leaving.
        """
        self._require_alive("force_leave")
        self._membership.announce_leave(NodeName(name), now, prune=prune)
        self._settle(now)

    def set_tags(self, tags: Mapping[str, str], now: float) -> None:
        """Announce other tags. Drain after calling.

        Raises:
            TooBig: The encoded tags exceed 512 bytes.
            LocalProtocolError: We are leaving: whoever heard of new tags would take us for back.
        """
        self._require_alive("set_tags")
        self._swim.update_meta(encode_tags(tags), now)
        self._settle(now)

    def user_event(self, name: str, payload: bytes, now: float, *, coalesce: bool) -> int:
        """Send a user event to everyone, ourselves included; return its Lamport time. Drain after calling.

        Raises:
            TooBig: Name and payload exceed the limit.
        """
        ltime = self._user_events.send(name, payload, coalesce=coalesce)
        self._settle(now)
        return ltime

    def query(self, params: QueryParams, now: float) -> int:
        """Ask everyone, ourselves included; events bring acks, answers and the end. Drain after calling.

        Returns:
            The id that those events carry.

        Raises:
            TooBig: The encoded query exceeds the limit.
        """
        query_id = self._queries.ask(params, now)
        self._settle(now)
        return query_id

    def check_udp(self, name: NodeName, now: float) -> bool:
        """Find out whether UDP passes between us and a member; ``UdpChecked`` tells. Drain after calling.

        Returns:
            Whether a check began: not for ourselves, an unknown member, one being checked, or with too many under way.
        """
        record = self._table.get(name)
        began = record is not None and self._udp_checks.check(record.member, now)
        self._settle(now)
        return began

    def respond(self, query: QueryReceived, payload: bytes, now: float) -> None:
        """Answer a query, once and before its deadline. Drain after calling.

        Raises:
            LocalProtocolError: It was answered, or its time is over.
            TooBig: The encoded answer exceeds the limit.
        """
        self._queries.incoming.respond(query, payload, now)

    def keyring_stored(self, error: str, now: float) -> None:
        """Tell that the ring of the last ``KeyringToStore`` is on the disk, or why not. Drain after calling.

        Args:
            error: Empty, or the reason in words; then the ring stays as it is, and the asker is told.
            now: Monotonic seconds.

        Raises:
            LocalProtocolError: None was to be stored.
        """
        self._queries.key_changes.stored(error)
        self._settle(now)

    def _announce_join(self, now: float) -> None:
        # A join may end after a leave has begun; its intent would take the leave back, and we would show as failed.
        if self.local_state is LocalState.ALIVE:
            self._membership.announce_join(now)

    def _join_finished(self, outcome: gossip.JoinFinished, now: float) -> None:
        if not self._rejoining.finished(outcome, now):
            self._joins.finished(outcome, now)

    def _is_alone(self) -> bool:
        return not self._membership.has_alive_peers()

    def _require_alive(self, what: str) -> None:
        if self.local_state is not LocalState.ALIVE:
            raise LocalProtocolError(f"{what} was called while {self.local_state.value}")

    # --- between the parts -----------------------------------------------------------

    def _settle(self, now: float) -> None:
        """Hand Swim's events to the parts until none is left; then see to what follows from them."""
        self._settled_at = now
        while True:
            while (event := self._swim.next_event()) is not None:
                # Told before what follows from it: who declared a member dead, then that it has failed.
                if isinstance(event, _PASSED_THROUGH):
                    self._emit(event)
                handler = self._handlers.get(type(event))
                if handler is not None:
                    handler(event, now)
            if not self._departure.advance(now):
                break
        self._rejoining.observe(now)
        self._snapshot.schedule(now)

    def _gossip_handlers(self) -> dict[type, Callable[[Any, float], None]]:
        return {
            gossip.NodeJoined: lambda event, _now: self._membership.node_joined(event.member),
            gossip.NodeUpdated: lambda event, _now: self._membership.node_updated(event.member),
            gossip.NodeDeparted: lambda event, now: self._membership.node_departed(event.member.name, now),
            gossip.ConflictSeen: self._conflict_seen,
            gossip.ConflictOver: self._conflict_over,
            gossip.PingCompleted: lambda event, _now: self._latency.ping_completed(event),
            gossip.UserMessage: lambda event, now: self._inbox.receive(event.payload, event.source, now),
            gossip.JoinFinished: self._join_finished,
            gossip.LeaveFinished: lambda event, now: self._departure.gossip_left(now, timed_out=event.timed_out),
        }

    def _note_change(self, event: SerfEvent) -> None:
        if isinstance(event, MemberChanged):
            self._conflicts.note(event, self._settled_at)

    def _conflict_seen(self, event: gossip.ConflictSeen, now: float) -> None:
        self._conflicts.seen(event, now)
        self._queries.handle_conflict(event, now)

    def _conflict_over(self, event: gossip.ConflictOver, _now: float) -> None:
        self._conflicts.over(event)
        self._queries.handle_conflict_over(event)

    def _every(self, interval_s: float, action: Callable[[float], None], now: float) -> None:
        def tick(now: float) -> None:
            action(now)
            self._timers.set(now + interval_s, tick)

        self._timers.set(now + interval_s, tick)
