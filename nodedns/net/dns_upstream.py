"""``Link``: one exchange with one recursor, over UDP or TCP; ``SocketLinks`` opens them on sockets.

A UDP link has a socket of its own, hence a source port that the kernel draws by
chance, and is connected, so that only what comes from the recursor's address and
port is heard (RFC 5452 section 9.2), and ICMP errors are. A TCP link frames
messages. Either carries whole messages; which of them answers is the caller's to say.

The errors are those of streams: ``OSError`` for whatever keeps messages from passing.
"""

from __future__ import annotations

import errno
import os
import socket
from types import TracebackType
from typing import Protocol, Self

import trio

from nodedns.dns.framing import MAX_READ_BYTES, TcpFraming, frame
from nodedns.dns.recursion import Recursor

__all__ = ["Link", "Links", "SocketLinks"]

MAX_REPLY_BYTES = 65_535


class Link(Protocol):
    """A way to one recursor and back; used with ``with``, which closes it."""

    async def send(self, message: bytes) -> None:
        """Send one message. Raises ``OSError``."""
        ...

    async def receive(self) -> bytes:
        """Wait for one message. Raises ``OSError``."""
        ...

    def __enter__(self) -> Self:
        """Return the link."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        ...


class Links(Protocol):
    """Opens links."""

    async def open_udp(self, recursor: Recursor) -> Link:
        """Return a new link over UDP. Raises ``OSError``."""
        ...

    async def open_tcp(self, recursor: Recursor) -> Link:
        """Return a new link over TCP; the caller bounds the time. Raises ``OSError``."""
        ...


class UdpLink:
    """``Link`` on a connected UDP socket, which it owns from now on."""

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._sock = sock

    async def send(self, message: bytes) -> None:
        """Send one message. Raises ``OSError``."""
        await self._sock.send(message)

    async def receive(self) -> bytes:
        """Wait for one message. Raises ``OSError``."""
        return await self._sock.recv(MAX_REPLY_BYTES)

    def __enter__(self) -> Self:
        """Return the link."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the socket."""
        self._sock.close()


class TcpLink:
    """``Link`` on a connected TCP socket, which it owns from now on."""

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._sock = sock
        self._framing = TcpFraming()

    async def send(self, message: bytes) -> None:
        """Send one message. Raises ``OSError``."""
        rest = memoryview(frame(message))
        while rest:
            rest = rest[await self._sock.send(rest) :]

    async def receive(self) -> bytes:
        """Wait for one message. Raises ``OSError``, also where the recursor hangs up."""
        while (message := self._framing.next_message()) is None:
            data = await self._sock.recv(MAX_READ_BYTES)
            if not data:
                raise OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            self._framing.receive_data(data)
        return message

    def __enter__(self) -> Self:
        """Return the link."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the socket."""
        self._sock.close()


class SocketLinks:
    """``Links`` on sockets of this machine."""

    async def open_udp(self, recursor: Recursor) -> UdpLink:
        """Return a new link over UDP. Raises ``OSError``."""
        return UdpLink(await _connected(recursor, socket.SOCK_DGRAM))

    async def open_tcp(self, recursor: Recursor) -> TcpLink:
        """Return a new link over TCP; the caller bounds the time. Raises ``OSError``."""
        return TcpLink(await _connected(recursor, socket.SOCK_STREAM))


async def _connected(recursor: Recursor, kind: socket.SocketKind) -> trio.socket.SocketType:
    # The numeric form alone, which asks nobody and does not block.
    family, kind, number, _, address = socket.getaddrinfo(
        recursor.host, recursor.port, type=kind, flags=socket.AI_NUMERICHOST
    )[0]
    sock = trio.socket.socket(family, kind, number)
    try:
        await sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
