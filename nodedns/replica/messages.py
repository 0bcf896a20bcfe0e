"""What agents say to each other about their replicas, as values.

An exchange in words: *Fingerprint*: here is a hash of all I know. *Summary* (not the
same): here are the hashes of its parts. *Digest*: here is how far I know each origin of the parts
that differ. *Delta*: here is what you lack; and a digest of mine, that you tell me what I lack.
Each is answered from what is known when it arrives, so any may be lost.
"""

from __future__ import annotations

import attrs

from nodedns.model.names import NodeName
from nodedns.replica.entry import Entry, Origin

__all__ = [
    "ALL_BUCKETS",
    "BUCKETS",
    "Behind",
    "Census",
    "CensusAsk",
    "CensusPart",
    "Delta",
    "Digest",
    "Fingerprint",
    "Message",
    "Outgoing",
    "Range",
    "Rumours",
    "Summary",
]

BUCKETS = 64
"""Parts of a digest that are compared by hash; their hashes are half a packet."""
ALL_BUCKETS = 2**BUCKETS - 1


@attrs.frozen
class Range:
    """All that one origin wrote in a stretch of time, but for what is superseded.

    Attributes:
        origin: Whose stream.
        after: The version before the first one told here; who is not that far has a gap.
        upto: Complete up to this version.
        entries: In the order of versions, all above ``after`` and none above ``upto``.
        raw: The encoded range.
    """

    origin: Origin
    after: int
    upto: int
    entries: tuple[Entry, ...] = attrs.field(eq=False)
    raw: bytes


@attrs.frozen
class Fingerprint:
    """Hashes of all lines of the digest, and of what is registered."""

    digest_hash: int
    content_hash: int


@attrs.frozen
class Summary:
    """The hash of each part of the digest, ``BUCKETS`` of them."""

    hashes: tuple[int, ...]


@attrs.frozen
class Digest:
    """How far each origin is known.

    Attributes:
        buckets: Which parts of the digest these are, as bits; an origin of theirs that has no line is unknown.
        lines: By origin, the version up to which it is known.
        wants_answer: Whether the receiver is to send his lines of the same parts, should he lack something.
    """

    buckets: int
    lines: dict[Origin, int]
    wants_answer: bool


@attrs.frozen
class Rumours:
    """New writes, to be handed on."""

    ranges: tuple[Range, ...]


@attrs.frozen
class Delta:
    """What the receiver lacks, by its digest.

    Attributes:
        more: Parts of the digest in which there is more to be had; 0 for none.
        ranges: In the order of versions for each origin.
    """

    more: int
    ranges: tuple[Range, ...]


@attrs.frozen
class Behind:
    """Deletions that the receiver has not heard of are forgotten here: it needs a census."""


@attrs.frozen
class CensusAsk:
    """Tell me the whole state, part by part.

    Attributes:
        session: Made up by the asker.
        index: Which part, from 0.
        lines: With the first part, how far each origin is known.
    """

    session: int
    index: int
    lines: dict[Origin, int]


@attrs.frozen
class CensusPart:
    """A stretch of one stream in a census.

    Attributes:
        origin: Whose stream.
        after: The stretch begins behind this version,
        upto: and ends with this one.
        floor: Deletions up to this version are forgotten.
        kept: Versions in the stretch that are still held, of those the receiver knows.
        entries: What is still held of those it does not know.
    """

    origin: Origin
    after: int
    upto: int
    floor: int
    kept: tuple[int, ...]
    entries: tuple[Entry, ...] = attrs.field(eq=False)


@attrs.frozen
class Census:
    """Part of a whole state: what is not in it, and known to the sender, is gone.

    Attributes:
        session: The asker's.
        index: Which part.
        is_last: Whether the whole state is told now.
        parts: Stretches of streams.
        raw: The encoded message.
    """

    session: int
    index: int
    is_last: bool
    parts: tuple[CensusPart, ...]
    raw: bytes


Message = Fingerprint | Summary | Digest | Rumours | Delta | Behind | CensusAsk | Census


@attrs.frozen
class Outgoing:
    """A message on its way out.

    Attributes:
        peer: To whom.
        payload: What.
        is_datagram: Whether it may go as one datagram, and be lost; otherwise it goes by stream.
    """

    peer: NodeName
    payload: bytes
    is_datagram: bool
