"""``HttpServer``: the API's listeners and connections.

Strategy: ``bind_http`` takes the ports before anything else of the agent starts. Each
connection is one task, which hands one request after the other to ``http_endpoint``. How many connections are open,
in all and by one client, is bounded; so is the time that a client may keep one busy or idle.
Whatever goes wrong in one connection ends that one.

Does not read requests.

Source: Consul's limits (agent/config/default.go: http_max_conns_per_client).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial

import trio

from nodedns.errors import ApiError, shorten
from nodedns.model.address import Address
from nodedns.net.http_connection import ClientGone, HttpConnection
from nodedns.net.http_endpoint import AgentActions, HttpEndpoint, HttpParams
from nodedns.net.tcp import TcpListener, bind_tcp
from nodedns.net.transport import address_of
from nodedns.net.unix import UNIX_PREFIX, UnixListener, bind_unix
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import HTTP_HANDSHAKES_FAILED, Metrics

__all__ = ["AgentActions", "HttpParams", "HttpServer", "bind_http", "http_address"]

PORT_FLAG = "-http-port"
UNIX_FLAG = "-client or addresses.http"
REFUSAL_S = 0.01
"""How long a refused client has to read its 429 (Consul waits as long)."""

_TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\nConnection: close\r\n\r\n"
    b"Too many connections\n"
)

_log = logger("http")


def bind_http(hosts: Sequence[str], port: int, flag: str = PORT_FLAG) -> list[socket.socket]:
    """Return one listening socket for each of ``hosts``, in order.

    Args:
        hosts: IP texts and ``unix://`` paths.
        port: 0 for any free one, another for each host.
        flag: Named in the error as what changes the port.

    Raises:
        BindError: An address or port cannot be had; then none is kept.
    """
    with ExitStack() as undo:
        listening = [undo.enter_context(closing(_bind_one(host, port, flag))) for host in hosts]
        undo.pop_all()
    return listening


def _bind_one(host: str, port: int, flag: str) -> socket.socket:
    if host.startswith(UNIX_PREFIX):
        return bind_unix(host.removeprefix(UNIX_PREFIX), UNIX_FLAG)
    return bind_tcp(host, port, flag)


def http_address(sock: socket.socket) -> str:
    """Return where a socket of ``bind_http`` listens, for people."""
    name = sock.getsockname()
    return f"{UNIX_PREFIX}{name}" if sock.family == socket.AF_UNIX else str(address_of(name))


def _listener(sock: socket.socket) -> TcpListener | UnixListener:
    return UnixListener(sock) if sock.family == socket.AF_UNIX else TcpListener(sock)


class HttpServer:
    """Serves the API on sockets that listen already; it owns them from now on.

    Args:
        listening: From ``bind_http``.
        actions: The agent.
        metrics: Where requests are counted.
        params: Limits.
        secured: From ``bind_http``, for connections over TLS.
        context: Encrypts those.
        wall_clock: Seconds since 1970, for ``Date``; without a clock answers have no such header.
    """

    def __init__(
        self,
        listening: Sequence[socket.socket],
        actions: AgentActions,
        metrics: Metrics,
        params: HttpParams | None = None,
        *,
        secured: Sequence[socket.socket] = (),
        context: ssl.SSLContext | None = None,
        wall_clock: Callable[[], float] | None = None,
    ) -> None:
        self._listeners = [_listener(sock) for sock in listening]
        self._secured = [_listener(sock) for sock in secured]
        self._context = context
        self._params = params or HttpParams()
        self._endpoint = HttpEndpoint(actions, metrics, self._params, wall_clock)
        self._open: dict[HttpConnection, None] = {}
        self._open_of: dict[str, int] = {}
        self._ended = trio.Event()
        self._stopping = trio.Event()
        self._metrics = metrics
        self._remote = RemoteLog(_log, trio.current_time)

    @property
    def local_addresses(self) -> tuple[Address, ...]:
        """Where it listens on TCP without TLS."""
        return _tcp_addresses(self._listeners)

    @property
    def secured_addresses(self) -> tuple[Address, ...]:
        """Where it listens for TLS."""
        return _tcp_addresses(self._secured)

    @property
    def open_connections(self) -> int:
        """Connections open now."""
        return len(self._open)

    @property
    def waiting(self) -> int:
        """Blocking queries under way."""
        return self._endpoint.waiting

    def update(self, params: HttpParams, context: ssl.SSLContext | None = None) -> None:
        """Obey other limits, and with ``context`` show another certificate, from the next connection and request on."""
        self._params = params
        self._context = context or self._context
        self._endpoint.update(params)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``stop``; returns when every connection is closed.

        After ``stop`` requests under way are answered, waits with what there is, for
        at most ``grace_s``. When cancelled, connections are cut.
        """
        async with trio.open_nursery() as connections:
            await connections.start(self._endpoint.run)
            try:
                async with trio.open_nursery() as acceptors:
                    for listener in self._listeners:
                        acceptors.start_soon(self._accept, listener, connections)
                    for listener in self._secured:
                        acceptors.start_soon(partial(self._accept, listener, connections, is_secured=True))
                    task_status.started()
                    await self._stopping.wait()
                    acceptors.cancel_scope.cancel()
                self.close()
                for connection in tuple(self._open):
                    connection.end_when_idle()
                with trio.move_on_after(self._params.grace_s):
                    await self._drain()
            finally:
                self.close()
                for connection in tuple(self._open):
                    connection.cut()
                connections.cancel_scope.cancel()

    def stop(self) -> None:
        """Stop accepting, have waits answered now, and let ``serve`` return; calling twice does nothing."""
        self._stopping.set()
        self._endpoint.end_waits()

    def close(self) -> None:
        """Stop listening; for a server that never served. Closing twice does nothing."""
        for listener in (*self._listeners, *self._secured):
            listener.close()

    async def _drain(self) -> None:
        while self._open:
            self._ended = trio.Event()
            await self._ended.wait()

    async def _accept(
        self, listener: TcpListener | UnixListener, connections: trio.Nursery, *, is_secured: bool = False
    ) -> None:
        while True:
            stream, source = await listener.accept()
            host = source.host if isinstance(source, Address) else source
            if self._is_full(host):
                self._remote.warning("too many connections", host)
                if is_secured:
                    # To tell it in its own tongue would take the handshake that it is too many for.
                    stream.socket.close()
                else:
                    connections.start_soon(_refuse, stream)
                continue
            client = host if isinstance(source, Address) else ""
            connection = HttpConnection(stream, client, self._params.send_stall_s)
            # Counted here and not in the task: many may be accepted before it first runs.
            self._open[connection] = None
            self._open_of[host] = self._open_of.get(host, 0) + 1
            connections.start_soon(self._serve_connection, connection, host, self._context if is_secured else None)

    def _is_full(self, host: str) -> bool:
        return (
            len(self._open) >= self._params.connections
            or self._open_of.get(host, 0) >= self._params.connections_per_client
        )

    async def _serve_connection(self, connection: HttpConnection, host: str, context: ssl.SSLContext | None) -> None:
        try:
            if context is not None and not await self._secure(connection, host, context):
                return
            await self._serve_requests(connection)
            await connection.aclose()
        except ClientGone:
            pass
        except Exception as error:
            self._remote.warning("connection failed", host, error=shorten(error))
        finally:
            connection.cut()
            del self._open[connection]
            self._open_of[host] -= 1
            if not self._open_of[host]:
                del self._open_of[host]
            self._ended.set()

    async def _serve_requests(self, connection: HttpConnection) -> None:
        while True:
            try:
                head = await connection.next_request(self._params.keep_alive_s)
            except ApiError as error:
                await connection.refuse(error)
                return
            if head is None:
                return
            await self._endpoint.answer(head, connection)
            if not connection.start_next():
                return

    async def _secure(self, connection: HttpConnection, host: str, context: ssl.SSLContext) -> bool:
        try:
            await connection.secure(context, self._params.handshake_s)
        except trio.TooSlowError:
            self._metrics.count(HTTP_HANDSHAKES_FAILED, reason="slow")
            self._remote.debug("TLS handshake was not finished in time", host)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            cause = error.__cause__
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
                self._metrics.count(HTTP_HANDSHAKES_FAILED, reason="refused")
                self._remote.warning("TLS handshake failed", host, error=_in_words(cause))
            else:
                self._metrics.count(HTTP_HANDSHAKES_FAILED, reason="gone")
        else:
            return True
        return False


def _in_words(error: ssl.SSLError) -> str:
    # OpenSSL says "[SSL: PEER_DID_NOT_RETURN_A_CERTIFICATE] peer did not ... (_ssl.c:1006)".
    verdict = getattr(error, "verify_message", "")
    reason = (error.reason or type(error).__name__).replace("_", " ").lower()
    return f"{reason}: {verdict}" if verdict else reason


def _tcp_addresses(listeners: Sequence[TcpListener | UnixListener]) -> tuple[Address, ...]:
    return tuple(listener.local_address for listener in listeners if isinstance(listener, TcpListener))


async def _refuse(stream: trio.SocketStream) -> None:
    try:
        with trio.move_on_after(REFUSAL_S):
            await stream.send_all(_TOO_MANY)
            await stream.send_eof()
            # Closing with its request unread would reset the connection before it reads the answer.
            await stream.receive_some()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        stream.socket.close()
