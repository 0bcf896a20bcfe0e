"""``TcpDnsServer``: DNS over TCP, all connections of a listener served by one task.

Strategy: a poller of our own (``select.epoll``) watches the listening socket and
every connection; trio watches the poller. A turn takes what the poller names,
reads, answers and writes without awaiting, up to a bound, and then lets
others have theirs; so a flood of connections cannot make gossip late. Queries that
came in one read are answered in one write. A query of a new connection is
answered before the next is looked at, mostly without waiting at all. A task and
a stream for each connection cost several times the answer (ADR 0021).

A connection carries any number of queries (RFC 7766 section 6.2.1). Replies that
somebody else must be asked for are waited for in tasks of their own and
overtaken by the others (section 6.2.1.1). Of a reply of many messages, as a zone transfer is, one
message is sent whenever the client has taken the one before. A client that has shut down its
sending side still gets all its answers.

What a client may hold is in ``dns_tcp_limits``; what to answer is decided by
``respond``.
"""

from __future__ import annotations

import select
import socket
from collections import deque
from operator import attrgetter

import trio

from nodedns.dns.framing import frame
from nodedns.model.address import Address
from nodedns.net.dns_guard import Later, Respond, servfail
from nodedns.net.dns_stream import ReplyStream
from nodedns.net.dns_tcp_connection import NOTHING, READABLE, Connection
from nodedns.net.dns_tcp_limits import StreamCensus
from nodedns.net.dns_tcp_listener import StreamSource
from nodedns.net.dns_tcp_replies import TcpReplies
from nodedns.net.dns_udp import FastPath
from nodedns.net.tcp import CONNECTION_ERRNOS, SHORTAGE_ERRNOS, SHORTAGE_PAUSE_S
from nodedns.net.transport import errno_name
from nodedns.net.vitals import Vital, is_readable
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import DNS_DROPPED, DNS_STREAMS, DNS_STREAMS_OPEN, Metrics

__all__ = ["TcpDnsServer"]

TURN_S = 0.004  # time between two turns of everybody else, as over UDP
TURN_WORK = 256  # messages and events between them, if they are done sooner
BUSY_WORK = 8
"""So much in one turn, and the next is waited for here: a wait through trio costs as much as ten answers."""
WAIT_S = 0.001  # the longest such wait, with everybody else waiting as well
VISIT_MESSAGES = 32  # answered of one connection before the next has its turn
VISIT_BYTES = 65_536  # of replies, after which the next has its turn likewise
STREAM_WORK = BUSY_WORK
"""What one message of a stream counts for: it is long, and has taken about as long as so many answers."""
MAX_EVENTS = 64  # taken from the poller at once
MAX_PENDING = 1_024  # replies being waited for, over all connections; BIND's recursive-clients is 1,000
SWEEP_S = 0.25  # how late a time-out may be noticed
GONE = select.EPOLLERR | select.EPOLLHUP

_DNS = logger("dns")


class TcpDnsServer:
    """Serves one listener, which it owns from now on.

    Args:
        listener: From ``bind_dns_tcp``.
        respond: Decides each reply.
        metrics: Counts connections and what was dropped.
        census: Counts and bounds connections; shared by all servers of an agent.
        fast_path: Where packed answers come from; None to ask for each.
    """

    def __init__(
        self,
        listener: StreamSource,
        respond: Respond,
        metrics: Metrics,
        census: StreamCensus | None = None,
        fast_path: FastPath | None = None,
    ) -> None:
        self._listener = listener
        self._replies = TcpReplies(respond, metrics, fast_path)
        self._metrics = metrics
        self._census = census or StreamCensus()
        self._accepted = metrics.tally(DNS_STREAMS)
        metrics.set_by(DNS_STREAMS_OPEN, lambda: self._census.total)
        self._connections: dict[int, Connection] = {}
        self._named: deque[tuple[int, int]] = deque()
        self._pending = 0
        self._turns = 0
        self._now = self._turn_ends = 0.0
        self._has_connections = trio.Event()

    @property
    def local_address(self) -> Address:
        """The address and port it serves."""
        return self._listener.local_address

    @property
    def connections(self) -> int:
        """How many of its connections are open."""
        return len(self._connections)

    def vital(self) -> Vital:
        """Return the sign by which to tell whether it turns: it is the one to accept whoever connects."""
        return Vital(f"DNS {self.local_address} tcp", lambda: self._turns, lambda: is_readable(self._listener.fileno()))

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer queries until cancelled, then close everything; raises only when the listener is broken."""
        self._remote_log = RemoteLog(_DNS, trio.current_time)
        with select.epoll() as self._poller:
            self._poller.register(self._listener.fileno(), READABLE)
            try:
                async with trio.open_nursery() as self._nursery:
                    self._nursery.start_soon(self._watch_times)
                    task_status.started()
                    while True:
                        await trio.lowlevel.wait_readable(self._poller.fileno())
                        while self._take_turn() >= BUSY_WORK:
                            await trio.lowlevel.checkpoint()
            finally:
                self._listener.close()
                for connection in list(self._connections.values()):
                    self._close(connection)

    # --- one turn: synchronous, bounded ------------------------------------------------------

    def _take_turn(self) -> int:
        """Answer what comes within ``TURN_S``, about ``TURN_WORK`` at most; return how much there was to do."""
        self._turns += 1
        self._now = trio.current_time()
        self._turn_ends = self._now + TURN_S
        work = 0
        while work < TURN_WORK and self._now < self._turn_ends:
            if not self._named:
                # Not while somebody waits for another server's reply, which would wait as well.
                may_wait = work >= BUSY_WORK and not self._pending
                self._named.extend(self._poller.poll(WAIT_S if may_wait else 0, MAX_EVENTS))
                if not self._named:
                    break
            fd, events = self._named.popleft()
            connection = self._connections.get(fd)
            if connection is not None:
                work += self._attend(connection, events)
            elif fd == self._listener.fileno():
                work += self._accept()
            self._now = trio.current_time()
        return work

    def _accept(self) -> int:
        """Take in those who have connected, and what they ask; return about how much work it was."""
        work = 0
        while work < VISIT_MESSAGES:
            try:
                sock, client = self._listener.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in SHORTAGE_ERRNOS:
                    self._pause(error)
                elif error.errno not in CONNECTION_ERRNOS:
                    raise
                break
            work += self._admit(sock, client)
        return work

    def _admit(self, sock: socket.socket, client: Address) -> int:
        refusal = self._census.refusal(client)
        if refusal:
            sock.close()
            self._drop(client, refusal)
            return 1
        self._accepted.count += 1
        self._census.opened(client)
        connection = Connection(sock, client, self._now)
        self._connections[connection.fd] = connection
        self._has_connections.set()
        return self._attend(connection, READABLE)

    def _attend(self, connection: Connection, events: int) -> int:
        """Do what ``events`` allow; return about how much work it was."""
        if connection.watched == NOTHING and events & GONE:
            # It waited for later replies, which nobody will read now.
            self._close(connection)
            return 1
        try:
            answered = self._converse(connection)
        except OSError:
            self._close(connection)  # the client is gone; that is its right
            return 1
        self._settle(connection)
        return 1 + answered

    def _converse(self, connection: Connection) -> int:
        if connection.is_blocked:
            connection.send(b"", self._now)
            if connection.is_blocked:
                return 0
        if not connection.is_ending and not connection.framing.has_message:
            connection.receive()
        return self._answer(connection) + self._stream(connection)

    def _answer(self, connection: Connection) -> int:
        """Answer some of what was read, in one write; return how many messages."""
        framing = connection.framing
        if not framing.has_message:
            return 0
        self._replies.begin(connection.client)
        replies: list[bytes] = []
        count = size = 0
        while count < VISIT_MESSAGES and size < VISIT_BYTES and connection.pending < self._census.limits.pending:
            message = framing.next_message()
            if message is None:
                break
            count += 1
            reply = self._replies.reply_to(message)
            if reply is None:
                # Not a query at all: nothing more that this client says is worth waiting for.
                framing.clear()
                connection.is_ending = True
                break
            if isinstance(reply, ReplyStream):
                connection.streams.append(reply)
                continue
            if not isinstance(reply, bytes):
                reply = self._ask_others(connection, message, reply)
            if reply is not None:
                replies.append(frame(reply))
                size += len(reply)
            if trio.current_time() >= self._turn_ends:
                break
        self._replies.finish()
        connection.active_at = self._now
        if replies:
            connection.send(b"".join(replies), self._now)
        return count

    def _stream(self, connection: Connection) -> int:
        """Send one message of what is streamed, if the client takes any, and end the turn; return the work it was.

        One stream after the other: few clients expect two transfers intermingled. Queries that
        come meanwhile are answered between two messages (RFC 5936 section 4.1.1).
        """
        if not connection.streams or connection.is_blocked:
            return 0
        message = self._replies.next_of(connection.streams[0], connection.client)
        if message is not None:
            connection.active_at = self._now
            connection.send(frame(message), self._now)
            # Whoever copies a zone can wait; whoever asks for a name over UDP meanwhile shall not.
            self._turn_ends = self._now
        elif not connection.streams.popleft().is_whole:
            raise ConnectionAbortedError  # what the client has of it would look like all of it
        return STREAM_WORK

    def _settle(self, connection: Connection) -> None:
        """Close what is done or has too much coming; have the poller watch for what the others need next."""
        if connection.is_done:
            self._close(connection)
        elif connection.is_overfull:
            self._close(connection, "slow-reader")
        else:
            wanted = connection.wanted(self._census.limits.pending)
            if connection.watched is None:
                self._poller.register(connection.fd, wanted)
            elif wanted != connection.watched:
                self._poller.modify(connection.fd, wanted)
            connection.watched = wanted

    def _close(self, connection: Connection, reason: str = "") -> None:
        if connection.is_closed:
            return
        if connection.framing.is_mid_message and not connection.framing.has_message:
            reason = reason or "unfinished-message"
        if reason:
            self._drop(connection.client, reason)
        del self._connections[connection.fd]
        connection.close()
        self._census.closed(connection.client)

    def _drop(self, client: Address, reason: str) -> None:
        self._metrics.count(DNS_DROPPED, reason=reason)
        self._remote_log.debug("connection closed", client.host, reason=reason)

    # --- what waits ------------------------------------------------------------------------------

    def _ask_others(self, connection: Connection, message: bytes, later: Later) -> bytes | None:
        """Have ``later`` waited for, or return what to say instead."""
        if self._pending >= MAX_PENDING:
            self._metrics.count(DNS_DROPPED, reason="too-many-pending")
            return servfail(message)
        self._pending += 1
        connection.pending += 1
        self._nursery.start_soon(self._answer_later, connection, later)
        return None

    async def _answer_later(self, connection: Connection, later: Later) -> None:
        try:
            reply = await later()
        finally:
            self._pending -= 1
            connection.pending -= 1
        if connection.is_closed:
            return
        connection.active_at = now = trio.current_time()
        try:
            if reply is not None:
                connection.send(frame(reply), now)
        except OSError:
            self._close(connection)
        else:
            self._settle(connection)

    def _pause(self, error: OSError) -> None:
        """Accept nobody for a while: the process or the machine has run out of something."""
        self._remote_log.warning("accept paused", self.local_address.host, error=errno_name(error))
        self._poller.unregister(self._listener.fileno())
        self._nursery.start_soon(self._resume)

    async def _resume(self) -> None:
        await trio.sleep(SHORTAGE_PAUSE_S)
        self._poller.register(self._listener.fileno(), READABLE)

    async def _watch_times(self) -> None:
        while True:
            await self._has_connections.wait()
            await trio.sleep(SWEEP_S)
            self._sweep(trio.current_time())
            if not self._connections:
                self._has_connections = trio.Event()

    def _sweep(self, now: float) -> None:
        """Close connections that were silent, or left replies unread, for too long."""
        # The longest silent first: each that is closed may give the others more time.
        for connection in sorted(self._connections.values(), key=attrgetter("active_at")):
            if connection.pending and not connection.is_blocked:
                continue
            # With messages left over, or more to send, it waits for room to write, as when it is blocked.
            is_slow = connection.is_blocked or connection.framing.has_message or bool(connection.streams)
            since = connection.active_at if connection.blocked_at is None else connection.blocked_at
            if now - since >= (self._census.limits.write_s if is_slow else self._census.idle_s()):
                self._close(connection, "slow-reader" if is_slow else "")
