"""``DnsTcpListener``: the listening socket of DNS over TCP, which hands over connections without waiting.

Source: RFC 7766.
"""

from __future__ import annotations

import socket
from typing import Protocol

from nodedns.model.address import Address
from nodedns.net.tcp import bind_tcp
from nodedns.net.transport import address_of

__all__ = ["DnsTcpListener", "StreamSource", "bind_dns_tcp"]

PORT_FLAG = "-dns-port"


class StreamSource(Protocol):
    """A listening socket: what ``DnsTcpListener`` is, and tests drive."""

    @property
    def local_address(self) -> Address:
        """The address and port it listens on."""
        ...

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when somebody has connected."""
        ...

    def accept(self) -> tuple[socket.socket, Address]:
        """Return a connection that is there, and its client. Raises ``BlockingIOError`` and ``OSError``."""
        ...

    def close(self) -> None:
        """Stop listening; closing twice does nothing."""
        ...


class DnsTcpListener:
    """``StreamSource`` on a listening, non-blocking socket, which it owns from now on."""

    def __init__(self, sock: socket.socket) -> None:
        # Inherited by what is accepted: a reply must not wait for the acknowledgement of the one before.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._local_address = address_of(sock.getsockname())

    @property
    def local_address(self) -> Address:
        """The address and port it listens on."""
        return self._local_address

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._sock.fileno()

    def accept(self) -> tuple[socket.socket, Address]:
        """Return a connection that is there, and its client. Raises ``BlockingIOError`` and ``OSError``."""
        sock, sockaddr = self._sock.accept()
        return sock, address_of(sockaddr)

    def close(self) -> None:
        """Stop listening; closing twice does nothing."""
        self._sock.close()


def bind_dns_tcp(host: str, port: int) -> DnsTcpListener:
    """Return a listener for ``TcpDnsServer``. Raises ``BindError``."""
    return DnsTcpListener(bind_tcp(host, port, PORT_FLAG))
