"""``Serf``: the facade of the Serf layer; a gossip core itself, wrapped around ``Swim``.

Strategy: the methods and commands of the core, each carried out by one of the
parts that ``parts.py`` wires together. Whatever goes into ``Swim`` is followed by
``settle``, which hands on what came of it. Streams are wrapped so that the same
happens after each piece of data.

What it does not do: I/O, clocks, or deciding anything that a part could.

Source: Serf 0.9.4 and 0.10 as described in gossip-protocol section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from nodedns.errors import LocalProtocolError
from nodedns.gossip import events as gossip
from nodedns.gossip.core import StreamExchange
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.params import GossipParams
from nodedns.gossip.swim import Swim
from nodedns.model.address import Address
from nodedns.model.conflict import Conflict
from nodedns.model.coordinate import Coordinate
from nodedns.model.member import Member, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.serf.events import LocalState, QueryReceived, SerfEvent
from nodedns.serf.merge import MergePolicy
from nodedns.serf.outgoing_queries import QueryParams
from nodedns.serf.params import SerfParams
from nodedns.serf.parts import Parts
from nodedns.serf.settling import SettlingExchange
from nodedns.serf.snapshot import SnapshotState
from nodedns.serf.statistics import SerfStatistics, gather_statistics
from nodedns.serf.tags import encode_tags

__all__ = ["SERF_VERSIONS", "Serf"]

SERF_VERSIONS = Versions(bytes([1, 5, 2, 2, 5, 5]))
"""memberlist protocols 1 to 5, 2 spoken; Serf protocols 2 to 5, 5 spoken (as the serf agent)."""


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
        local = Member(name, address, encode_tags(tags), SERF_VERSIONS)
        self._parts = Parts(
            params,
            gossip_params,
            local,
            rng,
            envelope=envelope or Envelope(entropy=entropy),
            remembered=remembered or SnapshotState(),
            merge_policy=merge_policy,
            is_keyring_stored=is_keyring_stored,
        )

    # --- views -------------------------------------------------------------------

    @property
    def local_state(self) -> LocalState:
        """Where this agent is in its life."""
        return self._parts.local_state

    @property
    def coordinate(self) -> Coordinate | None:
        """Our network coordinate; None where coordinates are turned off."""
        return self._parts.latency.coordinate

    @property
    def coordinates_version(self) -> int:
        """Rises with every change to any member's coordinate kept here."""
        return self._parts.latency.version

    def coordinate_of(self, name: str) -> Coordinate | None:
        """Return the coordinate that a member, or we, had at our last probe of it; None where none is known."""
        return self._parts.latency.coordinate_of(name)

    @property
    def swim(self) -> Swim:
        """The gossip core below, for its views."""
        return self._parts.swim

    def members(self) -> list[SerfMember]:
        """Return every member, ourselves, the left and the failed ones included, by name."""
        return self._parts.table.shown()

    def member(self, name: str) -> SerfMember | None:
        """Return one member, or None."""
        record = self._parts.table.get(name)
        return None if record is None else record.shown

    @property
    def key_refusal(self) -> str:
        """Why gossip keys may not be changed from here, in words; empty if they may."""
        return self._parts.queries.key_changes.refusal

    @property
    def max_peer_datagram_bytes(self) -> int:
        """The longest payload that ``send_peer_message`` takes for a datagram, whatever it holds."""
        return self._parts.peers.max_datagram_bytes

    def conflicts(self) -> list[Conflict]:
        """Return the names that two agents claim now."""
        return self._parts.conflicts.shown()

    def statistics(self) -> SerfStatistics:
        """Return the counters of this moment."""
        return gather_statistics(
            self._parts.table,
            self._parts.swim,
            self._parts.clocks,
            self._parts.broadcasts,
            remembered=self._parts.rejoining.remembered,
            coordinate_resets=self._parts.latency.resets,
            encrypted=self._parts.envelope.is_encrypted,
        )

    # --- the five methods, and streams -----------------------------------------------

    def start(self, now: float) -> None:
        """Announce ourselves, set the tickers, and try to rejoin remembered members. Drain after calling."""
        remembered = self._parts.remembered
        self._parts.clocks.resume(remembered.clock, remembered.event_clock, remembered.query_clock)
        self._parts.user_events.raise_min_time(remembered.event_clock + 1)
        self._parts.queries.incoming.raise_min_time(remembered.query_clock + 1)
        self._parts.swim.start(now)
        params, table, every = self._parts.params, self._parts.table, self._parts.every
        every(params.reap_interval_s, self._parts.membership.reap, now)
        every(params.reap_interval_s, self._parts.rejoining.expire, now)
        every(params.reconnect_interval_s, self._parts.rejoining.reconnect, now)
        every(params.queue_check_interval_s, lambda _now: self._parts.broadcasts.check_depth(len(table)), now)
        self._parts.rejoining.start(now)
        self._parts.settle(now)

    def receive_datagram(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram; never raises for what it holds. Drain after calling."""
        self._parts.swim.receive_datagram(data, source, now)
        self._parts.settle(now)

    def handle_timer(self, now: float) -> None:
        """Do what is due at ``now``. Drain after calling."""
        self._parts.swim.handle_timer(now)
        self._parts.settle(now)
        self._parts.timers.fire(now)
        self._parts.settle(now)

    def next_deadline(self) -> float | None:
        """Return when ``handle_timer`` is wanted next."""
        deadlines = (self._parts.timers.next_deadline(), self._parts.swim.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def datagrams_to_send(self, now: float) -> list[gossip.Datagram]:
        """Return the datagrams to send, oldest first, each once."""
        return self._parts.swim.datagrams_to_send(now)

    def next_event(self) -> SerfEvent | None:
        """Return the oldest event not yet taken, or None."""
        return self._parts.events.take()

    def open_stream(self, wanted: gossip.StreamWanted, now: float) -> StreamExchange:
        """Return the dialling side of an exchange asked for by ``wanted``. Drain after calling."""
        exchange = self._parts.swim.open_stream(wanted, now)
        self._parts.settle(now)
        return SettlingExchange(exchange, self._parts.settle)

    def stream_failed(self, wanted: gossip.StreamWanted, reason: str, now: float) -> None:
        """Tell that the stream could not be connected. Drain after calling."""
        self._parts.swim.stream_failed(wanted, reason, now)
        self._parts.settle(now)

    def accept_stream(self, source: Address, now: float) -> StreamExchange | None:
        """Return the answering side of a stream from ``source``; None: too many. Drain after calling."""
        exchange = self._parts.swim.accept_stream(source, now)
        self._parts.settle(now)
        return None if exchange is None else SettlingExchange(exchange, self._parts.settle)

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
        self._parts.state_exchange.ignore_old_events = lambda: ignore_old_events and self._parts.joins.is_joining
        join_id = self._parts.joins.join(addresses, now)
        self._parts.settle(now)
        return join_id

    def leave(self, now: float) -> None:
        """Leave the pool gracefully; ``LeaveDone`` tells when it is over. Drain after calling.

        Raises:
            LocalProtocolError: We are leaving already.
        """
        self._require_alive("leave")
        self._parts.snapshot.note_leave(now)
        self._parts.departure.begin(self._parts.membership, now)
        self._parts.settle(now)

    def send_peer_message(self, name: NodeName, payload: bytes, now: float, *, by_stream: bool) -> bool:
        """Send bytes of the application to one member that is nodedns too. Drain after calling.

        Args:
            name: Whom; a member that is not alive, or carries no nodedns tag, gets nothing.
            payload: At most ``MAX_PEER_STREAM_BYTES``; for a datagram, as much as fits into one when it is packed,
                which ``max_peer_datagram_bytes`` always do.
            now: Monotonic seconds.
            by_stream: Whether over TCP; a datagram may be lost on the way, and a stream may fail.

        Returns:
            Whether it is on its way.

        Raises:
            TooBig: The payload is over the limit.
        """
        was_sent = self._parts.peers.send(name, payload, now, by_stream=by_stream)
        self._parts.settle(now)
        return was_sent

    def force_leave(self, name: str, now: float, *, prune: bool) -> None:
        """Have a failed member count as left, or with ``prune`` be forgotten; a live one refutes. Drain after calling.

        Raises:
            LocalProtocolError: We are leaving.
        """
        self._require_alive("force_leave")
        self._parts.membership.announce_leave(NodeName(name), now, prune=prune)
        self._parts.settle(now)

    def set_tags(self, tags: Mapping[str, str], now: float) -> None:
        """Announce other tags. Drain after calling.

        Raises:
            TooBig: The encoded tags exceed 512 bytes.
            LocalProtocolError: We are leaving: whoever heard of new tags would take us for back.
        """
        self._require_alive("set_tags")
        self._parts.swim.update_meta(encode_tags(tags), now)
        self._parts.settle(now)

    def user_event(self, name: str, payload: bytes, now: float, *, coalesce: bool) -> int:
        """Send a user event to everyone, ourselves included; return its Lamport time. Drain after calling.

        Raises:
            TooBig: Name and payload exceed the limit.
        """
        ltime = self._parts.user_events.send(name, payload, coalesce=coalesce)
        self._parts.settle(now)
        return ltime

    def query(self, params: QueryParams, now: float) -> int:
        """Ask everyone, ourselves included; events bring acks, answers and the end. Drain after calling.

        Returns:
            The id that those events carry.

        Raises:
            TooBig: The encoded query exceeds the limit.
        """
        query_id = self._parts.queries.ask(params, now)
        self._parts.settle(now)
        return query_id

    def check_udp(self, name: NodeName, now: float) -> bool:
        """Find out whether UDP passes between us and a member; ``UdpChecked`` tells. Drain after calling.

        Returns:
            Whether a check began: not for ourselves, an unknown member, one being checked, or with too many under way.
        """
        record = self._parts.table.get(name)
        began = record is not None and self._parts.udp_checks.check(record.member, now)
        self._parts.settle(now)
        return began

    def respond(self, query: QueryReceived, payload: bytes, now: float) -> None:
        """Answer a query, once and before its deadline. Drain after calling.

        Raises:
            LocalProtocolError: It was answered, or its time is over.
            TooBig: The encoded answer exceeds the limit.
        """
        self._parts.queries.incoming.respond(query, payload, now)

    def keyring_stored(self, error: str, now: float) -> None:
        """Tell that the ring of the last ``KeyringToStore`` is on the disk, or why not. Drain after calling.

        Args:
            error: Empty, or the reason in words; then the ring stays as it is, and the asker is told.
            now: Monotonic seconds.

        Raises:
            LocalProtocolError: None was to be stored.
        """
        self._parts.queries.key_changes.stored(error)
        self._parts.settle(now)

    def _require_alive(self, what: str) -> None:
        if self.local_state is not LocalState.ALIVE:
            raise LocalProtocolError(f"{what} was called while {self.local_state.value}")
