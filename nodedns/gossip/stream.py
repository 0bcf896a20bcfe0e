"""``StreamDecoder``: one direction of a stream, bytes in; type byte, maps and raw bytes out.

Strategy: a push/pull is MessagePack maps back to back, then raw bytes, without
an overall length, so the reader asks for one thing at a time and is told None
until it is all there. Bytes are handed to the unpacker piecemeal, so that no
single map can outgrow its bound before anyone looks, and a compressed message is
decompressed piecemeal, because megabytes of it take a second.

What it doesn't do: sockets, decryption (``gossip/envelope.py``), the order in
which things are asked for (``gossip/pushpull.py``). Source: memberlist's TCP
exchanges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip.bodies import UNPACK_ERRORS, OutOfData, new_unpacker, reason_of
from nodedns.gossip.compression import inflate_pieces_untrusted
from nodedns.gossip.kinds import Mismatch, codec_of
from nodedns.gossip.messages import Compressed, MessageType

__all__ = ["MAX_MAP_BYTES", "MAX_STREAM_BYTES", "StreamDecoder"]

T = TypeVar("T")

MAX_STREAM_BYTES = 20 * 1024 * 1024  # memberlist's bound on an encrypted block and on user state
MAX_MAP_BYTES = 65_536  # one header or node; memberlist's receive buffer, far above any real one


class StreamDecoder:
    """Plaintext bytes of one direction of a stream in; type byte, maps and raw bytes out.

    Feed it as bytes come, and ask again whenever a question was answered None:
    after ``inflate`` while there is something to decompress, else after more bytes.
    Once it has raised, the stream is of no more use.

    Args:
        limit_bytes: Most bytes taken, before and after decompression alike.
    """

    __slots__ = ("_given", "_is_compressed", "_limit", "_pieces", "_received", "_start", "_unpacker", "_waiting")

    def __init__(self, limit_bytes: int = MAX_STREAM_BYTES) -> None:
        self._limit = limit_bytes
        self._received = 0
        self._is_compressed = False
        self._pieces: Iterator[bytes] = iter(())  # of the plaintext still compressed
        self._begin()

    def _begin(self) -> None:
        self._waiting = bytearray()  # not yet in the unpacker, which is fed piecemeal so that no value outgrows its cap
        self._given = 0
        self._start: int | None = None  # where the map under way began
        self._unpacker = new_unpacker(self._limit + MAX_MAP_BYTES)

    @property
    def buffered(self) -> int:
        """How many bytes were fed and not yet taken."""
        taken: int = self._unpacker.tell()
        return self._given - taken + len(self._waiting)

    def feed(self, data: bytes) -> None:
        """Add bytes from the peer.

        Raises:
            GossipWireError: More than ``limit_bytes`` came in all.
        """
        self._received += len(data)
        if self._received > self._limit:
            raise GossipWireError("stream", self._received, f"more than {self._limit} bytes")
        self._waiting += data

    def inflate(self) -> int | None:
        """Decompress the next piece of a compressed message and return its length.

        Returns:
            None where none is left, or where the message is not compressed.

        Raises:
            GossipWireError: Bad compression, or more than ``limit_bytes`` come out.
        """
        piece = next(self._pieces, None)
        if piece is None:
            return None
        self._waiting += piece
        return len(piece)

    def next_type(self) -> int | None:
        """Return the type byte of the message, past that of compression.

        Returns:
            The type byte, or None when more bytes are needed, or a piece is to be decompressed.

        Raises:
            GossipWireError: Bad compression, also one inside another.
        """
        if self._start is None:
            lead = self.take(1)
            if lead is None:
                return None
            if lead[0] != MessageType.COMPRESS:
                return lead[0]
            if self._is_compressed:
                raise GossipWireError("compressed stream", 0, "compressed twice")
        compressed = self.next_map(Compressed, "compressed stream", self._limit)
        if compressed is not None:
            self._begin()
            self._is_compressed = True
            self._pieces = inflate_pieces_untrusted(compressed, self._limit)
        return None

    def next_map(self, cls: type[T], what: str, max_bytes: int = MAX_MAP_BYTES) -> T | None:
        """Return the next map as a ``cls``, or None when more bytes are needed.

        Args:
            cls: The message class expected.
            what: Names the thing in errors.
            max_bytes: An unfinished map of more bytes than this is refused.

        Raises:
            GossipWireError: Not MessagePack, not a map, too long, or a field of the wrong kind.
        """
        if self._start is None:
            self._start = self._unpacker.tell()
        while True:
            try:
                value = self._unpacker.unpack()
                break
            except OutOfData:
                if self._given - self._start > max_bytes:
                    raise GossipWireError(what, self._given, f"longer than {max_bytes} bytes") from None
                if not self._waiting:
                    return None
                piece = bytes(self._waiting[:MAX_MAP_BYTES])
                del self._waiting[:MAX_MAP_BYTES]
                self._given += len(piece)
                self._unpacker.feed(piece)
            except UNPACK_ERRORS as problem:
                raise GossipWireError(what, self._unpacker.tell(), reason_of(problem)) from None
        self._start = None
        try:
            return codec_of(cls).read(value)
        except Mismatch as problem:
            raise GossipWireError(what, self._unpacker.tell(), str(problem)) from None

    def take(self, count: int) -> bytes | None:
        """Return the next ``count`` raw bytes, or None when not all of them are here yet.

        Raises:
            LocalProtocolError: A map is under way; finish it with ``next_map`` first.
        """
        if self._start is not None:
            raise LocalProtocolError("raw bytes asked for in the middle of a map")
        if self.buffered < count:
            return None
        head: bytes = self._unpacker.read_bytes(min(count, self._given - self._unpacker.tell()))
        rest = count - len(head)
        tail = bytes(self._waiting[:rest])
        del self._waiting[:rest]
        return head + tail
