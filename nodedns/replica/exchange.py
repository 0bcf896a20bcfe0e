"""What is sent to somebody whose digest is at hand: the stretches of streams that he lacks.

In pieces of a bounded size, and of a bounded size in all: who needs more asks
again, and by then says how far he has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nodedns.replica.entry import Entry, Origin
from nodedns.replica.messages import Digest
from nodedns.replica.params import CHUNK_BYTES, MAX_RANGE_ENTRIES, REPLY_BYTES
from nodedns.replica.state import ReplicaState
from nodedns.replica.stream import Stream
from nodedns.replica.wire import encode_delta, encode_entry, encode_range

__all__ = ["deltas_for", "is_behind", "is_further", "range_pieces"]


def is_behind(state: ReplicaState, digest: Digest) -> bool:
    """Whether deletions that the sender of the digest has not heard of are forgotten here."""
    return any(one.floor > digest.lines.get(one.origin, 0) for one in state.in_buckets(digest.buckets))


def is_further(state: ReplicaState, digest: Digest) -> bool:
    """Whether the sender of the digest knows what is not known here."""
    return any(known > state.known(origin) for origin, known in digest.lines.items())


def deltas_for(state: ReplicaState, digest: Digest, expired: int) -> list[bytes]:
    """Return the messages ``Delta`` for the sender of a digest, who must not be behind.

    Args:
        state: What is held here.
        digest: What is known there.
        expired: Origins without entries, and known up to this version at most, are not told of.
    """
    reply = _Reply()
    for stream in state.in_buckets(digest.buckets):
        known = digest.lines.get(stream.origin, 0)
        if known >= stream.known or (not len(stream) and stream.known <= expired):
            continue
        for raw in _pieces_of(stream, known):
            if not reply.add(raw):
                return reply.finish(digest.buckets)
    return reply.finish(0)


class _Reply:
    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._left = REPLY_BYTES

    def add(self, raw: bytes) -> bool:
        """Add a range; False: there is room for no more, this one included."""
        if self._left <= 0:
            return False
        if self._waiting and self._bytes + len(raw) > CHUNK_BYTES:
            self._messages.append(encode_delta(0, self._waiting))
            self._waiting, self._bytes = [], 0
        self._waiting.append(raw)
        self._bytes += len(raw)
        self._left -= len(raw)
        return True

    def finish(self, more: int) -> list[bytes]:
        if self._waiting:
            self._messages.append(encode_delta(more, self._waiting))
        return self._messages


def _pieces_of(stream: Stream, after: int) -> Iterator[bytes]:
    while after < stream.known:
        entries = stream.between(after, stream.known, MAX_RANGE_ENTRIES)
        upto = stream.known if len(entries) < MAX_RANGE_ENTRIES else entries[-1].version
        for _, raw in range_pieces(stream.origin, after, upto, _encoded(entries), CHUNK_BYTES):
            yield raw
        after = upto


def _encoded(entries: Sequence[Entry]) -> Iterator[tuple[int, bytes]]:
    # One by one, as they are needed: a reply may be full before all are encoded.
    return ((entry.version, encode_entry(entry)) for entry in entries)


def range_pieces(
    origin: Origin, after: int, upto: int, encoded: Iterable[tuple[int, bytes]], piece_bytes: int
) -> Iterator[tuple[int, bytes]]:
    """Yield encoded ranges, each behind the version with which it ends, of at most ``piece_bytes`` of entries.

    Together they are one range; an entry that is longer has a piece of its own.

    Args:
        origin: Whose stream.
        after: Where the range begins.
        upto: Where it ends.
        encoded: Versions and encoded entries, in order.
        piece_bytes: As said.
    """
    piece: list[bytes] = []
    size, last = 0, after
    for version, entry in encoded:
        if piece and size + len(entry) > piece_bytes:
            yield last, encode_range(origin, after, last, piece)
            after, piece, size = last, [], 0
        piece.append(entry)
        size += len(entry)
        last = version
    yield upto, encode_range(origin, after, upto, piece)
