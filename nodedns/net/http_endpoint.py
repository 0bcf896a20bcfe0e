"""``HttpEndpoint``: one request of the HTTP API, from its head to the last byte of its answer.

Strategy: a request is read whole, within limits; ``api.router.handle`` decides. A ``Wait``
is resumed whenever what it looks at changes, a ``Perform`` is carried out by the agent; what comes back to
a ``Follow`` is sent line by line. Once the client is gone a wait ends, but an action that has begun is finished.

Does not decide any answer, except to a body that is too long or too slow, and after
a fault of ours. Does not know of sockets.

Source: for bodies Consul's kv_max_value_size; for connections http_max_conns_per_client.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from functools import partial
from typing import Protocol

import attrs
import trio

from nodedns.api.actions import Action, ActionResult, Perform
from nodedns.api.blocking import Topic, Wait
from nodedns.api.context import ApiContext
from nodedns.api.encode import error_response, text_response
from nodedns.api.monitor import FollowLog
from nodedns.api.queries import AskPool, Follow, Progress, line_of
from nodedns.api.request import Request, Response
from nodedns.api.router import handle
from nodedns.errors import NodednsError, shorten
from nodedns.net.http_answer import Answer, Form, takes_gzip
from nodedns.net.http_connection import ClientGone
from nodedns.net.http_lines import LineSink, LineStream
from nodedns.net.http_machine import AnswerHead, RequestHead
from nodedns.net.http_waits import Waits
from nodedns.net.log_stream import tell_log
from nodedns.observe.followers import LogFollowers
from nodedns.observe.logs import logger
from nodedns.observe.metrics import HTTP_REQUEST_SECONDS, HTTP_REQUESTS, Metrics
from nodedns.table.parts import WHOLE, Part

__all__ = ["AgentActions", "Exchange", "HttpEndpoint", "HttpParams"]

KNOWN_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

_log = logger("http")


@attrs.frozen
class HttpParams:
    """Limits of the HTTP server.

    Attributes:
        body_bytes: Longest request body (Consul's kv_max_value_size, 512 KiB).
        body_timeout_s: Time in which a body must have come; longer suits slow links, and slow attacks.
        send_stall_s: Time in which a client must take the next 64 KiB of an answer.
        keep_alive_s: Time an idle connection is kept, and in which a request's head must
            have come (nginx's keepalive_timeout); shorter costs clients new connections.
        handshake_s: Time in which a TLS handshake must be finished (Consul's https_handshake_timeout).
        connections: Open at once; leaves 256 of the usual 1,024 descriptors to gossip and DNS.
        connections_per_client: Of one IP address (Consul's http_max_conns_per_client).
        grace_s: Time that requests under way have once the server is told to stop.
    """

    body_bytes: int = 512 * 1024
    body_timeout_s: float = 30.0
    send_stall_s: float = 30.0
    keep_alive_s: float = 75.0
    handshake_s: float = 5.0
    connections: int = 768
    connections_per_client: int = 200
    grace_s: float = 3.0


class AgentActions(Protocol):
    """What the server asks of the agent."""

    def api_context(self) -> ApiContext:
        """Return what handlers may look at, as of now."""
        ...

    async def wait_changed(self, index: int, topic: Topic = Topic.TABLE, part: Part = WHOLE) -> None:
        """Return once the topic, or the part of the table, may have changed after ``index``."""
        ...

    async def perform(self, action: Action) -> ActionResult:
        """Carry out ``action``. Raises ``NodednsError`` if it failed; its text is the answer's."""
        ...

    async def follow(self, question: AskPool, tell: Callable[[Progress], Awaitable[None]]) -> None:
        """Ask the pool and tell what happens, to the end. Raises ``NodednsError`` before anything is told."""
        ...


class Exchange(LineSink, Protocol):
    """The rest of one request, and the way back; ``HttpConnection`` is one."""

    @property
    def host(self) -> str:
        """IP text of the client; empty over a Unix socket."""
        ...

    async def read_body(self, limit_bytes: int, timeout_s: float) -> bytes:
        """Return the body. Raises ``ApiError`` if it is too long or too slow, ``ClientGone``."""
        ...

    async def wait_gone(self) -> None:
        """Return once the client is gone."""
        ...

    async def send(self, head: AnswerHead, body: bytes) -> None:
        """Send a whole answer. Raises ``ClientGone``."""
        ...


class HttpEndpoint:
    """Reads a request whole, has it decided, sends the answer.

    Args:
        actions: The agent.
        metrics: Where requests are counted.
        params: Limits.
        wall_clock: Seconds since 1970, for ``Date``; without a clock there is no such header.
    """

    def __init__(
        self,
        actions: AgentActions,
        metrics: Metrics,
        params: HttpParams,
        wall_clock: Callable[[], float] | None = None,
    ) -> None:
        self._actions = actions
        self._metrics = metrics
        self._params = params
        self._wall_clock = wall_clock
        self._date = (0, "")
        self._waits = Waits(actions.api_context, actions.wait_changed, self._make)
        self._follows: dict[trio.CancelScope, None] = {}
        self._followers = LogFollowers()
        self._is_ending = False
        self._has_told_of_parameter = False
        self._turns = trio.Lock()

    @property
    def waiting(self) -> int:
        """Blocking queries under way."""
        return self._waits.count

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wake blocking queries as things change; until cancelled."""
        await self._waits.run(task_status=task_status)

    def update(self, params: HttpParams) -> None:
        """Obey other limits from the next request on."""
        self._params = params

    def end_waits(self) -> None:
        """Have every wait answered now, those that begin later too."""
        self._is_ending = True
        self._waits.end()
        for scope in tuple(self._follows):
            scope.cancel()

    async def answer(self, head: RequestHead, exchange: Exchange) -> None:
        """Answer one request. Raises ``ClientGone``."""
        started_at = trio.current_time()
        lines = LineStream(exchange, lambda: self._common(self._actions.api_context()))
        form = await self._answer(head, exchange, lines)
        method = head.method if head.method in KNOWN_METHODS else "other"
        self._metrics.count(HTTP_REQUESTS, method=method, status=str(form.head.status))
        self._metrics.observe(HTTP_REQUEST_SECONDS, trio.current_time() - started_at, method=method)
        if lines.is_begun:
            await lines.end()
        else:
            await exchange.send(form.head, form.body)

    async def _answer(self, head: RequestHead, exchange: Exchange, lines: LineStream) -> Form:
        packs = takes_gzip(head.headers)
        try:
            return await (await self._decide(head, exchange, lines)).form(packs=packs, turns=self._turns)
        except NodednsError as error:
            response = error_response(error)
        except ClientGone:
            raise
        except Exception as error:
            _log.exception("request failed", error, method=head.method, path=shorten(head.path))
            response = text_response(500, "Internal error; the agent's log has more")
        return await self._make(response, self._actions.api_context()).form(packs=packs, turns=self._turns)

    def _make(self, response: Response, ctx: ApiContext) -> Answer:
        return Answer(response, self._common(ctx))

    def _common(self, ctx: ApiContext) -> tuple[tuple[str, str], ...]:
        """Return the headers of every answer."""
        if self._wall_clock is None:
            return ctx.access.headers
        second = int(self._wall_clock())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return (*ctx.access.headers, ("Date", self._date[1]))

    async def _decide(self, head: RequestHead, exchange: Exchange, lines: LineStream) -> Answer:
        body = await exchange.read_body(self._params.body_bytes, self._params.body_timeout_s)
        request = self._request(head, exchange.host, body)
        ctx = self._actions.api_context()
        outcome = handle(request, ctx)
        match outcome:
            case Response():
                return self._make(outcome, ctx)
            case Perform():
                return self._make(outcome.answer(await self._actions.perform(outcome.action)), ctx)
            case Wait():
                return await self._waits.answer(outcome, exchange.wait_gone)
            case Follow():
                tell_all = partial(self._tell_replies, outcome.question, lines)
            case FollowLog():
                tell_all = partial(tell_log, self._followers, outcome, lines)
        return self._make(await self._follow(tell_all, exchange, lines), ctx)

    def _request(self, head: RequestHead, client: str, body: bytes) -> Request:
        request = Request.from_wire_untrusted(head.method, head.path, head.query, head.headers, body, client=client)
        if not self._has_told_of_parameter and request.parameters.first("token"):
            self._has_told_of_parameter = True
            _log.warning(
                "a token came in the URL, where logs of proxies keep it; send it as header X-Consul-Token instead",
                **{"from": client or "unix"},
            )
        return request

    async def _tell_replies(self, question: AskPool, lines: LineStream) -> None:
        async def tell(progress: Progress) -> None:
            await lines.tell(line_of(progress))

        await self._actions.follow(question, tell)

    async def _follow(self, tell_all: Callable[[], Awaitable[None]], exchange: Exchange, lines: LineStream) -> Response:
        failure: NodednsError | ClientGone | None = None

        async def watch_client() -> None:
            nonlocal failure
            await exchange.wait_gone()
            failure = ClientGone()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_client)
            with trio.CancelScope() as bound, self._listed(bound):
                try:
                    await tell_all()
                except (NodednsError, ClientGone) as error:
                    failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return Response() if lines.is_begun else text_response(503, "The agent is stopping")

    @contextmanager
    def _listed(self, scope: trio.CancelScope) -> Iterator[None]:
        self._follows[scope] = None
        if self._is_ending:
            scope.cancel()
        try:
            yield
        finally:
            del self._follows[scope]
