"""``UdpTransport``: one UDP socket; the socket that receives is also the one that sends.

A plain non-blocking socket with ``trio.lowlevel.wait_readable``, not trio's
socket class, so that a driver can take a whole batch of datagrams between two
checkpoints (``receive_nowait``).
"""

from __future__ import annotations

import socket

import trio

from nodedns.model.address import Address
from nodedns.net.transport import (
    DatagramStatistics,
    address_of,
    binding,
    errno_name,
    is_transient_receive_error,
    is_transient_send_error,
    socket_address,
)
from nodedns.net.vitals import Vital, is_readable

__all__ = ["RECEIVE_BUFFER_BYTES", "UdpTransport", "bind_udp"]

MAX_DATAGRAM_BYTES = 65_535
RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024  # memberlist's udpRecvBufSize; the kernel may grant less
MAX_ERRNOS_COUNTED = 64  # every errno has a name, so this is never reached; it bounds the dict all the same


def bind_udp(host: str, port: int, flag: str) -> socket.socket:
    """Return a non-blocking UDP socket bound to ``host``, ``port`` (0: any free one).

    Args:
        host: IP address as text, with a scope if it is link-local.
        port: 0..65535.
        flag: Named in the error as what changes the address or port.

    Raises:
        BindError: The address or port cannot be had.
    """
    with binding(host, port, socket.SOCK_DGRAM, flag) as (sock, address):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.bind(address)
    return sock


class UdpTransport:
    """``DatagramTransport`` on a bound, non-blocking UDP socket, which it owns from now on."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._family = sock.family
        name = sock.getsockname()
        self._local_address = address_of(name)
        self._scope_id = name[3] if len(name) == 4 else 0
        self._sent = 0
        self._received = 0
        self._send_errors: dict[str, int] = {}
        self._receive_errors: dict[str, int] = {}

    @property
    def local_address(self) -> Address:
        """The address and port it is bound to."""
        return self._local_address

    async def send(self, payload: bytes, destination: Address) -> None:
        """Send one datagram; one that cannot be sent is counted and forgotten.

        Raises:
            trio.ClosedResourceError: The transport was closed.
            OSError: The socket is broken.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                self._send_nowait(payload, destination)
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._open_socket())
            else:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return

    def _send_nowait(self, payload: bytes, destination: Address) -> None:
        try:
            target = socket_address(destination, self._family, self._scope_id)
            self._open_socket().sendto(payload, target)
        except BlockingIOError:
            raise
        except (OSError, OverflowError) as error:
            name = errno_name(error) if isinstance(error, OSError) else "EINVAL"
            if isinstance(error, OSError) and not is_transient_send_error(error):
                raise
            _count(self._send_errors, name)
        else:
            self._sent += 1

    async def receive(self) -> tuple[bytes, Address]:
        """Wait for a datagram; return its payload and its source.

        Raises:
            trio.ClosedResourceError: The transport was closed.
            OSError: The socket is broken.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                received = self.receive_nowait()
            except trio.WouldBlock:
                await trio.lowlevel.wait_readable(self._open_socket())
            else:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return received

    def receive_nowait(self) -> tuple[bytes, Address]:
        """Return a datagram that is already there.

        Raises:
            trio.WouldBlock: There is none, or an earlier send's error was all there was.
            trio.ClosedResourceError: The transport was closed.
            OSError: The socket is broken.
        """
        try:
            payload, sockaddr = self._open_socket().recvfrom(MAX_DATAGRAM_BYTES)
        except BlockingIOError:
            raise trio.WouldBlock from None
        except OSError as error:
            if not is_transient_receive_error(error):
                raise
            _count(self._receive_errors, errno_name(error))
            raise trio.WouldBlock from None
        self._received += 1
        return payload, address_of(sockaddr)

    def close(self) -> None:
        """Close the socket; closing twice does nothing."""
        if self._sock.fileno() >= 0 and trio.lowlevel.in_trio_run():
            # Tasks that wait on the socket get ClosedResourceError instead of hanging.
            trio.lowlevel.notify_closing(self._sock)
        self._sock.close()

    def vital(self) -> Vital:
        """Return the sign by which to tell whether anybody receives what comes."""
        return Vital(
            "gossip receiver",
            lambda: self._received + sum(self._receive_errors.values()),
            lambda: is_readable(self._sock.fileno()),
        )

    def statistics(self) -> DatagramStatistics:
        """Return a snapshot of the counters."""
        return DatagramStatistics(
            self._sent, self._received, sum(self._send_errors.values()), sum(self._receive_errors.values())
        )

    def error_counts(self) -> dict[str, int]:
        """Return how often each errno was swallowed, keyed ``send/ECONNREFUSED`` and so on."""
        counts = {f"send/{name}": count for name, count in self._send_errors.items()}
        counts.update({f"receive/{name}": count for name, count in self._receive_errors.items()})
        return counts

    def _open_socket(self) -> socket.socket:
        if self._sock.fileno() < 0:
            raise trio.ClosedResourceError
        return self._sock


def _count(counts: dict[str, int], name: str) -> None:
    if name in counts or len(counts) < MAX_ERRNOS_COUNTED:
        counts[name] = counts.get(name, 0) + 1
