"""``ReplicaState``: all entries by key, and the streams from which they came.

It is a pure function of how far each origin is known: whoever knows the same
holds the same. Streams are taken in without gaps, of two writes to one key the
newer stays, and what changed since the last look is remembered for the table.

What it doesn't do: messages, time, files.
"""

from __future__ import annotations

import enum
import functools
import operator
from collections.abc import Generator, Iterable, Iterator

from nodedns.model.names import fold
from nodedns.replica.entry import Entry, Key, Kind, Origin
from nodedns.replica.messages import ALL_BUCKETS, BUCKETS, CensusPart, Range
from nodedns.replica.params import MAX_ENTRIES, MAX_MEMORY_BYTES, MAX_STREAM_ENTRIES, MAX_STREAMS, SMALL_BYTES
from nodedns.replica.stream import Stream, line_hash
from nodedns.replica.weight import weight_of

__all__ = ["Outcome", "ReplicaState"]


class Outcome(enum.Enum):
    """What became of a range."""

    APPLIED = "applied"
    KNOWN = "known"
    GAP = "gap"
    FUTURE = "from-the-future"
    FULL = "full"


class ReplicaState:
    """What one agent holds.

    Args:
        max_memory_bytes: Above this it takes no more.
    """

    def __init__(self, max_memory_bytes: int = MAX_MEMORY_BYTES) -> None:
        self._max_memory_bytes = max_memory_bytes
        self._memory_bytes = 0
        self._entries: dict[Key, Entry] = {}
        self._streams: dict[Origin, Stream] = {}
        self._by_node: dict[str, dict[Key, None]] = {}
        self._hashes = [0] * BUCKETS
        self._touched: dict[Key, Entry | None] = {}
        self._tombstones = 0
        self._content_hash = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def memory_bytes(self) -> int:
        """About how much memory the entries take."""
        return self._memory_bytes

    @property
    def is_heavy(self) -> bool:
        """Whether they take as much as they may, so that there is no room for what is new."""
        return self._memory_bytes >= self._max_memory_bytes

    @property
    def tombstones(self) -> int:
        """Entries that say something is gone."""
        return self._tombstones

    @property
    def streams(self) -> int:
        """Origins that are known."""
        return len(self._streams)

    @property
    def hashes(self) -> tuple[int, ...]:
        """A hash of each part of the digest."""
        return tuple(self._hashes)

    @property
    def digest_hash(self) -> int:
        """A hash of the whole digest; 0 for an empty one."""
        return functools.reduce(operator.xor, self._hashes)

    @property
    def content_hash(self) -> int:
        """A hash of what is registered, tombstones left out; equal digests mean equal ones, with rare exceptions."""
        return self._content_hash

    def known(self, origin: Origin) -> int:
        """How far an origin is known; 0: not at all."""
        stream = self._streams.get(origin)
        return 0 if stream is None else stream.known

    def floor(self, origin: Origin) -> int:
        """Up to where an origin's deletions may be forgotten here."""
        stream = self._streams.get(origin)
        return 0 if stream is None else stream.floor

    def lines(self, buckets: int = ALL_BUCKETS) -> list[tuple[Origin, int]]:
        """Return the digest, or parts of it."""
        return [(one.origin, one.known) for one in self._streams.values() if buckets >> one.bucket & 1]

    def in_buckets(self, buckets: int = ALL_BUCKETS) -> Iterator[Stream]:
        """The streams whose lines stand in these parts of the digest."""
        return (one for one in self._streams.values() if buckets >> one.bucket & 1)

    def length(self, origin: Origin) -> int:
        """How many entries of an origin are held."""
        stream = self._streams.get(origin)
        return 0 if stream is None else len(stream)

    def entries(self) -> Iterator[Entry]:
        """All entries, tombstones too, in the order in which their keys came."""
        return iter(self._entries.values())

    def get(self, key: Key) -> Entry | None:
        """Return what is held under a key, a tombstone too."""
        return self._entries.get(key)

    def of_node(self, node: str) -> list[Entry]:
        """Return what is held under a node's name, tombstones too, in the order in which it came."""
        return [self._entries[key] for key in self._by_node.get(fold(node), ())]

    # --- taking in ------------------------------------------------------------------------------------

    def apply(self, told: Range, furthest: int, *, is_owed: bool = False) -> Outcome:
        """Take in a range, as far as it can be.

        Args:
            told: The range.
            furthest: The highest version that is believed.
            is_owed: Whether it was written or held here before, so that it is taken however much memory that takes.

        Returns:
            What became of it. Where it is refused, what stands before the part that is refused is taken in.
        """
        known = self.known(told.origin)
        if told.upto <= known:
            return Outcome.KNOWN
        if told.after > known:
            return Outcome.GAP
        stream = self._streams.get(told.origin)
        if stream is None:
            if len(self._streams) >= MAX_STREAMS:
                return Outcome.FULL
            stream = self._streams[told.origin] = Stream(told.origin)
        upto, outcome = told.upto, Outcome.APPLIED
        for entry in told.entries:
            if entry.version <= known:
                continue
            refusal = self._refusal(entry, stream, furthest)
            if refusal is None and self.is_heavy and not is_owed and self._is_heavier(entry):
                refusal = Outcome.FULL
            if refusal is not None:
                upto, outcome = entry.version - 1, refusal
                break
            self._put(entry, stream)
        if upto > furthest:
            upto, outcome = furthest, Outcome.FUTURE
        self._advance(stream, max(upto, known))
        return outcome

    def _refusal(self, entry: Entry, stream: Stream, furthest: int) -> Outcome | None:
        if entry.version > furthest:
            return Outcome.FUTURE
        is_new = entry.key not in self._entries
        if (is_new and len(self._entries) >= MAX_ENTRIES) or len(stream) >= MAX_STREAM_ENTRIES:
            return Outcome.FULL
        return None

    def _is_heavier(self, entry: Entry) -> bool:
        """Whether it takes more than it may once there is no room: what is small may replace, anything may delete."""
        if entry.value is None:
            return False
        held = self._entries.get(entry.key)
        return held is None or weight_of(entry.value) > max(weight_of(held.value), SMALL_BYTES)

    def _advance(self, stream: Stream, known: int) -> None:
        if known == stream.known:
            return
        if stream.known:
            self._hashes[stream.bucket] ^= line_hash(stream.origin, stream.known)
        if known:
            self._hashes[stream.bucket] ^= line_hash(stream.origin, known)
        stream.known = known

    def _put(self, entry: Entry, stream: Stream) -> None:
        held = self._entries.get(entry.key)
        if held is not None:
            if not entry.is_newer_than(held):
                return
            self._streams[held.origin].remove(held.version)
            self._count(held, -1)
        else:
            self._by_node.setdefault(entry.key[1], {})[entry.key] = None
        self._touched.setdefault(entry.key, held)
        self._entries[entry.key] = entry
        self._count(entry, 1)
        stream.add(entry)

    def _count(self, entry: Entry, by: int) -> None:
        self._memory_bytes += by * weight_of(entry.value)
        if entry.value is None:
            self._tombstones += by
        else:
            self._content_hash ^= line_hash(entry.origin, entry.version)

    def admit(self, origin: Origin) -> None:
        """Have room for a stream of our own: where there are too many, the oldest without entries goes for it.

        What we write ourselves was promised to somebody, so it must not be refused for what others filled us with.
        """
        if origin in self._streams:
            return
        if len(self._streams) >= MAX_STREAMS:
            empty = [stream for stream in self._streams.values() if not len(stream)]
            if empty:
                oldest = min(empty, key=lambda stream: stream.known)
                self._advance(oldest, 0)
                del self._streams[oldest.origin]
        self._streams[origin] = Stream(origin)

    # --- letting go -----------------------------------------------------------------------------------

    def _drop(self, entry: Entry) -> None:
        self._touched.setdefault(entry.key, entry)
        del self._entries[entry.key]
        self._streams[entry.origin].remove(entry.version)
        self._count(entry, -1)
        keys = self._by_node[entry.key[1]]
        del keys[entry.key]
        if not keys:
            del self._by_node[entry.key[1]]

    def forget_tombstones(self, upto: int) -> int:
        """Forget deletions up to a version; returns how many."""
        if not self._tombstones:
            return 0
        old = [entry for entry in self._entries.values() if entry.value is None and entry.version <= upto]
        for entry in old:
            stream = self._streams[entry.origin]
            stream.floor = max(stream.floor, entry.version)
            self._drop(entry)
        return len(old)

    def forget_streams(self, upto: int) -> int:
        """Forget origins known up to a version at most of which nothing is held; returns how many."""
        old = [one for one in self._streams.values() if not len(one) and one.known <= upto]
        for stream in old:
            self._advance(stream, 0)
            del self._streams[stream.origin]
        return len(old)

    def cut(self, upto: int) -> list[Entry]:
        """Let go of what is above a version, and know nothing above it; returns what was let go."""
        gone: list[Entry] = []
        for stream in self._streams.values():
            if stream.known > upto:
                gone.extend(stream.between(upto, stream.known))
                held = stream.between(0, upto)
                self._advance(stream, held[-1].version if held else 0)
                stream.floor = min(stream.floor, stream.known)
        for entry in gone:
            self._drop(entry)
        return gone

    def newest(self) -> int:
        """Return the highest version known of any origin, 0 for none."""
        return max((stream.known for stream in self._streams.values()), default=0)

    def newest_of(self, origins: Iterable[Origin]) -> int:
        """Return the highest version known of some origins, 0 for none."""
        return max(map(self.known, origins), default=0)

    # --- a census -------------------------------------------------------------------------------------

    def commit_census(self, parts: Iterable[CensusPart], *, is_owed: bool = False) -> Generator[int, None, int]:
        """Take in a whole state: what it does not list, and its teller must have seen, is gone.

        Args:
            parts: The state.
            is_owed: As ``apply`` has it.

        Returns:
            Steps, which give about how many entries each looked at, and return how many were dropped. What is held
            counts, and changed, once all have been gone through, for a part alone would have what another part
            supersedes or deletes be there again.
        """
        told = list(parts)
        dropped = 0
        for part in told:
            stream = self._streams.get(part.origin)
            if stream is None:
                continue
            listed = {*part.kept, *(entry.version for entry in part.entries)}
            held = stream.between(part.after, min(part.upto, stream.known))
            for entry in held:
                if entry.version not in listed:
                    self._drop(entry)
                    dropped += 1
            yield 1 + len(listed) + len(held)
        for part in told:
            self._take_part(part, is_owed=is_owed)
            yield 1 + len(part.entries)
        return dropped

    def _take_part(self, part: CensusPart, *, is_owed: bool) -> None:
        stream = self._streams.get(part.origin)
        if stream is None:
            if len(self._streams) >= MAX_STREAMS:
                return
            stream = self._streams[part.origin] = Stream(part.origin)
        if part.after > stream.known or part.upto <= stream.known:
            stream.floor = max(stream.floor, min(part.floor, stream.known))
            return
        for entry in part.entries:
            if entry.version > stream.known:
                if len(self._entries) >= MAX_ENTRIES or (self.is_heavy and not is_owed):
                    return
                self._put(entry, stream)
        self._advance(stream, part.upto)
        stream.floor = max(stream.floor, part.floor)

    # --- what changed ---------------------------------------------------------------------------------

    def take_changed(self) -> dict[Key, Entry]:
        """Return what is other than at the last call, by key: what is gone first, then nodes, services and checks.

        What is gone is an entry without a value under the name that it had.
        """
        gone: dict[int, dict[Key, Entry]] = {kind: {} for kind in Kind}
        come: dict[int, dict[Key, Entry]] = {kind: {} for kind in Kind}
        entries = self._entries
        for key, before in self._touched.items():
            now = entries.get(key)
            if now is None or now.value is None:
                if before is not None and before.value is not None:
                    gone[key[0]][key] = Entry(key, before.node, before.version, before.origin, None)
            elif before is None or before.value != now.value or before.node != now.node:
                come[key[0]][key] = now
        self._touched.clear()
        changed: dict[Key, Entry] = {}
        for found in (*(gone[kind] for kind in sorted(Kind, reverse=True)), *(come[kind] for kind in sorted(Kind))):
            changed |= found
        return changed
