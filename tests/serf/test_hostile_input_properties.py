"""Recorded packets and streams, damaged in any way and sent in any order, are taken without harm by a whole Serf."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random

import attrs
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import LocalProtocolError
from nodedns.gossip.core import StreamExchange
from nodedns.gossip.events import StreamWanted
from nodedns.gossip.messages import Alive, Dead, PushPullNode, Suspect
from nodedns.gossip.params import LOCAL
from nodedns.gossip.wire import add_crc, compress, encode_compound, encode_message, encode_push_pull
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.lamport import MAX_LTIME
from nodedns.serf.messages import EventSlot, SerfState, SlotEvent, encode_state
from nodedns.serf.outgoing_queries import QueryParams
from nodedns.serf.params import SerfParams
from nodedns.serf.serf import SERF_VERSIONS, Serf
from nodedns.testing.exchanges import work_through

VECTORS = Path(__file__).parent.parent / "golden" / "gossip-vectors.json"
STRANGERS = st.sampled_from([Address(bytes([10, 9, 9, n]), 7000 + n) for n in range(3)])
HOME = Address(bytes([127, 0, 0, 1]), 7946)
MAX_U32 = 2**32 - 1
UDP_PAYLOAD_MAX_BYTES = 65_507
# Names that the recorded messages speak of, so that many of them are about the very member under test.
LOCAL_NAMES = st.sampled_from(["n1", "n2", "n3", "alpha", "beta", "gamma", "x", "me"])


def recorded() -> list[bytes]:
    entries = json.loads(VECTORS.read_text(encoding="utf-8"))
    found = []
    for entry in entries:
        data = bytes.fromhex(entry["hex"])
        if entry["name"].startswith("serf/"):
            data = b"\x08" + data  # as a user message
        if data and not entry["name"].startswith(("lzw/", "file/")):
            found.append(data)
    return found


# Numbers at the edges, in MessagePack: where overflow waits.
EDGES = [
    b"\x00",
    b"\xff",
    b"\xc0",
    b"\xcd\xff\xff",
    b"\xce\xff\xff\xff\xff",
    b"\xcf" + b"\xff" * 8,
    b"\xd3" + b"\x80" + bytes(7),
]
KEYS = [
    *(b"LTime", b"Incarnation", b"SeqNo", b"State", b"Port", b"Timeout", b"RelayFactor", b"Nodes", b"UserStateLen"),
    *(b"\xa2n1", b"\xa2n2", b"\xa5alpha", b"\xa4beta"),  # in a map of Lamport times
]


def with_edge(data: bytes, key: bytes, edge: bytes) -> bytes:
    """Put an edge number where the first value of ``key`` was one byte long."""
    at = data.find(key)
    return data if at < 0 else data[: at + len(key)] + edge + data[at + len(key) + 1 :]


def patched(data: bytes, at: int, patch: bytes) -> bytes:
    at %= len(data) + 1
    return data[:at] + patch + data[at + len(patch) :]


def cut(data: bytes, at: int) -> bytes:
    return data[: at % (len(data) + 1)]


def wrapped(data: bytes, how: Callable[[bytes], bytes]) -> bytes:
    return how(data) if data and len(data) < UDP_PAYLOAD_MAX_BYTES else data


# Well-formed claims, most of them about members that exist, with numbers at the edges.
NUMBERS = st.sampled_from([0, 1, 2, 3, MAX_U32 - 1, MAX_U32])
LTIMES = st.sampled_from([0, 1, 2, 600, MAX_LTIME - 512, MAX_LTIME - 1, MAX_LTIME])
ADDRESSES = st.sampled_from([HOME.packed, b"\x0a\x00\x00\x02", bytes(16), b"", bytes(5)])
VSNS = st.sampled_from([SERF_VERSIONS.packed, bytes(6), b"\x01\x05", b"", bytes([1, 5, 2, 2, 5, 9])])
PORTS = st.sampled_from([0, 7946])
METAS = st.sampled_from([b"", b"\xff\x80", b"\xff", bytes(513)])
STATES = st.builds(
    SerfState,
    LTIMES,
    st.dictionaries(LOCAL_NAMES, LTIMES),
    st.lists(LOCAL_NAMES, max_size=3).map(tuple),
    LTIMES,
    st.lists(st.builds(EventSlot, LTIMES, st.just((SlotEvent("e"),))), max_size=3).map(tuple),
    LTIMES,
)
NODES = st.builds(PushPullNode, LOCAL_NAMES, ADDRESSES, PORTS, METAS, NUMBERS, st.integers(-1, 4), VSNS)
SPOKEN = st.one_of(
    st.builds(Alive, NUMBERS, LOCAL_NAMES, ADDRESSES, PORTS, METAS, VSNS).map(encode_message),
    st.builds(Suspect, NUMBERS, LOCAL_NAMES, LOCAL_NAMES).map(encode_message),
    st.builds(Dead, NUMBERS, LOCAL_NAMES, LOCAL_NAMES).map(encode_message),
    st.builds(encode_push_pull, st.booleans(), st.lists(NODES, max_size=3), st.just(b"") | STATES.map(encode_state)),
)
WHOLE = st.sampled_from(recorded())
DAMAGED = st.one_of(
    WHOLE,
    st.builds(with_edge, WHOLE, st.sampled_from(KEYS), st.sampled_from(EDGES)),
    st.builds(patched, WHOLE, st.integers(0, 1000), st.binary(max_size=4)),
    st.builds(cut, WHOLE, st.integers(0, 1000)),
    st.builds(
        lambda depth: b"\x00\x81\xa5SeqNo" + b"\x91" * depth + b"\xc0", st.sampled_from([100, 500, 1000, 1020, 5000])
    ),
    SPOKEN,
    st.binary(max_size=40),
)
SENT = st.one_of(
    DAMAGED,
    st.builds(wrapped, DAMAGED, st.sampled_from([add_crc, compress, lambda data: encode_compound([data, data])])),
)


@attrs.frozen
class Packet:
    """A datagram arrives."""

    data: bytes
    source: Address


@attrs.frozen
class Inbound:
    """A stream arrives; it ends half way, or not at all."""

    pieces: tuple[bytes, ...]
    source: Address
    is_aborted: bool


@attrs.frozen
class Reply:
    """The next stream that was asked for is answered; without pieces it could not be connected."""

    pieces: tuple[bytes, ...]


@attrs.frozen
class Wait:
    """Time passes."""

    seconds: float


@attrs.frozen
class Command:
    """The application wants something."""

    name: str


PIECES = st.lists(SENT, max_size=3).map(tuple)
STEPS = st.one_of(
    st.builds(Packet, SENT, STRANGERS),
    st.builds(Inbound, PIECES, STRANGERS, st.booleans()),
    st.builds(Reply, PIECES),
    st.builds(Wait, st.sampled_from([0.0, 0.05, 0.2, 1.0, 20.0, 90_000.0])),
    st.builds(Command, st.sampled_from(["join", "leave", "query", "event", "force", "tags"])),
)


class Rig:
    """A Serf, its clock, and the streams it has asked for."""

    def __init__(self, name: str) -> None:
        rng = Random(1)  # a seeded test
        self.core = Serf(SerfParams(), LOCAL, NodeName(name), HOME, {"role": "x"}, rng, rng.randbytes)
        self.now = 0.0
        self.wanted: deque[StreamWanted] = deque()
        self.is_patient = False
        self.core.start(self.now)
        self.drain()

    def drain(self) -> None:
        for datagram in self.core.datagrams_to_send(self.now):
            assert 0 < len(datagram.payload) <= UDP_PAYLOAD_MAX_BYTES
        while (event := self.core.next_event()) is not None:
            if isinstance(event, StreamWanted):
                self.wanted.append(event)

    def take(self, step: Packet | Inbound | Reply | Wait | Command) -> None:
        match step:
            case Packet():
                self.core.receive_datagram(step.data, step.source, self.now)
            case Inbound():
                self.answer(step)
            case Reply():
                self.reply(step)
            case Wait():
                self.pass_time(self.now + step.seconds)
            case Command():
                self.command(step.name)
        self.drain()

    def answer(self, step: Inbound) -> None:
        exchange = self.core.accept_stream(step.source, self.now)
        assert exchange is not None, "an earlier stream was not given back"
        for piece in step.pieces:
            exchange.receive_data(piece, self.now)
            self.work(exchange)
            exchange.data_to_send()
        if step.is_aborted:
            exchange.abort("cut", self.now)
        elif not exchange.finished:
            exchange.receive_data(b"", self.now)
            work_through(exchange, self.now)
        assert exchange.finished

    def reply(self, step: Reply) -> None:
        if not self.wanted:
            return
        wanted = self.wanted.popleft()
        if not step.pieces:
            self.core.stream_failed(wanted, "refused", self.now)
            return
        exchange = self.core.open_stream(wanted, self.now)
        assert exchange.data_to_send()
        for piece in step.pieces:
            exchange.receive_data(piece, self.now)
            self.work(exchange)
        exchange.abort("cut", self.now)

    def work(self, exchange: StreamExchange) -> None:
        """Do every other piece of work to its end; the rest is left for what comes next."""
        self.is_patient = not self.is_patient
        if self.is_patient:
            work_through(exchange, self.now)

    def pass_time(self, until: float) -> None:
        for _ in range(40):
            deadline = self.core.next_deadline()
            if deadline is None or deadline > until:
                break
            self.now = max(self.now, deadline)
            self.core.handle_timer(self.now)
            self.drain()
        self.now = until
        self.core.handle_timer(until)

    def command(self, name: str) -> None:
        core, now = self.core, self.now
        try:
            match name:
                case "join":
                    core.join([HOME, Address(bytes([10, 9, 9, 9]), 1)], now)
                case "leave":
                    core.leave(now)
                case "query":
                    core.query(QueryParams(name="q", wants_acks=True, relay_factor=2), now)
                case "event":
                    core.user_event("e", b"", now, coalesce=False)
                case "force":
                    core.force_leave("n1", now, prune=True)
                case _:
                    core.set_tags({"role": "y"}, now)
        except LocalProtocolError:
            pass  # not while leaving


@given(LOCAL_NAMES, st.lists(STEPS, max_size=25))
def test_damaged_recordings_in_any_order_do_no_harm(
    name: str, steps: list[Packet | Inbound | Reply | Wait | Command]
) -> None:
    rig = Rig(name)
    for step in steps:
        rig.take(step)
    rig.take(Inbound((encode_push_pull(False, [], b""),), HOME, is_aborted=False))  # our state can still be told
    assert rig.core.member(name) is not None
    assert 0 < rig.core.swim.incarnation <= MAX_U32
    assert rig.core.swim.statistics().inbound_streams == 0
