"""``Swim``: the gossip core's facade; bytes and ``now`` in, datagrams, events and deadlines out.

Strategy: this file wires the small machines together and decides nothing that
one of them could. Packets are opened and decoded, each message goes to its
handler by a table; alive, suspect and dead go to the ``MemberTable``, whose
effects are carried out here (gossip, refute, timers, events). Probing, streams
and filling packets have files of their own.

What it does not do: Serf's intents, events and queries (the delegate's), any
I/O, clocks or logs. Order of messages within a packet is kept, where memberlist
turns it round; nobody may rely on either.

Source: SWIM and Lifeguard papers; memberlist 0.2.2 (Serf 0.9.4) and 0.5 observed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

import attrs

from nodedns.errors import ForeignGossip, GossipWireError, shorten
from nodedns.gossip.anti_entropy import AntiEntropy
from nodedns.gossip.awareness import Awareness
from nodedns.gossip.broadcast import BroadcastQueue
from nodedns.gossip.claimcheck import ClaimChecks
from nodedns.gossip.claims import Claims
from nodedns.gossip.core import StreamExchange
from nodedns.gossip.delegate import Delegate
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.events import (
    Datagram,
    Dropped,
    GossipEvent,
    StreamPurpose,
    StreamWanted,
    UserMessage,
)
from nodedns.gossip.members import (
    MAX_NAME_BYTES,
    Listed,
    MemberTable,
)
from nodedns.gossip.messages import (
    Ack,
    Alive,
    Dead,
    ErrorReply,
    IndirectPing,
    Message,
    Nack,
    Ping,
    Suspect,
    UserData,
)
from nodedns.gossip.outbox import Outbox
from nodedns.gossip.params import GossipParams
from nodedns.gossip.probe import Prober
from nodedns.gossip.pushpull import PushPull
from nodedns.gossip.slices import Steps, at_once, complete
from nodedns.gossip.stream_reader import StreamMessage
from nodedns.gossip.streams import Streams
from nodedns.gossip.timers import TimerHeap
from nodedns.gossip.wire import decode_packet_untrusted, encode_message, encode_user_stream
from nodedns.model.address import Address
from nodedns.model.member import Member, NodeState

__all__ = ["Swim", "SwimStatistics"]

MAX_EVENTS = 262_144
"""Events kept for an owner that does not drain; ours, twice what the largest push/pull can cause."""
MAX_PINGS_PER_PACKET = 4
"""Pings answered or relayed out of one packet; real agents send one. A stranger's packet of a thousand
pings, compressed to 2 KiB, would else come out as 150 KiB at an address of its choice."""
STREAM_PING = 0
"""Sequence number of a ping that has a stream to itself, where nothing else could be meant."""
MAX_DROPS_WAITING = 4096
"""Above so many events waiting, ``Dropped`` is left out: it must not displace what happened to a member."""


@attrs.frozen
class SwimStatistics:
    """Counters of one moment, for ``info``, metrics and the simulation's invariants."""

    members: int
    alive: int
    suspect: int
    dead: int
    left: int
    health_score: int
    incarnation: int
    queued_broadcasts: int
    pending_acks: int
    inbound_streams: int
    claim_checks: int
    timers: int


class Swim:
    """One member of a memberlist pool, without its sockets and clock.

    Satisfies ``GossipCore``. After ``start``, and after any input or command:
    drain ``datagrams_to_send``, then ``next_event``, then re-read
    ``next_deadline``.

    Args:
        params: Timers and limits.
        local: Our identity; its port also stands in for a port 0 in others' messages.
        delegate: The layer above.
        rng: Every random choice is drawn from it.
        envelope: Label and encryption.
    """

    def __init__(
        self, params: GossipParams, local: Member, delegate: Delegate, rng: Random, envelope: Envelope
    ) -> None:
        self._params = params
        self._local = local
        self._delegate = delegate
        self._rng = rng
        self._envelope = envelope
        self._timers = TimerHeap()
        self._awareness = Awareness(params.awareness_max_multiplier)
        self._table = MemberTable(params, local.name, rng)
        self._queue = BroadcastQueue(params.retransmit_mult, params.max_queued_broadcasts)
        self._events: deque[GossipEvent] = deque()
        self._claims = Claims(
            params=params,
            local=local,
            delegate=delegate,
            table=self._table,
            queue=self._queue,
            timers=self._timers,
            awareness=self._awareness,
            emit=self.emit,
            doubt=self._doubt,
        )
        self._outbox = Outbox(params, envelope, self._queue, delegate)
        self._push_pull = PushPull(local.name, self._table, self._claims, delegate, self.emit)
        self._streams = Streams(params, envelope, local.name, self._push_pull, self.emit)
        self._anti_entropy = AntiEntropy(
            emit=self.emit,
            params=params,
            local_name=local.name,
            table=self._table,
            push_pull=self._push_pull,
            streams=self._streams,
            timers=self._timers,
            rng=rng,
        )
        self._prober = Prober(
            host=self,
            params=params,
            local=local,
            table=self._table,
            awareness=self._awareness,
            timers=self._timers,
        )
        self._checks = ClaimChecks(
            host=self,
            owner=self._claims,
            params=params,
            local=local,
            table=self._table,
            prober=self._prober,
            awareness=self._awareness,
            timers=self._timers,
        )
        # Keyed by message class; each handler takes just that class.
        self._handlers: dict[type, Callable[[Any, Address, float], object]] = {
            Ping: self._handle_ping,
            IndirectPing: self._handle_indirect_ping,
            Ack: self._handle_ack,
            Nack: self._handle_nack,
            Alive: self._claims.apply,
            Suspect: self._claims.apply,
            Dead: self._claims.apply,
            UserData: self._handle_user,
            ErrorReply: self._handle_error,
        }

    # --- views -------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Nodes listed: ourselves, and for a while the dead and left ones, included."""
        return len(self._table)

    @property
    def health_score(self) -> int:
        """Lifeguard's local health, 0 when well."""
        return self._awareness.score

    @property
    def incarnation(self) -> int:
        """Our own incarnation; 0 before ``start``."""
        return self._claims.incarnation

    @property
    def is_leaving(self) -> bool:
        """Whether ``leave`` was called."""
        return self._table.is_leaving

    def alive_count(self) -> int:
        """Return how many nodes are alive or suspect, ourselves included."""
        return self._table.live

    def node(self, name: str) -> tuple[Member, NodeState] | None:
        """Return a node's identity and state, or None."""
        row = self._table.get(name)
        return (row.member, row.state) if row else None

    def incarnation_of(self, name: str) -> int:
        """Return the incarnation a node is known with, 0 where it is unknown."""
        row = self._table.get(name)
        return row.incarnation if row else 0

    def claims(self) -> dict[str, int]:
        """Return the incarnation at which each listed node's newest claim stands, by name."""
        return {row.member.name: row.incarnation for row in self._table}

    def claim_of(self, name: str) -> tuple[NodeState, int] | None:
        """Return the state and the incarnation of the newest claim about a node, or None where it is not listed."""
        row = self._table.get(name)
        return (row.state, row.incarnation) if row else None

    def nodes(self) -> list[tuple[Member, NodeState]]:
        """Return every node listed, in the order in which they became known."""
        return [(row.member, row.state) for row in self._table]

    def statistics(self) -> SwimStatistics:
        """Return the counters of this moment."""
        count = self._table.count
        return SwimStatistics(
            members=self.size,
            alive=count(NodeState.ALIVE),
            suspect=count(NodeState.SUSPECT),
            dead=count(NodeState.DEAD),
            left=count(NodeState.LEFT),
            health_score=self.health_score,
            incarnation=self.incarnation,
            queued_broadcasts=len(self._queue),
            pending_acks=self._prober.pending,
            inbound_streams=self._streams.inbound,
            claim_checks=len(self._checks),
            timers=len(self._timers),
        )

    # --- the five methods, and streams -----------------------------------------------

    def start(self, now: float) -> None:
        """Announce ourselves with incarnation 1 and set the tickers, each at a random stagger."""
        self._claims.announce(now)
        params = self._params
        self._tick_every(params.probe_interval_s, self._prober.tick, now)
        self._tick_every(params.gossip_interval_s, self._gossip, now)
        self._anti_entropy.start(now)

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram from ``source``; never raises for what it holds. Drain after calling."""

        def on_bad(problem: GossipWireError) -> None:
            self.emit(Dropped("bad-message", source, str(problem)))

        try:
            messages = decode_packet_untrusted(self._envelope.open_packet_untrusted(data), on_bad)
        except GossipWireError as problem:
            reason = problem.kind if isinstance(problem, ForeignGossip) else "bad-packet"
            self.emit(Dropped(reason, source, str(problem)))
            return
        pings = 0
        for message in messages:
            if isinstance(message, Ping | IndirectPing):
                pings += 1
                if pings > MAX_PINGS_PER_PACKET:
                    self.emit(Dropped("too-many-pings", source))
                    return
            self._handlers[type(message)](message, source, now)

    def handle_timer(self, now: float) -> None:
        """Do what is due at ``now``. Drain after calling."""
        self._timers.fire(now)

    def next_deadline(self) -> float | None:
        """Return when ``handle_timer`` is wanted next."""
        return self._timers.next_deadline()

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        """Return the datagrams to send, oldest first, each once."""
        del now  # part of the contract; packets are filled when they are made
        return self._outbox.drain()

    def next_event(self) -> GossipEvent | None:
        """Return the oldest event not yet taken, or None."""
        return self._events.popleft() if self._events else None

    def open_stream(self, wanted: StreamWanted, now: float) -> StreamExchange:
        """Return the dialling side of an exchange asked for by ``wanted``. Drain after calling."""
        return self._streams.open(wanted, now)

    def stream_failed(self, wanted: StreamWanted, reason: str, now: float) -> None:
        """Tell that the stream could not be connected. Drain after calling."""
        self._streams.fail(wanted, reason, now)

    def accept_stream(self, source: Address, now: float) -> StreamExchange | None:
        """Return the answering side of a stream from ``source``; None: too many. Drain after calling."""
        return self._streams.accept(source, now)

    # --- commands ------------------------------------------------------------------

    def join(self, address: Address, now: float) -> int:
        """Exchange states with the member at ``address``; ``JoinFinished`` tells the outcome.

        Returns:
            The id that ``JoinFinished`` will carry. Drain after calling.
        """
        return self._anti_entropy.join(address, now)

    def leave(self, timeout_s: float, now: float) -> None:
        """Announce our own departure; ``LeaveFinished`` follows once it has spread. Drain after calling.

        Raises:
            LocalProtocolError: Called twice.
        """
        self._claims.leave(timeout_s, now)

    def update_meta(self, meta: bytes, now: float) -> None:
        """Announce other metadata with a higher incarnation. Drain after calling."""
        self._claims.update_meta(meta, now)

    def look_again(self, name: str, address: Address, now: float) -> bool:
        """Ask again whether the rival at ``address`` answers for ``name``; events tell. Drain after calling.

        Returns:
            False where no such conflict is open.
        """
        return self._checks.look_again(name, address, now)

    def send_user(self, payload: bytes, destination: Address, *, may_compress: bool = True) -> None:
        """Send one user message straight to ``destination`` by UDP. Drain after calling."""
        self._outbox.send_alone(encode_message(UserData(payload)), destination, may_compress=may_compress)

    def ping_by_stream(self, member: Member, deadline: float, on_ack: Callable[[], None]) -> None:
        """Ping ``member`` by TCP; ``on_ack`` once it has answered. Drain after calling.

        A connection alone is no answer: the kernel of a stopped process takes it.
        """
        local = self._local

        def over(error: str) -> None:
            if not error:
                on_ack()

        ping = Ping(STREAM_PING, member.name, local.address.packed, local.address.port, local.name)
        self.want_tcp_ping(ping, member.address, deadline, over)

    def send_user_stream(
        self,
        payload: bytes,
        destination: Address,
        deadline: float,
        *,
        on_over: Callable[[str], None] = lambda _error: None,
        may_compress: bool = True,
    ) -> None:
        """Send one user message to ``destination`` by TCP. Drain after calling.

        Args:
            payload: Serf's type byte and what follows.
            destination: Whom to dial.
            deadline: Monotonic seconds by which all of it must have been taken.
            on_over: Called once there is a connection or none, with the reason or an empty string.
            may_compress: Whether to compress it, where that is on.
        """
        self._streams.want(
            StreamPurpose.USER,
            destination,
            deadline,
            encode_request=lambda: at_once(encode_user_stream(payload)),
            on_reply=None,
            on_over=lambda error, _now: on_over(error),
            may_compress=may_compress,
        )

    # --- what the machines inside ask for -------------------------------------------

    def emit(self, event: GossipEvent) -> None:
        """Queue an event; an owner that never drains loses the oldest."""
        if len(self._events) >= MAX_DROPS_WAITING and isinstance(event, Dropped):
            return
        if len(self._events) >= MAX_EVENTS:
            self._events.popleft()
        self._events.append(event)

    def send_message(self, message: Message, destination: Address) -> None:
        """Send a message with broadcasts beside it."""
        self._outbox.send(encode_message(message), destination, self.size)

    def send_alone(self, message: Message, destination: Address) -> None:
        """Send a message with nothing beside it."""
        self._outbox.send_alone(encode_message(message), destination)

    def send_pair(self, first: Message, second: Message, member: Member) -> None:
        """Send two messages in one datagram, nothing beside them."""
        self._outbox.send_packet([encode_message(first), encode_message(second)], member)

    def suspect(self, suspect: Suspect, now: float) -> None:
        """Apply a suspicion of our own."""
        self._claims.apply(suspect, None, now)

    def want_tcp_ping(self, ping: Ping, address: Address, deadline: float, on_over: Callable[[str], None]) -> None:
        """Ask for a stream that carries ``ping``."""

        def reply(message: StreamMessage, _now: float) -> Steps[str | None]:
            yield from ()
            if not isinstance(message, Ack) or message.seq_no != ping.seq_no:
                return "not the ack of this ping"
            return None

        self._streams.want(
            StreamPurpose.PING,
            address,
            deadline,
            encode_request=lambda: at_once(encode_message(ping)),
            on_reply=reply,
            on_over=lambda error, _now: on_over(error),
        )

    def encode_local_state(self, *, is_join: bool) -> bytes:
        """Return our push/pull message, all of it at once; for simulations that start with full tables."""
        return complete(self._push_pull.encode(is_join=is_join), 0.0)

    # --- handlers, one for each message ------------------------------------------------

    def _handle_ping(self, ping: Ping, source: Address, _now: float) -> None:
        if ping.node not in ("", self._local.name):
            self.emit(Dropped("ping-for-other-node", source, shorten(ping.node)))
            return
        if self._checks.is_own_ping(ping):
            return
        ack = Ack(ping.seq_no, self._delegate.ack_payload())
        self.send_message(ack, _reply_address(ping, source))

    def _handle_indirect_ping(self, request: IndirectPing, source: Address, now: float) -> None:
        if len(request.target) not in (4, 16):
            self.emit(Dropped("bad-address", source))
            return
        if len(request.node) > MAX_NAME_BYTES:
            # It goes into the ping: a small compressed packet would come out as a large one, at somebody else.
            self.emit(Dropped("bad-name", source))
            return
        if request.port == 0:
            request = attrs.evolve(request, port=self._local.address.port)
        if not self._prober.relay(request, _reply_address(request, source), now):
            self.emit(Dropped("too-many-relayed-pings", source))

    def _handle_ack(self, ack: Ack, source: Address, now: float) -> None:
        # An ack that nobody waits for any more is everyday business, so nothing is told of it.
        self._prober.handle_ack(ack, now, source)

    def _handle_nack(self, nack: Nack, _source: Address, now: float) -> None:
        self._prober.handle_nack(nack, now)

    def _handle_user(self, user: UserData, source: Address, _now: float) -> None:
        self.emit(UserMessage(user.payload, source))

    def _handle_error(self, error: ErrorReply, source: Address, _now: float) -> None:
        self.emit(Dropped("unexpected-message", source, shorten(error.error)))

    def _doubt(self, row: Listed, alive: Alive, told_by: Address | None, now: float, *, is_listed: bool) -> None:
        self._checks.doubt(row, alive, told_by, now, is_listed=is_listed)

    # --- tickers -----------------------------------------------------------------------

    def _tick_every(self, interval_s: float, action: Callable[[float], None], now: float) -> None:
        """Call ``action`` every ``interval_s`` after a random stagger; late runs skip ticks."""
        due = now + self._rng.uniform(0, interval_s)

        def tick(now: float) -> None:
            nonlocal due
            action(now)
            due += interval_s
            if due <= now:
                due = now + interval_s
            self._timers.set(due, tick)

        self._timers.set(due, tick)

    def _gossip(self, now: float) -> None:
        """Send queued broadcasts to a few random members, a fresh batch for each."""
        if len(self._table) < 2:
            return
        dead_until = now - self._params.gossip_to_the_dead_s
        local_name = self._local.name

        def is_wanted(row: Listed) -> bool:
            if row.member.name == local_name or row.state == NodeState.LEFT:
                return False
            return row.state != NodeState.DEAD or row.changed_at >= dead_until

        # Batch before targets: an idle member draws no random numbers and costs nothing.
        batch = self._outbox.take_batch(self.size)
        if not batch:
            return
        for row in self._table.pick(self._params.gossip_nodes, is_wanted):
            batch = batch or self._outbox.take_batch(self.size)
            if not batch:
                return
            self._outbox.send_packet(batch, row.member, may_compress=True)
            batch = []


def _reply_address(message: Ping | IndirectPing, source: Address) -> Address:
    if message.source_port and len(message.source_addr) in (4, 16):
        return Address(message.source_addr, message.source_port)
    return source
