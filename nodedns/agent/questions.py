"""``Questions``: Serf queries that somebody in the agent waits for, each with the replies it got.

The Serf layer reports acks and answers as events; here they are gathered by
query until it is closed, or until whoever asked has enough. ``ask`` returns them together,
``follow`` tells each one when it comes and keeps none. Once nobody waits for
a query any more, what still comes for it is dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import attrs
import trio

from nodedns.api.queries import Acked, Answered, Asked, AskPool, Closed, Progress
from nodedns.errors import ApiError, LocalProtocolError, TooBig
from nodedns.model.names import NodeName
from nodedns.serf.events import QueryAcked, QueryAnswered, QueryClosed, SerfEvent
from nodedns.serf.outgoing_queries import QueryParams
from nodedns.serf.regex import BadPattern, compile_pattern
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

    def take(self, news: Progress) -> None:
        """Add what happened."""
        match news:
            case Acked(node, after_s):
                self.acks[NodeName(node)] = after_s
            case Answered(node, payload):
                self.answers[NodeName(node)] = payload
            case Closed():
                self.is_closed = True


@attrs.define
class _Asked:
    asked_at: float
    news: list[Progress] = attrs.field(factory=list)
    changed: trio.Event = attrs.field(factory=trio.Event)

    async def next_news(self) -> list[Progress]:
        """Wait until something happened, and return all that did since the last call."""
        await self.changed.wait()
        self.changed = trio.Event()
        news, self.news = self.news, []
        return news


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
        after_s = trio.current_time() - asked.asked_at
        match event:
            case QueryAcked(node=node):
                asked.news.append(Acked(node, after_s))
            case QueryAnswered(node=node, payload=payload):
                asked.news.append(Answered(node, payload, after_s))
            case QueryClosed(acks=acks, answers=answers):
                asked.news.append(Closed(acks, answers, after_s))
        asked.changed.set()

    async def ask(self, params: QueryParams, is_enough: Callable[[Replies], bool] | None = None) -> Replies:
        """Ask every member and return the replies, once the query is closed or ``is_enough`` says so.

        Raises:
            TooBig: The encoded query exceeds Serf's limit.
            LocalProtocolError: Too many queries are open.
        """
        replies = Replies()
        with self._open(params) as asked:
            while not replies.is_closed and not (is_enough and is_enough(replies)):
                for news in await asked.next_news():
                    replies.take(news)
        return replies

    async def follow(self, question: AskPool, tell: Callable[[Progress], Awaitable[None]]) -> None:
        """Ask and tell what happens, from ``Asked`` to ``Closed``.

        Raises:
            ApiError: The question is too large, a filter is no regular expression, or too many
                questions are open. Nothing was told then.
        """
        with self._open_for_client(question) as asked:
            await tell(Asked())
            while True:
                for news in await asked.next_news():
                    await tell(news)
                    if isinstance(news, Closed):
                        return

    @contextmanager
    def _open(self, params: QueryParams) -> Iterator[_Asked]:
        now = trio.current_time()
        query_id = self._serf.query(params, now)
        asked = self._asked[query_id] = _Asked(now)
        try:
            self._wake()
            yield asked
        finally:
            del self._asked[query_id]

    @contextmanager
    def _open_for_client(self, question: AskPool) -> Iterator[_Asked]:
        for expression in question.tags.values():
            try:
                compile_pattern(expression)
            except BadPattern as problem:
                raise ApiError(400, f"Invalid tag filter: {problem}") from None
        params = QueryParams(
            name=question.name,
            payload=question.payload,
            nodes=question.nodes,
            tags=question.tags,
            wants_acks=question.wants_acks,
            relay_factor=question.relay_factor,
            timeout_s=question.timeout_s,
        )
        try:
            with self._open(params) as asked:
                yield asked
        except TooBig as problem:
            raise ApiError(413, f"{problem}, name and filters included") from None
        except LocalProtocolError as problem:
            raise ApiError(429, f"{problem}; try again when some are closed") from None
