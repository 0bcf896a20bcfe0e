"""``UdpDnsServer``: DNS over UDP, drained in batches, answered from the address that was asked.

One loop: wait until the socket is readable, then receive, answer and send
without awaiting, up to a bound, then let others have their turn; so a DNS flood
cannot make gossip late. Receiving and replying are behind ``QuerySocket``; on a
wildcard address the kernel tells with each query which of our addresses it was
sent to, and the reply leaves from there (RFC 1123 section 2.3: otherwise a
multi-homed host's replies look like forgeries).

A reply that the socket will not take is counted and forgotten: UDP clients ask
again. What to answer is decided by ``respond``.
"""

from __future__ import annotations

import socket
import struct
from typing import Protocol

import attrs
import trio

from nodedns.model.address import Address
from nodedns.net.dns_guard import GuardedResponder, Later, Respond
from nodedns.net.transport import (
    SocketAddress,
    address_of,
    errno_name,
    is_transient_receive_error,
    is_transient_send_error,
)
from nodedns.net.udp import bind_udp
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import DNS_DROPPED, Metrics

__all__ = ["UdpDnsServer", "bind_dns_udp"]

MAX_PENDING = 1_024  # replies being waited for; BIND's recursive-clients is 1,000
BATCH_QUERIES = 64  # answered between two checkpoints; some ten milliseconds at worst
MAX_QUERY_BYTES = 65_535
PORT_FLAG = "-dns-port"

IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8)  # Linux's number; Python has no name for it before 3.14
# - 4 bytes interface index
# - 4 bytes local address to answer from
# - 4 bytes destination address of the packet
IN_PKTINFO = struct.Struct("=I4s4s")
# - 16 bytes local address
# - 4 bytes interface index
IN6_PKTINFO = struct.Struct("=16sI")
ANCILLARY_BYTES = socket.CMSG_SPACE(IN6_PKTINFO.size) + socket.CMSG_SPACE(IN_PKTINFO.size)

Ancillary = list[tuple[int, int, bytes]]

_DNS = logger("dns")


@attrs.frozen
class ReceivedQuery:
    """A datagram, its sender, and what it takes to answer from the address it was sent to."""

    wire: bytes
    sender: SocketAddress
    reply_from: Ancillary


class QuerySocket(Protocol):
    """The non-blocking operations of the loop; both raise ``BlockingIOError`` and ``OSError``."""

    def receive(self) -> ReceivedQuery:
        """Return a query that is there."""
        ...

    def reply(self, wire: bytes, query: ReceivedQuery) -> None:
        """Send the reply to ``query``."""
        ...


class _OneAddress:
    """A socket bound to one address: replies leave from it by themselves."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray(MAX_QUERY_BYTES)
        self._view = memoryview(self._buffer)

    def receive(self) -> ReceivedQuery:
        size, sender = self._sock.recvfrom_into(self._buffer)
        return ReceivedQuery(bytes(self._view[:size]), sender, [])

    def reply(self, wire: bytes, query: ReceivedQuery) -> None:
        self._sock.sendto(wire, query.sender)


class _AnyAddress:
    """A socket bound to the wildcard address: each query says where it was sent to."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray(MAX_QUERY_BYTES)
        self._view = memoryview(self._buffer)
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)

    def receive(self) -> ReceivedQuery:
        size, ancillary, _, sender = self._sock.recvmsg_into([self._buffer], ANCILLARY_BYTES)
        return ReceivedQuery(bytes(self._view[:size]), sender, _reply_source(ancillary))

    def reply(self, wire: bytes, query: ReceivedQuery) -> None:
        self._sock.sendmsg([wire], query.reply_from, 0, query.sender)


def _reply_source(ancillary: Ancillary) -> Ancillary:
    for level, kind, content in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO and len(content) >= IN_PKTINFO.size:
            # Without the interface: the reply takes the route, which need not be the way it came.
            local = IN_PKTINFO.unpack_from(content)[1]
            return [(level, kind, IN_PKTINFO.pack(0, local, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO and len(content) >= IN6_PKTINFO.size:
            local, interface = IN6_PKTINFO.unpack_from(content)
            is_link_local = local[0] == 0xFE and local[1] & 0xC0 == 0x80
            return [(level, kind, IN6_PKTINFO.pack(local, interface if is_link_local else 0))]
    return []


def bind_dns_udp(host: str, port: int) -> socket.socket:
    """Return a socket for ``UdpDnsServer``. Raises ``BindError``."""
    return bind_udp(host, port, PORT_FLAG)


class UdpDnsServer:
    """Serves one bound UDP socket, which it owns from now on.

    Args:
        sock: From ``bind_dns_udp``.
        respond: Decides each reply.
        metrics: Counts what was dropped.
    """

    def __init__(self, sock: socket.socket, respond: Respond, metrics: Metrics) -> None:
        self._sock = sock
        self._local_address = address_of(sock.getsockname())
        is_wildcard = self._local_address.ip.is_unspecified
        self._queries: QuerySocket = _AnyAddress(sock) if is_wildcard else _OneAddress(sock)
        self._responder = GuardedResponder(respond, metrics)
        self._metrics = metrics
        self._pending = 0

    @property
    def local_address(self) -> Address:
        """The address and port it serves."""
        return self._local_address

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer queries until cancelled, then close the socket; raises only when it is broken."""
        remote_log = RemoteLog(_DNS, trio.current_time)
        with self._sock:
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    await trio.lowlevel.wait_readable(self._sock)
                    while self.answer_batch(remote_log, nursery) == BATCH_QUERIES:
                        await trio.lowlevel.checkpoint()

    def answer_batch(self, remote_log: RemoteLog, nursery: trio.Nursery) -> int:
        """Answer what is waiting, at most ``BATCH_QUERIES``; return how many were taken."""
        for taken in range(BATCH_QUERIES):
            try:
                query = self._queries.receive()
            except BlockingIOError:
                return taken
            except OSError as error:
                if not is_transient_receive_error(error):
                    raise
                self._metrics.count(DNS_DROPPED, reason="receive-error")
                return taken
            self._answer(query, remote_log, nursery)
        return BATCH_QUERIES

    def _answer(self, query: ReceivedQuery, remote_log: RemoteLog, nursery: trio.Nursery) -> None:
        client = address_of(query.sender)
        if client.port == 0:
            self._metrics.count(DNS_DROPPED, reason="port-zero")
            return
        reply = self._responder.reply_to(query.wire, client, is_tcp=False)
        if reply is None:
            return
        if isinstance(reply, bytes):
            self._send(reply, query, client, remote_log)
        elif self._pending >= MAX_PENDING:
            self._metrics.count(DNS_DROPPED, reason="too-many-pending")
        else:
            nursery.start_soon(self._answer_later, reply, query, client, remote_log)

    async def _answer_later(self, later: Later, query: ReceivedQuery, client: Address, remote_log: RemoteLog) -> None:
        self._pending += 1
        try:
            reply = await later()
        finally:
            self._pending -= 1
        if reply is not None:
            self._send(reply, query, client, remote_log)

    def _send(self, reply: bytes, query: ReceivedQuery, client: Address, remote_log: RemoteLog) -> None:
        try:
            self._queries.reply(reply, query)
        except BlockingIOError:
            self._metrics.count(DNS_DROPPED, reason="send-buffer-full")
        except OSError as error:
            if not is_transient_send_error(error):
                raise
            self._metrics.count(DNS_DROPPED, reason="send-error")
            remote_log.debug("reply not sent", client.host, error=errno_name(error))
