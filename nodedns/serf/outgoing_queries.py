"""``OutgoingQueries``: the questions we asked, and the acks and answers that come back.

Answers are matched by Lamport time and ID; each member counts once for its ack
and once for its answer, duplicates by way of relays are everyday. When the time
is over the query is closed and late answers are dropped.

Source: Serf's Query and handleQueryResponse (gossip-protocol 4.7).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Protocol

import attrs

from nodedns.errors import LocalProtocolError, TooBig
from nodedns.gossip.events import Dropped
from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.events import QueryAcked, QueryAnswered, SerfEvent
from nodedns.serf.lamport import LamportClock
from nodedns.serf.messages import Query, QueryFlag, QueryResponse, encode_message
from nodedns.serf.targeting import encode_filters

__all__ = ["EventSink", "OutgoingQueries", "QueryParams", "QuerySink", "default_query_timeout_s"]

TIMEOUT_MULT = 16  # Serf's QueryTimeoutMult
MAX_OPEN_QUERIES = 512  # as many as Serf's query buffer has slots
MAX_RESPONDERS = 65_536  # ours: invented senders must not grow a query without end
ID_BITS = 31  # Serf draws a non-negative int32
NANOSECONDS_A_SECOND = 1_000_000_000


def default_query_timeout_s(gossip_interval_s: float, alive: int) -> float:
    """Return how long answers are waited for in a cluster of ``alive`` members."""
    return gossip_interval_s * TIMEOUT_MULT * math.ceil(math.log10(alive + 1))


@attrs.frozen(kw_only=True)
class QueryParams:
    """A question to the cluster.

    Attributes:
        name: What is asked.
        payload: Its parameters.
        nodes: Only these members, all if empty.
        tags: Only members whose tags match these RE2 expressions.
        wants_acks: Whether each member reports that the query arrived.
        relay_factor: How many members relay each answer besides, 0 to 255.
        timeout_s: How long answers are waited for; 0: Serf's default for the cluster's size.
    """

    name: str
    payload: bytes = b""
    nodes: tuple[str, ...] = ()
    tags: Mapping[str, str] = attrs.field(factory=dict)
    wants_acks: bool = False
    relay_factor: int = 0
    timeout_s: float = 0.0


class QuerySink(Protocol):
    """Where a query's acks and answers go, each member's once."""

    def acked(self, node: NodeName) -> None:
        """Take an ack."""
        ...

    def answered(self, node: NodeName, payload: bytes) -> None:
        """Take an answer."""
        ...


@attrs.frozen
class EventSink:
    """Tells the application of acks and answers by events."""

    query_id: int
    emit: Callable[[SerfEvent], None]

    def acked(self, node: NodeName) -> None:
        """Tell of an ack."""
        self.emit(QueryAcked(self.query_id, node))

    def answered(self, node: NodeName, payload: bytes) -> None:
        """Tell of an answer."""
        self.emit(QueryAnswered(self.query_id, node, payload))


@attrs.define(eq=False)
class _Asked:
    sink: QuerySink
    acked: dict[NodeName, None] = attrs.field(factory=dict)
    answered: dict[NodeName, None] = attrs.field(factory=dict)


class OutgoingQueries:
    """Queries of ours whose time is not over.

    Args:
        local_name: Our own name.
        local_address: Where answers come to.
        limit_bytes: Largest encoded query.
        clock: The query clock.
        rng: For IDs.
        timers: For timeouts.
        emit: Takes ``Dropped``.
    """

    def __init__(
        self,
        *,
        local_name: NodeName,
        local_address: Address,
        limit_bytes: int,
        clock: LamportClock,
        rng: Random,
        timers: TimerHeap,
        emit: Callable[[Dropped], None],
    ) -> None:
        self._local_name = local_name
        self._local_address = local_address
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._rng = rng
        self._timers = timers
        self._emit = emit
        self._asked: dict[tuple[int, int], _Asked] = {}

    def new_id(self) -> int:
        """Return an ID that no open query has."""
        taken = {query_id for _, query_id in self._asked}
        while True:
            query_id = self._rng.getrandbits(ID_BITS)
            if query_id not in taken:
                return query_id

    def ask(
        self,
        params: QueryParams,
        *,
        query_id: int,
        timeout_s: float,
        sink: QuerySink,
        on_closed: Callable[[int, int], None],
        now: float,
    ) -> Query:
        """Open a query and return it; the caller handles it locally and has it broadcast.

        Args:
            params: The question.
            query_id: From ``new_id``.
            timeout_s: How long answers are waited for.
            sink: Takes acks and answers.
            on_closed: Called with the number of acks and answers when the time is over.
            now: Monotonic seconds.

        Raises:
            TooBig: It exceeds the limit, encoded.
            LocalProtocolError: Too many queries are open.
        """
        if len(self._asked) >= MAX_OPEN_QUERIES:
            raise LocalProtocolError(f"{MAX_OPEN_QUERIES} queries are open already")
        query = Query(
            ltime=self._clock.time,
            query_id=query_id,
            addr=self._local_address.packed,
            port=self._local_address.port,
            source_node=self._local_name,
            filters=encode_filters(params.nodes, params.tags),
            flags=int(QueryFlag.ACK) if params.wants_acks else 0,
            relay_factor=params.relay_factor,
            timeout_ns=int(timeout_s * NANOSECONDS_A_SECOND),
            name=params.name,
            payload=params.payload,
        )
        size = len(encode_message(query))
        if size > self._limit_bytes:
            raise TooBig("query", size, self._limit_bytes)
        key = (query.ltime, query.query_id)
        asked = self._asked[key] = _Asked(sink)

        def over(_now: float) -> None:
            del self._asked[key]
            on_closed(len(asked.acked), len(asked.answered))

        self._timers.set(now + timeout_s, over)
        return query

    def receive(self, response: QueryResponse, source: Address) -> None:
        """Take an ack or an answer."""
        asked = self._asked.get((response.ltime, response.query_id))
        if asked is None:
            self._emit(Dropped("answer-to-no-query", source))
            return
        is_ack = response.is_ack
        seen = asked.acked if is_ack else asked.answered
        node = NodeName(response.responder)
        if node in seen:
            return
        if len(seen) >= MAX_RESPONDERS:
            self._emit(Dropped("too-many-answers", source))
            return
        seen[node] = None
        if is_ack:
            asked.sink.acked(node)
        else:
            asked.sink.answered(node, response.payload)
