"""The golden vectors: bytes of real encoders and captures of real agents, each read and written again.

``tests/golden/gossip-vectors.json`` is a list of name, hex and a description in
words. The expectations here are written by hand from those words. Every entry
must be named in exactly one table below; see the last test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip import lzw
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.keyring import Keyring
from nodedns.gossip.messages import (
    Ack,
    Alive,
    Dead,
    ErrorReply,
    IndirectPing,
    Message,
    Nack,
    Ping,
    PushPullHeader,
    PushPullNode,
    Suspect,
    UserData,
    UserHeader,
)
from nodedns.gossip.wire import (
    StreamDecoder,
    add_crc,
    compress,
    decode_body_untrusted,
    decode_message_untrusted,
    decode_packet_untrusted,
    decompress_untrusted,
    encode_body,
    encode_compound,
    encode_message,
    encode_push_pull,
    encode_user_stream,
    split_compound_untrusted,
)
from nodedns.model.coordinate import ORIGIN, Coordinate
from nodedns.serf import messages as serf
from nodedns.serf.coordinate import Vivaldi, decode_ping_payload_untrusted, encode_ping_payload
from nodedns.serf.filters import NodeFilter, TagFilter, decode_filter_untrusted, encode_filter
from nodedns.serf.keyring_file import decode_keyring_file_untrusted, encode_keyring_file
from nodedns.serf.tags import encode_tags, parse_tags_untrusted

VECTORS_FILE = Path(__file__).parents[1] / "golden" / "gossip-vectors.json"
ENTRIES: list[dict[str, Any]] = json.loads(VECTORS_FILE.read_text())
VECTORS = {entry["name"]: bytes.fromhex(entry["hex"]) for entry in ENTRIES}
DECODED = {entry["name"]: entry["decoded"] for entry in ENTRIES}

LOOPBACK = bytes([127, 0, 0, 1])
MAPPED_LOOPBACK = bytes([0] * 10 + [0xFF, 0xFF, 127, 0, 0, 1])
SERF_VSN = bytes([1, 5, 2, 2, 5, 5])
CONSUL_VSN = bytes([1, 5, 2, 2, 5, 4])
ROLE_WEB = bytes.fromhex("ff81a4726f6c65a3776562")
ROLE_DB = bytes.fromhex("ff81a4726f6c65a26462")
NO_TAGS = bytes.fromhex("ff80")
KEY_16 = b"0123456789abcdef"
KEY_32 = b"0123456789abcdef0123456789abcdef"
NONCE = bytes(range(12))

PING = Ping(1, "n1")
SUSPECT = Suspect(7, "n1", "n2")


def alive(node: str, port: int, meta: bytes, incarnation: int = 1) -> Alive:
    return Alive(incarnation, node, LOOPBACK, port, meta, SERF_VSN)


ALIVE_ALPHA = alive("alpha", 17946, ROLE_WEB)
ALIVE_BETA = alive("beta", 17947, ROLE_DB)


# --- one memberlist message a packet -----------------------------------------

MESSAGES: dict[str, Message] = {
    "ml/ping/no-source": PING,
    "ml/ping/source": Ping(300, "n1", LOOPBACK, 7946, "n2"),
    "ml/indirect-ping": IndirectPing(70000, LOOPBACK, 7947, "n3", True, LOOPBACK, 7946, "n2"),
    "ml/ack/nil-payload": Ack(300, b""),
    "ml/ack/payload": Ack(4294967295, b"\x01\x02\x03"),
    "ml/suspect": SUSPECT,
    "ml/alive/v4-4byte": Alive(1, "n1", LOOPBACK, 7946, ROLE_WEB, SERF_VSN),
    "ml/alive/v4-16byte": Alive(200, "n1", MAPPED_LOOPBACK, 7946, ROLE_WEB, SERF_VSN),
    "ml/alive/v6-longname-nilmeta": Alive(
        65536,
        "a-node-name-that-is-longer-than-31-bytes",
        bytes.fromhex("fe800000000000000000000000010002"),
        8301,
        b"",
        CONSUL_VSN,
    ),
    "ml/dead/failed": Dead(7, "n1", "n2"),
    "ml/dead/left": Dead(7, "n1", "n1"),
    "ml/nack": Nack(70000),
    "ml/err": ErrorReply("some failure"),
    "ml/user/udp": UserData(b"hello"),
    "capture/plain/ping": Ping(1, "alpha", LOOPBACK, 17947, "beta"),
    "capture/mixed/indirect-ping": IndirectPing(5, LOOPBACK, 17948, "gamma", True, LOOPBACK, 17946, "alpha"),
    "capture/mixed/tcp-ping": Ping(5, "gamma", LOOPBACK, 17946, "alpha"),
    "capture/mixed/tcp-ack": Ack(5, b""),
    "capture/mixed/nack": Nack(5),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_message_is_read_and_written_as_the_real_encoder_did(name: str) -> None:
    assert MESSAGES[name] == decode_message_untrusted(VECTORS[name])
    assert VECTORS[name] == encode_message(MESSAGES[name])


def test_only_a_departure_has_itself_as_accuser() -> None:
    left = decode_message_untrusted(VECTORS["ml/dead/left"])
    failed = decode_message_untrusted(VECTORS["ml/dead/failed"])
    assert isinstance(left, Dead)
    assert isinstance(failed, Dead)
    assert (True, False) == (left.is_departure, failed.is_departure)


# Read as the zero value; what we write for it is another form of the same.
OTHER_FORMS: dict[str, tuple[Message, str]] = {"ml/ack/empty-payload": (Ack(300, b""), "ml/ack/nil-payload")}


@pytest.mark.parametrize("name", OTHER_FORMS)
def test_other_form_is_read_the_same_and_written_in_ours(name: str) -> None:
    message, ours = OTHER_FORMS[name]
    assert message == decode_message_untrusted(VECTORS[name])
    assert VECTORS[ours] == encode_message(message)


# --- wrappings ---------------------------------------------------------------


def lcg(count: int) -> bytes:
    """The generator that the descriptions give in words."""
    x, output = 12345, bytearray()
    for _ in range(count):
        x = (x * 1103515245 + 12345) % 2**32
        output.append((x >> 16) & 255)
    return bytes(output)


COMPRESSED: dict[str, bytes] = {
    "ml/compress/repeat": b"hello gossip " * 20,
    "ml/compress/one-byte": b"\x41",
    "ml/compress/ping": VECTORS["ml/ping/no-source"],
    "ml/compress/lcg300": lcg(300),
    "ml/compress/lcg6000": lcg(6000),
    "ml/stream/pushpull-compressed": VECTORS["ml/pushpull/full-plain"],
}
BARE_LZW: dict[str, bytes] = {
    "lzw/raw/empty": b"",
    "lzw/raw/A": b"A",
    "lzw/raw/AAAA": b"AAAA",
    "lzw/raw/ABABABA": b"ABABABA",
    "lzw/raw/TOBEORNOTTOBE": b"TOBEORNOTTOBEORTOBEORNOT",
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_message_is_read_and_written_as_by_go(name: str) -> None:
    assert 9 == VECTORS[name][0]
    assert COMPRESSED[name] == decompress_untrusted(VECTORS[name][1:])
    assert VECTORS[name] == compress(COMPRESSED[name])


@pytest.mark.parametrize("name", BARE_LZW)
def test_bare_lzw_is_read_and_written_as_by_go(name: str) -> None:
    assert BARE_LZW[name] == lzw.decompress_untrusted(VECTORS[name], 100)
    assert VECTORS[name] == lzw.compress(BARE_LZW[name])


WRAPPINGS = ["ml/compound/ping+suspect", "ml/crc/ping"]


def test_compound_holds_its_two_parts_in_order() -> None:
    packet = VECTORS["ml/compound/ping+suspect"]
    parts = [VECTORS["ml/ping/no-source"], VECTORS["ml/suspect"]]
    assert parts == split_compound_untrusted(packet)
    assert [PING, SUSPECT] == messages_of(packet)
    assert packet == encode_compound(parts)


def test_checksum_is_what_the_description_says() -> None:
    packet = VECTORS["ml/crc/ping"]
    assert 1966071586 == int.from_bytes(packet[1:5], "big")
    assert [PING] == messages_of(packet)
    assert packet == add_crc(VECTORS["ml/ping/no-source"])


# --- encryption and labels ---------------------------------------------------


@attrs.frozen
class Sealed:
    """How a vector was sealed: key, label, version, whether it is a stream; and what is in it."""

    inner: str
    key: bytes = KEY_16
    label: bytes = b""
    version: int = 1
    is_stream: bool = False


SEALED: dict[str, Sealed] = {
    "ml/encrypt/v1-aes128-udp": Sealed("ml/ping/no-source"),
    "ml/encrypt/v1-aes256-udp": Sealed("ml/ping/no-source", KEY_32),
    "ml/encrypt/v0-aes128-udp": Sealed("ml/ping/no-source", version=0),
    "ml/encrypt/v1-aes128-udp-crc": Sealed("ml/crc/ping"),
    "ml/encrypt/v1-aes128-stream": Sealed("ml/ping/no-source", is_stream=True),
    "ml/stream/pushpull-compressed-encrypted": Sealed("ml/stream/pushpull-compressed", is_stream=True),
    "ml/label/udp-plain": Sealed("ml/ping/no-source", b"", b"blue"),
    "ml/label/udp-encrypted": Sealed("ml/ping/no-source", KEY_16, b"blue"),
    "ml/label/stream-encrypted": Sealed("ml/ping/no-source", KEY_16, b"blue", is_stream=True),
}


def envelope_of(how: Sealed) -> Envelope:
    return Envelope(how.label, Keyring([how.key] if how.key else []), entropy=lambda _: NONCE)


@pytest.mark.parametrize("name", SEALED)
def test_sealed_vector_opens_to_its_inner_one(name: str) -> None:
    how, envelope = SEALED[name], envelope_of(SEALED[name])
    if how.is_stream:
        assert VECTORS[how.inner] == envelope.stream_opener(is_reply=False).feed(VECTORS[name])
    else:
        assert VECTORS[how.inner] == envelope.open_packet_untrusted(VECTORS[name])


@pytest.mark.parametrize("name", SEALED)
def test_sealing_the_inner_vector_gives_the_sealed_one(name: str) -> None:
    how, envelope = SEALED[name], envelope_of(SEALED[name])
    inner = VECTORS[how.inner]
    if how.version == 0:  # an envelope never writes it
        assert VECTORS[name] == Keyring([how.key]).seal(inner, NONCE, b"", version=0)
    elif how.is_stream:
        assert VECTORS[name] == envelope.stream_header() + envelope.seal_stream(inner)
    else:
        assert VECTORS[name] == envelope.seal_packet(inner)


# --- streams -----------------------------------------------------------------

HEADERS = {"ml/pushpull/header @msgpack-0.5.5": True, "ml/pushpull/header @msgpack-v2": False}


@pytest.mark.parametrize("name", HEADERS)
def test_push_pull_header_is_read_from_both_encoders(name: str) -> None:
    header = PushPullHeader(2, 300, True)
    assert 6 == VECTORS[name][0]
    assert header == decode_body_untrusted(PushPullHeader, VECTORS[name][1:], "header")
    assert HEADERS[name] is (VECTORS[name][1:] == encode_body(header))


NODE_ALIVE = PushPullNode("n1", LOOPBACK, 7946, ROLE_WEB, 3, 0, SERF_VSN)
NODE_LEFT = PushPullNode("n2", LOOPBACK, 7947, ROLE_WEB, 9, 3, SERF_VSN)
NODES = {
    "ml/pushpull/node-state-alive (no type byte)": NODE_ALIVE,
    "ml/pushpull/node-state-left (no type byte)": NODE_LEFT,
}


@pytest.mark.parametrize("name", NODES)
def test_push_pull_node_is_read_and_written_as_the_real_encoder_did(name: str) -> None:
    assert NODES[name] == decode_body_untrusted(PushPullNode, VECTORS[name], "node")
    assert VECTORS[name] == encode_body(NODES[name])


def read_push_pull(data: bytes) -> tuple[bool, list[PushPullNode], bytes]:
    """Read a whole plaintext stream; nothing may be left over."""
    decoder = StreamDecoder()
    decoder.feed(data)
    while (kind := decoder.next_type()) is None:
        assert decoder.inflate()
    assert 6 == kind
    header = decoder.next_map(PushPullHeader, "header")
    assert header is not None
    nodes = [decoder.next_map(PushPullNode, "node") for _ in range(header.nodes)]
    state = decoder.take(header.user_state_len)
    assert state is not None
    assert 0 == decoder.buffered
    return header.join, [node for node in nodes if node is not None], state


PUSH_PULLS = ["ml/pushpull/full-plain", "ml/stream/pushpull-plain"]


@pytest.mark.parametrize("name", PUSH_PULLS)
def test_push_pull_is_read_and_written_as_the_real_encoder_did(name: str) -> None:
    expected = (True, [NODE_ALIVE, NODE_LEFT], b"USERSTATE")
    assert expected == read_push_pull(VECTORS[name])
    assert VECTORS[name] == encode_push_pull(*expected)


def test_compressed_push_pull_reads_as_the_plain_one() -> None:
    plain = read_push_pull(VECTORS["ml/pushpull/full-plain"])
    assert plain == read_push_pull(VECTORS["ml/stream/pushpull-compressed"])


USER_STREAMS = ["ml/user/tcp-plain"]


def test_user_message_on_a_stream_has_a_header() -> None:
    decoder = StreamDecoder()
    decoder.feed(VECTORS["ml/user/tcp-plain"])
    assert 8 == decoder.next_type()
    assert UserHeader(5) == decoder.next_map(UserHeader, "header")
    assert b"hello" == decoder.take(5)
    assert VECTORS["ml/user/tcp-plain"] == encode_user_stream(b"hello")


# --- Serf --------------------------------------------------------------------

FILTERS: dict[str, NodeFilter | TagFilter] = {
    "serf/filter/node": NodeFilter(("n1", "n2")),
    "serf/filter/tag": TagFilter("role", "^web$"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filter_is_read_and_written_as_the_real_encoder_did(name: str) -> None:
    assert FILTERS[name] == decode_filter_untrusted(VECTORS[name])
    assert VECTORS[name] == encode_filter(FILTERS[name])


ANSWER = serf.QueryResponse(3, 0x12345678, "n2", 0, b"up 3 days")
QUERY = serf.Query(
    ltime=3,
    query_id=0x12345678,
    addr=LOOPBACK,
    port=7946,
    source_node="n1",
    filters=(VECTORS["serf/filter/node"], VECTORS["serf/filter/tag"]),
    flags=1,
    relay_factor=2,
    timeout_ns=3_200_000_000,
    name="uptime",
    payload=b"x",
)
PING_QUERY = serf.Query(3, 1, LOOPBACK, 7946, "n1", (), 0, 0, 1_000_000_000, "_serf_ping", b"")
RELAY = serf.Relay(LOOPBACK, 7946, "n1", VECTORS["serf/query-response/answer"])
KEY_TEXT = "MDEyMzQ1Njc4OWFiY2RlZg=="

SERF_MESSAGES: dict[str, serf.SerfMessage] = {
    "serf/join": serf.JoinIntent(5, "n1"),
    "serf/leave": serf.LeaveIntent(300, "n1", prune=False),
    "serf/leave-prune": serf.LeaveIntent(300, "n1", prune=True),
    "serf/user-event": serf.UserEvent(2, "deploy", b"v1", coalesce=True),
    "serf/user-event/nil-payload": serf.UserEvent(2, "deploy", b"", coalesce=False),
    "serf/query @msgpack-0.5.5": QUERY,
    "serf/query/nil-filters-payload @msgpack-0.5.5": PING_QUERY,
    "serf/query-response/ack": serf.QueryResponse(3, 0x12345678, "n2", 1, b""),
    "serf/query-response/answer": ANSWER,
    "serf/relay @msgpack-0.5.5": RELAY,
    "serf/conflict-response": serf.ConflictResponse(
        serf.ConflictMember("n1", LOOPBACK, 7946, {"role": "web"}, 1, 1, 5, 2, 2, 5, 5)
    ),
    "serf/conflict-response/unknown": serf.ConflictResponse(None),
    "serf/key-request": serf.KeyRequest(KEY_16),
    "serf/key-request/list": serf.KeyRequest(b""),
    "serf/key-response/ok": serf.KeyResponse(True),
    "serf/key-response/list": serf.KeyResponse(True, "", (KEY_TEXT,), KEY_TEXT),
    "serf/key-response/error": serf.KeyResponse(False, "No keyring to modify (encryption not enabled)"),
}


@pytest.mark.parametrize("name", SERF_MESSAGES)
def test_serf_message_is_read_and_written_as_the_real_encoder_did(name: str) -> None:
    assert SERF_MESSAGES[name] == serf.decode_message_untrusted(VECTORS[name])
    assert VECTORS[name] == serf.encode_message(SERF_MESSAGES[name])


# The newest encoder writes Go's signed integers with signed markers; we write the older form.
SIGNED_FORMS: dict[str, serf.SerfMessage] = {
    "serf/query @msgpack-v2": QUERY,
    "serf/query/nil-filters-payload @msgpack-v2": PING_QUERY,
    "serf/relay @msgpack-v2": RELAY,
}


@pytest.mark.parametrize("name", SIGNED_FORMS)
def test_signed_integer_markers_read_as_the_same_message(name: str) -> None:
    assert SIGNED_FORMS[name] == serf.decode_message_untrusted(VECTORS[name])


STATES: dict[str, serf.SerfState] = {
    "serf/push-pull/small": serf.SerfState(
        ltime=7,
        status_ltimes={"n1": 5},
        left_members=("n9",),
        event_ltime=3,
        events=(None, serf.EventSlot(2, (serf.SlotEvent("deploy", b"v1"),)), None),
        query_ltime=4,
    ),
    "serf/push-pull/empty": serf.SerfState(1, {}, (), 1, (), 1),
}


@pytest.mark.parametrize("name", STATES)
def test_serf_state_is_read_and_written_as_the_real_encoder_did(name: str) -> None:
    assert STATES[name] == serf.decode_state_untrusted(VECTORS[name])
    assert VECTORS[name] == serf.encode_state(STATES[name])


TAGS: dict[str, dict[str, str]] = {
    "serf/tags/one": {"role": "web"},
    "serf/tags/empty": {},
    "serf/tags/legacy-role (delegate protocol 2)": {"role": "web"},
}


@pytest.mark.parametrize("name", TAGS)
def test_tags_are_read_as_real_agents_announce_them(name: str) -> None:
    assert TAGS[name] == parse_tags_untrusted(VECTORS[name])


@pytest.mark.parametrize("name", ["serf/tags/one", "serf/tags/empty"])
def test_tags_are_written_as_real_agents_announce_them(name: str) -> None:
    assert VECTORS[name] == encode_tags(TAGS[name])


COORDINATES: dict[str, Coordinate] = {
    "serf/ping-payload/initial-coordinate": ORIGIN,
    "serf/ping-payload/coordinate": Coordinate(
        (0.001, -0.002, 0.003, 0.0, 0.0, 0.0, 0.5, 0.0), error=0.25, adjustment=-0.0001, height=2e-05
    ),
}


@pytest.mark.parametrize("name", COORDINATES)
def test_coordinate_is_read_and_written_as_the_real_encoder_did(name: str) -> None:
    assert COORDINATES[name] == decode_ping_payload_untrusted(VECTORS[name])
    assert VECTORS[name] == encode_ping_payload(COORDINATES[name])


TRACES = ["serf/vivaldi-run"]


def coordinate_from(described: dict[str, Any]) -> Coordinate:
    vec = tuple(float(component) for component in described["Vec"])
    return Coordinate(vec, float(described["Error"]), float(described["Adjustment"]), float(described["Height"]))


def test_vivaldi_reproduces_the_recorded_run_to_the_last_bit() -> None:
    trace = DECODED["serf/vivaldi-run"]
    peer = coordinate_from(trace["peer"])
    vivaldi = Vivaldi(Random(1), coordinate_from(trace["start"]))
    assert 4 == len(trace["steps"])
    for step in trace["steps"]:
        assert vivaldi.update("peer", peer, step["rtt_ns"] / 1e9)
        assert coordinate_from(step["after"]) == vivaldi.coordinate
        assert step["distance_to_peer_ns"] == round(vivaldi.coordinate.distance_s(peer) * 1e9)


# --- captures of datagrams ---------------------------------------------------


def messages_of(packet: bytes) -> list[Message]:
    """Return the messages of a packet in which nothing is bad."""
    problems: list[GossipWireError] = []
    messages = decode_packet_untrusted(packet, problems.append)
    assert [] == problems
    return messages


def user(message: serf.SerfMessage) -> UserData:
    return UserData(serf.encode_message(message))


def compound(messages: Sequence[Message]) -> bytes:
    return encode_compound([encode_message(message) for message in messages])


def single(messages: Sequence[Message]) -> bytes:
    (message,) = messages
    return encode_message(message)


def ack(seq_no: int, vec: tuple[float, ...], error: float, adjustment: float, height: float) -> Ack:
    return Ack(seq_no, encode_ping_payload(Coordinate(vec, error, adjustment, height)))


@attrs.frozen
class Packet:
    """What is in a captured datagram, and how it was wrapped from the inside out."""

    messages: list[Message]
    layers: tuple[Callable[[bytes], bytes], ...] = ()


UPTIME_QUERY = user(
    serf.Query(1, 433834883, LOOPBACK, 17947, "beta", (), 1, 0, 2_000_000_000, "uptime", b"x"),
)
DEPLOY_EVENT = user(serf.UserEvent(1, "deploy", b"v1", coalesce=True))
JOIN_BETA = user(serf.JoinIntent(1, "beta"))
LEAVE_BETA = user(serf.LeaveIntent(2, "beta", prune=False))
GAMMA_IS_SUSPECT = Suspect(1, "gamma", "alpha")

PLAIN_PACKETS: dict[str, Packet] = {
    "capture/plain/gossip-compound-alive-x2-crc": Packet([ALIVE_ALPHA, ALIVE_BETA], (add_crc,)),
    "capture/plain/gossip-compound-alive-join-crc": Packet([ALIVE_ALPHA, ALIVE_BETA, JOIN_BETA], (add_crc,)),
    "capture/plain/gossip-join-intent-crc": Packet([JOIN_BETA], (add_crc,)),
    "capture/plain/ack-initial-coordinate": Packet([ack(1, (0.0,) * 8, 1.5, 0.0, 1e-05)]),
    "capture/plain/ack-coordinate": Packet(
        [
            ack(
                1,
                (
                    -1.0661424784469317e-05,
                    -4.981865277990009e-05,
                    -4.941266871036502e-05,
                    7.091955612846122e-05,
                    6.063275315358578e-05,
                    -1.4267836571687662e-05,
                    5.66404605818451e-05,
                    2.099416012327118e-05,
                ),
                1.4351877244063465,
                2.3213443750000002e-05,
                1e-05,
            )
        ]
    ),
    "capture/plain/query-ack-to-self": Packet([user(serf.QueryResponse(1, 433834883, "beta", 1))]),
    "capture/plain/gossip-user-event-crc": Packet([DEPLOY_EVENT], (add_crc,)),
    "capture/plain/gossip-query+event-compound-crc": Packet([UPTIME_QUERY, DEPLOY_EVENT], (add_crc,)),
    "capture/plain/query-ack": Packet([user(serf.QueryResponse(1, 433834883, "alpha", 1))]),
    "capture/plain/gossip-query-crc": Packet([UPTIME_QUERY], (add_crc,)),
    "capture/plain/gossip-tag-update-alive": Packet(
        [alive("beta", 17947, bytes.fromhex("ff82a4726f6c65a26462a56578747261a131"), incarnation=2)], (add_crc,)
    ),
    "capture/plain/gossip-leave-intent-crc": Packet([LEAVE_BETA], (add_crc,)),
    "capture/plain/gossip-dead-self-crc": Packet([Dead(2, "beta", "beta")], (add_crc,)),
    "capture/plain/ack+piggybacked-dead": Packet(
        [
            ack(
                5,
                (
                    2.6939706596651826e-05,
                    0.00012588372718119644,
                    0.00012485787069978866,
                    -0.00017920231795366234,
                    -0.0001532092204490586,
                    3.605252944898742e-05,
                    -0.00014312133888492114,
                    -5.304886780122846e-05,
                ),
                0.9922921325868941,
                6.547173728907034e-05,
                6.053678219970939e-05,
            ),
            Dead(2, "beta", "beta"),
        ]
    ),
    "capture/mixed/ping+piggybacked-suspect-no-crc": Packet(
        [Ping(6, "beta", LOOPBACK, 17946, "alpha"), GAMMA_IS_SUSPECT]
    ),
    "capture/mixed/gossip-suspect-crc": Packet([GAMMA_IS_SUSPECT], (add_crc,)),
    "capture/mixed/probe-of-suspect-ping+suspect-crc": Packet(
        [Ping(6, "gamma", LOOPBACK, 17947, "beta"), Suspect(1, "gamma", "beta")], (add_crc,)
    ),
    "capture/mixed/gossip-dead-failed-crc": Packet([Dead(1, "gamma", "beta")], (add_crc,)),
    "capture/mixed/gossip-refuting-alive-crc": Packet(
        [
            ack(
                8,
                (
                    -7.686260481262805e-05,
                    -0.0001891918400259785,
                    -0.00018911209776166743,
                    0.00011174786119483583,
                    0.00012602110823987735,
                    5.985302522768683e-06,
                    0.000105105416829529,
                    -6.113783534818927e-05,
                ),
                1.2366213459481112,
                6.347763331690181e-05,
                5.2514997213052476e-05,
            ),
            alive("gamma", 17948, NO_TAGS, incarnation=2),
        ]
    ),
}
ENCRYPTED_PACKETS: dict[str, Packet] = {
    "capture/encrypted/ping+piggyback-compressed": Packet(
        [Ping(1, "beta", LOOPBACK, 17946, "alpha"), ALIVE_ALPHA, ALIVE_BETA], (compress,)
    ),
    "capture/encrypted/gossip-crc-compressed": Packet([ALIVE_ALPHA, ALIVE_BETA, JOIN_BETA], (compress, add_crc)),
    "capture/encrypted/gossip-join-intent": Packet([JOIN_BETA], (add_crc,)),
    "capture/encrypted/ping-uncompressed": Packet([Ping(1, "alpha", LOOPBACK, 17947, "beta")]),
    "capture/encrypted/ack": Packet(
        [
            ack(
                1,
                (
                    -2.3750672955756985e-05,
                    6.172108152124621e-06,
                    4.847399001362813e-05,
                    -2.8123721356948558e-05,
                    4.3713758327739714e-05,
                    -1.0940804554942498e-05,
                    -4.2125765545087745e-05,
                    5.8733546495590014e-05,
                ),
                1.4345894968089243,
                1.835220625e-05,
                1e-05,
            )
        ]
    ),
    "capture/encrypted/gossip-leave-intent": Packet([LEAVE_BETA], (add_crc,)),
    "capture/encrypted/gossip-dead-self": Packet([Dead(2, "beta", "beta")], (add_crc,)),
}


def wrapped(packet: Packet) -> bytes:
    data = single(packet.messages) if len(packet.messages) == 1 else compound(packet.messages)
    for layer in packet.layers:
        data = layer(data)
    return data


@pytest.mark.parametrize("name", PLAIN_PACKETS)
def test_captured_packet_is_read_and_written_as_it_was_sent(name: str) -> None:
    assert PLAIN_PACKETS[name].messages == messages_of(VECTORS[name])
    assert VECTORS[name] == wrapped(PLAIN_PACKETS[name])


@pytest.mark.parametrize("name", ENCRYPTED_PACKETS)
def test_captured_encrypted_packet_is_read_and_written_as_it_was_sent(name: str) -> None:
    sent = VECTORS[name]
    envelope = Envelope(keyring=Keyring([KEY_32]), entropy=lambda _: sent[1:13])
    assert ENCRYPTED_PACKETS[name].messages == messages_of(envelope.open_packet_untrusted(sent))
    assert sent == envelope.seal_packet(wrapped(ENCRYPTED_PACKETS[name]))


# --- captures of streams -----------------------------------------------------


def captured_state(ltime: int, status_ltimes: dict[str, int]) -> serf.SerfState:
    return serf.SerfState(ltime, status_ltimes, (), 1, (None,) * 512, 1)


def node(name: str, port: int, meta: bytes, state: int = 0) -> PushPullNode:
    return PushPullNode(name, LOOPBACK, port, meta, 1, state, SERF_VSN)


NODE_ALPHA = node("alpha", 17946, ROLE_WEB)
NODE_BETA = node("beta", 17947, ROLE_DB)
NODE_GAMMA = node("gamma", 17948, NO_TAGS, state=2)


@attrs.frozen
class Exchange:
    """What one side of a captured push/pull said; whether our encoder orders and marks it the same."""

    join: bool
    nodes: list[PushPullNode]
    state: serf.SerfState
    is_ours: bool
    is_encrypted: bool = False


JOIN_REQUEST = Exchange(True, [NODE_BETA], captured_state(1, {"beta": 0}), True)
JOIN_REPLY = Exchange(True, [NODE_ALPHA], captured_state(1, {"alpha": 0}), True)
PERIODIC = Exchange(
    False, [NODE_BETA, NODE_GAMMA, NODE_ALPHA], captured_state(3, {"alpha": 0, "beta": 2, "gamma": 1}), False
)
EXCHANGES: dict[str, Exchange] = {
    "capture/plain/join-request": JOIN_REQUEST,
    "capture/plain/join-reply": JOIN_REPLY,
    "capture/encrypted/join-request": attrs.evolve(JOIN_REQUEST, is_encrypted=True),
    "capture/encrypted/join-reply": attrs.evolve(JOIN_REPLY, is_encrypted=True),
    # Signed markers in the header, or the members in another order (Go's maps have none).
    "capture/mixed/join-request (newest encoder)": attrs.evolve(JOIN_REQUEST, is_ours=False),
    "capture/mixed/periodic-pushpull-request-with-dead-node": PERIODIC,
    "capture/mixed/periodic-pushpull-reply (newest encoder)": PERIODIC,
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_captured_push_pull_is_read_and_written_as_it_was_sent(name: str) -> None:
    expected, sent = EXCHANGES[name], VECTORS[name]
    # On a stream the nonce follows type byte, length and version.
    keyring = Keyring([KEY_32]) if expected.is_encrypted else None
    envelope = Envelope(keyring=keyring, entropy=lambda _: sent[6:18])
    join, nodes, state = read_push_pull(envelope.stream_opener(is_reply=False).feed(sent))
    assert (expected.join, expected.nodes) == (join, nodes)
    assert expected.state == serf.decode_state_untrusted(state)

    written = encode_push_pull(join, nodes, serf.encode_state(expected.state))
    if expected.is_encrypted:
        written = envelope.seal_stream(compress(written))
    assert expected.is_ours is (sent == written)
    assert len(sent) == len(written)


# --- files -------------------------------------------------------------------

KEYRING_FILES = ["file/keyring"]


def test_keyring_file_is_read_and_written_as_serf_did() -> None:
    keys = (KEY_16, KEY_32)
    assert keys == decode_keyring_file_untrusted(VECTORS["file/keyring"])
    assert VECTORS["file/keyring"] == encode_keyring_file(keys)


SNAPSHOTS = ["file/snapshot"]
"""Read in tests/serf/test_snapshot.py; here only that the vector is there to be read."""


def test_snapshot_vector_is_the_text_it_is_described_as() -> None:
    assert DECODED["file/snapshot"]["text"] == VECTORS["file/snapshot"].decode()


# --- odd input that real agents were given ------------------------------------

NX = Alive(1, "nx", LOOPBACK, 18010, NO_TAGS, SERF_VSN)

# Decoded; where real agents then ignore it, the rule is the core's and not the codec's.
ACCEPTED: dict[str, Message] = {
    "behaviour/alive-incarnation-0": attrs.evolve(NX, incarnation=0),
    "behaviour/alive-bin8-bytes": NX,
    "behaviour/alive-str8-name": attrs.evolve(NX, node="n" * 40),
    "behaviour/alive-bin8-name": NX,
    "behaviour/alive-vsn-as-array": NX,
    "behaviour/alive-extra-keys": NX,
    "behaviour/alive-port-0": attrs.evolve(NX, port=0),
    "behaviour/alive-addr-text": attrs.evolve(NX, addr=b"127.0.0.1"),
    "behaviour/alive-pmin-0": attrs.evolve(NX, vsn=bytes([0, 5, 2, 2, 5, 5])),
    "behaviour/ping-empty-node": Ping(5, ""),
    "behaviour/ping-wrong-node": Ping(7, "zzz"),
}
# One problem, no messages, and no exception.
REFUSED: dict[str, str] = {
    "behaviour/alive-as-array": "not a map",
    "behaviour/compound-with-empty-part": "empty",
    "behaviour/crc-with-nothing-after": "nothing after it",
    "behaviour/compressed-empty": "nothing in it",
    "behaviour/crc-bad": "says 00000000",
    "behaviour/compound-truncated-lengths": "the table of 5 lengths is cut off",
}
# They pass memberlist, and would crash agents in Serf.
HARMFUL: dict[str, str] = {
    "behaviour/query-with-empty-filter": "a filter of no bytes",
    "behaviour/key-query-without-payload": "a key query without a payload",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_but_accepted_message_decodes(name: str) -> None:
    assert [ACCEPTED[name]] == messages_of(VECTORS[name])


@pytest.mark.parametrize("name", REFUSED)
def test_refused_packet_yields_a_problem_and_no_message(name: str) -> None:
    problems: list[GossipWireError] = []
    assert [] == decode_packet_untrusted(VECTORS[name], problems.append)
    (problem,) = problems
    assert REFUSED[name] in problem.reason


@pytest.mark.parametrize("name", HARMFUL)
def test_query_that_would_crash_real_agents_does_not_decode(name: str) -> None:
    (message,) = messages_of(VECTORS[name])
    assert isinstance(message, UserData)
    with pytest.raises(GossipWireError, match=HARMFUL[name]):
        serf.decode_message_untrusted(message.payload)


@pytest.mark.parametrize("change", [{"filters": (b"",)}, {"name": "_serf_use-key", "payload": b""}])
def test_query_that_would_crash_real_agents_does_not_encode(change: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        serf.encode_message(attrs.evolve(QUERY, **change))


# --- all of them -------------------------------------------------------------

TABLES: list[Sequence[str]] = [
    list(table)
    for table in (
        MESSAGES,
        OTHER_FORMS,
        COMPRESSED,
        BARE_LZW,
        WRAPPINGS,
        SEALED,
        HEADERS,
        NODES,
        PUSH_PULLS,
        USER_STREAMS,
        FILTERS,
        SERF_MESSAGES,
        SIGNED_FORMS,
        STATES,
        TAGS,
        COORDINATES,
        TRACES,
        PLAIN_PACKETS,
        ENCRYPTED_PACKETS,
        EXCHANGES,
        KEYRING_FILES,
        SNAPSHOTS,
        ACCEPTED,
        REFUSED,
        HARMFUL,
    )
]


def test_every_vector_is_in_exactly_one_table() -> None:
    assert sorted(VECTORS) == sorted(name for table in TABLES for name in table)
    assert len(ENTRIES) == len(VECTORS)
