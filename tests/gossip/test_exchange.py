"""Streams in slices: what comes of them is what came of them whole, and no slice is long."""

from __future__ import annotations

from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import GossipWireError
from nodedns.gossip.core import StreamExchange
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.events import Dropped, GossipEvent, JoinFinished, NodeJoined, PushPullMerged, StreamWanted
from nodedns.gossip.keyring import Keyring
from nodedns.gossip.messages import MessageType, PushPullNode
from nodedns.gossip.params import LAN, GossipParams
from nodedns.gossip.slices import SLICE_US, STARVED, Steps, complete
from nodedns.gossip.stream_reader import PushPullState, StreamReader
from nodedns.gossip.swim import Swim
from nodedns.gossip.wire import compress, decompress_untrusted, encode_push_pull
from nodedns.model.address import Address
from nodedns.model.member import Member, NodeState, Versions
from nodedns.model.names import NodeName
from nodedns.testing.exchanges import read_message, work_through

VSN = bytes([1, 5, 2, 2, 5, 5])
HOME = Address(bytes([10, 0, 0, 1]), 7946)
STRANGER = Address(bytes([10, 9, 9, 9]), 7946)
KEY = b"0123456789abcdef"


@attrs.frozen
class Carries:
    """A delegate with a state of its own."""

    state: bytes = b"ours"
    heard: list[bytes] = attrs.Factory(list)

    def ack_payload(self) -> bytes:
        return b""

    def broadcasts(self, overhead: int, limit: int) -> list[bytes]:
        del overhead, limit
        return []

    def local_state(self, *, is_join: bool) -> bytes:
        del is_join
        return self.state

    def refuse_alive(self, member: Member) -> str | None:
        del member
        return None

    def refuse_merge(self, members: object) -> Steps[str | None]:
        del members
        yield 1.0
        return None

    def merge_remote_state(self, state: bytes, now: float, *, is_join: bool) -> Steps[None]:
        del now, is_join
        for at in range(len(state)):
            self.heard.append(state[at : at + 1])
            yield SLICE_US / 2


class Peer:
    """A core, and what came out of it."""

    def __init__(self, params: GossipParams = LAN, envelope: Envelope | None = None, host: int = 1) -> None:
        self.delegate = Carries()
        address = Address(bytes([10, 0, 0, host]), 7946)
        local = Member(NodeName(f"me{host}"), address, b"", Versions(VSN))
        self.core = Swim(params, local, self.delegate, Random(1), envelope or Envelope())
        self.events: list[GossipEvent] = []
        self.core.start(0.0)
        self.drain()

    def drain(self) -> None:
        while (event := self.core.next_event()) is not None:
            self.events.append(event)

    def accept(self) -> StreamExchange:
        exchange = self.core.accept_stream(STRANGER, 1.0)
        assert exchange is not None
        return exchange

    def view(self) -> list[tuple[Member, NodeState]]:
        return self.core.nodes()

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, Dropped)]


def node(number: int, state: int = 0, vsn: bytes = VSN, meta: bytes = b"\xff\x80") -> PushPullNode:
    addr = bytes([10, 2, number >> 8, number & 0xFF])
    return PushPullNode(f"n{number:05}", addr, 7946, meta, 3, state, vsn)


def state_of(count: int) -> bytes:
    return encode_push_pull(True, [node(number, number % 4) for number in range(count)], b"theirs")


def sealed() -> Envelope:
    return Envelope(b"pool", Keyring([KEY]), entropy=Random(5).randbytes)


# --- slices ---------------------------------------------------------------------------------


@given(st.integers(0, 60), st.booleans(), st.integers(1, 400))
def test_state_cut_and_sliced_in_any_way_comes_to_the_same(count: int, is_compressed: bool, size: int) -> None:
    plain = state_of(count)
    data = compress(plain) if is_compressed else plain
    whole, cut = Peer(), Peer()
    first = whole.accept()
    first.receive_data(data, 1.0)
    work_through(first, 1.0)
    second = cut.accept()
    for at in range(0, len(data), size):
        second.receive_data(data[at : at + size], 1.0)
    work_through(second, 1.0)
    for peer in (whole, cut):
        peer.drain()
    assert (True, True) == (first.finished, second.finished)
    assert whole.view() == cut.view()
    assert whole.events == cut.events
    assert whole.delegate.heard == cut.delegate.heard == [bytes([byte]) for byte in b"theirs"]
    assert first.data_to_send() == second.data_to_send() != b""


def test_answer_is_ready_before_the_first_claim_is_applied() -> None:
    peer = Peer()
    exchange = peer.accept()
    exchange.receive_data(state_of(2000), 1.0)
    while not (answer := exchange.data_to_send()):
        assert len(peer.view()) == 1
        exchange.work(1.0)
    told = read_message(StreamReader(LAN, Envelope(), is_reply=True), lambda: answer)
    assert isinstance(told, PushPullState)
    assert [entry.name for entry in told.nodes] == ["me1"]
    work_through(exchange, 1.0)
    assert len(peer.view()) == 501  # a quarter of them alive; the others we have never heard of


def test_slices_bring_few_members_each_and_the_end_comes_after_the_last() -> None:
    peer = Peer()
    exchange = peer.accept()
    exchange.receive_data(state_of(1000), 1.0)
    most = 0
    while exchange.has_work:
        assert not any(isinstance(event, PushPullMerged) for event in peer.events)
        before = sum(isinstance(event, NodeJoined) for event in peer.events)
        exchange.work(1.0)
        peer.drain()
        most = max(most, sum(isinstance(event, NodeJoined) for event in peer.events) - before)
    assert 0 < most <= 50
    assert isinstance(peer.events[-1], PushPullMerged)


def test_join_is_over_only_when_all_is_merged() -> None:
    peer = Peer()
    peer.core.join(STRANGER, 1.0)
    peer.drain()
    (wanted,) = [event for event in peer.events if isinstance(event, StreamWanted)]
    exchange = peer.core.open_stream(wanted, 1.0)
    work_through(exchange, 1.0)
    assert exchange.data_to_send()
    exchange.receive_data(state_of(500), 2.0)
    while exchange.has_work:
        assert not any(isinstance(event, JoinFinished) for event in peer.events)
        exchange.work(2.0)
        peer.drain()
    assert [event.error for event in peer.events if isinstance(event, JoinFinished)] == [""]


def test_one_bad_version_among_thousands_refuses_all_of_them() -> None:
    peer = Peer()
    nodes = [*(node(number) for number in range(3000)), node(3000, vsn=bytes([1, 5, 2, 2, 2, 2]))]
    exchange = peer.accept()
    exchange.receive_data(encode_push_pull(True, nodes, b""), 1.0)
    assert work_through(exchange, 1.0) > 1
    peer.drain()
    assert peer.reasons() == ["push-pull-refused"]
    assert len(peer.view()) == 1


def test_closed_stream_does_not_end_a_merge_and_an_abort_does() -> None:
    done, cut = Peer(), Peer()
    for peer in (done, cut):
        exchange = peer.accept()
        exchange.receive_data(state_of(1000), 1.0)
        exchange.receive_data(b"", 1.0)
        assert exchange.has_work
        if peer is cut:
            exchange.abort("shutting down", 1.0)
        work_through(exchange, 1.0)
        peer.drain()
        assert exchange.finished
        assert peer.core.statistics().inbound_streams == 0
    assert done.reasons() == []
    assert cut.reasons() == ["stream-cut"]
    assert len(cut.view()) < len(done.view())


def test_deadline_no_longer_counts_once_the_peer_has_done_its_part() -> None:
    peer = Peer()
    exchange = peer.accept()
    exchange.receive_data(state_of(1000)[:-1], 1.0)
    work_through(exchange, 1.0)
    assert 1.0 + LAN.tcp_timeout_s == exchange.deadline
    exchange.receive_data(state_of(1000)[-1:], 1.0)
    while not exchange.data_to_send():
        exchange.work(1.0)
    assert exchange.deadline == float("inf")


# --- hostile input --------------------------------------------------------------------------------


def test_compressed_bomb_is_refused_slice_by_slice() -> None:
    peer = Peer(attrs.evolve(LAN, max_stream_bytes=1_000_000))
    exchange = peer.accept()
    exchange.receive_data(compress(bytes([MessageType.PUSH_PULL]) + bytes(3_000_000)), 1.0)
    work_through(exchange, 1.0)
    peer.drain()
    assert exchange.finished
    assert peer.reasons() == ["bad-stream"]


def test_bomb_behind_a_whole_message_is_found_too() -> None:
    peer = Peer(attrs.evolve(LAN, max_stream_bytes=1_000_000))
    exchange = peer.accept()
    exchange.receive_data(compress(state_of(3) + bytes(3_000_000)), 1.0)
    work_through(exchange, 1.0)
    peer.drain()
    assert peer.reasons() == ["bad-stream"]
    assert len(peer.view()) == 1


def test_more_nodes_than_there_are_bytes_for_wait_and_fail_at_the_end() -> None:
    peer = Peer()
    exchange = peer.accept()
    header = b"\x06\x83\xa5Nodes\xce\x00\x01\x86\xa0\xacUserStateLen\x00\xa4Join\xc2"
    exchange.receive_data(header + b"\x80" * 500, 1.0)
    work_through(exchange, 1.0)
    assert not exchange.finished
    exchange.receive_data(b"", 1.0)
    peer.drain()
    assert exchange.finished
    assert peer.reasons() == ["stream-cut"]


@given(st.binary(max_size=200), st.integers(1, 50))
def test_slices_of_any_bytes_come_to_an_end(data: bytes, size: int) -> None:
    peer = Peer()
    exchange = peer.accept()
    for start in (b"", b"\x06", b"\x09"):
        exchange = peer.accept()
        whole = start + data
        for at in range(0, len(whole), size):
            exchange.receive_data(whole[at : at + size], 1.0)
        exchange.receive_data(b"", 1.0)
        work_through(exchange, 1.0)
        assert exchange.finished


# --- what is sent ---------------------------------------------------------------------------------


def answer_to(peer: Peer, request: bytes) -> bytes:
    exchange = peer.accept()
    exchange.receive_data(request, 1.0)
    work_through(exchange, 1.0)
    return exchange.data_to_send()


@pytest.mark.parametrize("compression", [True, False])
def test_push_pull_is_compressed_whenever_that_is_on(compression: bool) -> None:
    sent = answer_to(Peer(attrs.evolve(LAN, compression=compression)), encode_push_pull(False, [], b""))
    assert (MessageType.COMPRESS if compression else MessageType.PUSH_PULL) == sent[0]


def test_ack_on_a_stream_is_not_compressed() -> None:
    ping = b"\x00\x82\xa5SeqNo\x07\xa4Node\xa0"
    assert MessageType.ACK == answer_to(Peer(), ping)[0]


def test_stream_is_wrapped_in_order_compression_then_seal_then_label_of_the_dialler() -> None:
    dialler, listener = Peer(envelope=sealed()), Peer(envelope=sealed(), host=2)
    dialler.core.join(HOME, 1.0)
    dialler.drain()
    (wanted,) = [event for event in dialler.events if isinstance(event, StreamWanted)]
    ours, theirs = dialler.core.open_stream(wanted, 1.0), listener.accept()
    request = ours.data_to_send()
    assert request.startswith(b"\xf4\x04pool\x0a")
    block = request[6:]
    inner = Keyring([KEY]).open_untrusted(block[5:], block[:5] + b"pool")
    assert MessageType.COMPRESS == inner[0]
    assert MessageType.PUSH_PULL == decompress_untrusted(inner[1:])[0]
    theirs.receive_data(request, 1.0)
    work_through(theirs, 1.0)
    reply = theirs.data_to_send()
    assert MessageType.ENCRYPT == reply[0]
    ours.receive_data(reply, 1.0)
    work_through(ours, 1.0)
    for peer in (dialler, listener):
        peer.drain()
        assert peer.reasons() == []
        assert len(peer.view()) == 2


def test_steps_can_be_taken_at_once_and_starve_without_bytes() -> None:
    steps = StreamReader(LAN, Envelope(), is_reply=False).read()
    assert STARVED == next(steps)

    def adding() -> Steps[int]:
        now = yield 1.0
        return int(now) + 1

    assert 3 == complete(adding(), 2.0)


def test_message_cut_off_raises_only_where_it_is_wrong() -> None:
    pieces = iter([b"\x06\xa5hello", b""])
    with pytest.raises(GossipWireError, match="header"):
        read_message(StreamReader(LAN, Envelope(), is_reply=False), lambda: next(pieces))
    assert read_message(StreamReader(LAN, Envelope(), is_reply=False), lambda: b"") is None
