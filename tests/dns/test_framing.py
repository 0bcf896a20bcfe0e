"""Messages out of a byte stream, however it was cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.framing import MAX_MESSAGE_BYTES, MAX_READ_BYTES, TcpFraming, frame
from nodedns.errors import LocalProtocolError, TooBig


def taken(framing: TcpFraming) -> list[bytes]:
    messages: list[bytes] = []
    while (message := framing.next_message()) is not None:
        messages.append(message)
    return messages


@given(
    messages=st.lists(st.binary(max_size=40), max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=12),
    rest=st.binary(max_size=1),
)
def test_messages_come_out_whole_however_the_stream_is_cut(messages: list[bytes], cuts: list[int], rest: bytes) -> None:
    stream = b"".join(map(frame, messages)) + rest
    framing = TcpFraming()
    out: list[bytes] = []
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(borders):
        framing.receive_data(stream[start:end])
        out += taken(framing)
    assert (messages, bool(rest)) == (out, framing.is_mid_message)


def test_five_hundred_pipelined_messages_are_all_taken() -> None:
    framing = TcpFraming()
    framing.receive_data(b"".join(frame(bytes([number % 256]) * 30) for number in range(500)))
    assert 500 == len(taken(framing))


def test_largest_message_passes_and_a_larger_one_is_too_big() -> None:
    framing = TcpFraming()
    framing.receive_data(frame(bytes(MAX_MESSAGE_BYTES)))
    assert MAX_MESSAGE_BYTES == len(framing.next_message() or b"")
    with pytest.raises(TooBig):
        frame(bytes(MAX_MESSAGE_BYTES + 1))


def test_full_read_onto_a_message_in_the_making_is_within_bounds() -> None:
    framing = TcpFraming()
    framing.receive_data(frame(bytes(MAX_MESSAGE_BYTES))[:-1])
    assert framing.next_message() is None
    framing.receive_data(bytes(MAX_READ_BYTES))
    assert framing.next_message() is not None


def test_feeding_without_taking_out_is_a_bug_of_the_caller() -> None:
    framing = TcpFraming()
    framing.receive_data(bytes(MAX_READ_BYTES))
    framing.receive_data(bytes(MAX_READ_BYTES))
    with pytest.raises(LocalProtocolError):
        framing.receive_data(bytes(MAX_READ_BYTES))
