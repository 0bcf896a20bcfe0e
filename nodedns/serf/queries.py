"""``IncomingQueries``: queries of others (and our own, which we hear too), handled once each.

A query is remembered by Lamport time and ID like a user event. If its filters
let it through to us, an ack goes out at once where one is wanted, internal
queries are answered here, and the rest go to the application, which answers with
``respond`` in time. Unless its asker forbids it, a query is passed on whether or
not it was for us. (One that would crash real agents was not even decoded.)

``Answers`` sends acks and responses: straight to the asker, and through as many
relays as the query wants.

Source: Serf's handleQuery and relayResponse (gossip-protocol 4.7, 4.8).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from nodedns.errors import LocalProtocolError, TooBig
from nodedns.gossip.events import Dropped
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.events import QueryReceived, SerfEvent
from nodedns.serf.filter_budget import FilterBudget, FilterTooCostly
from nodedns.serf.internal_queries import INTERNAL_PREFIX, InternalQueries
from nodedns.serf.lamport import MAX_LTIME, LamportClock
from nodedns.serf.members import MemberTable
from nodedns.serf.messages import Query, QueryFlag, QueryResponse, Relay, encode_message
from nodedns.serf.targeting import passes_filters

__all__ = ["Answers", "IncomingQueries", "QueryBuffer"]

RELAY_PROTOCOL_MIN = 5  # memberlist protocol from which members understand relays
MAX_QUERIES_PER_SLOT = 64  # ours, as for events
NANOSECONDS = 1e-9


class QueryBuffer:
    """The queries of recent Lamport times, by ID.

    Args:
        slots: How many Lamport times are remembered.
    """

    __slots__ = ("_slots", "min_time")

    def __init__(self, slots: int) -> None:
        self._slots: list[tuple[int, list[int]] | None] = [None] * slots
        self.min_time = 0
        """Queries of an earlier Lamport time are dropped."""

    def offer(self, ltime: int, query_id: int, clock_time: int) -> str:
        """Remember a query; return why not in dashed words, ``seen`` for a known one, or nothing."""
        slots = len(self._slots)
        # At its end the clock can't be past what it has witnessed; two times of one slot must not both be news.
        horizon = clock_time + (clock_time >= MAX_LTIME) - slots
        if ltime < self.min_time or (clock_time > slots and ltime < horizon):
            return "query-too-old"
        slot = self._slots[ltime % slots]
        if slot is None or slot[0] != ltime:
            slot = self._slots[ltime % slots] = (ltime, [])
        if query_id in slot[1]:
            return "seen"
        if len(slot[1]) >= MAX_QUERIES_PER_SLOT:
            return "query-buffer-full"
        slot[1].append(query_id)
        return ""


class Answers:
    """Sends acks and responses.

    Args:
        local_name: Our own name, the answers' sender.
        limit_bytes: Largest encoded response.
        table: Members, to choose relays from.
        rng: For that choice.
        send: Sends one user message straight to an address.
    """

    def __init__(
        self,
        *,
        local_name: NodeName,
        limit_bytes: int,
        table: MemberTable,
        rng: Random,
        send: Callable[[bytes, Address], None],
    ) -> None:
        self._local_name = local_name
        self._limit_bytes = limit_bytes
        self._table = table
        self._rng = rng
        self._send = send

    def ack(self, query: QueryReceived) -> None:
        """Tell the asker that the query arrived."""
        self._send_both(query, QueryResponse(query.ltime, query.query_id, self._local_name, int(QueryFlag.ACK)))

    def answer(self, query: QueryReceived, payload: bytes) -> None:
        """Send our answer.

        Raises:
            TooBig: It exceeds the limit, encoded.
        """
        self._send_both(query, QueryResponse(query.ltime, query.query_id, self._local_name, payload=payload))

    def _send_both(self, query: QueryReceived, response: QueryResponse) -> None:
        message = encode_message(response)
        if len(message) > self._limit_bytes:
            raise TooBig("query response", len(message), self._limit_bytes)
        self._send(message, query.destination)
        # In a cluster with fewer members the relays would add nothing.
        if query.relay_factor and len(self._table) > query.relay_factor:
            self._relay(query, message)

    def _relay(self, query: QueryReceived, message: bytes) -> None:
        destination = query.destination
        wrapped = encode_message(Relay(destination.packed, destination.port, query.source_name, message))
        if len(wrapped) > self._limit_bytes:
            return
        able = [
            record.member.address
            for record in self._table
            if record.status is MemberStatus.ALIVE
            and record.member.versions.protocol_max >= RELAY_PROTOCOL_MIN
            and record.name != self._local_name
        ]
        for address in self._rng.sample(able, min(query.relay_factor, len(able))):
            self._send(wrapped, address)


class IncomingQueries:
    """Queries as they arrive.

    Args:
        local_name: Our own name.
        slots: How many Lamport times are remembered.
        clock: The query clock.
        table: For our own tags.
        broadcasts: Where queries are passed on.
        answers: Sends acks and responses.
        internal: Answers what the application never sees.
        emit: Takes the events.
        on_delivered: Called with the Lamport time of each query that was for us.
    """

    def __init__(
        self,
        *,
        local_name: NodeName,
        slots: int,
        clock: LamportClock,
        table: MemberTable,
        broadcasts: Broadcasts,
        answers: Answers,
        internal: InternalQueries,
        emit: Callable[[SerfEvent], None],
        on_delivered: Callable[[int], None],
    ) -> None:
        self._local_name = local_name
        self._clock = clock
        self._table = table
        self._broadcasts = broadcasts
        self._answers = answers
        self._internal = internal
        self._emit = emit
        self._on_delivered = on_delivered
        self._buffer = QueryBuffer(slots)
        self._budget = FilterBudget()
        # Keyed by Lamport time and ID; only those the application may still answer.
        self._open: dict[tuple[int, int], float] = {}
        self._max_open = slots

    def raise_min_time(self, ltime: int) -> None:
        """Ignore queries of a Lamport time before ``ltime`` from now on."""
        self._buffer.min_time = max(self._buffer.min_time, ltime)

    def receive(self, query: Query, message: bytes, source: Address | None, now: float) -> None:
        """Handle a query and pass its very bytes on, once."""
        if not self._clock.witness(query.ltime):
            self._emit(Dropped("time-too-far", source))
            return
        verdict = self._buffer.offer(query.ltime, query.query_id, self._clock.time)
        if verdict:
            if verdict != "seen":
                self._emit(Dropped(verdict, source))
            return
        if query.is_broadcast and not self._internal.withholds(query.name):
            self._broadcasts.queue_query(message)
        local = self._table.get(self._local_name)
        tags = {} if local is None else local.shown.tags
        try:
            is_for_us = passes_filters(
                query.filters, self._local_name, tags, lambda steps: self._budget.spend(steps, now)
            )
        except FilterTooCostly:
            self._emit(Dropped("query-filter-too-costly", source))
            return
        if is_for_us:
            self._deliver(query, source, now)

    def _deliver(self, query: Query, source: Address | None, now: float) -> None:
        destination = Address(query.addr, query.port)
        if not destination.is_valid or not query.port:
            self._emit(Dropped("query-from-nowhere", source))
            return
        received = QueryReceived(
            ltime=query.ltime,
            query_id=query.query_id,
            name=query.name,
            payload=query.payload,
            source_name=query.source_node,
            destination=destination,
            relay_factor=query.relay_factor,
            deadline=now + query.timeout_ns * NANOSECONDS,
        )
        self._on_delivered(query.ltime)
        if query.wants_ack:
            self._answer(lambda: self._answers.ack(received), source)
        if not query.name.startswith(INTERNAL_PREFIX):
            self._open_for_answer(received)
            self._emit(received)
            return

        def respond(payload: bytes) -> None:
            self._answer(lambda: self._answers.answer(received, payload), source)

        self._internal.answer(query.name, query.payload, respond)

    def respond(self, query: QueryReceived, payload: bytes, now: float) -> None:
        """Send the application's answer.

        Raises:
            LocalProtocolError: It was answered already, or is too late.
            TooBig: The answer exceeds the limit; another may be tried.
        """
        key = (query.ltime, query.query_id)
        deadline = self._open.get(key)
        if deadline is None:
            raise LocalProtocolError("the query was answered already, or is not known")
        if now > deadline:
            del self._open[key]
            raise LocalProtocolError("the time to answer the query is over")
        self._answers.answer(query, payload)
        del self._open[key]

    def _open_for_answer(self, query: QueryReceived) -> None:
        if len(self._open) >= self._max_open:
            del self._open[next(iter(self._open))]
        self._open[(query.ltime, query.query_id)] = query.deadline

    def _answer(self, send: Callable[[], None], source: Address | None) -> None:
        try:
            send()
        except TooBig:
            self._emit(Dropped("query-answer-too-big", source))
