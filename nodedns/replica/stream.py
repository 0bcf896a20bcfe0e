"""``Stream``: what is held of one origin's writes, and how far they are known.

Known up to a version means: of everything this origin wrote up to there, we
hold it, or something newer for its key, or it was deleted so long ago that even
the deletion is forgotten. Only what follows without a gap is ever taken in.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from nodedns.replica.entry import Entry, Origin
from nodedns.replica.messages import BUCKETS

__all__ = ["Stream", "bucket_of", "line_hash"]


def bucket_of(origin: Origin) -> int:
    """Return the part of the digest in which an origin's line stands."""
    return hashlib.blake2b(origin, digest_size=1).digest()[0] % BUCKETS


def line_hash(origin: Origin, known: int) -> int:
    """Return 64 bits that stand for one line of a digest; lines are combined by exclusive or."""
    return int.from_bytes(hashlib.blake2b(origin + known.to_bytes(8, "big"), digest_size=8).digest(), "big")


class Stream:
    """One origin's entries by version, some of them superseded and gone.

    Attributes:
        origin: Who wrote them.
        bucket: The part of the digest in which its line stands.
        known: Complete up to this version.
        floor: Tombstones up to this version may be forgotten.
    """

    __slots__ = ("_by_version", "_versions", "bucket", "floor", "known", "origin")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.bucket = bucket_of(origin)
        self.known = 0
        self.floor = 0
        self._versions: list[int] = []
        self._by_version: dict[int, Entry] = {}

    def __len__(self) -> int:
        return len(self._versions)

    def __contains__(self, version: int) -> bool:
        return version in self._by_version

    def add(self, entry: Entry) -> None:
        """Hold an entry; it is the newest."""
        self._versions.append(entry.version)
        self._by_version[entry.version] = entry

    def remove(self, version: int) -> None:
        """Let go of the entry of that version, which is held."""
        del self._versions[bisect_left(self._versions, version)]
        del self._by_version[version]

    def between(self, after: int, upto: int, at_most: int | None = None) -> list[Entry]:
        """Return the entries above ``after`` and up to ``upto``, in the order of versions; the first so many."""
        first, end = bisect_right(self._versions, after), bisect_right(self._versions, upto)
        versions = self._versions[first : end if at_most is None else min(end, first + at_most)]
        return [self._by_version[version] for version in versions]

    def entries(self) -> Iterator[Entry]:
        """All entries, in the order of versions."""
        return (self._by_version[version] for version in self._versions)
