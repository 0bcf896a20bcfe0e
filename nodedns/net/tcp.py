"""``TcpListener`` and ``TcpDialer``: streams on trio's sockets, and the pair of ports that gossip needs.

Gossip has UDP and TCP on one port number; ``bind_gossip`` gets both, also for
port 0, where a free number has to be free for both. Shortage of descriptors
while accepting is waited out, as trio's ``serve_listeners`` does.
"""

from __future__ import annotations

import errno
import logging
import socket
from typing import Any

import trio

from nodedns.errors import BindError
from nodedns.model.address import Address
from nodedns.net.transport import address_of, binding, errno_name, socket_address
from nodedns.net.udp import UdpTransport, bind_udp

__all__ = ["LISTEN_BACKLOG", "TcpDialer", "TcpListener", "accept_connection", "bind_gossip", "bind_tcp"]

LISTEN_BACKLOG = 128  # SOMAXCONN of older kernels
SHORTAGE_PAUSE_S = 0.1  # trio.serve_listeners waits as long
MAX_PORT_TRIES = 16  # for port 0: a number free for TCP is nearly always free for UDP

# accept(2) hands over errors of the connection itself; the listener is fine.
CONNECTION_ERRNOS = frozenset(
    {
        errno.EPERM,
        errno.ECONNABORTED,
        errno.EPROTO,
        errno.ENETDOWN,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.ENONET,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENETUNREACH,
        errno.ETIMEDOUT,
    }
)
SHORTAGE_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

logger = logging.getLogger(__name__)


def bind_tcp(host: str, port: int, flag: str) -> socket.socket:
    """Return a non-blocking TCP socket listening on ``host``, ``port`` (0: any free one).

    Args:
        host: IP address as text, with a scope if it is link-local.
        port: 0..65535.
        flag: Named in the error as what changes the address or port.

    Raises:
        BindError: The address or port cannot be had.
    """
    with binding(host, port, socket.SOCK_STREAM, flag) as (sock, address):
        # A restarted agent must get its port back while old connections are in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(LISTEN_BACKLOG)
    return sock


def bind_gossip(host: str, port: int, flag: str) -> tuple[UdpTransport, TcpListener]:
    """Bind UDP and TCP on one port number.

    Args:
        host: IP address as text.
        port: 0 for any number that is free for both.
        flag: Named in the error as what changes the address or port.

    Raises:
        BindError: The address or port cannot be had.
    """
    for attempt in range(1, MAX_PORT_TRIES + 1):
        listener = bind_tcp(host, port, flag)
        chosen: int = listener.getsockname()[1]
        try:
            return UdpTransport(bind_udp(host, chosen, flag)), TcpListener(listener)
        except BindError:
            listener.close()
            if port != 0 or attempt == MAX_PORT_TRIES:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


async def accept_connection(sock: trio.socket.SocketType, address: object) -> tuple[trio.SocketStream, Any]:
    """Wait for a connection on a listening socket; return its stream and the peer's socket address.

    Args:
        sock: Listening.
        address: Named in the log.

    Raises:
        trio.ClosedResourceError: The socket was closed.
        OSError: It is broken.
    """
    while True:
        if sock.fileno() < 0:
            raise trio.ClosedResourceError
        try:
            accepted, sockaddr = await sock.accept()
        except OSError as error:
            if error.errno in SHORTAGE_ERRNOS:
                logger.warning("accept paused address=%s error=%s", address, errno_name(error))
                await trio.sleep(SHORTAGE_PAUSE_S)
            elif error.errno not in CONNECTION_ERRNOS:
                raise
        else:
            return trio.SocketStream(accepted), sockaddr


class TcpListener:
    """``StreamListener`` on a listening, non-blocking socket, which it owns from now on."""

    def __init__(self, sock: socket.socket) -> None:
        self._stdlib_sock = sock
        self._sock = trio.socket.from_stdlib_socket(sock)
        self._local_address = address_of(sock.getsockname())

    @property
    def local_address(self) -> Address:
        """The address and port it listens on."""
        return self._local_address

    async def accept(self) -> tuple[trio.SocketStream, Address]:
        """Wait for a stream; return it and who opened it.

        Raises:
            trio.ClosedResourceError: The listener was closed.
            OSError: The socket is broken.
        """
        stream, sockaddr = await accept_connection(self._sock, self._local_address)
        return stream, address_of(sockaddr)

    def close(self) -> None:
        """Stop listening; closing twice does nothing."""
        if trio.lowlevel.in_trio_run():
            self._sock.close()
        else:
            # Bound before trio runs, and given up because something else could not be bound.
            self._stdlib_sock.close()


class TcpDialer:
    """``StreamDialer`` on TCP sockets."""

    async def dial(self, destination: Address) -> trio.SocketStream:
        """Connect to ``destination``; the caller bounds the time.

        Raises:
            OSError: No connection, or no such kind of address.
        """
        # A malformed address gets past the version test, and is then refused by socket_address.
        is_v6 = destination.is_valid and destination.ip.version == 6
        family = socket.AF_INET6 if is_v6 else socket.AF_INET
        target = socket_address(destination, family)
        sock = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            await sock.connect(target)
        except (OSError, OverflowError) as error:
            sock.close()
            if isinstance(error, OverflowError):
                raise OSError(errno.EINVAL, "port out of range") from error
            raise
        except BaseException:
            sock.close()
            raise
        return trio.SocketStream(sock)
