"""``Connection``: one client's DNS connection on a non-blocking socket; reads, writes, and knows what it waits for.

It is told what happens and never waits itself. Replies that the socket will not
take at once are kept, and nothing is read meanwhile, so what one client can
make us hold is one read, one round of replies and the replies that come later.

It decides no reply and closes nothing but its own socket.
"""

from __future__ import annotations

import select
import socket
from collections import deque

from nodedns.dns.framing import MAX_READ_BYTES, TcpFraming
from nodedns.model.address import Address
from nodedns.net.dns_stream import ReplyStream

__all__ = ["NOTHING", "READABLE", "WRITABLE", "Connection"]

NOTHING = 0
READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT

MAX_UNSENT_BYTES = 1_048_576  # the replies of one round, and some that come later


class Connection:
    """What is known of one connection.

    Args:
        sock: Connected; made non-blocking, and owned from now on.
        client: Who is at the other end.
        now: Monotonic seconds.

    Attributes:
        fd: The socket's descriptor, also after it was closed.
        client: As given.
        framing: Holds what was read and not answered.
        active_at: When a message was last answered.
        blocked_at: Since when the client has not taken all that was sent; None if it has.
        pending: Replies that somebody else is being asked for.
        streams: Replies of many messages, of which the first is being sent.
        is_ending: Nothing more is read; what is owed is still sent.
        is_closed: The socket is closed.
        watched: What the poller was last told to look for.
    """

    __slots__ = (
        "_sock",
        "_unsent",
        "active_at",
        "blocked_at",
        "client",
        "fd",
        "framing",
        "is_closed",
        "is_ending",
        "pending",
        "streams",
        "watched",
    )

    def __init__(self, sock: socket.socket, client: Address, now: float) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._unsent = b""
        self.fd = sock.fileno()
        self.client = client
        self.framing = TcpFraming()
        self.active_at = now
        self.blocked_at: float | None = None
        self.pending = 0
        self.streams: deque[ReplyStream] = deque()
        self.is_ending = False
        self.is_closed = False
        self.watched: int | None = None

    def receive(self) -> None:
        """Read once, if there is something. Ends the connection at the client's end of it.

        Raises:
            OSError: The client is gone.
        """
        try:
            data = self._sock.recv(MAX_READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self.framing.receive_data(data)
        else:
            self.is_ending = True

    def send(self, stream: bytes, now: float) -> None:
        """Send, and keep what the client does not take yet.

        Raises:
            OSError: The client is gone.
        """
        stream = self._unsent + stream if self._unsent else stream
        try:
            sent = self._sock.send(stream)
        except BlockingIOError:
            sent = 0
        self._unsent = stream[sent:]
        if not self._unsent:
            self.blocked_at = None
        elif self.blocked_at is None:
            self.blocked_at = now

    @property
    def is_blocked(self) -> bool:
        """Whether the client has not taken all that was sent."""
        return self.blocked_at is not None

    @property
    def is_overfull(self) -> bool:
        """Whether more is kept for the client than for any that reads."""
        return len(self._unsent) > MAX_UNSENT_BYTES

    def wanted(self, pending_limit: int) -> int:
        """Return what to wait for: room to write, something to read, or nothing but the later replies.

        A connection of which messages are left over, or that has more to send, waits for room to write, which
        there is: so the poller names it again at once, in turn with the others.
        """
        if self.is_blocked or self.streams:
            return WRITABLE
        if self.pending >= pending_limit:
            return NOTHING
        if self.framing.has_message:
            return WRITABLE
        return NOTHING if self.is_ending else READABLE

    @property
    def is_done(self) -> bool:
        """Whether nothing is owed to a client that will ask no more."""
        is_owed = self.pending or self.streams or self.is_blocked or self.framing.has_message
        return self.is_ending and not is_owed

    def close(self) -> None:
        """Close the socket and what is streamed; closing twice does nothing."""
        self.is_closed = True
        while self.streams:
            self.streams.popleft().close()
        self._sock.close()
