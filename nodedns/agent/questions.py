"""``Questions``: Serf queries that somebody in the agent waits for, each with the replies it got.

The Serf layer reports acks and answers as events; here they are gathered by
query until it is closed, or until whoever asked has enough. Once the answer is
given, what comes late is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from nodedns.model.names import NodeName
from nodedns.serf.events import QueryAcked, QueryAnswered, QueryClosed, SerfEvent
from nodedns.serf.outgoing_queries import QueryParams
from nodedns.serf.serf import Serf

__all__ = ["Questions", "Replies"]


@attrs.define
class Replies:
    """What has come back so far.

    Attributes:
        acks: Members that got the query, in the order of their acks, each with the seconds it took.
        answers: Members that answered, in the order of their answers, each with its answer.
        is_closed: Whether the query's time is over.
    """

    acks: dict[NodeName, float] = attrs.field(factory=dict)
    answers: dict[NodeName, bytes] = attrs.field(factory=dict)
    is_closed: bool = False


@attrs.define
class _Asked:
    asked_at: float
    replies: Replies = attrs.field(factory=Replies)
    changed: trio.Event = attrs.field(factory=trio.Event)


class Questions:
    """Asks the pool and waits.

    Args:
        serf: Asks.
        wake: Called after every command to ``serf``.
    """

    def __init__(self, serf: Serf, wake: Callable[[], None]) -> None:
        self._serf = serf
        self._wake = wake
        self._asked: dict[int, _Asked] = {}

    def note(self, event: SerfEvent) -> None:
        """Take an ack, an answer or the end of a query; any other event is nothing to us."""
        if not isinstance(event, QueryAcked | QueryAnswered | QueryClosed):
            return
        asked = self._asked.get(event.query_id)
        if asked is None:
            return
        match event:
            case QueryAcked(node=node):
                asked.replies.acks[node] = trio.current_time() - asked.asked_at
            case QueryAnswered(node=node, payload=payload):
                asked.replies.answers[node] = payload
            case QueryClosed():
                asked.replies.is_closed = True
        asked.changed.set()

    async def ask(self, params: QueryParams, is_enough: Callable[[Replies], bool] | None = None) -> Replies:
        """Ask every member and return the replies, once the query is closed or ``is_enough`` says so.

        Raises:
            TooBig: The encoded query exceeds Serf's limit.
            LocalProtocolError: Too many queries are open.
        """
        now = trio.current_time()
        query_id = self._serf.query(params, now)
        asked = self._asked[query_id] = _Asked(now)
        try:
            self._wake()
            while not asked.replies.is_closed and not (is_enough and is_enough(asked.replies)):
                await asked.changed.wait()
                asked.changed = trio.Event()
        finally:
            del self._asked[query_id]
        return asked.replies
