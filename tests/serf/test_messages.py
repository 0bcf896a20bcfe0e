from __future__ import annotations

from contextlib import suppress

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.serf.filters import NodeFilter, TagFilter, decode_filter_untrusted, encode_filter
from nodedns.serf.keyring_file import decode_keyring_file_untrusted, encode_keyring_file
from nodedns.serf.messages import (
    KEY_QUERIES_WITH_PAYLOAD,
    ConflictMember,
    ConflictResponse,
    EventSlot,
    JoinIntent,
    KeyRequest,
    KeyResponse,
    LeaveIntent,
    PeerData,
    Query,
    QueryFlag,
    QueryResponse,
    Relay,
    SerfMessage,
    SerfMessageType,
    SerfState,
    UserEvent,
    decode_message_untrusted,
    decode_state_untrusted,
    encode_message,
    encode_state,
)
from nodedns.testing.wire_strategies import instances_of, odd_bodies_of, wire_text

HERE = bytes([10, 0, 0, 1])
QUERY = Query(3, 7, HERE, 7946, "n1", (b"\x00\x90",), 0, 0, 10**9, "uptime")
RESPONSE = encode_message(QueryResponse(3, 7, "n2"))

PLAIN_CLASSES: list[type] = [LeaveIntent, JoinIntent, UserEvent, QueryResponse, KeyRequest, KeyResponse, PeerData]
ALL_CLASSES: list[type] = [*PLAIN_CLASSES, Query, ConflictMember, EventSlot, SerfState]

some_messages: st.SearchStrategy[SerfMessage] = st.one_of(
    *map(instances_of, PLAIN_CLASSES),
    instances_of(Query).filter(lambda query: all(query.filters) and query.name not in KEY_QUERIES_WITH_PAYLOAD),
    st.builds(ConflictResponse, st.none() | instances_of(ConflictMember)),
    st.builds(Relay, st.binary(max_size=16), st.integers(0, 65_535), wire_text, st.just(RESPONSE)),
)


def test_type_bytes_are_those_of_the_protocol() -> None:
    assert {
        "LEAVE": 0,
        "JOIN": 1,
        "PUSH_PULL": 2,
        "USER_EVENT": 3,
        "QUERY": 4,
        "QUERY_RESPONSE": 5,
        "CONFLICT_RESPONSE": 6,
        "KEY_REQUEST": 7,
        "KEY_RESPONSE": 8,
        "RELAY": 9,
        "PEER_DATA": 0x6E,
    } == {member.name: int(member) for member in SerfMessageType}


@given(some_messages)
def test_message_survives_a_round_trip(message: SerfMessage) -> None:
    assert message == decode_message_untrusted(encode_message(message))


@given(instances_of(SerfState))
def test_state_survives_a_round_trip(state: SerfState) -> None:
    assert state == decode_state_untrusted(encode_state(state))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_wire_error(data: bytes) -> None:
    with suppress(GossipWireError):
        decode_message_untrusted(data)
    with suppress(GossipWireError):
        decode_state_untrusted(data)
    with suppress(GossipWireError):
        decode_filter_untrusted(data)


@pytest.mark.parametrize("cls", ALL_CLASSES)
@given(data=st.data(), number=st.sampled_from(SerfMessageType))
def test_any_messagepack_gives_a_message_or_a_wire_error(
    cls: type, data: st.DataObject, number: SerfMessageType
) -> None:
    body = bytes([number]) + data.draw(odd_bodies_of(cls))
    decode = decode_state_untrusted if number is SerfMessageType.PUSH_PULL else decode_message_untrusted
    with suppress(GossipWireError):
        decode(body)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x02\x80", "unsupported type 2"),
        (b"\x0a\x80", "unsupported type 10"),
        (b"\x01", "bad MessagePack"),
        (b"\x01\x81\xa5LTime\xff", "LTime: -1 is not within"),
        (b"\x06\x05", "not a map: 5"),
        (b"\x06\x81\xa4Tags\x81\xa1a\x05", "Tags: not a string: 5"),
        (b"\x09", "bad MessagePack"),
        (b"\x09\x80", "holds no query response"),
    ],
)
def test_bad_message_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(GossipWireError) as raised:
        decode_message_untrusted(data)
    assert reason in raised.value.reason


@pytest.mark.parametrize("data", [b"", b"\x01\x80"])
def test_state_starts_with_its_own_type(data: bytes) -> None:
    with pytest.raises(GossipWireError, match="not with 02"):
        decode_state_untrusted(data)


@pytest.mark.parametrize("name", KEY_QUERIES_WITH_PAYLOAD)
def test_key_query_needs_a_payload_both_ways(name: str) -> None:
    sound = attrs.evolve(QUERY, name=name, payload=encode_message(KeyRequest(b"k" * 16)))
    assert sound == decode_message_untrusted(encode_message(sound))
    with pytest.raises(LocalProtocolError, match="without a payload"):
        encode_message(attrs.evolve(sound, payload=b""))
    # The same bytes with the payload taken out: Payload stands before Port.
    harmful = encode_message(sound).replace(b"\xa7Payload" + b"\xb7" + sound.payload, b"\xa7Payload\xc0")
    with pytest.raises(GossipWireError, match="without a payload"):
        decode_message_untrusted(harmful)


def test_listing_keys_needs_no_payload() -> None:
    query = attrs.evolve(QUERY, name="_serf_list-keys", payload=b"")
    assert query == decode_message_untrusted(encode_message(query))


def test_filter_of_no_bytes_is_refused_both_ways() -> None:
    with pytest.raises(LocalProtocolError, match="a filter of no bytes"):
        encode_message(attrs.evolve(QUERY, filters=(b"\x00\x90", b"")))
    harmful = encode_message(QUERY).replace(b"\xa7Filters\x91\xa2\x00\x90", b"\xa7Filters\x91\xa0")
    with pytest.raises(GossipWireError, match="a filter of no bytes"):
        decode_message_untrusted(harmful)


def test_relay_is_read_only_around_a_query_response() -> None:
    relay = Relay(HERE, 7946, "n1", RESPONSE)
    assert relay == decode_message_untrusted(encode_message(relay))
    for inner in (encode_message(JoinIntent(1, "n1")), encode_message(relay)):
        with pytest.raises(GossipWireError, match="holds no query response"):
            decode_message_untrusted(encode_message(attrs.evolve(relay, inner=inner)))
    with pytest.raises(LocalProtocolError):
        encode_message(attrs.evolve(relay, inner=b""))


def test_flags_of_a_query_are_read_bit_by_bit() -> None:
    flags = [QueryFlag(0), QueryFlag.ACK, QueryFlag.NO_BROADCAST, QueryFlag.ACK | QueryFlag.NO_BROADCAST]
    queries = [attrs.evolve(QUERY, flags=int(flag)) for flag in flags]
    assert [False, True, False, True] == [query.wants_ack for query in queries]
    assert [True, True, False, False] == [query.is_broadcast for query in queries]


def test_response_is_an_ack_by_its_flag() -> None:
    assert QueryResponse(1, 1, "n1", flags=1).is_ack
    assert not QueryResponse(1, 1, "n1", flags=2).is_ack


# --- filters -----------------------------------------------------------------


@given(
    st.lists(wire_text, max_size=5).map(lambda names: NodeFilter(tuple(names)))
    | st.builds(TagFilter, wire_text, wire_text)
)
def test_filter_survives_a_round_trip(condition: NodeFilter | TagFilter) -> None:
    assert condition == decode_filter_untrusted(encode_filter(condition))


@pytest.mark.parametrize(
    "data", [b"", b"\x02\x90", b"\x00", b"\x00\x80", b"\x00\x91\x05", b"\x01\x90", b"\x01\x81\xa3Tag\x05"]
)
def test_bad_filter_is_a_wire_error(data: bytes) -> None:
    with pytest.raises(GossipWireError):
        decode_filter_untrusted(data)


# --- keyring file ------------------------------------------------------------


@given(
    st.lists(
        st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
        min_size=1,
        max_size=4,
    )
)
def test_keyring_file_survives_a_round_trip(keys: list[bytes]) -> None:
    assert tuple(keys) == decode_keyring_file_untrusted(encode_keyring_file(keys))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "not a list"),
        (b"[]", "no key in it"),
        (b"[" + b",".join([b'""'] * 65) + b"]", "65 keys, more than 64"),
        (b"[5]", "key 1 is no text"),
        (b'["MDEyMzQ1Njc4OWFiY2RlZg==", "***"]', "key 2: illegal base64 data at input byte 0"),
        ('["ä"]'.encode(), "key 1: illegal base64 data at input byte 0"),
        (b'["AAAA"]', "key 1: key size must be 16, 24 or 32 bytes"),
    ],
)
def test_bad_keyring_file_says_why_without_showing_keys(data: bytes, reason: str) -> None:
    with pytest.raises(GossipWireError) as raised:
        decode_keyring_file_untrusted(data)
    assert reason in raised.value.reason
    assert "AAAA" not in raised.value.reason
