"""``PlainBatch``: ``DatagramBatch`` by one system call for each datagram, for systems without recvmmsg."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from nodedns.net.datagram_batch import (
    BATCH,
    GATHER_S,
    PKTINFO,
    PKTINFO6,
    SLOT_BYTES,
    SLOT_STARTS,
    SLOT_STRIDE,
    WAIT_S,
    Ancillary,
    reply_source,
    send_one,
    tells_destination,
)
from nodedns.net.transport import SocketAddress

__all__ = ["PlainBatch"]


class PlainBatch:
    """See the module.

    Args:
        sock: Bound and non-blocking.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ancillary_bytes = 0
        if tells_destination(sock):
            self._ancillary_bytes = socket.CMSG_SPACE(PKTINFO6.size) + socket.CMSG_SPACE(PKTINFO.size)
        self.buffer, self.starts = memoryview(bytearray(BATCH * SLOT_STRIDE)), SLOT_STARTS
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
            self._origins.append((sender, reply_source(ancillary)))
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
        return lambda reply: send_one(self._sock, reply, source, sender)

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
