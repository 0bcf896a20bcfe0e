"""The seams between drivers and the network: datagrams out and in, streams dialled and accepted.

``udp.py`` and ``tcp.py`` implement them on sockets, ``nodedns.testing`` on a
simulated network; one suite of tests holds for both.

The contract on errors: whatever one peer or one packet can cause is swallowed
and counted by the transport. An exception out of ``send``, ``receive`` or
``accept`` means that the socket itself is of no more use. A stream is one
peer's affair, so dialling and using one raises: ``OSError`` from ``dial``,
trio's ``BrokenResourceError`` and ``ClosedResourceError`` from the stream.

Addresses here are the kernel's view: a v4-mapped IPv6 address is told as IPv4.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import attrs
import trio

from nodedns.errors import BindError
from nodedns.model.address import Address

__all__ = [
    "DatagramStatistics",
    "DatagramTransport",
    "StreamDialer",
    "StreamListener",
    "address_of",
    "bind_error",
    "binding",
    "dial_error_text",
    "errno_name",
    "is_transient_receive_error",
    "is_transient_send_error",
    "socket_address",
]

SocketAddress = tuple[str, int] | tuple[str, int, int, int]

# What the kernel reports on a receive though the socket is fine: earlier sends that
# were refused on the way (ICMP), and passing shortage.
TRANSIENT_RECEIVE_ERRNOS = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.EMSGSIZE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EPERM,
        errno.EPROTO,
        errno.ETIMEDOUT,
    }
)
FIRST_FREE_PORT = 1024  # Linux: net.ipv4.ip_unprivileged_port_start, unless changed
V4_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291 section 2.5.5.2
BROKEN_SOCKET_ERRNOS = frozenset({errno.EBADF, errno.ENOTSOCK})


@attrs.frozen
class DatagramStatistics:
    """What passed through a datagram transport, and what did not.

    Attributes:
        sent: Datagrams handed to the network.
        received: Datagrams handed to the owner.
        send_errors: Datagrams the network would not take.
        receive_errors: Passing errors on receive.
    """

    sent: int
    received: int
    send_errors: int
    receive_errors: int


class DatagramTransport(Protocol):
    """One bound datagram socket, used by one sender and one receiver task."""

    @property
    def local_address(self) -> Address:
        """The address and port it is bound to."""
        ...

    async def send(self, payload: bytes, destination: Address) -> None:
        """Send one datagram; one that cannot be sent is counted and forgotten."""
        ...

    async def receive(self) -> tuple[bytes, Address]:
        """Wait for a datagram; return its payload and its source."""
        ...

    def receive_nowait(self) -> tuple[bytes, Address]:
        """Return a datagram that is already there. Raises ``trio.WouldBlock`` if there is none."""
        ...

    def close(self) -> None:
        """Close the socket; closing twice does nothing."""
        ...

    def statistics(self) -> DatagramStatistics:
        """Return a snapshot of the counters."""
        ...


class StreamDialer(Protocol):
    """Opens streams to other members."""

    async def dial(self, destination: Address) -> trio.abc.Stream:
        """Connect to ``destination``; the caller bounds the time. Raises ``OSError``."""
        ...


class StreamListener(Protocol):
    """Takes in the streams that others open to us."""

    @property
    def local_address(self) -> Address:
        """The address and port it listens on."""
        ...

    async def accept(self) -> tuple[trio.abc.Stream, Address]:
        """Wait for a stream; return it and who opened it."""
        ...

    def close(self) -> None:
        """Stop listening; closing twice does nothing."""
        ...


def errno_name(error: OSError) -> str:
    """Return the errno's name, such as ``EADDRINUSE``, or its number in words where it has none."""
    return errno.errorcode.get(error.errno or 0, f"errno {error.errno}")


def bind_error(error: OSError, host: str, port: int, protocol: str, flag: str) -> BindError:
    """Return the one-line error for an address that cannot be bound.

    Args:
        error: What the kernel said.
        host: The address that was asked for.
        port: The port that was asked for.
        protocol: ``udp`` or ``tcp``.
        flag: The flag that changes address or port, e.g. ``-serf-lan-port``.
    """
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    reason = os.strerror(error.errno) if error.errno else str(error)
    mend = f"change it with {flag}"
    if error.errno == errno.EACCES and 0 < port < FIRST_FREE_PORT:
        mend = f"such a port takes the right CAP_NET_BIND_SERVICE, which nodedns.service has; or {mend}"
    return BindError(f"cannot listen on {where} ({protocol}): {errno_name(error)} ({reason}); {mend}")


@contextmanager
def binding(host: str, port: int, kind: socket.SocketKind, flag: str) -> Iterator[tuple[socket.socket, Any]]:
    """Yield a non-blocking socket to set up, and the address to bind it to.

    Args:
        host: IP address as text, with a scope if it is link-local.
        port: 0..65535; 0 for any free one.
        kind: ``SOCK_DGRAM`` or ``SOCK_STREAM``.
        flag: Named in the error as what changes the address or port.

    Raises:
        BindError: The address or port cannot be had; the socket is closed then.
    """
    protocol = "udp" if kind is socket.SOCK_DGRAM else "tcp"
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=kind, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, number)
    except OSError as error:
        raise bind_error(error, host, port, protocol, flag) from error
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            # What :: takes must not depend on net.ipv6.bindv6only; configurations are read by this rule.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        yield sock, address
    except OSError as error:
        sock.close()
        raise bind_error(error, host, port, protocol, flag) from error


def dial_error_text(destination: Address, error: OSError | None) -> str:
    """Return why no stream to ``destination`` could be opened, in the words of Consul's commands.

    Args:
        destination: Who was dialled.
        error: What the kernel said; None when nothing was said in time.
    """
    if error is None:
        return f"dial tcp {destination}: i/o timeout"
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"dial tcp {destination}: connect: {reason}"


def is_transient_receive_error(error: OSError) -> bool:
    """Whether a socket that failed to receive with ``error`` can still be used."""
    return error.errno in TRANSIENT_RECEIVE_ERRNOS


def is_transient_send_error(error: OSError) -> bool:
    """Whether a socket that failed to send with ``error`` can still be used.

    Destinations come from peers, so nearly every errno may be the destination's fault.
    """
    return error.errno not in BROKEN_SOCKET_ERRNOS


def socket_address(address: Address, family: socket.AddressFamily, scope_id: int = 0) -> SocketAddress:
    """Return ``address`` as the kernel wants it on a socket of ``family``.

    Args:
        address: Any valid address.
        family: ``AF_INET`` or ``AF_INET6``; IPv4 on the latter is written v4-mapped.
        scope_id: The interface that link-local IPv6 addresses belong to.

    Raises:
        OSError: ``EAFNOSUPPORT`` for IPv6 on an IPv4 socket, or for a malformed address.
    """
    if not address.is_valid:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    ip = address.ip
    if family == socket.AF_INET:
        if ip.version == 6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return (str(ip), address.port)
    host = f"::ffff:{ip}" if ip.version == 4 else str(ip)
    return (host, address.port, 0, scope_id if ip.is_link_local else 0)


def address_of(sockaddr: SocketAddress) -> Address:
    """Return the kernel's address as an ``Address``, v4-mapped IPv6 as IPv4."""
    host = sockaddr[0]
    if ":" not in host:
        return Address(socket.inet_pton(socket.AF_INET, host), sockaddr[1])
    # The scope ("fe80::1%eth0") has no wire form.
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return Address(packed.removeprefix(V4_MAPPED), sockaddr[1])
