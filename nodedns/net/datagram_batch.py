"""``DatagramBatch``: many datagrams received, answered in place and sent by two system calls.

Strategy: each datagram has a slot of one buffer that lives as long as the
socket. ``receive`` fills slots from the first on, the caller writes a reply over
its query, ``send`` sends what has a reply. The sender's address and, on a wildcard
socket, the address that was asked lie where the kernel put them when receiving,
which is where it looks for them when sending (RFC 1123 section 2.3: a multi-homed
host answers from the address that was asked).

``MmsgBatch`` uses recvmmsg and sendmmsg (Linux), ``PlainBatch`` one call for each
datagram; both pass one suite. This decides nothing and counts nothing.

Source: recvmmsg(2), sendmmsg(2), ip(7), ipv6(7), <sys/socket.h>.
"""

from __future__ import annotations

import array
import ctypes
import errno
import os
import select
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

from nodedns.net.transport import SocketAddress

__all__ = ["BATCH", "GATHER_S", "SLOT_BYTES", "WAIT_S", "DatagramBatch", "MmsgBatch", "PlainBatch", "make_batch"]

BATCH: Final = 64
"""Datagrams between two turns of everybody else; half a millisecond of hits, a few milliseconds of misses."""
WAIT_S: Final = 0.001
"""Longest wait within ``receive``; a hundredth of what gossip takes for late."""
GATHER_S: Final = 0.000_03
"""How long ``gather`` waits: in it come as many datagrams as have just been sent a reply at a hundred thousand a second
and more, and a client sees it as a tenth of the time that its answer takes under such a load."""
SLOT_BYTES: Final = 4_096
"""Longest datagram taken whole, and longest that can be sent: the most that EDNS may be set to offer."""
# Slots one page apart would all fall into the same sets of the processor's first cache.
_STRIDE: Final = SLOT_BYTES + 128

IP_PKTINFO: Final = getattr(socket, "IP_PKTINFO", 8)  # Linux's number; Python has no name for it before 3.14
# in_pktinfo: interface index, local address to answer from, destination of the packet
_PKTINFO: Final = struct.Struct("=I4s4s")
# in6_pktinfo: local address, interface index
_PKTINFO6: Final = struct.Struct("=16sI")
_INDEX_AT: Final = socket.CMSG_LEN(0)
_INDEX6_AT: Final = socket.CMSG_LEN(0) + 16
# mmsghdr: name, namelen, iov, iovlen, control, controllen, flags, then msg_len
_HEADER: Final = struct.Struct("@PIPNPNi0PI0P")
_LENGTH_AT: Final = struct.calcsize("@PIPNPNi0P")
_IOVEC: Final = struct.Struct("@PN")
_WORD: Final[Literal["I", "Q"]] = "Q" if struct.calcsize("P") == 8 else "I"
_WORD_BYTES: Final = struct.calcsize(_WORD)
_SOCKADDR_BYTES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
_NAME_STRIDE: Final = 32
_IPV4_AT: Final = 4  # in a sockaddr_in, behind family and port

_WAIT_FOR_NONE: Final = getattr(socket, "MSG_DONTWAIT", 0) | socket.MSG_TRUNC
_WAIT_FOR_ONE: Final = 0x10000 | socket.MSG_TRUNC  # Linux's MSG_WAITFORONE, which Python has no name for
_TIMEVAL: Final = struct.Struct("@ll")
_GATHER_US: Final = int(GATHER_S * 1e6)
_PR_SET_TIMERSLACK: Final = 29  # Linux's number; Python has no name for it
_TIMER_SLACK_NS: Final = 1  # Linux's default of 50,000 would make three waits of one

Ancillary = list[tuple[int, int, bytes]]


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


def make_batch(sock: socket.socket) -> DatagramBatch:
    """Return the fastest batch that this system has for a bound, non-blocking UDP socket."""
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "recvmmsg") and hasattr(library, "sendmmsg"):
        return MmsgBatch(sock, library)
    return PlainBatch(sock)


def _tells_destination(sock: socket.socket) -> bool:
    """Have a wildcard socket tell where each datagram was sent to; return whether it is one."""
    if sock.getsockname()[0] not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return False
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    return True


def _reply_source(ancillary: Ancillary) -> Ancillary:
    for level, kind, content in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO and len(content) >= _PKTINFO.size:
            # Without the interface: the reply takes the route, which need not be the way it came.
            local = _PKTINFO.unpack_from(content)[1]
            return [(level, kind, _PKTINFO.pack(0, local, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO and len(content) >= _PKTINFO6.size:
            local, interface = _PKTINFO6.unpack_from(content)
            return [(level, kind, _PKTINFO6.pack(local, interface if _is_link_local(local) else 0))]
    return []


def _is_link_local(ip: bytes | memoryview) -> bool:
    return ip[0] == 0xFE and ip[1] & 0xC0 == 0x80


def _slots() -> tuple[memoryview, tuple[int, ...]]:
    return memoryview(bytearray(BATCH * _STRIDE)), tuple(range(0, BATCH * _STRIDE, _STRIDE))


class PlainBatch:
    """``DatagramBatch`` by one system call for each datagram."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ancillary_bytes = 0
        if _tells_destination(sock):
            self._ancillary_bytes = socket.CMSG_SPACE(_PKTINFO6.size) + socket.CMSG_SPACE(_PKTINFO.size)
        self.buffer, self.starts = _slots()
        self._origins: list[tuple[SocketAddress, Ancillary]] = []

    def receive(self, *, may_wait: bool = False) -> list[int]:
        """See ``DatagramBatch``."""
        if may_wait:
            select.select([self._sock], [], [], WAIT_S)
        self._origins = []
        lengths: list[int] = []
        for start in self.starts:
            try:
                size, ancillary, flags, sender = self._sock.recvmsg_into(
                    [self.buffer[start : start + SLOT_BYTES]], self._ancillary_bytes
                )
            except BlockingIOError:
                break
            except OSError:
                if not lengths:
                    raise
                break  # what came before it is answered; if the error stays, the next call raises it
            lengths.append(size + 1 if flags & socket.MSG_TRUNC else size)
            self._origins.append((sender, _reply_source(ancillary)))
        return lengths

    def gather(self) -> None:
        """See ``DatagramBatch``."""
        select.select([], [], [], GATHER_S)

    def sender(self, slot: int) -> SocketAddress:
        """See ``DatagramBatch``."""
        return self._origins[slot][0]

    def sender_ip(self, slot: int) -> bytes:
        """See ``DatagramBatch``."""
        return socket.inet_pton(self._sock.family, self._origins[slot][0][0].partition("%")[0])

    def come_from(self, octets: bytes, count: int) -> bool:
        """See ``DatagramBatch``."""
        return False

    def replier(self, slot: int) -> Callable[[bytes], None]:
        """See ``DatagramBatch``."""
        sender, source = self._origins[slot]
        return lambda reply: _send_one(self._sock, reply, source, sender)

    def send(self, lengths: list[int]) -> list[OSError]:
        """See ``DatagramBatch``."""
        errors: list[OSError] = []
        for (sender, source), start, length in zip(self._origins, self.starts, lengths, strict=False):
            if length:
                try:
                    self._sock.sendmsg([self.buffer[start : start + length]], source, 0, sender)
                except OSError as error:
                    errors.append(error)
        return errors


def _send_one(sock: socket.socket, reply: bytes, source: Ancillary, sender: SocketAddress) -> None:
    sock.sendmsg([reply], source, socket.MSG_DONTWAIT, sender)


class _Memory:
    """Bytes at an address that the kernel may be told."""

    def __init__(self, size: int) -> None:
        content = bytearray(size)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(content))
        self.view = memoryview(content)

    def words(self, kind: Literal["I", "Q"], at: int, stride: int) -> memoryview:
        """Return the word of format ``kind`` at byte ``at`` of each ``stride`` bytes, to be read and written."""
        size = struct.calcsize(kind)
        return self.view.cast(kind)[at // size :: stride // size]


class MmsgBatch:
    """``DatagramBatch`` by recvmmsg and sendmmsg.

    Args:
        sock: Bound and non-blocking.
        library: The C library, with ``use_errno``.
    """

    def __init__(self, sock: socket.socket, library: Any) -> None:  # noqa: ANN401 - ctypes makes its functions up
        self._sock = sock
        self._descriptor = sock.fileno()
        self._receive, self._send = library.recvmmsg, library.sendmmsg
        self._receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
        self._send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
        self._sleep = library.usleep
        library.prctl(_PR_SET_TIMERSLACK, _TIMER_SLACK_NS, 0, 0, 0)
        # Blocking, so that recvmmsg can wait by itself; whatever must not wait says MSG_DONTWAIT.
        sock.setblocking(True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(0, int(WAIT_S * 1e6)))
        self._is_wildcard = _tells_destination(sock)
        is_ipv4 = sock.family == socket.AF_INET
        self._sockaddr_bytes = _SOCKADDR_BYTES[sock.family]
        self._is_ipv4 = is_ipv4
        info_bytes = _PKTINFO.size if is_ipv4 else _PKTINFO6.size
        self._control_bytes = socket.CMSG_SPACE(info_bytes) if self._is_wildcard else 0
        slots = _Memory(BATCH * _STRIDE)
        self.buffer = slots.view
        self.starts = tuple(range(0, BATCH * _STRIDE, _STRIDE))
        self._names = _Memory(BATCH * _NAME_STRIDE)
        self._octets = self._names.view[_IPV4_AT::_NAME_STRIDE]
        self._controls = _Memory(BATCH * (self._control_bytes or 4))
        self._interfaces = self._controls.words("I", _INDEX_AT, self._control_bytes or 4)
        self._in_vectors, self._out_vectors = _Memory(BATCH * _IOVEC.size), _Memory(BATCH * _IOVEC.size)
        for slot, start in enumerate(self.starts):
            for vectors in (self._in_vectors, self._out_vectors):
                _IOVEC.pack_into(vectors.view, slot * _IOVEC.size, slots.address + start, SLOT_BYTES)
        self._in, self._out = self._headers(self._in_vectors), self._headers(self._out_vectors)
        self._some_out = _Memory(BATCH * _HEADER.size)
        self._fresh = bytes(self._in.view)
        self._in_lengths = self._in.words("I", _LENGTH_AT, _HEADER.size)
        self._out_lengths = self._out_vectors.words(_WORD, _WORD_BYTES, _IOVEC.size)

    def _headers(self, vectors: _Memory) -> _Memory:
        headers = _Memory(BATCH * _HEADER.size)
        for slot in range(BATCH):
            _HEADER.pack_into(
                headers.view,
                slot * _HEADER.size,
                self._names.address + slot * _NAME_STRIDE,
                self._sockaddr_bytes,
                vectors.address + slot * _IOVEC.size,
                1,
                self._controls.address + slot * self._control_bytes if self._control_bytes else 0,
                self._control_bytes,
                0,
                0,
            )
        return headers

    def receive(self, *, may_wait: bool = False) -> list[int]:
        """See ``DatagramBatch``."""
        if self._is_wildcard:
            # The kernel writes into the headers how much of them it used; only the control bytes may be fewer.
            self._in.view[:] = self._fresh
        flags = _WAIT_FOR_ONE if may_wait else _WAIT_FOR_NONE
        count = self._receive(self._descriptor, self._in.address, BATCH, flags, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EWOULDBLOCK):
                return []
            raise OSError(number, os.strerror(number))
        if self._is_wildcard:
            self._forget_interfaces(count)
        return self._in_lengths[:count].tolist()

    def _forget_interfaces(self, count: int) -> None:
        # A reply takes the route, which need not be the way its query came; only link-local addresses need the way.
        if self._is_ipv4:
            self._interfaces[:count] = memoryview(array.array("I", bytes(4 * count)))
            return
        for at in range(_INDEX6_AT, count * self._control_bytes, self._control_bytes):
            if not _is_link_local(self._controls.view[at - 16 : at]):
                self._controls.view[at : at + 4] = bytes(4)

    def gather(self) -> None:
        """See ``DatagramBatch``."""
        self._sleep(_GATHER_US)

    def sender(self, slot: int) -> SocketAddress:
        """See ``DatagramBatch``."""
        name = self._name(slot)
        port = int.from_bytes(name[2:4], "big")
        if len(name) == _SOCKADDR_BYTES[socket.AF_INET]:
            return socket.inet_ntop(socket.AF_INET, name[4:8]), port
        scope = int.from_bytes(name[24:28], sys.byteorder)
        return socket.inet_ntop(socket.AF_INET6, name[8:24]), port, 0, scope

    def sender_ip(self, slot: int) -> bytes:
        """See ``DatagramBatch``."""
        name = self._name(slot)
        return name[4:8] if len(name) == _SOCKADDR_BYTES[socket.AF_INET] else name[8:24]

    def come_from(self, octets: bytes, count: int) -> bool:
        """See ``DatagramBatch``."""
        return self._is_ipv4 and not self._octets[:count].tobytes().translate(None, octets)

    def _name(self, slot: int) -> bytes:
        at = slot * _NAME_STRIDE
        return self._names.view[at : at + self._sockaddr_bytes].tobytes()

    def replier(self, slot: int) -> Callable[[bytes], None]:
        """See ``DatagramBatch``."""
        sender, source = self.sender(slot), self._source(slot)
        return lambda reply: _send_one(self._sock, reply, source, sender)

    def _source(self, slot: int) -> Ancillary:
        if not self._is_wildcard:
            return []
        at = slot * self._control_bytes + socket.CMSG_LEN(0)
        if self._sock.family == socket.AF_INET:
            info = self._controls.view[at : at + _PKTINFO.size].tobytes()
            return _reply_source([(socket.IPPROTO_IP, IP_PKTINFO, info)])
        info = self._controls.view[at : at + _PKTINFO6.size].tobytes()
        return _reply_source([(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)])

    def send(self, lengths: list[int]) -> list[OSError]:
        """See ``DatagramBatch``."""
        count = len(lengths)
        self._out_lengths[:count] = memoryview(array.array(_WORD, lengths))
        if 0 not in lengths:
            return self._send_headers(self._out.address, count)
        slots = [slot for slot, length in enumerate(lengths) if length]
        for position, slot in enumerate(slots):
            to, at = position * _HEADER.size, slot * _HEADER.size
            self._some_out.view[to : to + _HEADER.size] = self._out.view[at : at + _HEADER.size]
        return self._send_headers(self._some_out.address, len(slots))

    def _send_headers(self, address: int, count: int) -> list[OSError]:
        errors: list[OSError] = []
        done = 0
        while done < count:
            sent = self._send(self._descriptor, address + done * _HEADER.size, count - done, socket.MSG_DONTWAIT)
            if sent < 0:
                number = ctypes.get_errno()
                errors.append(OSError(number, os.strerror(number)))
                sent = 1  # the first was not taken; those behind it may be
            done += sent
        return errors
