"""``Segments``: replies of one length for one client, laid out as one message each, which the kernel cuts up.

Strategy: the way of a datagram through the network stack costs more than all that
comes before it, and nearly as much for sixteen replies in one buffer as for one (UDP
generic segmentation offload: the network card cuts the buffer up, or the kernel does
at the last moment). So the slots of a batch are sorted by client and length. What is
on the wire does not differ.

It helps clients with several queries under way from one port: load balancers,
forwarders that keep their port, measuring tools. Where every query has a port of
its own it costs a look at the senders. Whoever sniffs on this very machine sees
the buffer before it is cut, so a batch is left as it is below ``SEGMENTED_FROM``.

Source: udp(7) UDP_SEGMENT; Linux net/ipv4/udp.c, udp_send_skb.
"""

from __future__ import annotations

import array
import socket
import struct
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from nodedns.net.datagram_batch import BATCH, SLOT_STARTS
from nodedns.net.mmsg_memory import (
    HEADER,
    IOVEC,
    NAME_STRIDE,
    SOCKADDR_BYTES,
    VECTORS_AT,
    WORD,
    WORD_BYTES,
    Memory,
    Origins,
)

__all__ = ["MAX_MESSAGE", "MAX_SEGMENT", "REPLIES_EACH", "SEGMENTED_FROM", "Segments", "cuts_segments"]

SEGMENTED_FROM: Final = 16
"""Replies in a batch; fewer are no load, and are what people sniff."""
REPLIES_EACH: Final = 2
"""Replies for each client of a batch, on average; with fewer, sorting costs about what it saves."""
MAX_SEGMENT: Final = 1_232
"""Longest reply that is sent so, in bytes: a segment is never fragmented, and each link takes so much (RFC 8200)."""
MAX_MESSAGE: Final = 65_507
"""Longest message, in bytes: an IPv4 packet less its headers."""

UDP_SEGMENT: Final = 103  # Linux's number; Python has no name for it
_CONTROL: Final = struct.Struct("@Nii")  # cmsghdr: length, level and type
_SEGMENT_BYTES: Final = 2
_CONTROL_BYTES: Final = socket.CMSG_SPACE(_SEGMENT_BYTES)
# Of a sockaddr, by its size: a sockaddr_in ends with eight bytes that say nothing.
_TOLD_BYTES: Final = {SOCKADDR_BYTES[socket.AF_INET]: 8, SOCKADDR_BYTES[socket.AF_INET6]: 28}


def cuts_segments(sock: socket.socket) -> bool:
    """Return whether the kernel cuts up messages of a UDP socket: Linux 4.18 and later."""
    try:
        sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
    except OSError:
        return False
    return True


class Segments:
    """Headers for sendmmsg, each for replies that go to one client from one address and are of one length.

    Args:
        slots: The memory of all slots.
        origins: Where each slot's reply goes.
    """

    def __init__(self, slots: Memory, origins: Origins) -> None:
        self._origins = origins
        self._slot_addresses = [slots.address + start for start in SLOT_STARTS]
        self._client_words = _client_words(origins)
        self._vectors = Memory(BATCH * IOVEC.size)
        self._vector_bases = self._vectors.words(WORD, 0, IOVEC.size)
        self._vector_lengths = self._vectors.words(WORD, WORD_BYTES, IOVEC.size)
        self._control_stride = origins.control_bytes + _CONTROL_BYTES
        self._controls = Memory(BATCH * self._control_stride)
        self._segment_lengths = self._controls.words(
            "H", origins.control_bytes + socket.CMSG_LEN(0), self._control_stride
        )
        self._headers = Memory(BATCH * HEADER.size)
        self._names = self._headers.words(WORD, 0, HEADER.size)
        self._first_vectors = self._headers.words(WORD, VECTORS_AT, HEADER.size)
        self._vector_counts = self._headers.words(WORD, VECTORS_AT + WORD_BYTES, HEADER.size)
        for position in range(BATCH):
            self._write_unchanging(position)

    def _write_unchanging(self, position: int) -> None:
        at, size = position * self._control_stride, self._control_stride
        HEADER.pack_into(
            self._headers.view, position * HEADER.size,
            0, self._origins.name_bytes, 0, 0, self._controls.address + at, size, 0, 0,
        )  # fmt: skip
        _CONTROL.pack_into(
            self._controls.view, at + self._origins.control_bytes,
            socket.CMSG_LEN(_SEGMENT_BYTES), socket.IPPROTO_UDP, UDP_SEGMENT,
        )  # fmt: skip

    @property
    def address(self) -> int:
        """Where the headers begin."""
        return self._headers.address

    def lay(self, lengths: list[int]) -> Sequence[list[int]]:
        """Lay the headers of a batch out.

        Args:
            lengths: Of each slot's reply, in bytes; 0 for none.

        Returns:
            The slots of each header; none at all where the batch had better be sent one by one.
        """
        if len(lengths) < SEGMENTED_FROM:
            return ()
        first, *more = [words[: len(lengths)].tolist() for words in self._client_words]
        clients = list(zip(first, *more, strict=True)) if more else first
        if len(set(clients)) * REPLIES_EACH > len(lengths):
            return ()
        groups = _groups(clients, lengths)
        self._write_vectors(groups, lengths)
        self._write_headers(groups, lengths)
        return groups

    def _write_vectors(self, groups: list[list[int]], lengths: list[int]) -> None:
        order = [slot for members in groups for slot in members]
        addresses = self._slot_addresses
        _fill(self._vector_bases, WORD, [addresses[slot] for slot in order])
        _fill(self._vector_lengths, WORD, [lengths[slot] for slot in order])

    def _write_headers(self, groups: list[list[int]], lengths: list[int]) -> None:
        counts = [len(members) for members in groups]
        begins = accumulate(counts[:-1], initial=0)
        _fill(self._names, WORD, [self._origins.name_at(members[0]) for members in groups])
        _fill(self._first_vectors, WORD, [self._vectors.address + begin * IOVEC.size for begin in begins])
        _fill(self._vector_counts, WORD, counts)
        # A segment of length 0 says that there is but one.
        _fill(self._segment_lengths, "H", [lengths[members[0]] if len(members) > 1 else 0 for members in groups])
        size = self._origins.control_bytes
        if size:
            for position, members in enumerate(groups):
                to, at = position * self._control_stride, members[0] * size
                self._controls.view[to : to + size] = self._origins.controls.view[at : at + size]


def _fill(words: memoryview, kind: str, content: list[int]) -> None:
    words[: len(content)] = memoryview(array.array(kind, content))


def _client_words(origins: Origins) -> list[memoryview]:
    """Return the words that tell, for each slot, where its reply goes, and from which address."""
    names = [origins.names.words("Q", at, NAME_STRIDE) for at in range(0, _TOLD_BYTES[origins.name_bytes], 8)]
    places = range(socket.CMSG_LEN(0), origins.control_bytes, WORD_BYTES)
    return names + [origins.controls.words(WORD, at, origins.control_bytes) for at in places]


def _groups(clients: Sequence[object], lengths: list[int]) -> list[list[int]]:
    """Return the slots that have a reply, those together that can be one message."""
    alike: defaultdict[tuple[object, int], list[int]] = defaultdict(list)
    for slot, key in enumerate(zip(clients, lengths, strict=True)):
        alike[key].append(slot)
    groups: list[list[int]] = []
    for (_, length), slots in alike.items():
        if length:
            most = MAX_MESSAGE // length if length <= MAX_SEGMENT else 1
            groups += [slots[at : at + most] for at in range(0, len(slots), most)]
    return groups
