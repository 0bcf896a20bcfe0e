"""``PairSource``: a listening socket of DNS over TCP that is not on any network, for servers under a virtual clock.

Each connection is a pair of Unix stream sockets, so bytes are there the moment
they were sent and a mock clock does not run ahead of them; the client's
address is whatever the test says. A pair differs from TCP in one thing that
matters: it is reset only by a close with replies unread.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque

import trio

from nodedns.model.address import Address

__all__ = ["PairSource"]


class PairSource:
    """``StreamSource`` for tests.

    Args:
        address: Where it says that it listens.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._waiting: deque[tuple[socket.socket, Address]] = deque()
        self._signal, self._signalled = socket.socketpair()
        self._signalled.setblocking(False)
        self._dialled: list[trio.SocketStream] = []
        self.failures: deque[int] = deque()
        """Error numbers that the next calls of ``accept`` raise."""

    @property
    def local_address(self) -> Address:
        """The address it was given."""
        return self._address

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when somebody has connected."""
        return self._signalled.fileno()

    def accept(self) -> tuple[socket.socket, Address]:
        """Return a connection that is there, and its client. Raises ``BlockingIOError`` and ``OSError``."""
        if self._waiting and self.failures:
            number = self.failures.popleft()
            raise OSError(number, os.strerror(number))
        self._signalled.recv(1)
        return self._waiting.popleft()

    def close(self) -> None:
        """Stop listening, and close what nobody took."""
        for sock in (self._signal, self._signalled, *(sock for sock, _ in self._waiting)):
            sock.close()
        self._waiting.clear()

    def dial(self, client: Address) -> trio.SocketStream:
        """Connect as ``client``. Raises ``OSError`` if it was closed."""
        if self._signal.fileno() < 0:
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        ours, theirs = socket.socketpair()
        self._waiting.append((theirs, client))
        self._signal.send(b"\0")
        self._dialled.append(trio.SocketStream(trio.socket.from_stdlib_socket(ours)))
        return self._dialled[-1]

    def hang_up(self) -> None:
        """Close all that was dialled; what is closed already stays so."""
        for stream in self._dialled:
            stream.socket.close()
