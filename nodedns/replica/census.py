"""``CensusTelling`` and ``CensusTaking``: a whole state, told to somebody who was away for too long.

Who has not heard of a deletion before it was forgotten by the others would bring
back what was deleted. He is told everything that is still held instead: for what
he knows already the versions are enough. What he has, the teller must have seen,
and the teller no longer has, is gone.

The teller lists his entries once, at the first part, and encodes part after
part as it is asked for; entries never change, so the list stays true. The taker
keeps the parts until the last one and takes in all at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nodedns.model.names import NodeName
from nodedns.replica.entry import Entry, Origin
from nodedns.replica.messages import Census, CensusPart
from nodedns.replica.params import CHUNK_BYTES, MAX_CENSUS_BYTES
from nodedns.replica.state import ReplicaState
from nodedns.replica.wire import encode_census, encode_census_part, encode_entry

__all__ = ["CensusTaking", "CensusTelling", "census_parts"]

VERSION_BYTES = 8

Stretch = tuple[Origin, int, int, list[Entry]]


def census_parts(state: ReplicaState, lines: Mapping[Origin, int]) -> Iterator[bytes]:
    """Return the encoded parts of a census of what is held now, each of about ``CHUNK_BYTES``.

    Args:
        state: What is held; listed at once, encoded as the parts are taken.
        lines: How far each origin is known by the one who is told.
    """
    stretches = [(one.origin, one.known, one.floor, list(one.entries())) for one in state.in_buckets()]
    return (part for stretch in stretches for part in _parts_of(stretch, lines.get(stretch[0], 0)))


def _parts_of(stretch: Stretch, known_there: int) -> Iterator[bytes]:
    origin, known, floor, entries = stretch
    after = last = 0
    kept: list[int] = []
    told: list[bytes] = []
    size = 0
    for entry in entries:
        encoded = b"" if entry.version <= known_there else encode_entry(entry)
        if size and size + len(encoded) > CHUNK_BYTES:
            yield encode_census_part((origin, after, last, min(floor, last)), kept, told)
            after, kept, told, size = last, [], [], 0
        if encoded:
            told.append(encoded)
        else:
            kept.append(entry.version)
        size += len(encoded) or VERSION_BYTES
        last = entry.version
    yield encode_census_part((origin, after, known, floor), kept, told)


class CensusTelling:
    """Tells one peer, part by part.

    Args:
        peer: Who asked.
        session: His number for it.
        parts: See ``census_parts``.
        deadline: When it is given up, unless he asks for the next part.
    """

    def __init__(self, peer: NodeName, session: int, parts: Iterator[bytes], deadline: float) -> None:
        self.peer = peer
        self.session = session
        self.deadline = deadline
        self._parts = parts
        self._index = 0
        self._ahead = next(parts, None)

    def next_message(self, index: int) -> bytes | None:
        """Return the message ``Census`` of that number, or None if it is not its turn."""
        if index != self._index:
            return None
        gathered: list[bytes] = []
        size = 0
        while self._ahead is not None and (not gathered or size + len(self._ahead) <= CHUNK_BYTES):
            gathered.append(self._ahead)
            size += len(self._ahead)
            self._ahead = next(self._parts, None)
        self._index += 1
        return encode_census(self.session, index, gathered, is_last=self._ahead is None)

    @property
    def is_done(self) -> bool:
        """Whether the last part was told."""
        return self._ahead is None


class CensusTaking:
    """Gathers what one peer tells.

    Args:
        peer: Who was asked.
        session: Our number for it.
        deadline: When it is given up, unless the next part comes.
    """

    def __init__(self, peer: NodeName, session: int, deadline: float) -> None:
        self.peer = peer
        self.session = session
        self.deadline = deadline
        self.messages: list[Census] = []
        self._bytes = 0

    def add(self, message: Census) -> bool:
        """Take the next part; False: it is out of turn, or too much in all, and the whole is to be given up."""
        self._bytes += len(message.raw)
        if message.index != len(self.messages) or self._bytes > MAX_CENSUS_BYTES:
            return False
        self.messages.append(message)
        return True

    @property
    def parts(self) -> list[CensusPart]:
        """What was told so far."""
        return [part for message in self.messages for part in message.parts]

    def furthest(self) -> int:
        """Return the highest version told."""
        return max((part.upto for part in self.parts), default=0)
