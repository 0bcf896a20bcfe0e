"""``DatagramBatch``: many datagrams received, answered in place and sent, with few system calls.

Strategy: each datagram has a slot of one buffer that lives as long as the
socket. ``receive`` fills slots from the first on, the caller writes a reply over
its query, ``send`` sends what has a reply. This decides nothing and counts nothing.

``MmsgBatch`` (``net/mmsg_batch.py``) uses recvmmsg and sendmmsg (Linux),
``PlainBatch`` (``net/plain_batch.py``) one call for each datagram; both pass one
suite. Here is what both share: the protocol, its limits, and how a wildcard
socket answers from the address that was asked (RFC 1123 section 2.3) and in one
piece (RFC 9715).

Source: ip(7), ipv6(7), <sys/socket.h>.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final, Protocol

from nodedns.net.transport import SocketAddress

__all__ = [
    "BATCH",
    "GATHER_S",
    "IPV6_MTU_DISCOVER",
    "IP_MTU_DISCOVER",
    "IP_PKTINFO",
    "PKTINFO",
    "PKTINFO6",
    "PMTUDISC_OMIT",
    "SLOT_BYTES",
    "SLOT_STARTS",
    "SLOT_STRIDE",
    "WAIT_S",
    "Ancillary",
    "DatagramBatch",
    "ignore_path_mtu",
    "is_link_local",
    "reply_source",
    "send_one",
    "tells_destination",
]

BATCH: Final = 64
"""Datagrams between two turns of everybody else; half a millisecond of hits, a few milliseconds of misses."""
WAIT_S: Final = 0.001
"""Longest wait within ``receive``; a hundredth of what gossip takes for late."""
GATHER_S: Final = 0.000_1
"""How long ``gather`` waits; a client sees it as a third of the time that its answer takes under the load it is for."""
SLOT_BYTES: Final = 4_096
"""Longest datagram taken whole, and longest that can be sent: the most that EDNS may be set to offer."""
SLOT_STRIDE: Final = SLOT_BYTES + 128
"""From one slot to the next; slots one page apart would all fall into the same sets of the processor's first cache."""
SLOT_STARTS: Final = tuple(range(0, BATCH * SLOT_STRIDE, SLOT_STRIDE))
"""Where each slot begins."""

IP_PKTINFO: Final = getattr(socket, "IP_PKTINFO", 8)  # Linux's number; Python has no name for it before 3.14
# Linux's numbers; Python has no names for them.
IP_MTU_DISCOVER: Final = 10
IPV6_MTU_DISCOVER: Final = 23
PMTUDISC_OMIT: Final = 5
PKTINFO: Final = struct.Struct("=I4s4s")
"""in_pktinfo: interface index, local address to answer from, destination of the packet."""
PKTINFO6: Final = struct.Struct("=16sI")
"""in6_pktinfo: local address, interface index."""

Ancillary = list[tuple[int, int, bytes]]
"""Level, type and content of each control message."""


class DatagramBatch(Protocol):
    """Slots of one socket; what lies in a slot is good until the next ``receive``.

    Attributes:
        buffer: All slots.
        starts: Where each slot begins in ``buffer``.
    """

    buffer: memoryview
    starts: tuple[int, ...]

    def receive(self, *, may_wait: bool = False) -> list[int]:
        """Fill slots with what is there, at most ``BATCH``.

        Args:
            may_wait: Whether to wait for the first for up to ``WAIT_S``, with everybody else waiting as well.

        Returns:
            The length of each datagram in bytes, that of the whole where only ``SLOT_BYTES`` of it are in the slot.

        Raises:
            OSError: The kernel reported an error instead.
        """
        ...

    def gather(self) -> None:
        """Wait for ``GATHER_S`` whatever comes, with everybody else, so that what comes meanwhile is one batch."""
        ...

    def sender(self, slot: int) -> SocketAddress:
        """Return where a slot's datagram came from."""
        ...

    def sender_ip(self, slot: int) -> bytes:
        """Return the sender's IP address, packed: 4 or 16 bytes."""
        ...

    def come_from(self, octets: bytes, count: int) -> bool:
        """Return whether it takes but a look to see where the first ``count`` datagrams came from.

        That is so if the IPv4 address of each sender begins with one of ``octets``.
        """
        ...

    def replier(self, slot: int) -> Callable[[bytes], None]:
        """Return what sends one reply to a slot's sender, whenever it is called. It raises ``OSError``."""
        ...

    def send(self, lengths: list[int]) -> list[OSError]:
        """Send the first bytes of each slot, ``lengths`` of them; a slot whose length is 0 sends nothing.

        Returns:
            An error for each datagram that was not taken.
        """
        ...


def ignore_path_mtu(sock: socket.socket) -> None:
    """Have what ``sock`` sends leave in one piece, whatever ICMP says of the way to a client.

    Anybody can send a forged "fragmentation needed"; the system then cuts replies for ten minutes, and pieces of
    them can be replaced on the way (RFC 9715). NSD, Knot, unbound and BIND do the same.
    """
    if sys.platform != "linux":
        return
    levels = [(socket.IPPROTO_IP, IP_MTU_DISCOVER)]  # a socket of IPv6 may carry IPv4 as well
    if sock.family == socket.AF_INET6:
        levels.append((socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER))
    for level, option in levels:
        # Kernels before 3.15 have none of it, and answer as they always have.
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, PMTUDISC_OMIT)


def tells_destination(sock: socket.socket) -> bool:
    """Have a wildcard socket tell where each datagram was sent to; return whether it is one."""
    if sock.getsockname()[0] not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return False
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    return True


def reply_source(ancillary: Ancillary) -> Ancillary:
    """Return what to send a reply with, of what its query came with, so that it leaves from the address asked."""
    for level, kind, content in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO and len(content) >= PKTINFO.size:
            # Without the interface: the reply takes the route, which need not be the way it came.
            local = PKTINFO.unpack_from(content)[1]
            return [(level, kind, PKTINFO.pack(0, local, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO and len(content) >= PKTINFO6.size:
            local, interface = PKTINFO6.unpack_from(content)
            return [(level, kind, PKTINFO6.pack(local, interface if is_link_local(local) else 0))]
    return []


def is_link_local(ip: bytes | memoryview) -> bool:
    """Return whether a packed IPv6 address is good on one link only (fe80::/10)."""
    return ip[0] == 0xFE and ip[1] & 0xC0 == 0x80


def send_one(sock: socket.socket, reply: bytes, source: Ancillary, sender: SocketAddress) -> None:
    """Send one reply, without waiting. Raises ``OSError``."""
    sock.sendmsg([reply], source, socket.MSG_DONTWAIT, sender)
