"""Message bodies: MessagePack maps to message classes and back; the one file that knows MessagePack.

Strategy: msgpack's C code turns bytes into maps, the tables of
``gossip/kinds.py`` turn maps into messages. The dialect is MessagePack's old raw
one: strings and bytes alike are raw, and there is no bin and no str8. Both of
those are accepted on the way in, as Go does, and so are bytes after a body,
which real agents ignore. Two ways in: small bodies (datagrams) are unpacked
whole under limits that keep what they can make us allocate small; bodies of
megabytes (push/pull state) are read value by value with the kinds in hand.

What it doesn't do: type bytes, wrappings, streams. Source: go-msgpack 0.5.5 and
v2.1.5 as observed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import msgpack

from nodedns.errors import GossipWireError, shorten
from nodedns.gossip.kinds import STR, Codec, Kind, ListOf, MapOf, Mismatch, Nested, codec_of, reader_of, writer_of

__all__ = [
    "UNPACK_ERRORS",
    "OutOfData",
    "decode_body_untrusted",
    "decode_large_body_untrusted",
    "decode_prefix_untrusted",
    "encode_body",
    "new_unpacker",
    "reason_of",
    "value_decoder",
    "value_encoder",
]

T = TypeVar("T")

MAX_CONTAINER_ITEMS = 1024  # Serf's limit on an encoded query, in bytes: no list in one is longer

OutOfData = msgpack.OutOfData
# All that msgpack raises for bad input: TypeError is an unhashable map key.
UNPACK_ERRORS = (ValueError, TypeError, msgpack.UnpackException)

_NIL = 0xC0
_pack: Callable[[object], bytes] = msgpack.Packer(use_bin_type=False, unicode_errors="surrogateescape").pack


def new_unpacker(max_bytes: int) -> Any:  # noqa: ANN401  # msgpack is untyped
    """Return an incremental unpacker that holds at most ``max_bytes``."""
    return msgpack.Unpacker(
        raw=True,
        strict_map_key=False,
        max_buffer_size=max_bytes,
        max_array_len=MAX_CONTAINER_ITEMS,
        max_map_len=MAX_CONTAINER_ITEMS,
    )


def reason_of(problem: Exception) -> str:
    """Return an unpacker's complaint in words fit for an error."""
    return f"bad MessagePack: {shorten(str(problem) or type(problem).__name__)}"


def encode_body(message: object) -> bytes:
    """Return a message's map, keys in order, without a type byte."""
    return _pack(codec_of(type(message)).write(message))


def _unpack_untrusted(data: bytes | memoryview, what: str) -> tuple[object, int]:
    """Return the first value in ``data`` and how many bytes follow it."""
    try:
        value: object = msgpack.unpackb(
            data,
            raw=True,
            strict_map_key=False,
            max_array_len=MAX_CONTAINER_ITEMS,
            max_map_len=MAX_CONTAINER_ITEMS,
        )
    except msgpack.ExtraData as extra:
        return extra.unpacked, len(extra.extra)
    except UNPACK_ERRORS as problem:
        raise GossipWireError(what, 0, reason_of(problem)) from None
    return value, 0


def decode_body_untrusted(cls: type[T], data: bytes | memoryview, what: str) -> T:
    """Return the message in ``data``, which has no type byte; bytes after it are ignored, as Go does.

    Args:
        cls: The message class expected.
        data: Any bytes.
        what: Names the thing in errors, e.g. ``alive message``.

    Raises:
        GossipWireError: Not MessagePack, not a map, or a field of the wrong kind or range.
    """
    value, _ = _unpack_untrusted(data, what)
    try:
        return codec_of(cls).read(value)
    except Mismatch as problem:
        raise GossipWireError(what, 0, str(problem)) from None


def decode_prefix_untrusted(cls: type[T], data: bytes | memoryview, what: str) -> tuple[T, int]:
    """Return the message at the start of ``data`` and the offset of what follows it.

    Raises:
        GossipWireError: As ``decode_body_untrusted``.
    """
    value, left = _unpack_untrusted(data, what)
    try:
        return codec_of(cls).read(value), len(data) - left
    except Mismatch as problem:
        raise GossipWireError(what, 0, str(problem)) from None


def value_encoder(kind: Kind) -> Callable[[Any], bytes]:
    """Return the function that encodes one value of ``kind``, for bodies that are no message's map."""
    write = writer_of(kind)
    if write is None:
        return _pack
    return lambda value: _pack(write(value))


def value_decoder(kind: Kind, what: str) -> Callable[[bytes], Any]:
    """Return the function that decodes one value of ``kind``; it raises as ``decode_body_untrusted``."""
    read = reader_of(kind)

    def decode_untrusted(data: bytes) -> Any:  # noqa: ANN401  # what comes out is the kind's business
        value, _ = _unpack_untrusted(data, what)
        try:
            return read(value)
        except Mismatch as problem:
            raise GossipWireError(what, 0, str(problem)) from None

    return decode_untrusted


def decode_large_body_untrusted(cls: type[T], data: bytes, what: str) -> T:
    """As ``decode_body_untrusted``, for bodies of megabytes whose lists and maps have limits of their own.

    It reads value by value with the kinds in hand: a container where none
    belongs is refused before it is built, so a hostile body costs no more
    memory than its fields may hold.

    Raises:
        GossipWireError: As ``decode_body_untrusted``, or a list or map longer than its kind allows.
    """
    unpacker = new_unpacker(max(len(data), 1))
    unpacker.feed(data)
    try:
        message: T = _puller_of(Nested(cls))(unpacker, data)
    except Mismatch as problem:
        raise GossipWireError(what, unpacker.tell(), str(problem)) from None
    except (*UNPACK_ERRORS, IndexError) as problem:  # IndexError: looked for a value past the end
        raise GossipWireError(what, unpacker.tell(), reason_of(problem)) from None
    return message


@functools.cache  # one entry per kind that occurs in a large message
def _puller_of(kind: Kind) -> Callable[[Any, bytes], Any]:
    """Return a function that takes the next value, of ``kind``, out of an unpacker that was fed ``data``."""
    match kind:
        case ListOf():
            pull = _list_puller(kind)
        case MapOf():
            pull = _map_puller(kind)
        case Nested():
            pull = _nested_puller(kind)
        case _:
            return _scalar_puller(reader_of(kind))
    zero = reader_of(kind)

    def pull_or_nil(unpacker: Any, data: bytes) -> Any:  # noqa: ANN401  # what comes out is the kind's business
        if data[unpacker.tell()] == _NIL:
            unpacker.skip()
            return zero(None)
        return pull(unpacker, data)

    return pull_or_nil


def _scalar_puller(read: Callable[[object], Any]) -> Callable[[Any, bytes], Any]:
    def pull(unpacker: Any, data: bytes) -> Any:  # noqa: ANN401
        lead = data[unpacker.tell()]
        if 0x80 <= lead <= 0x9F or 0xDC <= lead <= 0xDF:
            raise Mismatch("a list or map where none belongs")
        return read(unpacker.unpack())

    return pull


def _list_puller(kind: ListOf) -> Callable[[Any, bytes], Any]:
    pull_element = _puller_of(kind.element)

    def pull(unpacker: Any, data: bytes) -> Any:  # noqa: ANN401
        count = _bounded(unpacker.read_array_header(), kind.limit)
        return tuple([pull_element(unpacker, data) for _ in range(count)])

    return pull


def _map_puller(kind: MapOf) -> Callable[[Any, bytes], Any]:
    pull_key, pull_value = _puller_of(STR), _puller_of(kind.value)

    def pull(unpacker: Any, data: bytes) -> Any:  # noqa: ANN401
        count = _bounded(unpacker.read_map_header(), kind.limit)
        return {pull_key(unpacker, data): pull_value(unpacker, data) for _ in range(count)}

    return pull


def _nested_puller(kind: Nested) -> Callable[[Any, bytes], Any]:
    codec: Codec[Any] = codec_of(kind.cls)
    pull_key = _scalar_puller(_as_read)
    pullers = {key: _puller_of(field) for key, field in codec.kinds.items()}

    def pull(unpacker: Any, data: bytes) -> Any:  # noqa: ANN401
        values = {}
        for _ in range(_bounded(unpacker.read_map_header(), MAX_CONTAINER_ITEMS)):
            key = pull_key(unpacker, data)
            pull_value = pullers.get(key)
            if pull_value is None:
                unpacker.skip()
            else:
                values[key] = pull_value(unpacker, data)
        return codec.assemble(values)

    return pull


def _as_read(value: object) -> object:
    return value


def _bounded(count: int, limit: int) -> int:
    if count > limit:
        raise Mismatch(f"{count} items, more than {limit}")
    return count
