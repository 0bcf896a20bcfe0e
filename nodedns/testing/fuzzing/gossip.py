"""Gossip as others send it: a few steps of one member's life, with datagrams and streams of any bytes among them.

An input is a list of steps: what happens (one byte), how many bytes belong to it (two), and those. The
member may be encrypted, and then what arrives is sealed with its key, or it would all be refused at the door. No step
raises; what is sent is what every member can read, no longer than it may be; no queue outgrows its limit; a
message that is understood is the same when it is encoded and read again.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator

import attrs

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip.core import StreamExchange
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.events import StreamWanted
from nodedns.gossip.keyring import Keyring
from nodedns.gossip.messages import Alive, UserData
from nodedns.gossip.params import LOCAL
from nodedns.gossip.wire import decode_packet_untrusted, encode_message
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.messages import decode_message_untrusted, decode_state_untrusted, encode_state
from nodedns.serf.messages import encode_message as encode_serf_message
from nodedns.serf.params import SerfParams
from nodedns.serf.serf import SERF_VERSIONS, Serf
from nodedns.testing.chance import seeded_entropy, seeded_random
from nodedns.testing.exchanges import work_through
from nodedns.testing.fuzzing.demands import demand

__all__ = ["checked_gossip"]

HOME = Address(bytes((127, 0, 0, 1)), 7946)
FRIEND = Address(bytes((10, 9, 9, 1)), 7946)
STRANGER = Address(bytes((10, 9, 9, 2)), 7000)
KEY = bytes(range(16))
CRC_BYTES = 5
MAX_STEPS = 24
MAX_DATAGRAM_BYTES = 65_507
MAX_TIMERS = 40
MAX_EVENTS = 10_000
MAX_U32 = 2**32 - 1
WAITS_S = (0.0, 0.05, 0.2, 1.0, 20.0, 90_000.0)
PARAMS = attrs.evolve(LOCAL, compression=False)
_STEP = struct.Struct("!BH")


def checked_gossip(data: bytes) -> str:
    """Live through the steps of ``data``; return the kinds of steps that there were.

    Raises:
        AssertionError: Something does not hold; any other error is one, too.
    """
    is_encrypted = bool(data[:1] and data[0] & 1)
    life = _Life(is_encrypted=is_encrypted)
    kinds = [life.take(what, content) for what, content in _steps(data[1:])]
    life.end()
    return " ".join(sorted(set(kinds)))


def _steps(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(MAX_STEPS):
        if at + _STEP.size > len(data):
            return
        what, size = _STEP.unpack_from(data, at)
        at += _STEP.size
        yield what, data[at : at + size]
        at += size


class _Life:
    """A Serf, its clock, and the streams that it wants.

    Args:
        is_encrypted: Whether it has a key.
    """

    def __init__(self, *, is_encrypted: bool) -> None:
        self._peer = Envelope(keyring=Keyring([KEY]) if is_encrypted else None, entropy=seeded_entropy("peer"))
        envelope = Envelope(keyring=Keyring([KEY]) if is_encrypted else None, entropy=seeded_entropy("own"))
        self._core = Serf(
            SerfParams(),
            PARAMS,
            NodeName("me"),
            HOME,
            {"role": "node"},
            seeded_random("gossip"),
            seeded_entropy("gossip"),
            envelope=envelope,
        )
        self._now = 0.0
        self._wanted: deque[StreamWanted] = deque()
        self._longest = PARAMS.udp_payload_bytes + CRC_BYTES + envelope.packet_overhead
        self._core.start(self._now)
        alive = Alive(1, "n1", FRIEND.packed, FRIEND.port, b"\xff\x81\xa4role\xa4node", SERF_VERSIONS.packed)
        self._core.receive_datagram(self._peer.seal_packet(encode_message(alive)), FRIEND, self._now)
        self._drain()

    def take(self, what: int, content: bytes) -> str:
        """Do one step and return its kind."""
        kind = what % 5
        if kind == 0:
            source = STRANGER if what & 0x80 else FRIEND
            _check_packet(content)
            self._core.receive_datagram(self._peer.seal_packet(content), source, self._now)
            name = "datagram"
        elif kind == 1:
            name = "stream"
            self._serve(content, is_bytewise=bool(what & 0x80))
        elif kind == 2:
            name = "reply"
            self._answer(content)
        elif kind == 3:
            name = "wait"
            self._pass_time(self._now + WAITS_S[(what >> 4) % len(WAITS_S)])
        else:
            name = "command"
            self._command(what >> 4)
        self._drain()
        return name

    def _serve(self, content: bytes, *, is_bytewise: bool) -> None:
        exchange = self._core.accept_stream(FRIEND, self._now)
        demand(exchange is not None, "an earlier stream was not given back")
        if exchange is not None:
            self._feed(exchange, self._peer.seal_stream(content), is_bytewise=is_bytewise)
            demand(exchange.finished, "a stream that has no end")

    def _answer(self, content: bytes) -> None:
        if not self._wanted:
            return
        wanted = self._wanted.popleft()
        if not content:
            self._core.stream_failed(wanted, "refused", self._now)
            return
        exchange = self._core.open_stream(wanted, self._now)
        demand(exchange.data_to_send(), "a stream to say nothing")
        self._feed(exchange, self._peer.seal_stream(content), is_bytewise=False)
        exchange.abort("cut", self._now)
        demand(exchange.finished, "a stream that has no end")

    def _feed(self, exchange: StreamExchange, data: bytes, *, is_bytewise: bool) -> None:
        step = 7 if is_bytewise else max(1, len(data))
        for start in range(0, len(data), step):
            if not exchange.finished:
                exchange.receive_data(data[start : start + step], self._now)
                work_through(exchange, self._now)
                exchange.data_to_send()
        if not exchange.finished:
            exchange.receive_data(b"", self._now)
            work_through(exchange, self._now)
            exchange.data_to_send()

    def _pass_time(self, until: float) -> None:
        for _ in range(MAX_TIMERS):
            deadline = self._core.next_deadline()
            if deadline is None or deadline > until:
                break
            self._now = max(self._now, deadline)
            self._core.handle_timer(self._now)
            self._drain()
        self._now = until
        self._core.handle_timer(until)

    def _command(self, number: int) -> None:
        try:
            match number % 4:
                case 0:
                    self._core.join([FRIEND], self._now)
                case 1:
                    self._core.user_event("deploy", b"1", self._now, coalesce=True)
                case 2:
                    self._core.force_leave("n1", self._now, prune=True)
                case _:
                    self._core.set_tags({"role": "other"}, self._now)
        except LocalProtocolError:
            pass  # not while leaving

    def _drain(self) -> None:
        bad: list[GossipWireError] = []
        for datagram in self._core.datagrams_to_send(self._now):
            demand(0 < len(datagram.payload) <= self._longest, "a datagram above the limit")
            decode_packet_untrusted(self._peer.open_packet_untrusted(datagram.payload), bad.append)
        demand(not bad, f"what is sent cannot be read: {bad}")
        for _ in range(MAX_EVENTS):
            event = self._core.next_event()
            if event is None:
                break
            if isinstance(event, StreamWanted):
                self._wanted.append(event)
        else:
            demand(False, "events without end")

    def end(self) -> None:
        """Look whether all is as it has to be."""
        statistics = self._core.swim.statistics()
        demand(self._core.member("me") is not None, "it has forgotten itself")
        demand(0 < self._core.swim.incarnation <= MAX_U32, "an incarnation that no message can hold")
        demand(statistics.inbound_streams == 0, "a stream that was not given back")
        demand(statistics.members <= PARAMS.max_members, "more members than it may keep")


def _check_packet(content: bytes) -> None:
    if len(content) > MAX_DATAGRAM_BYTES:
        return
    for message in decode_packet_untrusted(content, lambda _: None):
        packed = encode_message(message)
        (again,) = decode_packet_untrusted(packed, lambda _: None)
        demand(encode_message(again) == packed, "another message when it is encoded and read again")
        if isinstance(message, UserData):
            _check_serf(message.payload)


def _check_serf(payload: bytes) -> None:
    try:
        message = decode_message_untrusted(payload)
        packed = encode_serf_message(message)
    except GossipWireError:
        _check_state(payload)
        return
    demand(encode_serf_message(decode_message_untrusted(packed)) == packed, "another Serf message when read again")


def _check_state(payload: bytes) -> None:
    try:
        state = decode_state_untrusted(payload)
    except GossipWireError:
        return
    packed = encode_state(state)
    demand(encode_state(decode_state_untrusted(packed)) == packed, "another Serf state when read again")
