"""``Memory`` and ``Origins``: what recvmmsg fills in and sendmmsg reads, laid out as C has it.

Source: recvmmsg(2), sendmmsg(2), <sys/socket.h>.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Final, Literal

import attrs

from nodedns.net.datagram_batch import BATCH, PKTINFO, PKTINFO6

__all__ = [
    "HEADER",
    "IOVEC",
    "LENGTH_AT",
    "NAME_STRIDE",
    "SOCKADDR_BYTES",
    "VECTORS_AT",
    "WORD",
    "WORD_BYTES",
    "Memory",
    "Origins",
]

HEADER: Final = struct.Struct("@PIPNPNi0PI0P")
"""mmsghdr: name, namelen, iov, iovlen, control, controllen, flags, then msg_len."""
LENGTH_AT: Final = struct.calcsize("@PIPNPNi0P")
"""Where msg_len is in it."""
VECTORS_AT: Final = 2 * struct.calcsize("P")
"""Where iov is in it."""
IOVEC: Final = struct.Struct("@PN")
WORD: Final[Literal["I", "Q"]] = "Q" if struct.calcsize("P") == 8 else "I"
"""The format of a pointer, and of a size."""
WORD_BYTES: Final = struct.calcsize(WORD)
SOCKADDR_BYTES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
NAME_STRIDE: Final = 32
"""From one sockaddr to the next."""


class Memory:
    """Bytes at an address that the kernel may be told.

    Args:
        size: Their number; all are 0 at first.
    """

    def __init__(self, size: int) -> None:
        content = bytearray(size)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(content))
        self.view = memoryview(content)

    def words(self, kind: Literal["H", "I", "Q"], at: int, stride: int) -> memoryview:
        """Return the word of format ``kind`` at byte ``at`` of each ``stride`` bytes, to be read and written."""
        size = struct.calcsize(kind)
        return self.view.cast(kind)[at // size :: stride // size]


@attrs.frozen
class Origins:
    """For each slot, where its datagram came from and, on a wildcard socket, which address it was sent to.

    It lies where the kernel put it when receiving, which is where it looks for it when sending.

    Attributes:
        names: A sockaddr in each ``NAME_STRIDE`` bytes.
        name_bytes: How long that is.
        controls: A control message in each ``control_bytes``.
        control_bytes: 0 where the socket has one address.
    """

    names: Memory
    name_bytes: int
    controls: Memory
    control_bytes: int

    @classmethod
    def of_family(cls, family: socket.AddressFamily, *, is_wildcard: bool) -> Origins:
        """Return room for those of a batch, of a socket of a family: AF_INET or AF_INET6."""
        info = PKTINFO if family == socket.AF_INET else PKTINFO6
        control_bytes = socket.CMSG_SPACE(info.size) if is_wildcard else 0
        controls = Memory(BATCH * (control_bytes or WORD_BYTES))
        return cls(Memory(BATCH * NAME_STRIDE), SOCKADDR_BYTES[family], controls, control_bytes)

    def name_at(self, slot: int) -> int:
        """Return the address of a slot's sockaddr."""
        return self.names.address + slot * NAME_STRIDE

    def control_at(self, slot: int) -> int:
        """Return the address of a slot's control message; 0 for none."""
        return self.controls.address + slot * self.control_bytes if self.control_bytes else 0
