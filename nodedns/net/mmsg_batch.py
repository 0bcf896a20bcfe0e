"""``MmsgBatch``: ``DatagramBatch`` by recvmmsg and sendmmsg, two system calls for a whole batch (Linux).

Strategy: the headers that the two calls read are laid out once; between batches only
lengths change. Where many replies go to few clients, they leave by ``Segments``
instead, several in one message; a message that the kernel does not take so (a
tunnel, a card without checksums, a path too narrow) leaves reply by reply.

Source: recvmmsg(2), sendmmsg(2), prctl(2) PR_SET_TIMERSLACK.
"""

from __future__ import annotations

import array
import ctypes
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from nodedns.net.datagram_batch import (
    BATCH,
    GATHER_S,
    IP_PKTINFO,
    PKTINFO,
    PKTINFO6,
    SLOT_BYTES,
    SLOT_STARTS,
    SLOT_STRIDE,
    WAIT_S,
    Ancillary,
    DatagramBatch,
    ignore_path_mtu,
    is_link_local,
    reply_source,
    send_one,
    tells_destination,
)
from nodedns.net.mmsg_memory import (
    HEADER,
    IOVEC,
    LENGTH_AT,
    NAME_STRIDE,
    SOCKADDR_BYTES,
    WORD,
    WORD_BYTES,
    Memory,
    Origins,
)
from nodedns.net.plain_batch import PlainBatch
from nodedns.net.transport import SocketAddress
from nodedns.net.udp_segments import Segments, cuts_segments

__all__ = ["MmsgBatch", "make_batch"]

_INDEX_AT: Final = socket.CMSG_LEN(0)
_INDEX6_AT: Final = socket.CMSG_LEN(0) + 16
_IPV4_AT: Final = 4  # in a sockaddr_in, behind family and port

_WAIT_FOR_NONE: Final = getattr(socket, "MSG_DONTWAIT", 0) | socket.MSG_TRUNC
_WAIT_FOR_ONE: Final = 0x10000 | socket.MSG_TRUNC  # Linux's MSG_WAITFORONE, which Python has no name for
_TIMEVAL: Final = struct.Struct("@ll")
_GATHER_US: Final = int(GATHER_S * 1e6)
_PR_SET_TIMERSLACK: Final = 29  # Linux's number; Python has no name for it
_TIMER_SLACK_NS: Final = 1  # Linux's default of 50,000 would make three waits of one


def make_batch(sock: socket.socket) -> DatagramBatch:
    """Return the fastest batch that this system has for a bound, non-blocking UDP socket."""
    ignore_path_mtu(sock)
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "recvmmsg") and hasattr(library, "sendmmsg"):
        return MmsgBatch(sock, library)
    return PlainBatch(sock)


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
        self._is_ipv4 = sock.family == socket.AF_INET
        self._origins = Origins.of_family(sock.family, is_wildcard=tells_destination(sock))
        names, controls = self._origins.names, self._origins.controls
        slots = Memory(BATCH * SLOT_STRIDE)
        self.buffer, self.starts = slots.view, SLOT_STARTS
        self._octets = names.view[_IPV4_AT::NAME_STRIDE]
        self._interfaces = controls.words("I", _INDEX_AT, self._origins.control_bytes or WORD_BYTES)
        # Both are kept, as the headers have but their addresses.
        self._in_vectors, self._out_vectors = _vectors(slots), _vectors(slots)
        self._in, self._out = self._headers(self._in_vectors), self._headers(self._out_vectors)
        self._some_out = Memory(BATCH * HEADER.size)
        self._fresh = bytes(self._in.view)
        self._in_lengths = self._in.words("I", LENGTH_AT, HEADER.size)
        self._out_lengths = self._out_vectors.words(WORD, WORD_BYTES, IOVEC.size)
        self._segments = Segments(slots, self._origins) if cuts_segments(sock) else None

    def _headers(self, vectors: Memory) -> Memory:
        headers, origins = Memory(BATCH * HEADER.size), self._origins
        for slot in range(BATCH):
            HEADER.pack_into(
                headers.view,
                slot * HEADER.size,
                origins.name_at(slot),
                origins.name_bytes,
                vectors.address + slot * IOVEC.size,
                1,
                origins.control_at(slot),
                origins.control_bytes,
                0,
                0,
            )
        return headers

    def receive(self, *, may_wait: bool = False) -> list[int]:
        """See ``DatagramBatch``."""
        if self._origins.control_bytes:
            # The kernel writes into the headers how much of them it used; only the control bytes may be fewer.
            self._in.view[:] = self._fresh
        flags = _WAIT_FOR_ONE if may_wait else _WAIT_FOR_NONE
        count = self._receive(self._descriptor, self._in.address, BATCH, flags, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EWOULDBLOCK):
                return []
            raise OSError(number, os.strerror(number))
        if self._origins.control_bytes:
            self._forget_interfaces(count)
        return self._in_lengths[:count].tolist()

    def _forget_interfaces(self, count: int) -> None:
        # A reply takes the route, which need not be the way its query came; only link-local addresses need the way.
        if self._is_ipv4:
            self._interfaces[:count] = memoryview(array.array("I", bytes(4 * count)))
            return
        size = self._origins.control_bytes
        for at in range(_INDEX6_AT, count * size, size):
            if not is_link_local(self._origins.controls.view[at - 16 : at]):
                self._origins.controls.view[at : at + 4] = bytes(4)

    def gather(self) -> None:
        """See ``DatagramBatch``."""
        self._sleep(_GATHER_US)

    def sender(self, slot: int) -> SocketAddress:
        """See ``DatagramBatch``."""
        name = self._name(slot)
        port = int.from_bytes(name[2:4], "big")
        if len(name) == SOCKADDR_BYTES[socket.AF_INET]:
            return socket.inet_ntop(socket.AF_INET, name[4:8]), port
        scope = int.from_bytes(name[24:28], sys.byteorder)
        return socket.inet_ntop(socket.AF_INET6, name[8:24]), port, 0, scope

    def sender_ip(self, slot: int) -> bytes:
        """See ``DatagramBatch``."""
        name = self._name(slot)
        return name[4:8] if len(name) == SOCKADDR_BYTES[socket.AF_INET] else name[8:24]

    def come_from(self, octets: bytes, count: int) -> bool:
        """See ``DatagramBatch``."""
        return self._is_ipv4 and not self._octets[:count].tobytes().translate(None, octets)

    def _name(self, slot: int) -> bytes:
        at = slot * NAME_STRIDE
        return self._origins.names.view[at : at + self._origins.name_bytes].tobytes()

    def replier(self, slot: int) -> Callable[[bytes], None]:
        """See ``DatagramBatch``."""
        sender, source = self.sender(slot), self._source(slot)
        return lambda reply: send_one(self._sock, reply, source, sender)

    def _source(self, slot: int) -> Ancillary:
        if not self._origins.control_bytes:
            return []
        at = slot * self._origins.control_bytes + socket.CMSG_LEN(0)
        if self._sock.family == socket.AF_INET:
            info = self._origins.controls.view[at : at + PKTINFO.size].tobytes()
            return reply_source([(socket.IPPROTO_IP, IP_PKTINFO, info)])
        info = self._origins.controls.view[at : at + PKTINFO6.size].tobytes()
        return reply_source([(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)])

    def send(self, lengths: list[int]) -> list[OSError]:
        """See ``DatagramBatch``."""
        groups = () if self._segments is None else self._segments.lay(lengths)
        if self._segments is not None and groups:
            refused = self._send_headers(self._segments.address, len(groups))
            return self._send_again(refused, groups, lengths) if refused else []
        self._set_lengths(lengths)
        if 0 not in lengths:
            refused = self._send_headers(self._out.address, len(lengths))
        else:
            refused = self._send_slots(slot for slot, length in enumerate(lengths) if length)
        return [error for _, error in refused]

    def _set_lengths(self, lengths: list[int]) -> None:
        self._out_lengths[: len(lengths)] = memoryview(array.array(WORD, lengths))

    def _send_again(
        self, refused: list[tuple[int, OSError]], groups: Sequence[list[int]], lengths: list[int]
    ) -> list[OSError]:
        """Send what was not taken as one message reply by reply; return what is wrong with those not taken so."""
        if any(error.errno == errno.EIO for _, error in refused):
            self._segments = None  # the way out has nobody who could cut; udp_send_skb
        self._set_lengths(lengths)
        again = self._send_slots(slot for position, _ in refused for slot in groups[position])
        return [error for _, error in again]

    def _send_slots(self, slots: Iterable[int]) -> list[tuple[int, OSError]]:
        count = 0
        for count, slot in enumerate(slots, 1):
            to, at = (count - 1) * HEADER.size, slot * HEADER.size
            self._some_out.view[to : to + HEADER.size] = self._out.view[at : at + HEADER.size]
        return self._send_headers(self._some_out.address, count)

    def _send_headers(self, address: int, count: int) -> list[tuple[int, OSError]]:
        """Send messages; return the position of each that was not taken, and why."""
        refused: list[tuple[int, OSError]] = []
        done = 0
        while done < count:
            sent = self._send(self._descriptor, address + done * HEADER.size, count - done, socket.MSG_DONTWAIT)
            if sent < 0:
                number = ctypes.get_errno()
                refused.append((done, OSError(number, os.strerror(number))))
                sent = 1  # the first was not taken; those behind it may be
            done += sent
        return refused


def _vectors(slots: Memory) -> Memory:
    vectors = Memory(BATCH * IOVEC.size)
    for slot, start in enumerate(SLOT_STARTS):
        IOVEC.pack_into(vectors.view, slot * IOVEC.size, slots.address + start, SLOT_BYTES)
    return vectors
