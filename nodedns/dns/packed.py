"""``PackedAnswers``: replies kept as bytes by the query they answer, and dropped as the table changes.

Strategy: a query, its ID left out and its letters lower-cased, is a key. What it
leads to are the bytes before and after the question, which stays as the client
sent it, so that ID and letter case need no thought. Queries that differ in RD,
CD or AD are packed anew from the same reply.

Three things keep this right without dropping everything at each change:

- A reply names what it depends on (``dependency``); ``drop`` forgets what a change touches.
- Replies that hold a SOA are shared by all queries for which they are the same but
  for the serial, so ``set_serials`` writes new serials into a few dozen of them. Each is of one zone's.
- The reply to a name that does not exist is a template for all names that differ
  in their first label alone. It is used after looking whether the name is there.

A reply with records that each client is to get in another order is kept in several,
which are given by turns; where they are not all there are, it is asked for anew in the end.

What is kept is bounded, in number and in bytes; the oldest goes first. Only queries
without EDNS options are kept, only types that people ask for, and no NXDOMAIN but
as a template. A stranger can still ask in thousands of ways what nobody asks twice
(payload sizes, flags, lengths of missing names); that takes as many whole answers
as there are places, and of negative ones it never drops the others.

This makes no answer: what is not here is for ``responder.respond``, whose replies
``keep`` takes. It must give the same bytes, which a property test shows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, cycle, islice, repeat
from random import Random
from typing import Any, Final

from nodedns.dns.decode import HEADER_BYTES
from nodedns.dns.name import Labels
from nodedns.dns.question import Rcode, RRType
from nodedns.dns.responder import Reply

__all__ = ["KEY_AT", "MAX_PACKED", "MAX_TEMPLATES", "NAME_AT", "Packed", "PackedAnswers", "slipped"]

MAX_PACKED: Final = 65_536
"""Replies kept: A and AAAA of 10,000 nodes with and without RD and EDNS."""
MAX_PACKED_BYTES: Final = 40 * 1024 * 1024
"""What they may take, about: 640 bytes for each of ``MAX_PACKED``, which those of one address need."""
MAX_TEMPLATES: Final = 1_024
"""Templates, and shared replies with a SOA: a few hundred lengths, places and types occur; each change of the
table writes its serial into all of them, a quarter of a millisecond at most."""
MAX_HEADS: Final = 256
"""Different heads kept once for all replies, so that what is used with each query is small; a few dozen occur."""

KEY_AT: Final = 2
"""A key begins behind the ID."""
NAME_AT: Final = HEADER_BYTES - KEY_AT
"""Where in a key the name begins, and with it its first label."""

MAX_MISSING: Final = 4_096
"""Keys of missing names kept until they are taken; a turn of 4 ms has a thousand at most."""

USES_OF_EACH: Final = 16
"""How often each of several replies is given, where there are more than are kept; then others are made."""

Packed = tuple[bytes, int, bytes | bytearray, int, Any, int, Iterator[Any] | None]
"""``(head, question_end, tail, end, note, class_key, tails)``: bytes 2 to 12 of the reply, where the question ends,
what follows it, the length of the whole, and what the caller keeps with it: a note, and the response class. A plain
tuple: it is unpacked for each query in less time than one attribute is read. A ``tail`` with a SOA is a bytearray,
into which serials are written. The next of ``tails``, where there are any, is what follows the question this time, of
the same length; None once they are used up, and then the query is to be asked. They never end."""

_MX: Final = 15
_TYPES: Final = frozenset(
    {RRType.A, RRType.AAAA, RRType.TXT, RRType.ANY, RRType.PTR, RRType.NS, RRType.SOA, RRType.CNAME, RRType.SRV, _MX}
    | {RRType.SSHFP}
)
_SERIAL_BYTES: Final = 4
_LONGEST_KEPT: Final = HEADER_BYTES + 255 + 4 + 11  # the longest name (RFC 1035 section 3.1), type and class, an OPT
_OPT_BYTES: Final = 11  # RFC 6891 section 6.1.2: an OPT record without options
_QUESTION_TAIL_BYTES: Final = 4
_RD: Final = 0x01  # in byte 2 of a message
_TC: Final = 0x02  # likewise
_AD_CD: Final = 0x30  # in byte 3
_ONE_QUESTION: Final = b"\0\1\0\0\0\0\0"  # the four counts but for the last byte
_ENTRY_BYTES: Final = 256  # what an entry takes besides its bytes, and again for each key it depends on; measured
_LETTERS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class PackedAnswers:
    """The kept replies of one transport.

    Args:
        is_there: By the beginning of a key (``NODE_KEY``, ``SERVICE_KEY``), whether a name of its kind with this folded
            first label may exist.
        rng: Chance, for the order of records.
        capacity: Most replies kept.
        max_bytes: Most bytes that they take, about.

    Attributes:
        hot: By key. Look here first; on a miss, ask ``template``.
    """

    def __init__(
        self,
        is_there: Mapping[str, Callable[[str], bool]],
        rng: Random,
        capacity: int = MAX_PACKED,
        max_bytes: int = MAX_PACKED_BYTES,
    ) -> None:
        self.hot: dict[bytes, Packed] = {}
        self._is_there = is_there
        self._rng = rng
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._bytes = 0
        self._keys_of: dict[bytes, tuple[str, ...]] = {}
        self._dependents: dict[str, dict[bytes, None]] = {}
        self._with_soa: dict[tuple[object, ...], tuple[Packed, int, Labels]] = {}
        self._templates: dict[bytes, tuple[Packed, Callable[[str], bool]]] = {}
        self._sizes: dict[bytes, int] = {}
        self._serials_as_of: object = None
        self._missing: deque[bytes] = deque(maxlen=MAX_MISSING)
        self._heads: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self.hot) + len(self._templates)

    def find(self, query: bytes) -> Packed | None:
        """Return what answers ``query`` now, a template included; None if that is not kept.

        Its ``tail`` is the one to give this time; whoever finds it has used it.
        """
        if len(query) > _LONGEST_KEPT:
            return None
        key = query[KEY_AT:]
        found = self.hot.get(key)
        if found is None:
            folded = key.lower()
            found = self.hot.get(folded) or self.template(folded)
        if found is None or found[-1] is None:
            return found
        tail = next(found[-1])
        return None if tail is None else (*found[:2], tail, *found[3:6], None)

    def template(self, key: bytes) -> Packed | None:
        """Return the reply to a name that is not there, if one like it was kept and it still is not there."""
        if len(key) <= NAME_AT:
            return None
        label_end = NAME_AT + 1 + key[NAME_AT]
        found = self._templates.get(key[: NAME_AT + 1] + key[label_end:])
        if found is None:
            return None
        packed, is_there = found
        if is_there(key[NAME_AT + 1 : label_end].decode("utf-8", "surrogateescape")):
            return None
        self._missing.append(key)
        return packed

    def take_missing(self) -> list[bytes]:
        """Return the keys that ``template`` had an answer for since this was called last."""
        if not self._missing:
            return []
        missing = list(self._missing)
        self._missing.clear()
        return missing

    def keep(self, query: bytes, reply: Reply, note: object, class_key: int = 0) -> None:
        """Keep ``reply`` to ``query`` if queries like it may come again.

        Args:
            query: As received.
            reply: What ``respond`` made of it, with the table as ``drop`` and ``set_serials`` last knew it.
            note: Handed back with each use.
            class_key: Likewise.
        """
        keys = reply.keys
        if keys is None or not _is_common(query, reply):
            return
        key = query[KEY_AT:].lower()
        if reply.rcode is Rcode.NXDOMAIN:
            label = _first_label(key)
            for start, is_there in self._is_there.items():
                if keys == (start + label,):
                    self._keep_template(key, self._shared(reply, note, class_key), is_there)
            return
        packed, variants = self._with_variants(reply, note, class_key)
        self._forget(key)
        size = _size(key, packed, keys) * variants
        while self.hot and (len(self.hot) >= self._capacity or self._bytes + size > self._max_bytes):
            self._forget(next(iter(self.hot)))
        self._bytes += size
        self.hot[key] = packed
        self._sizes[key] = size
        self._keys_of[key] = keys
        for name in keys:
            self._dependents.setdefault(name, {})[key] = None

    def drop(self, keys: Iterable[str]) -> None:
        """Forget every reply that depends on one of ``keys``."""
        for name in keys:
            for key in tuple(self._dependents.get(name, ())):
                self._forget(key)

    def set_serials(self, as_of: object, serial_of: Callable[[Labels], int]) -> None:
        """Write the serials of now into every reply that holds a SOA.

        Args:
            as_of: Equal to what it was the last time if no serial has changed since.
            serial_of: Tells the serial of a zone, by its folded name.
        """
        if as_of == self._serials_as_of:
            return
        self._serials_as_of = as_of
        for packed, at, zone in self._with_soa.values():
            tail = packed[2]
            assert isinstance(tail, bytearray)  # noqa: S101 - for the type checker; _shared made it one
            tail[at : at + _SERIAL_BYTES] = serial_of(zone).to_bytes(_SERIAL_BYTES, "big")

    def clear(self) -> None:
        """Forget everything, as when the policy changes."""
        for kept in (self.hot, self._keys_of, self._dependents, self._with_soa, self._templates, self._sizes):
            kept.clear()
        self._bytes = 0

    def _keep_template(self, key: bytes, packed: Packed, is_there: Callable[[str], bool]) -> None:
        label_end = NAME_AT + 1 + key[NAME_AT]
        while len(self._templates) >= MAX_TEMPLATES:
            del self._templates[next(iter(self._templates))]
        self._templates[key[: NAME_AT + 1] + key[label_end:]] = packed, is_there

    def _with_variants(self, reply: Reply, note: object, class_key: int) -> tuple[Packed, int]:
        """Return what to keep of ``reply``, and of how many replies it consists."""
        packed = self._shared(reply, note, class_key)
        spread = reply.spread
        if spread is None:
            return packed, 1
        tails = [wire[reply.question_end :] for wire in spread.variants(self._rng)]
        turns: Iterator[bytes | None] = cycle(tails)
        if len(tails) < spread.turns:
            turns = chain(islice(turns, USES_OF_EACH * len(tails)), repeat(None))
        return (*packed[:6], turns), len(tails)

    def _shared(self, reply: Reply, note: object, class_key: int) -> Packed:
        wire, end = reply.wire, reply.question_end
        head, tail = wire[KEY_AT:HEADER_BYTES], wire[end:]
        if reply.serial_at is None:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            return self._heads.setdefault(head, head), end, tail, len(wire), note, class_key, None
        at = reply.serial_at - end
        # Two zones with names of one length may have replies of the same bytes, but not the same serials.
        sameness = (head, end, tail[:at], tail[at + _SERIAL_BYTES :], id(note), class_key, reply.serial_of)
        found = self._with_soa.get(sameness)
        if found is not None:
            return found[0]
        if len(self._with_soa) >= MAX_TEMPLATES:
            self._forget_with_soa()
        packed = head, end, bytearray(tail), len(wire), note, class_key, None
        self._with_soa[sameness] = (packed, at, reply.serial_of)
        return packed

    def _forget_with_soa(self) -> None:
        # All of them: which queries share one is written nowhere. Looking through everything takes milliseconds.
        self._with_soa.clear()
        self._templates.clear()
        for key in [key for key, packed in self.hot.items() if isinstance(packed[2], bytearray)]:
            self._forget(key)

    def _forget(self, key: bytes) -> None:
        packed = self.hot.pop(key, None)
        if packed is None:
            return
        keys = self._keys_of.pop(key)
        self._bytes -= self._sizes.pop(key)
        for name in keys:
            dependents = self._dependents[name]
            del dependents[key]
            if not dependents:
                del self._dependents[name]


def slipped(packed: Packed, query_bytes: int) -> Packed:
    """Return ``packed`` without its records and with TC set.

    Args:
        packed: The reply.
        query_bytes: How long the query is; one that goes on behind its question has an OPT record.
    """
    head, question_end, tail, _, note, class_key, _ = packed
    opt = bytes(tail[-_OPT_BYTES:]) if query_bytes > question_end else b""
    counts = _ONE_QUESTION + bytes((bool(opt),))
    return bytes((head[0] | _TC, head[1])) + counts, question_end, opt, question_end + len(opt), note, class_key, None


def _size(key: bytes, packed: Packed, keys: tuple[str, ...]) -> int:
    """Return about how many bytes an entry takes; a tail with a SOA is shared with others."""
    own = 0 if isinstance(packed[2], bytearray) else len(packed[2])
    return len(key) + own + _ENTRY_BYTES * (1 + len(keys))


def _is_common(query: bytes, reply: Reply) -> bool:
    """Whether a query is of a kind that comes again, and its lower-cased bytes tell it from every other."""
    end = reply.question_end
    if reply.spread is not None and not reply.spread.is_even:
        return False
    if reply.qtype not in _TYPES or len(query) not in (end, end + _OPT_BYTES):
        return False
    if query[2] & ~_RD or query[3] & ~_AD_CD:
        return False
    # Letters of the name fold; a number that looks like one would be taken for another number.
    return _LETTERS.isdisjoint(query[end - _QUESTION_TAIL_BYTES :])


def _first_label(key: bytes) -> str:
    return key[NAME_AT + 1 : NAME_AT + 1 + key[NAME_AT]].decode("utf-8", "surrogateescape")
