"""Hypothesis strategies for gossip messages, made from the kinds that their fields declare.

Strategy: whatever a codec may encode can be drawn, so a new message class is
tested by naming it. Bytes that look like messages are drawn too: fields with
values of other kinds, under keys that exist, in every form MessagePack has.

What it doesn't do: draw values that our encoders need not take.
"""

from __future__ import annotations

from typing import Any, TypeVar

import attrs
from hypothesis import strategies as st

from nodedns.gossip.kinds import Codec, Flag, Float, Integer, Kind, ListOf, MapOf, Nested, Raw, Text, codec_of

__all__ = ["instances_of", "odd_bodies_of", "wire_text"]

T = TypeVar("T")

MAX_DRAWN_ITEMS = 5

wire_text = st.binary(max_size=40).map(lambda data: data.decode("utf-8", "surrogateescape"))
"""Text as it comes off the wire: not all of it is UTF-8."""


def values_of(kind: Kind) -> st.SearchStrategy[Any]:
    """Return a strategy for what a field of ``kind`` may hold."""
    match kind:
        case Integer():
            return st.integers(kind.lowest, kind.highest)
        case Flag():
            return st.booleans()
        case Float():
            return st.floats(allow_nan=False)
        case Text():
            return wire_text
        case Raw():
            return st.binary(max_size=60)
        case ListOf():
            return st.lists(values_of(kind.element), max_size=min(kind.limit, MAX_DRAWN_ITEMS)).map(tuple)
        case MapOf():
            return st.dictionaries(wire_text, values_of(kind.value), max_size=MAX_DRAWN_ITEMS)
        case Nested():
            drawn: st.SearchStrategy[Any] = instances_of(kind.cls)
            return st.none() | drawn if kind.keep_nil else drawn


def instances_of(cls: type[T]) -> st.SearchStrategy[T]:
    """Return a strategy for messages of ``cls``."""
    fields: Any = attrs.fields(cls)  # type: ignore[arg-type]  # every message class is an attrs class
    return st.builds(cls, **{field.name: values_of(field.metadata["kind"]) for field in fields})


def _raw(data: bytes) -> bytes:
    return bytes([0xDA]) + len(data).to_bytes(2, "big") + data


def _list(items: list[bytes]) -> bytes:
    return bytes([0x90 + len(items)]) + b"".join(items)


def _map(items: list[tuple[bytes, bytes]]) -> bytes:
    return bytes([0x80 + len(items)]) + b"".join(key + value for key, value in items)


# MessagePack by hand: every form that a decoder may meet, those that no encoder of ours writes among them.
_PACKED_LEAVES = (
    st.sampled_from([b"\xc0", b"\xc2", b"\xc3", b"\x00", b"\x7f", b"\xe0", b"\xff", b"\xa0", b"\x90", b"\x80"])
    | st.integers(0, 2**8 - 1).map(lambda number: b"\xcc" + number.to_bytes(1, "big"))
    | st.integers(0, 2**64 - 1).map(lambda number: b"\xcf" + number.to_bytes(8, "big"))
    | st.integers(-(2**15), 2**15 - 1).map(lambda number: b"\xd1" + number.to_bytes(2, "big", signed=True))
    | st.integers(-(2**63), 2**63 - 1).map(lambda number: b"\xd3" + number.to_bytes(8, "big", signed=True))
    | st.binary(min_size=4, max_size=4).map(lambda data: b"\xca" + data)
    | st.binary(min_size=8, max_size=8).map(lambda data: b"\xcb" + data)
    | st.binary(max_size=20).map(_raw)
    | st.binary(max_size=20).map(lambda data: b"\xd9" + bytes([len(data)]) + data)
    | st.binary(max_size=20).map(lambda data: b"\xc4" + bytes([len(data)]) + data)
    | st.binary(min_size=9, max_size=9).map(lambda data: b"\xd7" + data)
)
_PACKED_VALUES = st.recursive(
    _PACKED_LEAVES,
    lambda inner: st.lists(inner, max_size=4).map(_list) | st.lists(st.tuples(inner, inner), max_size=4).map(_map),
    max_leaves=8,
)


def odd_bodies_of(cls: type) -> st.SearchStrategy[bytes]:
    """Return a strategy for MessagePack whose keys are mostly those of ``cls``, and whose values are anything."""
    codec: Codec[Any] = codec_of(cls)
    keys = st.sampled_from([_raw(key) for key in [*codec.kinds, b"Unknown"]])
    bodies = st.lists(st.tuples(keys, _PACKED_VALUES), max_size=min(len(codec.kinds) + 1, 15)).map(_map)
    return bodies | _PACKED_VALUES
