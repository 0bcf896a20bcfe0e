"""``TcpDnsServer``: DNS over TCP with pipelining, and bounds on what a client may hold.

A connection carries any number of queries (RFC 7766 section 6.2.1), answered in
order as they come. What a client can hold is bounded: connections in all and
for each address, the time it may be silent, and the time it may take to read a
reply. Nearly full, the server grants less silence (RFC 7766 section 6.2.3,
RFC 9210 section 4.4).
"""

from __future__ import annotations

from collections import Counter

import attrs
import trio

from nodedns.dns.framing import MAX_READ_BYTES, TcpFraming, frame
from nodedns.model.address import Address
from nodedns.net.dns_guard import GuardedResponder, Respond
from nodedns.net.tcp import TcpListener, bind_tcp
from nodedns.net.transport import StreamListener
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import DNS_DROPPED, DNS_STREAMS, DNS_STREAMS_OPEN, Metrics

__all__ = ["DnsTcpLimits", "TcpDnsServer", "bind_dns_tcp"]

PORT_FLAG = "-dns-port"

_DNS = logger("dns")


@attrs.frozen(kw_only=True)
class DnsTcpLimits:
    """What clients may hold. Times are seconds."""

    connections: int = 256
    """Connections in all (NSD's tcp-count is 100, Unbound's incoming-num-tcp 10 a thread)."""
    connections_per_client: int = 16
    """Connections from one address; RFC 7766 section 6.2.2 asks clients for one."""
    idle_s: float = 10.0
    """Silence after which a connection is closed (RFC 7766 section 6.2.3: a few seconds)."""
    busy_idle_s: float = 2.0
    """The same while more than half of the connections are taken."""
    write_s: float = 5.0
    """Time in which a client must take a reply."""


def bind_dns_tcp(host: str, port: int) -> TcpListener:
    """Return a listener for ``TcpDnsServer``. Raises ``BindError``."""
    return TcpListener(bind_tcp(host, port, PORT_FLAG))


class TcpDnsServer:
    """Serves one listener, which it owns from now on.

    Args:
        listener: From ``bind_dns_tcp``.
        respond: Decides each reply.
        metrics: Counts connections and what was dropped.
        limits: What clients may hold.
    """

    def __init__(
        self, listener: StreamListener, respond: Respond, metrics: Metrics, limits: DnsTcpLimits | None = None
    ) -> None:
        self._listener = listener
        self._responder = GuardedResponder(respond, metrics)
        self._metrics = metrics
        self._streams = metrics.tally(DNS_STREAMS)
        self._streams_open = metrics.level(DNS_STREAMS_OPEN)
        self._limits = limits or DnsTcpLimits()
        self._open = 0
        self._open_by_host: Counter[str] = Counter()

    @property
    def local_address(self) -> Address:
        """The address and port it serves."""
        return self._listener.local_address

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return self._open

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer queries until cancelled, then close the listener; raises only when it is broken."""
        remote_log = RemoteLog(_DNS, trio.current_time)
        try:
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    stream, client = await self._listener.accept()
                    refusal = self._refusal(client)
                    if refusal:
                        self._metrics.count(DNS_DROPPED, reason=refusal)
                        remote_log.debug("connection refused", client.host, reason=refusal)
                        await trio.aclose_forcefully(stream)
                    else:
                        self._streams.add()
                        self._count(client, 1)
                        nursery.start_soon(self._serve_connection, stream, client)
        finally:
            self._listener.close()

    def _refusal(self, client: Address) -> str:
        if self._open >= self._limits.connections:
            return "too-many-streams"
        if self._open_by_host[client.host] >= self._limits.connections_per_client:
            return "too-many-streams-of-client"
        return ""

    def _count(self, client: Address, change: int) -> None:
        self._open += change
        self._open_by_host[client.host] += change
        if not self._open_by_host[client.host]:
            # Else the counter would grow by one entry for every address there is.
            del self._open_by_host[client.host]
        # A level that all listeners share, so it is moved and not set.
        self._streams_open.add(change)

    async def _serve_connection(self, stream: trio.abc.Stream, client: Address) -> None:
        try:
            await self._converse(stream, client)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client is gone; that is its right
        finally:
            self._count(client, -1)
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _converse(self, stream: trio.abc.Stream, client: Address) -> None:
        framing = TcpFraming()
        deadline = trio.current_time() + self._idle_s()
        while True:
            data = None
            # A query in the making does not renew the time: one byte now and then holds nothing open.
            with trio.move_on_at(deadline):
                data = await stream.receive_some(MAX_READ_BYTES)
            if not data:
                return
            framing.receive_data(bytes(data))
            while (message := framing.next_message()) is not None:
                if not await self._answer(stream, client, message):
                    return
                deadline = trio.current_time() + self._idle_s()

    async def _answer(self, stream: trio.abc.Stream, client: Address, message: bytes) -> bool:
        """Answer one message; return whether the connection goes on."""
        reply = self._responder.reply_to(message, client, is_tcp=True)
        if reply is not None and not isinstance(reply, bytes):
            reply = await reply()
        if reply is None:
            # Not a query at all: nothing that this client says is worth waiting for.
            return False
        with trio.move_on_after(self._limits.write_s) as scope:
            await stream.send_all(frame(reply))
        if scope.cancelled_caught:
            self._metrics.count(DNS_DROPPED, reason="slow-reader")
        return not scope.cancelled_caught

    def _idle_s(self) -> float:
        is_busy = 2 * self._open > self._limits.connections
        return self._limits.busy_idle_s if is_busy else self._limits.idle_s
