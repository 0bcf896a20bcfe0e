"""Messages and records as bytes; the one file of the room that knows MessagePack.

A message is a type byte and one MessagePack value. A record, for the agent's own
disk, is made of the same parts. Strict on the way in: exact types and lengths,
nothing behind the value, every list bounded.

What it doesn't do: the envelope in which gossip carries a message, encryption,
the framing of records in a file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgpack

from nodedns.errors import LocalProtocolError, TooBig, WireError, shorten
from nodedns.model.names import NodeName, fold
from nodedns.replica.clock import MAX_VERSION
from nodedns.replica.entry import ORIGIN_BYTES, Entry, Kind, Origin
from nodedns.replica.messages import (
    ALL_BUCKETS,
    BUCKETS,
    Behind,
    Census,
    CensusAsk,
    CensusPart,
    Delta,
    Digest,
    Fingerprint,
    Message,
    Range,
    Rumours,
    Summary,
)
from nodedns.replica.params import (
    CHUNK_BYTES,
    MAX_ID_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_RANGE_ENTRIES,
    MAX_STREAM_ENTRIES,
    MAX_STREAMS,
    MAX_VALUE_BYTES,
)
from nodedns.replica.values import Malformed, excess_of, plain_value, read_fields, read_int, read_value

__all__ = [
    "decode_message_untrusted",
    "decode_ranges_untrusted",
    "encode_behind",
    "encode_census",
    "encode_census_ask",
    "encode_census_part",
    "encode_delta",
    "encode_digest",
    "encode_entry",
    "encode_fingerprint",
    "encode_own_entry",
    "encode_range",
    "encode_rumours",
    "encode_summary",
    "join_ranges",
]

# The type byte. Only ever added to: others have it on the wire and on disk.
_FINGERPRINT, _SUMMARY, _DIGEST, _RUMOURS, _DELTA, _BEHIND, _CENSUS_ASK, _CENSUS = range(1, 9)

MAX_RANGES = MAX_STREAMS  # in one message
MAX_RANGE_BYTES = CHUNK_BYTES + MAX_VALUE_BYTES + 64  # a chunk may end with one that is long
MAX_PIECE_BYTES = 2 * MAX_RANGE_BYTES  # of a message with entries, which are told about a chunk at a time
MAX_MAP_ITEMS = 4_096  # ours; Consul lets a service have 64 meta pairs

T = TypeVar("T")

# Each of their bytes may make an object; of the other messages almost all is one string of bytes.
_OF_ENTRIES = frozenset({_RUMOURS, _DELTA, _CENSUS})
_LINE = struct.Struct(f">{ORIGIN_BYTES}sQ")
_HASHES = struct.Struct(f">{BUCKETS}Q")
_UNPACK_ERRORS = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)

_packer = msgpack.Packer(use_bin_type=True, unicode_errors="surrogatepass", autoreset=True)
_pack: Callable[[object], bytes] = _packer.pack
_array: Callable[[int], bytes] = _packer.pack_array_header


# --- out --------------------------------------------------------------------------------------------------


def encode_entry(entry: Entry) -> bytes:
    """Return an entry without its origin."""
    kind, _, item_id = entry.key
    return _pack([kind.value, entry.node, item_id, entry.version, plain_value(entry.value)])


def encode_own_entry(entry: Entry) -> bytes:
    """Return an entry that is new here, without its origin.

    Raises:
        TooBig: It is longer than ``MAX_VALUE_BYTES``, or its name or ID longer than ``MAX_ID_BYTES``.
        LocalProtocolError: It cannot be encoded, is beyond a limit, or has no name, or an ID where none belongs.
    """
    try:
        encoded = encode_entry(entry)
    except (ValueError, TypeError, OverflowError, RecursionError) as problem:
        raise LocalProtocolError(f"{entry.key} cannot be encoded: {shorten(str(problem))}") from problem
    if len(encoded) > MAX_VALUE_BYTES:
        raise TooBig(f"the registration of {shorten(entry.key[2] or entry.node)}", len(encoded), MAX_VALUE_BYTES)
    for text in (entry.node, entry.key[2]):
        size = len(_utf8(text))
        if size > MAX_ID_BYTES:
            raise TooBig(f"the name {shorten(text)}", size, MAX_ID_BYTES)
    try:
        # What others would refuse must not stand in our stream: they would hear nothing behind it.
        told = _decode(encoded, "replica entry", lambda unpacker, _: _read_entry(entry.origin, unpacker.unpack()))
    except WireError as problem:
        raise LocalProtocolError(f"{entry.key} would be refused: {problem}") from problem
    if told.excess:
        raise LocalProtocolError(f"{entry.key} is beyond a limit: {told.excess}")
    return encoded


def encode_range(origin: Origin, after: int, upto: int, encoded_entries: Sequence[bytes]) -> bytes:
    """Return a range of encoded entries, which stand in the order of their versions."""
    return b"".join(
        (_array(4), _pack(origin), _pack(after), _pack(upto), _array(len(encoded_entries)), *encoded_entries)
    )


def join_ranges(raw_ranges: Sequence[bytes]) -> bytes:
    """Return encoded ranges as one value; ``decode_ranges_untrusted`` takes it apart."""
    return b"".join((_array(len(raw_ranges)), *raw_ranges))


def encode_rumours(raw_ranges: Sequence[bytes]) -> bytes:
    """Return the message ``Rumours``."""
    return bytes((_RUMOURS,)) + join_ranges(raw_ranges)


def encode_delta(more: int, raw_ranges: Sequence[bytes]) -> bytes:
    """Return the message ``Delta``."""
    return bytes((_DELTA,)) + _array(2) + _pack(more) + join_ranges(raw_ranges)


def encode_fingerprint(digest_hash: int, content_hash: int) -> bytes:
    """Return the message ``Fingerprint``."""
    return bytes((_FINGERPRINT,)) + _pack([digest_hash, content_hash])


def encode_summary(hashes: Sequence[int]) -> bytes:
    """Return the message ``Summary``."""
    return bytes((_SUMMARY,)) + _pack(_HASHES.pack(*hashes))


def encode_digest(buckets: int, lines: Iterable[tuple[Origin, int]], *, wants_answer: bool) -> bytes:
    """Return the message ``Digest``."""
    return bytes((_DIGEST,)) + _pack([buckets, wants_answer, _encode_lines(lines)])


def encode_behind() -> bytes:
    """Return the message ``Behind``."""
    return bytes((_BEHIND,)) + _pack(None)


def encode_census_ask(session: int, index: int, lines: Iterable[tuple[Origin, int]]) -> bytes:
    """Return the message ``CensusAsk``."""
    return bytes((_CENSUS_ASK,)) + _pack([session, index, _encode_lines(lines)])


def encode_census_part(stretch: tuple[Origin, int, int, int], kept: Sequence[int], entries: Sequence[bytes]) -> bytes:
    """Return a part of a census: the stretch is origin, after, upto and floor."""
    origin, after, upto, floor = stretch
    head = [_array(6), _pack(origin), _pack(after), _pack(upto), _pack(floor)]
    return b"".join((*head, _pack(struct.pack(f">{len(kept)}Q", *kept)), _array(len(entries)), *entries))


def encode_census(session: int, index: int, encoded_parts: Sequence[bytes], *, is_last: bool) -> bytes:
    """Return the message ``Census``."""
    head = (bytes((_CENSUS,)), _array(4), _pack(session), _pack(index), _pack(is_last))
    return b"".join((*head, _array(len(encoded_parts)), *encoded_parts))


def _encode_lines(lines: Iterable[tuple[Origin, int]]) -> bytes:
    return b"".join(_LINE.pack(origin, known) for origin, known in lines)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# --- in ---------------------------------------------------------------------------------------------------


def _nothing_known(_: Origin) -> int:
    return 0


def decode_message_untrusted(payload: bytes, known: Callable[[Origin], int] = _nothing_known) -> Message:
    """Return the message in ``payload``.

    Args:
        payload: Any bytes.
        known: How far an origin is known; entries of rumours that tell nothing new are left out, and not looked at.

    Raises:
        WireError: It is no message, or breaks a limit.
    """
    read = _READERS.get(payload[0]) if payload else None
    if read is None:
        raise WireError("replica message", 0, f"no message has the type {payload[:1].hex()}")
    if len(payload) < 2 or len(payload) > (MAX_PIECE_BYTES if payload[0] in _OF_ENTRIES else MAX_MESSAGE_BYTES):
        raise WireError("replica message", 0, f"{len(payload)} bytes")
    return _decode(payload[1:], "replica message", lambda unpacker, data: read(unpacker, data, known))


def decode_ranges_untrusted(data: bytes) -> tuple[Range, ...]:
    """Return what ``join_ranges`` joined; raises as ``decode_message_untrusted``."""
    return _decode(data, "replica ranges", lambda unpacker, data: _read_ranges(unpacker, data, _nothing_known))


def _decode(data: bytes, what: str, read: Callable[[Any, bytes], T]) -> T:
    unpacker = msgpack.Unpacker(
        raw=False,
        unicode_errors="surrogatepass",
        strict_map_key=True,
        max_buffer_size=max(len(data), 1),
        max_array_len=max(MAX_RANGES, MAX_RANGE_ENTRIES),
        max_map_len=MAX_MAP_ITEMS,
    )
    unpacker.feed(data)
    try:
        value = read(unpacker, data)
    except Malformed as problem:
        raise WireError(what, unpacker.tell(), str(problem)) from None
    except _UNPACK_ERRORS as problem:
        reason = f"bad MessagePack: {shorten(str(problem) or type(problem).__name__)}"
        raise WireError(what, unpacker.tell(), reason) from None
    if unpacker.tell() != len(data):
        raise WireError(what, unpacker.tell(), "bytes left over")
    return value


_Known = Callable[[Origin], int]


def _read_fingerprint(unpacker: Any, *_: object) -> Fingerprint:  # noqa: ANN401 - msgpack is untyped, here and below
    digest_hash, content_hash = read_fields(unpacker.unpack(), [int, int])
    return Fingerprint(read_int(digest_hash, 2**64 - 1), read_int(content_hash, 2**64 - 1))


def _read_summary(unpacker: Any, *_: object) -> Summary:  # noqa: ANN401
    packed = _read_bytes(unpacker.unpack(), _HASHES.size)
    return Summary(_HASHES.unpack(packed))


def _read_digest(unpacker: Any, *_: object) -> Digest:  # noqa: ANN401
    buckets, wants_answer, lines = read_fields(unpacker.unpack(), [int, bool, bytes])
    return Digest(read_int(buckets, ALL_BUCKETS), _read_lines(lines), wants_answer)


def _read_rumours(unpacker: Any, data: bytes, known: _Known) -> Rumours:  # noqa: ANN401
    return Rumours(_read_ranges(unpacker, data, known))


def _read_delta(unpacker: Any, data: bytes, known: _Known) -> Delta:  # noqa: ANN401
    _expect(unpacker.read_array_header(), 2)
    more = read_int(unpacker.unpack(), ALL_BUCKETS)
    return Delta(more, _read_ranges(unpacker, data, known))


def _read_behind(unpacker: Any, *_: object) -> Behind:  # noqa: ANN401
    if unpacker.unpack() is not None:
        raise Malformed("there is nothing to say beside it")
    return Behind()


def _read_census_ask(unpacker: Any, *_: object) -> CensusAsk:  # noqa: ANN401
    session, index, lines = read_fields(unpacker.unpack(), [int, int, bytes])
    return CensusAsk(read_int(session, 2**64 - 1), read_int(index, 2**32 - 1), _read_lines(lines))


def _read_census(unpacker: Any, data: bytes, _: object) -> Census:  # noqa: ANN401
    _expect(unpacker.read_array_header(), 4)
    session, index = read_int(unpacker.unpack(), 2**64 - 1), read_int(unpacker.unpack(), 2**32 - 1)
    is_last = unpacker.unpack()
    if type(is_last) is not bool:
        raise Malformed("it is the last or not")
    count = _at_most(unpacker.read_array_header(), MAX_RANGES)
    parts = tuple([_read_census_part(unpacker.unpack()) for _ in range(count)])
    return Census(session, index, is_last, parts, bytes((_CENSUS,)) + data)


_READERS: dict[int, Callable[[Any, bytes, _Known], Message]] = {
    _FINGERPRINT: _read_fingerprint,
    _SUMMARY: _read_summary,
    _DIGEST: _read_digest,
    _RUMOURS: _read_rumours,
    _DELTA: _read_delta,
    _BEHIND: _read_behind,
    _CENSUS_ASK: _read_census_ask,
    _CENSUS: _read_census,
}


def _read_census_part(plain: object) -> CensusPart:
    origin, after, upto, floor, kept, entries = read_fields(plain, [bytes, int, int, int, bytes, list])
    whose, begin, end = _read_stretch(origin, after, upto)
    count, rest = divmod(len(kept), 8)
    if rest or count > MAX_STREAM_ENTRIES:
        raise Malformed(f"{len(kept)} bytes of versions")
    versions = struct.unpack(f">{count}Q", kept)
    return CensusPart(whose, begin, end, read_int(floor, end), versions, _read_entries(whose, begin, end, entries))


def _read_ranges(unpacker: Any, data: bytes, known: _Known) -> tuple[Range, ...]:  # noqa: ANN401
    ranges = []
    for _ in range(_at_most(unpacker.read_array_header(), MAX_RANGES)):
        start = unpacker.tell()
        _expect(unpacker.read_array_header(), 4)
        whose, begin, end = _read_stretch(unpacker.unpack(), unpacker.unpack(), unpacker.unpack())
        if end <= known(whose):
            # Most of what is heard was heard before, and building it would be most of the work.
            unpacker.skip()
            ranges.append(Range(whose, begin, end, (), b""))
            continue
        entries = _read_entries(whose, begin, end, unpacker.unpack())
        raw = data[start : unpacker.tell()]
        _at_most(len(raw), MAX_RANGE_BYTES)
        ranges.append(Range(whose, begin, end, entries, raw))
    return tuple(ranges)


def _read_stretch(origin: object, after: object, upto: object) -> tuple[Origin, int, int]:
    whose = Origin(_read_bytes(origin, ORIGIN_BYTES))
    begin = read_int(after, MAX_VERSION)
    return whose, begin, read_int(upto, MAX_VERSION, begin)


def _read_entries(origin: Origin, after: int, upto: int, plain: object) -> tuple[Entry, ...]:
    if type(plain) is not list or len(plain) > MAX_RANGE_ENTRIES:
        raise Malformed("no list of entries, or too long a one")
    entries = []
    for item in plain:
        entry = _read_entry(origin, item)
        if not after < entry.version <= upto:
            raise Malformed(f"version {entry.version} is not from {after} to {upto}, or out of order")
        after = entry.version
        entries.append(entry)
    return tuple(entries)


def _read_entry(origin: Origin, plain: object) -> Entry:
    if type(plain) is not list or [*map(type, plain[:4])] != _ENTRY_FIELDS or len(plain) != len(_ENTRY_FIELDS) + 1:
        raise Malformed(f"{shorten(plain)} is no entry")
    number, node, item, version, value = plain
    kind = _KINDS.get(number)
    if kind is None:
        raise Malformed(f"no kind is {number}")
    name = NodeName(node)
    if not name or _is_too_long(name) or _is_too_long(item):
        raise Malformed(f"a name or ID of {len(name)} and {len(item)} letters")
    if (kind is Kind.NODE) != (item == ""):
        raise Malformed("an ID where none belongs, or none")
    folded = fold(name)
    key = (kind, name if folded == name else folded, item)
    read = read_value(kind, name, item, value)
    excess = excess_of(read)
    # What cannot be kept is no reason to hear nothing of what its writer wrote after it.
    return Entry(key, name, read_int(version, MAX_VERSION), origin, None if excess else read, excess)


_KINDS = {kind.value: kind for kind in Kind}
_ENTRY_FIELDS = [int, str, str, int]


def _is_too_long(text: str) -> bool:
    return len(text) * 4 > MAX_ID_BYTES and len(_utf8(text)) > MAX_ID_BYTES


def _read_lines(packed: bytes) -> dict[Origin, int]:
    count, rest = divmod(len(packed), _LINE.size)
    if rest or count > MAX_STREAMS:
        raise Malformed(f"{len(packed)} bytes of lines")
    return {Origin(origin): read_int(known, MAX_VERSION) for origin, known in _LINE.iter_unpack(packed)}


def _read_bytes(plain: object, length: int) -> bytes:
    if type(plain) is not bytes or len(plain) != length:
        raise Malformed(f"{shorten(plain)} where {length} bytes belong")
    return plain


def _expect(count: int, wanted: int) -> None:
    if count != wanted:
        raise Malformed(f"{count} fields where {wanted} belong")


def _at_most(count: int, limit: int) -> int:
    if count > limit:
        raise Malformed(f"{count} items, more than {limit}")
    return count
