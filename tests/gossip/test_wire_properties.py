from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import GossipWireError
from nodedns.gossip import wire
from nodedns.gossip.messages import (
    CLASS_BY_TYPE,
    Compressed,
    Message,
    PushPullHeader,
    PushPullNode,
    UserData,
    UserHeader,
)
from nodedns.gossip.wire import StreamDecoder
from nodedns.serf.messages import SerfState, encode_state
from nodedns.testing.wire_strategies import instances_of, odd_bodies_of

STREAM_CLASSES: list[type] = [PushPullHeader, PushPullNode, UserHeader, Compressed]
ALL_CLASSES: list[type] = [*CLASS_BY_TYPE.values(), *STREAM_CLASSES]

a_message: st.SearchStrategy[Message] = st.one_of(
    *map(instances_of, CLASS_BY_TYPE.values()), st.builds(UserData, st.binary(max_size=60))
)
some_nodes = st.lists(instances_of(PushPullNode), max_size=4)


def value_or_wire_error(decode: Callable[[bytes], object], data: bytes) -> None:
    """Any exception but ``GossipWireError`` escapes, and fails the test."""
    with suppress(GossipWireError):
        decode(data)


@given(a_message)
def test_message_survives_a_round_trip(message: Message) -> None:
    assert message == wire.decode_message_untrusted(wire.encode_message(message))


@pytest.mark.parametrize("cls", ALL_CLASSES)
@given(data=st.data())
def test_body_survives_a_round_trip_and_has_one_encoding(cls: type, data: st.DataObject) -> None:
    message = data.draw(instances_of(cls))
    body = wire.encode_body(message)
    assert message == wire.decode_body_untrusted(cls, body, "body")
    assert body == wire.encode_body(wire.decode_body_untrusted(cls, body, "body"))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_wire_error(data: bytes) -> None:
    value_or_wire_error(wire.decode_message_untrusted, data)


@pytest.mark.parametrize("cls", ALL_CLASSES)
@given(data=st.data())
def test_any_messagepack_gives_a_body_or_a_wire_error(cls: type, data: st.DataObject) -> None:
    body = data.draw(odd_bodies_of(cls))
    value_or_wire_error(lambda drawn: wire.decode_body_untrusted(cls, drawn, "body"), body)


@given(odd_bodies_of(SerfState), st.binary(max_size=10))
def test_large_and_small_decoders_agree_on_what_is_good(body: bytes, tail: bytes) -> None:
    try:
        small = wire.decode_body_untrusted(SerfState, body + tail, "state")
    except GossipWireError:
        small = None
    try:
        large = wire.decode_large_body_untrusted(SerfState, body + tail, "state")
    except GossipWireError:
        return  # the large one is stricter: no lists for byte strings, no lists as keys
    if small is not None:
        assert small == large


@given(instances_of(SerfState))
def test_large_body_survives_a_round_trip(state: SerfState) -> None:
    assert state == wire.decode_large_body_untrusted(SerfState, encode_state(state)[1:], "state")


@given(st.binary(max_size=300))
def test_any_packet_gives_messages_and_problems(data: bytes) -> None:
    problems: list[GossipWireError] = []
    wire.decode_packet_untrusted(data, problems.append)
    assert all(isinstance(problem, GossipWireError) for problem in problems)


WRAPPERS: list[Callable[[bytes], bytes]] = [wire.compress, lambda data: wire.encode_compound([data])]


@given(st.lists(a_message, min_size=1, max_size=5), st.lists(st.sampled_from(WRAPPERS), max_size=3), st.booleans())
def test_packet_survives_any_wrapping(
    messages: list[Message], layers: list[Callable[[bytes], bytes]], has_crc: bool
) -> None:
    packet = wire.encode_compound([wire.encode_message(message) for message in messages])
    for layer in layers:
        packet = layer(packet)
    if has_crc:
        packet = wire.add_crc(packet)
    problems: list[GossipWireError] = []
    assert messages == wire.decode_packet_untrusted(packet, problems.append)
    assert [] == problems


@given(st.lists(a_message, min_size=1, max_size=3), st.data())
def test_damaged_packet_is_no_worse_than_a_problem(messages: list[Message], data: st.DataObject) -> None:
    packet = bytearray(wire.compress(wire.encode_compound([wire.encode_message(message) for message in messages])))
    packet[data.draw(st.integers(0, len(packet) - 1))] ^= data.draw(st.integers(1, 255))
    problems: list[GossipWireError] = []
    wire.decode_packet_untrusted(bytes(packet), problems.append)


def read_push_pull(pieces: list[bytes]) -> list[object]:
    """Ask for the parts of a push/pull in turn, inflating or feeding a piece whenever an answer is None."""
    decoder = StreamDecoder()
    waiting = iter(pieces)

    def insist(ask: Callable[[], object]) -> object:
        while (answer := ask()) is None:
            if decoder.inflate() is None:
                decoder.feed(next(waiting))
        return answer

    said = [insist(decoder.next_type)]
    header = insist(lambda: decoder.next_map(PushPullHeader, "header"))
    assert isinstance(header, PushPullHeader)
    said += [insist(lambda: decoder.next_map(PushPullNode, "node")) for _ in range(header.nodes)]
    return [*said, insist(lambda: decoder.take(header.user_state_len)), decoder.buffered]


@given(some_nodes, st.binary(max_size=100), st.booleans(), st.integers(1, 50))
def test_stream_reads_the_same_however_it_is_cut(
    nodes: list[PushPullNode], user_state: bytes, is_compressed: bool, size: int
) -> None:
    data = wire.encode_push_pull(True, nodes, user_state)
    if is_compressed:
        data = wire.compress(data)
    expected = [6, *nodes, user_state, 0]
    for step in (1, size, len(data)):
        assert expected == read_push_pull([data[at : at + step] for at in range(0, len(data), step)])


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_stream_gives_values_or_a_wire_error(pieces: list[bytes]) -> None:
    def ask_all(_: bytes) -> None:
        decoder = StreamDecoder()
        for piece in pieces:
            decoder.feed(piece)
            if decoder.next_type() is None and (decoder.inflate() is None or decoder.next_type() is None):
                continue
            while decoder.next_map(PushPullNode, "node") is not None:
                pass
            return

    value_or_wire_error(ask_all, b"")
