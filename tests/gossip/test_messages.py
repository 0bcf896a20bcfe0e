from __future__ import annotations

import attrs
import pytest

from nodedns.gossip import messages
from nodedns.gossip.kinds import (
    BOOL,
    BYTES,
    FLOAT,
    STR,
    U8,
    Codec,
    ListOf,
    MapOf,
    Mismatch,
    Nested,
    codec_of,
    reader_of,
    wire,
)
from nodedns.gossip.messages import CLASS_BY_TYPE, Dead, MessageType, Nack, PushPullHeader


def test_type_bytes_are_those_of_the_protocol() -> None:
    assert {
        "PING": 0,
        "INDIRECT_PING": 1,
        "ACK": 2,
        "SUSPECT": 3,
        "ALIVE": 4,
        "DEAD": 5,
        "PUSH_PULL": 6,
        "COMPOUND": 7,
        "USER": 8,
        "COMPRESS": 9,
        "ENCRYPT": 10,
        "NACK": 11,
        "HAS_CRC": 12,
        "ERROR": 13,
        "LABEL": 244,
    } == {member.name: int(member) for member in MessageType}


@pytest.mark.parametrize("cls", [*CLASS_BY_TYPE.values(), PushPullHeader, messages.PushPullNode])
def test_every_message_is_frozen_and_compares_by_value(cls: type) -> None:
    codec: Codec[object] = codec_of(cls)
    assert codec.read({}) == codec.read(None)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        codec.read({}).anything = 1  # type: ignore[attr-defined]


def test_dead_is_a_departure_only_when_announced_by_itself() -> None:
    assert Dead(1, "n1", "n1").is_departure
    assert not Dead(1, "n1", "n2").is_departure


def test_mismatch_names_the_field() -> None:
    with pytest.raises(Mismatch, match=r"^SeqNo: not an integer: b'x'$"):
        codec_of(Nack).read({b"SeqNo": b"x"})


@pytest.mark.parametrize("value", [True, 1.0, b"1", [1], {}, -1, 256])
def test_integer_is_an_integer_in_range_and_nothing_else(value: object) -> None:
    with pytest.raises(Mismatch):
        reader_of(U8)(value)


@pytest.mark.parametrize(("kind", "value"), [(BOOL, 1), (STR, "text"), (BYTES, [256]), (FLOAT, b"1")])
def test_other_kinds_are_as_strict(kind: object, value: object) -> None:
    with pytest.raises(Mismatch):
        reader_of(kind)(value)  # type: ignore[arg-type]


def test_float_may_come_as_an_integer_as_in_go() -> None:
    assert [2.0, 0.5, 0.0] == [reader_of(FLOAT)(value) for value in (2, 0.5, None)]


def test_lists_and_maps_hold_no_more_than_their_limit() -> None:
    assert (1, 2) == reader_of(ListOf(U8, 2))([1, 2])
    with pytest.raises(Mismatch, match="3 elements, more than 2"):
        reader_of(ListOf(U8, 2))([1, 2, 3])
    assert {"a": 1} == reader_of(MapOf(U8, 1))({b"a": 1})
    with pytest.raises(Mismatch, match="2 entries, more than 1"):
        reader_of(MapOf(U8, 1))({b"a": 1, b"b": 2})


def test_nested_nil_is_a_zero_value_unless_it_is_to_be_kept() -> None:
    assert Nack(0) == reader_of(Nested(Nack))(None)
    assert reader_of(Nested(Nack, keep_nil=True))(None) is None


def test_optional_and_nil_fields_are_written_as_declared() -> None:
    @attrs.frozen
    class Sample:
        number: int = attrs.field(default=0, metadata=wire("B", U8, optional=True))
        data: bytes = attrs.field(default=b"", metadata=wire("A", BYTES, nil=True))
        plain: bytes = attrs.field(default=b"", metadata=wire("C", BYTES))

    assert {"A": None, "C": b""} == codec_of(Sample).write(Sample())
    written = codec_of(Sample).write(Sample(1, b"x", b"y"))
    assert [("A", b"x"), ("B", 1), ("C", b"y")] == list(written.items())
