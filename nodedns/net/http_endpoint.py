"""``http_application``: the ASGI side of the HTTP API, on Starlette.

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
from functools import partial
from typing import Protocol

import attrs
import trio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request as WireRequest
from starlette.responses import Response as WireResponse
from starlette.types import Receive, Scope, Send

from nodedns.api.actions import Action, ActionResult, Perform
from nodedns.api.blocking import Topic, Wait
from nodedns.api.context import ApiContext
from nodedns.api.encode import error_response, text_response
from nodedns.api.monitor import FollowLog
from nodedns.api.queries import AskPool, Follow, Progress, line_of
from nodedns.api.request import Request, Response
from nodedns.api.router import handle
from nodedns.errors import ApiError, NodednsError, shorten
from nodedns.net.http_lines import LineStream
from nodedns.net.log_stream import tell_log
from nodedns.observe.followers import LogFollowers
from nodedns.observe.logs import logger
from nodedns.observe.metrics import HTTP_REQUEST_SECONDS, HTTP_REQUESTS, Metrics
from nodedns.table.parts import WHOLE, Part

__all__ = ["AgentActions", "HttpEndpoint", "HttpParams", "http_application"]

GZIP_BYTES = 1_400
"""Shorter answers fit one packet and are not compressed (Consul's gziphandler)."""
GZIP_LEVEL = 1
"""Compressing a long list must not keep gossip waiting."""
DISCARDED_BODIES = 8
"""How many times the body limit is read and thrown away, so that the client gets to read the 413."""
SEND_BYTES = 65_536
"""Of an answer that are handed over at once, compressed on the way; ours: a millisecond of work."""
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


class _ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


class HttpEndpoint:
    """The ASGI application: reads a request whole, has it decided, sends the answer.

    Args:
        actions: The agent.
        metrics: Where requests are counted.
        params: Limits.
    """

    def __init__(self, actions: AgentActions, metrics: Metrics, params: HttpParams) -> None:
        self._actions = actions
        self._metrics = metrics
        self._params = params
        self._waits: dict[trio.CancelScope, None] = {}
        self._followers = LogFollowers()
        self._is_ending = False
        self._has_told_of_parameter = False
        self._making = trio.Lock()

    def update(self, params: HttpParams) -> None:
        """Obey other limits from the next request on."""
        self._params = params

    def end_waits(self) -> None:
        """Have every wait answered now, those that begin later too."""
        self._is_ending = True
        for scope in tuple(self._waits):
            scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything but HTTP, such as a WebSocket, is closed."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        started_at = trio.current_time()
        headers = self._actions.api_context().access.headers
        lines = LineStream(send, headers)
        try:
            answer = await self._answer(WireRequest(scope), receive, lines)
        except _ClientGone:
            return
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
        self._metrics.count(HTTP_REQUESTS, method=method, status=str(answer.status))
        self._metrics.observe(HTTP_REQUEST_SECONDS, trio.current_time() - started_at, method=method)
        if lines.is_begun:
            await lines.end()
            return
        wire = WireResponse(answer.body, answer.status)
        for name, value in answer.headers:
            wire.headers.append(name, value)
        for name, value in headers:
            wire.headers.setdefault(name, value)
        if len(answer.body) <= SEND_BYTES:
            await wire(scope, receive, send)
        else:
            await _send_in_pieces(wire, answer.body, send)

    async def _answer(self, wire: WireRequest, receive: Receive, lines: LineStream) -> Response:
        try:
            return await self._whole(await self._decide(wire, receive, lines))
        except NodednsError as error:
            return error_response(error)
        except _ClientGone:
            raise
        except Exception as error:
            _log.exception("request failed", error, method=wire.method, path=shorten(wire.scope["path"]))
            return text_response(500, "Internal error; the agent's log has more")

    async def _decide(self, wire: WireRequest, receive: Receive, lines: LineStream) -> Response:
        request = self._request(wire, await self._read_body(receive))
        outcome = handle(request, self._actions.api_context())
        match outcome:
            case Response():
                return outcome
            case Perform():
                return outcome.answer(await self._actions.perform(outcome.action))
            case Wait():
                return await self._wait(outcome, receive)
            case Follow():
                return await self._follow(partial(self._tell_replies, outcome.question, lines), receive, lines)
            case FollowLog():
                return await self._follow(partial(tell_log, self._followers, outcome, lines), receive, lines)

    async def _whole(self, answer: Response) -> Response:
        """Return the answer with its body whole; what is long is made in turns."""
        if answer.rest is None:
            return answer
        parts = [answer.body]
        is_over = False
        while not is_over:
            # However many ask for long answers, between two turns of the others one piece of one of them is made.
            async with self._making:
                piece = next(answer.rest, None)
            is_over = piece is None
            parts.append(piece or b"")
        return attrs.evolve(answer, body=b"".join(parts), rest=None)

    def _request(self, wire: WireRequest, body: bytes) -> Request:
        client = wire.client.host if wire.client else ""  # none over a Unix socket
        request = Request.from_wire_untrusted(
            wire.method, wire.scope["raw_path"], wire.scope["query_string"], wire.headers, body, client=client
        )
        if not self._has_told_of_parameter and request.parameters.first("token"):
            self._has_told_of_parameter = True
            _log.warning(
                "a token came in the URL, where logs of proxies keep it; send it as header X-Consul-Token instead",
                **{"from": client or "unix"},
            )
        return request

    async def _read_body(self, receive: Receive) -> bytes:
        limit = self._params.body_bytes
        parts: list[bytes] = []
        size = 0
        with trio.move_on_after(self._params.body_timeout_s):
            while size <= limit * DISCARDED_BODIES:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _ClientGone
                part = message.get("body", b"")
                size += len(part)
                if size <= limit:
                    parts.append(part)
                else:
                    parts.clear()
                if not message.get("more_body", False):
                    break
            if size > limit:
                raise ApiError(413, f"Request body is too large, max size: {limit} bytes")
            return b"".join(parts)
        raise ApiError(408, f"Request body was not received within {self._params.body_timeout_s:g} s")

    async def _wait(self, wait: Wait, receive: Receive) -> Response:
        outcome: Response | Wait = wait
        is_gone = False

        async def watch_client() -> None:
            nonlocal is_gone
            # The body was read to its end, so only the disconnect is left to come (ASGI).
            await receive()
            is_gone = True
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_client)
            with trio.move_on_after(wait.timeout_s) as bound, self._listed(bound):
                while isinstance(outcome, Wait):
                    await self._actions.wait_changed(outcome.view_index, outcome.topic, outcome.part)
                    outcome = outcome.resume(self._actions.api_context())
            nursery.cancel_scope.cancel()
        if is_gone:
            raise _ClientGone
        return outcome.expire(self._actions.api_context()) if isinstance(outcome, Wait) else outcome

    async def _tell_replies(self, question: AskPool, lines: LineStream) -> None:
        async def tell(progress: Progress) -> None:
            await lines.tell(line_of(progress))

        await self._actions.follow(question, tell)

    async def _follow(self, tell_all: Callable[[], Awaitable[None]], receive: Receive, lines: LineStream) -> Response:
        failure: NodednsError | None = None
        is_gone = False

        async def watch_client() -> None:
            nonlocal is_gone
            await receive()  # as in ``_wait``
            is_gone = True
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_client)
            with trio.CancelScope() as bound, self._listed(bound):
                try:
                    await tell_all()
                except NodednsError as error:
                    failure = error
            nursery.cancel_scope.cancel()
        if is_gone:
            raise _ClientGone
        if failure is not None:
            raise failure
        return Response() if lines.is_begun else text_response(503, "The agent is stopping")

    @contextmanager
    def _listed(self, scope: trio.CancelScope) -> Iterator[None]:
        self._waits[scope] = None
        if self._is_ending:
            scope.cancel()
        try:
            yield
        finally:
            del self._waits[scope]


async def _send_in_pieces(wire: WireResponse, body: bytes, send: Send) -> None:
    await send({"type": "http.response.start", "status": wire.status_code, "headers": wire.raw_headers})
    for start in range(0, len(body), SEND_BYTES):
        # Compressed, a piece may wait for the next one and not be sent, which would be a turn for others.
        await trio.lowlevel.checkpoint()
        more = start + SEND_BYTES < len(body)
        await send({"type": "http.response.body", "body": body[start : start + SEND_BYTES], "more_body": more})


def http_application(endpoint: HttpEndpoint) -> Starlette:
    """Return ``endpoint`` behind Starlette's error handling and compression."""
    compression = Middleware(GZipMiddleware, minimum_size=GZIP_BYTES, compresslevel=GZIP_LEVEL)
    app = Starlette(middleware=[compression])
    # No routes here: nodedns.api.router is the one table of paths.
    app.router.default = endpoint
    return app
