from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest

from nodedns.errors import GossipWireError, LocalProtocolError, TooBig
from nodedns.gossip import lzw, wire
from nodedns.gossip.bodies import MAX_CONTAINER_ITEMS
from nodedns.gossip.kinds import U8
from nodedns.gossip.messages import (
    Ack,
    Alive,
    Compressed,
    ErrorReply,
    Message,
    Nack,
    Ping,
    PushPullHeader,
    PushPullNode,
    Suspect,
    UserData,
)
from nodedns.gossip.stream import MAX_MAP_BYTES
from nodedns.gossip.wire import StreamDecoder
from nodedns.serf.messages import SerfState

VSN = bytes([1, 5, 2, 2, 5, 5])
NACK = wire.encode_message(Nack(5))
NODE = PushPullNode("n1", bytes([10, 0, 0, 1]), 7946, b"\xff\x80", 1, 0, VSN)


def read(packet: bytes) -> tuple[list[Message], list[str]]:
    problems: list[GossipWireError] = []
    messages = wire.decode_packet_untrusted(packet, problems.append)
    return messages, [problem.reason for problem in problems]


def fed(data: bytes, **limits: int) -> StreamDecoder:
    decoder = StreamDecoder(**limits)
    decoder.feed(data)
    return decoder


def inflated_type(decoder: StreamDecoder) -> int | None:
    while (kind := decoder.next_type()) is None and decoder.inflate() is not None:
        pass
    return kind


# --- one message -------------------------------------------------------------


def test_keys_are_written_in_order_of_their_names() -> None:
    assert b"\x83\xa4From\xa2n2\xabIncarnation\x07\xa4Node\xa2n1" == wire.encode_body(Suspect(7, "n1", "n2"))


def test_text_that_is_not_utf8_survives() -> None:
    body = b"\x81\xa5Error\xa2\xff\xfe"
    reply = wire.decode_body_untrusted(ErrorReply, body, "error")
    assert "\udcff\udcfe" == reply.error
    assert body == wire.encode_body(reply)


def test_body_may_be_one_value_of_any_kind() -> None:
    assert b"\xcc\xc8" == wire.value_encoder(U8)(200)
    assert 200 == wire.value_decoder(U8, "number")(b"\xcc\xc8")
    with pytest.raises(GossipWireError, match=r"256 is not within 0\.\.255"):
        wire.value_decoder(U8, "number")(b"\xcd\x01\x00")


def test_bytes_after_a_body_are_ignored_as_by_go() -> None:
    assert Nack(5) == wire.decode_message_untrusted(NACK + b"rest")
    assert (Nack(5), len(NACK) - 1) == wire.decode_prefix_untrusted(Nack, NACK[1:] + b"rest", "nack")


def test_missing_keys_and_nil_are_zero_values() -> None:
    assert Ping(0, "") == wire.decode_message_untrusted(b"\x00\x80")
    assert Ping(0, "") == wire.decode_message_untrusted(b"\x00\x82\xa5SeqNo\xc0\xa4Node\xc0")


def test_keys_in_lower_case_are_unknown() -> None:
    assert Nack(0) == wire.decode_message_untrusted(b"\x0b\x81\xa5seqno\x05")


@pytest.mark.parametrize(
    "number", [b"\x05", b"\xcc\x05", b"\xcd\0\x05", b"\xd0\x05", b"\xd1\0\x05", b"\xd3" + b"\0" * 7 + b"\x05"]
)
def test_every_integer_form_is_accepted(number: bytes) -> None:
    assert Nack(5) == wire.decode_message_untrusted(b"\x0b\x81\xa5SeqNo" + number)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x06\x80", "unsupported type 6"),
        (b"\x0c\0\0\0\0\x0b\x80", "unsupported type 12"),
        (b"\xf4", "unsupported type 244"),
        (b"\x0b", "bad MessagePack"),
        (b"\x0b\xc1", "bad MessagePack"),
        (b"\x0b\x05", "not a map: 5"),
        (b"\x0b\x81\xa5SeqNo\xff", "SeqNo: -1 is not within 0..4294967295"),
        (b"\x0b\x81\xa5SeqNo\xcf" + b"\xff" * 8, "SeqNo: 18446744073709551615 is not"),
        (b"\x0b\x81\xa5SeqNo\xc3", "SeqNo: not an integer: True"),
        (b"\x0b\x81\xa5SeqNo\xcb" + b"\0" * 8, "SeqNo: not an integer: 0.0"),
        (b"\x00\x81\xa4Node\x05", "Node: not a string: 5"),
        (b"\x02\x81\xa7Payload\x91\xcd\x01\0", "Payload: not a byte string: [256]"),
        (b"\x01\x81\xa4Nack\x01", "Nack: not a flag: 1"),
        (b"\x0b\x81\x90\x01", "bad MessagePack: \"unhashable type: 'list'\""),
        (b"\x0b" + b"\x91" * 5000, "bad MessagePack"),
        # Deeper than a Python repr may go, and not too deep for msgpack.
        (b"\x0b\x81\xa5SeqNo" + b"\x91" * 1020 + b"\xc0", "SeqNo: not an integer: [[["),
        (b"\x0b\xdc" + struct.pack(">H", MAX_CONTAINER_ITEMS + 1) + b"\0" * 2000, "bad MessagePack: '1025 exceeds"),
        (b"\x0b\x81\xa1x\xd7\xff" + b"\xff" * 8, "bad MessagePack"),
    ],
)
def test_bad_message_is_a_wire_error_that_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(GossipWireError) as raised:
        wire.decode_message_untrusted(data)
    assert reason in raised.value.reason


def test_repeated_claim_is_the_same_value() -> None:
    data = wire.encode_message(Alive(1, "n1", b"\x0a\0\0\1", 7946, b"", VSN))
    assert wire.decode_message_untrusted(data) is wire.decode_message_untrusted(bytes(bytearray(data)))


def test_user_data_is_all_that_follows_the_type_byte() -> None:
    assert UserData(b"\x80rest") == wire.decode_message_untrusted(b"\x08\x80rest")
    assert b"\x08\x80rest" == wire.encode_message(UserData(b"\x80rest"))


# --- wrappings ---------------------------------------------------------------


def test_compound_refuses_what_crashes_real_agents_or_does_not_fit() -> None:
    for parts in ([], [NACK, b""]):
        with pytest.raises(LocalProtocolError):
            wire.encode_compound(parts)
    for parts in ([NACK] * 256, [b"x" * 65_536]):
        with pytest.raises(TooBig):
            wire.encode_compound(parts)
    assert [NACK] * 255 == wire.split_compound_untrusted(wire.encode_compound([NACK] * 255))


@pytest.mark.parametrize("encode", [wire.add_crc, wire.compress])
def test_wrapping_nothing_is_refused_because_real_agents_crash_on_it(encode: Callable[[bytes], bytes]) -> None:
    with pytest.raises(LocalProtocolError):
        encode(b"")


def test_whole_parts_of_a_short_compound_are_read_and_the_rest_reported() -> None:
    packet = wire.encode_compound([NACK, NACK, NACK])[:-1]
    assert [NACK, NACK] == wire.split_compound_untrusted(packet)
    assert ([Nack(5), Nack(5)], ["1 parts are cut off"]) == read(packet)


def test_bad_part_is_reported_and_the_others_are_read() -> None:
    packet = wire.encode_compound([NACK, b"\x63", NACK])
    assert ([Nack(5), Nack(5)], ["unsupported type 99"]) == read(packet)


@pytest.mark.parametrize("data", [b"", b"\x07", b"\x0b\x01"])
def test_what_is_no_compound_is_not_split(data: bytes) -> None:
    with pytest.raises(GossipWireError):
        wire.split_compound_untrusted(data)


def test_checksum_is_over_all_that_follows_it() -> None:
    packet = wire.add_crc(NACK)
    assert struct.pack(">BI", 12, zlib.crc32(NACK)) + NACK == packet
    assert NACK == wire.strip_crc_untrusted(packet)
    assert NACK == wire.strip_crc_untrusted(NACK)
    assert b"" == wire.strip_crc_untrusted(b"")


@pytest.mark.parametrize("index", range(1, 5 + len(NACK)))
def test_changed_byte_breaks_the_checksum(index: int) -> None:
    packet = bytearray(wire.add_crc(NACK))
    packet[index] ^= 1
    messages, reasons = read(bytes(packet))
    assert [] == messages
    assert ["says" in reason for reason in reasons] == [True]


def test_checksum_is_looked_for_outermost_only() -> None:
    assert ([], ["unsupported type 12"]) == read(wire.encode_compound([wire.add_crc(NACK)]))


def test_compound_and_compress_nest_in_both_orders() -> None:
    inside = wire.encode_compound([wire.compress(NACK), NACK])
    assert ([Nack(5), Nack(5)], []) == read(inside)
    assert ([Nack(5), Nack(5)], []) == read(wire.add_crc(wire.compress(inside)))


def test_nesting_is_bounded() -> None:
    packet = NACK
    for _ in range(wire.MAX_NESTING):
        packet = wire.compress(packet)
    assert ([Nack(5)], []) == read(packet)
    assert ([], [f"nested deeper than {wire.MAX_NESTING}"]) == read(wire.compress(packet))
    compounds = NACK
    for _ in range(wire.MAX_NESTING + 1):
        compounds = wire.encode_compound([compounds])
    assert ([], [f"nested deeper than {wire.MAX_NESTING}"]) == read(compounds)


def test_inflated_bytes_of_a_packet_are_bounded_in_all() -> None:
    half = wire.compress(b"\x08" + bytes(wire.MAX_INFLATED_PACKET_BYTES // 2))
    messages, reasons = read(wire.encode_compound([half, half]))
    assert 1 == len(messages)
    assert ["unpacks to more than 32767 bytes"] == reasons


def test_messages_of_a_packet_are_bounded() -> None:
    outer = wire.encode_compound([wire.encode_compound([NACK] * 255)] * 6)
    messages, reasons = read(outer)
    assert wire.MAX_MESSAGES_PER_PACKET == len(messages)
    # Once by the compound in which the bound was met, once by the one around it.
    assert [f"more than {wire.MAX_MESSAGES_PER_PACKET} messages"] * 2 == reasons


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (wire.encode_body(Compressed(1, lzw.compress(b"x"))), "unknown algorithm 1"),
        (wire.encode_body(Compressed(0, lzw.compress(b""))), "nothing in it"),
        (wire.encode_body(Compressed(0, b"")), "no end code"),
        (wire.encode_body(Compressed(0, lzw.compress(bytes(11)))), "unpacks to more than 10 bytes"),
        (b"\x80", "no end code"),
        (b"", "bad MessagePack"),
    ],
)
def test_bad_compression_is_a_wire_error(body: bytes, reason: str) -> None:
    with pytest.raises(GossipWireError) as raised:
        wire.decompress_untrusted(body, 10)
    assert reason in raised.value.reason


# --- large bodies ------------------------------------------------------------

STATE = b"\x86\xaaEventLTime\x01\xa6Events%b\xa5LTime\x01\xabLeftMembers%b\xaaQueryLTime\x01\xacStatusLTimes%b"


def state(events: bytes = b"\x90", left: bytes = b"\x90", status: bytes = b"\x80") -> SerfState:
    return wire.decode_large_body_untrusted(SerfState, STATE % (events, left, status), "state")


def test_large_body_reads_as_a_small_one() -> None:
    data = STATE % (b"\x92\xc0\x82\xa5LTime\x05\xa6Events\xc0", b"\x91\xa2n9", b"\x81\xa2n1\x07")
    assert wire.decode_body_untrusted(SerfState, data, "s") == wire.decode_large_body_untrusted(SerfState, data, "s")


def test_large_body_skips_unknown_keys_and_reads_nil_as_zero() -> None:
    assert state() == state(b"\xc0", b"\xc0", b"\xc0")
    extra = b"\x82\xa3Foo\x92\x01\x81\xa1x\x02\xa5LTime\x07"
    assert 7 == wire.decode_large_body_untrusted(SerfState, extra, "state").ltime


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"left": b"\xdd\x00\x02\x00\x01"}, "131073 items, more than 131072"),
        ({"status": b"\xdf\x00\x02\x00\x01"}, "131073 items, more than 131072"),
        ({"events": b"\xdd\x00\x01\x00\x01"}, "65537 items, more than 65536"),
        ({"left": b"\x91\x91\xa1x"}, "a list or map where none belongs"),
        ({"status": b"\x81\xa1x\x80"}, "a list or map where none belongs"),
        ({"status": b"\x81\x80\x01"}, "a list or map where none belongs"),
        ({"left": b"\x91\x05"}, "not a string: 5"),
        ({"left": b"\x05"}, "bad MessagePack"),
        ({"status": b"\x81\xa1x"}, "bad MessagePack"),
    ],
)
def test_bad_large_body_is_a_wire_error_that_says_why(parts: dict[str, bytes], reason: str) -> None:
    with pytest.raises(GossipWireError) as raised:
        state(**parts)
    assert reason in raised.value.reason


# --- streams -----------------------------------------------------------------


def test_stream_answers_none_until_enough_has_come() -> None:
    data = wire.encode_push_pull(True, [NODE], b"state")
    decoder = StreamDecoder()
    seen: list[object] = []
    asks: list[Callable[[], object]] = [
        decoder.next_type,
        lambda: decoder.next_map(PushPullHeader, "header"),
        lambda: decoder.next_map(PushPullNode, "node"),
        lambda: decoder.take(5),
    ]
    for index in range(len(data)):
        decoder.feed(data[index : index + 1])
        if (answer := asks[0]()) is not None:
            seen.append(answer)
            asks.pop(0)
    assert [6, PushPullHeader(1, 5, True), NODE, b"state"] == seen
    assert 0 == decoder.buffered


def test_stream_type_is_found_inside_compression() -> None:
    data = wire.compress(wire.encode_message(Ack(5, b"x" * 100)))
    decoder = StreamDecoder()
    for index in range(len(data) - 1):
        decoder.feed(data[index : index + 1])
        assert decoder.next_type() is None
    decoder.feed(data[-1:])
    assert 2 == inflated_type(decoder)
    assert Ack(5, b"x" * 100) == decoder.next_map(Ack, "ack")


def test_stream_is_not_decompressed_twice() -> None:
    with pytest.raises(GossipWireError, match="compressed twice"):
        inflated_type(fed(wire.compress(wire.compress(NACK))))


def test_stream_is_bounded_before_and_after_decompression() -> None:
    with pytest.raises(GossipWireError, match="more than 10 bytes"):
        fed(bytes(11), limit_bytes=10)
    with pytest.raises(GossipWireError, match="unpacks to more than 100 bytes"):
        inflated_type(fed(wire.compress(bytes(101)), limit_bytes=100))


def test_one_map_on_a_stream_is_bounded() -> None:
    decoder = fed(b"\x81\xa4Name\xdb\x00\x10\x00\x00" + bytes(MAX_MAP_BYTES))
    with pytest.raises(GossipWireError, match=f"longer than {MAX_MAP_BYTES} bytes"):
        decoder.next_map(PushPullNode, "node")


@pytest.mark.parametrize("body", [b"\xc1", b"\x05", b"\x81\xa5Nodes\xff", b"\x81\xa5Nodes\xce\x00\x10\x00\x01"])
def test_bad_map_on_a_stream_is_a_wire_error(body: bytes) -> None:
    with pytest.raises(GossipWireError):
        fed(body).next_map(PushPullHeader, "header")


def test_raw_bytes_are_not_taken_out_of_the_middle_of_a_map() -> None:
    decoder = fed(b"\x81")
    assert decoder.next_map(Nack, "nack") is None
    with pytest.raises(LocalProtocolError):
        decoder.take(1)


def test_large_user_state_passes_by_the_unpacker() -> None:
    user_state = bytes(range(256)) * 1000
    decoder = fed(wire.encode_push_pull(False, [NODE] * 3, user_state))
    assert 6 == decoder.next_type()
    assert PushPullHeader(3, len(user_state), False) == decoder.next_map(PushPullHeader, "header")
    assert [NODE] * 3 == [decoder.next_map(PushPullNode, "node") for _ in range(3)]
    assert user_state == decoder.take(len(user_state))
    assert decoder.take(1) is None
