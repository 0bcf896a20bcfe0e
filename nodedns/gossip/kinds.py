"""Kinds: what may stand in a field of a gossip message, and the codec built from them.

Strategy: a message class names for each field its key and its kind (``wire``).
``codec_of`` turns that, once per class, into a table of plain functions: one
reader per field, called with whatever MessagePack yielded, and one writer.
Readers are strict: the exact type, in range, or ``Mismatch``. Two things are
lenient because Go's decoder is: nil and a missing key are the zero value, and
a key nobody knows is skipped.

What it doesn't do: touch MessagePack, or check the values our own code puts
into a message. Source: go-msgpack 0.5.5 and v2.1.5 as observed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Generic, TypeVar

import attrs

from nodedns.errors import shorten

__all__ = [
    "BOOL",
    "BYTES",
    "FLOAT",
    "I64",
    "STR",
    "U8",
    "U16",
    "U32",
    "U64",
    "Codec",
    "Flag",
    "Float",
    "Integer",
    "Kind",
    "ListOf",
    "MapOf",
    "Mismatch",
    "Nested",
    "Raw",
    "Text",
    "codec_of",
    "reader_of",
    "wire",
    "writer_of",
]

T = TypeVar("T")


@attrs.frozen
class Integer:
    """An integer from ``lowest`` to ``highest``, both included; any MessagePack width is accepted."""

    lowest: int
    highest: int


@attrs.frozen
class Flag:
    """true or false."""


@attrs.frozen
class Float:
    """A double; single precision and integers are accepted too, as Go does."""


@attrs.frozen
class Text:
    """UTF-8 text; bytes that are not UTF-8 survive a round trip as surrogate escapes."""


@attrs.frozen
class Raw:
    """A byte string; Go's array-of-small-integers form is accepted too."""


@attrs.frozen
class ListOf:
    """An array whose elements are all of one kind; at most ``limit`` of them."""

    element: Kind
    limit: int


@attrs.frozen
class MapOf:
    """A map from text to values of one kind; at most ``limit`` entries."""

    value: Kind
    limit: int


@attrs.frozen
class Nested:
    """A map that is itself a message class; with ``keep_nil``, nil is None and not an empty message."""

    cls: type
    keep_nil: bool = False


Kind = Integer | Flag | Float | Text | Raw | ListOf | MapOf | Nested

U8 = Integer(0, 0xFF)
U16 = Integer(0, 0xFFFF)
U32 = Integer(0, 0xFFFF_FFFF)
U64 = Integer(0, 0xFFFF_FFFF_FFFF_FFFF)
I64 = Integer(-(1 << 63), (1 << 63) - 1)
BOOL = Flag()
FLOAT = Float()
STR = Text()
BYTES = Raw()


def wire(key: str, kind: Kind, *, optional: bool = False, nil: bool = False) -> dict[str, object]:
    """Return the metadata of a message field.

    Args:
        key: The Go field's name, exactly.
        kind: What the field holds.
        optional: Left out of the map while it holds its zero value.
        nil: An empty value is written as nil, which is what Go writes for a nil slice.
    """
    return {"wire": key, "kind": kind, "optional": optional, "nil": nil}


class Mismatch(ValueError):
    """A value is not of the kind its field has; the text says why. Never leaves the gossip codecs."""


Reader = Callable[[object], Any]
Writer = Callable[[Any], object]


def _integer_reader(kind: Integer) -> Reader:
    lowest, highest = kind.lowest, kind.highest

    def read(value: object) -> int:
        # ``type() is``: True is an int to isinstance, and no integer to Go.
        if type(value) is int:
            if lowest <= value <= highest:
                return value
            raise Mismatch(f"{value} is not within {lowest}..{highest}")
        if value is None:
            return 0
        raise Mismatch(f"not an integer: {shorten(value)}")

    return read


def _read_flag(value: object) -> bool:
    if value is True:
        return True
    if value is False or value is None:
        return False
    raise Mismatch(f"not a flag: {shorten(value)}")


def _read_float(value: object) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    if value is None:
        return 0.0
    raise Mismatch(f"not a number: {shorten(value)}")


def _read_text(value: object) -> str:
    if type(value) is bytes:
        return value.decode("utf-8", "surrogateescape")
    if value is None:
        return ""
    raise Mismatch(f"not a string: {shorten(value)}")


def _read_raw(value: object) -> bytes:
    if type(value) is bytes:
        return value
    if value is None:
        return b""
    if type(value) is list and all(type(item) is int and 0 <= item <= 0xFF for item in value):
        return bytes(value)
    raise Mismatch(f"not a byte string: {shorten(value)}")


def _list_reader(kind: ListOf) -> Reader:
    read_element, limit = reader_of(kind.element), kind.limit

    def read(value: object) -> tuple[Any, ...]:
        if value is None:
            return ()
        if type(value) is not list:
            raise Mismatch(f"not a list: {shorten(value)}")
        if len(value) > limit:
            raise Mismatch(f"{len(value)} elements, more than {limit}")
        return tuple([read_element(item) for item in value])

    return read


def _map_reader(kind: MapOf) -> Reader:
    read_value, limit = reader_of(kind.value), kind.limit

    def read(value: object) -> dict[str, Any]:
        if value is None:
            return {}
        if type(value) is not dict:
            raise Mismatch(f"not a map: {shorten(value)}")
        if len(value) > limit:
            raise Mismatch(f"{len(value)} entries, more than {limit}")
        return {_read_text(key): read_value(item) for key, item in value.items()}

    return read


def reader_of(kind: Kind) -> Reader:
    """Return the function that checks and converts one decoded value of ``kind``, or raises ``Mismatch``."""
    match kind:
        case Integer():
            return _integer_reader(kind)
        case Flag():
            return _read_flag
        case Float():
            return _read_float
        case Text():
            return _read_text
        case Raw():
            return _read_raw
        case ListOf():
            return _list_reader(kind)
        case MapOf():
            return _map_reader(kind)
    return _nested_reader(kind)


def _nested_reader(kind: Nested) -> Reader:
    codec: Codec[Any] = codec_of(kind.cls)
    read = codec.read
    if not kind.keep_nil:
        return read
    return lambda value: None if value is None else read(value)


def writer_of(kind: Kind) -> Writer | None:
    """Return how a value of ``kind`` is made ready for MessagePack, or None where it already is."""
    match kind:
        case Nested():
            codec: Codec[Any] = codec_of(kind.cls)
            return lambda message: None if message is None else codec.write(message)
        case ListOf():
            write = writer_of(kind.element) or _as_is
            return lambda items: [write(item) for item in items]
        case MapOf():
            write = writer_of(kind.value) or _as_is
            # Sorted, so that one value has one encoding; surrogate escapes sort with the code points they are.
            return lambda items: {key: write(items[key]) for key in sorted(items)}
    return None


def _as_is(value: object) -> object:
    return value


class Codec(Generic[T]):
    """Message class to map and back; get one from ``codec_of``.

    Attributes:
        kinds: The kind of each field by its key on the wire, in field order.
    """

    __slots__ = ("_cls", "_get", "_keys", "_readers", "_rules", "kinds")

    def __init__(self, cls: type[T]) -> None:
        fields: Any = attrs.fields(cls)  # type: ignore[arg-type]  # every message class is an attrs class
        described = [(str(field.metadata["wire"]), field) for field in fields]
        self._cls = cls
        self.kinds: Mapping[bytes, Kind] = {key.encode(): field.metadata["kind"] for key, field in described}
        self._readers = tuple((key, reader_of(kind)) for key, kind in self.kinds.items())
        # Real agents write keys sorted by name; sorting makes our bytes theirs.
        described.sort(key=lambda pair: pair[0])
        self._keys = tuple(key for key, _ in described)
        getter = attrgetter(*(field.name for _, field in described))
        self._get: Callable[[T], tuple[Any, ...]] = getter if len(described) > 1 else lambda value: (getter(value),)
        self._rules = tuple(
            (index, field.metadata["optional"], field.metadata["nil"], writer_of(field.metadata["kind"]))
            for index, (_, field) in enumerate(described)
            if field.metadata["optional"] or field.metadata["nil"] or writer_of(field.metadata["kind"])
        )

    def read(self, value: object) -> T:
        """Return the message that a decoded map stands for.

        Raises:
            Mismatch: ``value`` is neither a map nor nil, or a field is not of its kind.
        """
        if type(value) is not dict:
            if value is None:
                value = {}
            else:
                raise Mismatch(f"not a map: {shorten(value)}")
        get = value.get
        key, values = b"", []
        try:
            for key, read in self._readers:
                values.append(read(get(key)))
        except Mismatch as problem:
            raise Mismatch(f"{key.decode()}: {problem}") from None
        return self._cls(*values)

    def assemble(self, values: Mapping[bytes, Any]) -> T:
        """Return the message whose fields were read already, by key; those not there get their zero value."""
        return self._cls(*[values[key] if key in values else read(None) for key, read in self._readers])

    def write(self, message: T) -> dict[str, object]:
        """Return ``message`` as a map with its keys in order, ready for MessagePack."""
        values = self._get(message)
        if not self._rules:
            return dict(zip(self._keys, values, strict=True))
        ready = list(values)
        left_out = []
        for index, optional, nil, write in self._rules:
            value = values[index]
            if not value and (optional or nil):
                ready[index] = None
                if optional:
                    left_out.append(self._keys[index])
            elif write is not None:
                ready[index] = write(value)
        result = dict(zip(self._keys, ready, strict=True))
        for key in left_out:
            del result[key]
        return result


_CODECS: dict[type, Codec[Any]] = {}  # one entry per message class, of which there are a few dozen


def codec_of(cls: type[T]) -> Codec[T]:
    """Return the codec of a message class, built at the first call."""
    codec = _CODECS.get(cls)
    if codec is None:
        codec = _CODECS[cls] = Codec(cls)
    return codec
