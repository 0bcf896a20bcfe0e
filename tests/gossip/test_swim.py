"""Conversations between gossip cores, their datagrams and streams carried by hand."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import LocalProtocolError
from nodedns.gossip.core import StreamExchange
from nodedns.gossip.delegate import Delegate, NullDelegate
from nodedns.gossip.envelope import MAX_SEALED_BYTES, Envelope, Keyring
from nodedns.gossip.events import (
    ConflictSeen,
    Datagram,
    Dropped,
    GossipEvent,
    JoinFinished,
    LeaveFinished,
    NodeDeparted,
    NodeJoined,
    NodeSuspected,
    NodeUpdated,
    PingCompleted,
    PushPullMerged,
    Refuted,
    StreamPurpose,
    StreamWanted,
    UserMessage,
)
from nodedns.gossip.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Message,
    Nack,
    Ping,
    PushPullNode,
    Suspect,
    UserData,
)
from nodedns.gossip.params import LAN, GossipParams
from nodedns.gossip.slices import Steps, at_once
from nodedns.gossip.swim import MAX_DROPS_WAITING, MAX_PINGS_PER_PACKET, Swim
from nodedns.gossip.wire import (
    decode_packet_untrusted,
    decompress_untrusted,
    encode_compound,
    encode_message,
    encode_push_pull,
)
from nodedns.model.address import Address
from nodedns.model.member import Member, NodeState, Versions
from nodedns.model.names import NodeName
from nodedns.testing.exchanges import work_through

VSN = bytes([1, 5, 2, 2, 5, 5])
STRANGER = Address(bytes([10, 9, 9, 9]), 7946)
EventT = TypeVar("EventT")


def address(host: int) -> Address:
    return Address(bytes([10, 0, 0, host]), 7946)


class Peer:
    """One core, and what came out of it."""

    def __init__(
        self,
        host: int,
        params: GossipParams = LAN,
        envelope: Envelope | None = None,
        name: str = "",
        delegate: Delegate | None = None,
    ) -> None:
        self.address = address(host)
        self.name = NodeName(name or f"n{host}")
        member = Member(self.name, self.address, b"\xff\x80", Versions(VSN))
        self.core = Swim(params, member, delegate or NullDelegate(), Random(host), envelope or Envelope())
        self.sent: list[Datagram] = []
        self.events: list[GossipEvent] = []
        self.core.start(0.0)
        self.drain(0.0)

    def drain(self, now: float) -> None:
        self.sent += self.core.datagrams_to_send(now)
        while (event := self.core.next_event()) is not None:
            self.events.append(event)

    def hear(self, message: Message, source: Address = STRANGER, now: float = 1.0) -> None:
        self.core.receive_datagram(encode_message(message), source, now)
        self.drain(now)

    def run(self, until: float) -> None:
        while (deadline := self.core.next_deadline()) is not None and deadline <= until:
            self.core.handle_timer(deadline)
            self.drain(deadline)

    def said(self) -> list[tuple[Message, Address]]:
        """Return and forget every message sent, with where it went."""
        said = [
            (message, datagram.destination)
            for datagram in self.sent
            for message in decode_packet_untrusted(datagram.payload, _no_bad)
        ]
        self.sent.clear()
        return said

    def told(self, kind: type[EventT]) -> list[EventT]:
        """Return every event of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def state_of(self, name: str) -> NodeState | None:
        found = self.core.node(name)
        return found[1] if found else None

    def knows(self, *hosts: int) -> Peer:
        for host in hosts:
            self.hear(alive(host), now=0.0)
        self.said()
        self.events.clear()
        return self


def _no_bad(problem: Exception) -> None:
    raise AssertionError(problem)


def alive(host: int, incarnation: int = 1, name: str = "") -> Alive:
    return Alive(incarnation, name or f"n{host}", address(host).packed, 7946, b"\xff\x80", VSN)


def carry(dialler: Peer, listener: Peer, now: float = 1.0, chunk: int = 65536) -> None:
    """Carry every stream that the dialler wants to the listener, in pieces of ``chunk`` bytes."""
    for wanted in dialler.told(StreamWanted):
        dialler.events.remove(wanted)
        assert wanted.address == listener.address
        ours = dialler.core.open_stream(wanted, now)
        theirs = listener.core.accept_stream(dialler.address, now)
        assert theirs is not None
        pour(ours, theirs, now, chunk)
        pour(theirs, ours, now, chunk)
        assert (ours.finished, theirs.finished) == (True, True)
    dialler.drain(now)
    listener.drain(now)


def pour(source: StreamExchange, sink: StreamExchange, now: float, chunk: int) -> None:
    data = source.data_to_send()
    for start in range(0, len(data), chunk):
        sink.receive_data(data[start : start + chunk], now)
        work_through(sink, now)


def ask(listener: Peer, request: bytes, now: float = 1.0) -> tuple[StreamExchange, bytes]:
    """Send raw bytes to a listener's stream; return the exchange and the answer."""
    exchange = listener.core.accept_stream(STRANGER, now)
    assert exchange is not None
    exchange.receive_data(request, now)
    work_through(exchange, now)
    answer = exchange.data_to_send()
    listener.drain(now)
    return exchange, answer


# --- user messages over TCP -----------------------------------------------------------


@pytest.mark.parametrize("chunk", [65536, 1])
def test_user_message_goes_by_stream_and_no_reply_is_awaited(chunk: int) -> None:
    one, two = Peer(1), Peer(2)
    one.core.send_user_stream(b"\x06payload", two.address, 9.0)
    one.drain(1.0)
    carry(one, two, chunk=chunk)
    assert [UserMessage(b"\x06payload", one.address)] == two.told(UserMessage)


def test_user_message_that_finds_no_connection_is_lost_without_a_word() -> None:
    one = Peer(1)
    one.events.clear()
    one.core.send_user_stream(b"x", address(2), 9.0)
    one.drain(1.0)
    (wanted,) = one.told(StreamWanted)
    one.core.stream_failed(wanted, "refused", 2.0)
    one.drain(2.0)
    assert [wanted] == one.events


# --- joining ------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [65536, 1])
def test_join_makes_both_sides_know_each_other(chunk: int) -> None:
    one, two = Peer(1), Peer(2)
    join_id = one.core.join(two.address, 1.0)
    one.drain(1.0)
    carry(one, two, chunk=chunk)
    assert one.told(JoinFinished) == [JoinFinished(join_id, two.address, "")]
    assert (one.state_of("n2"), two.state_of("n1")) == (NodeState.ALIVE, NodeState.ALIVE)
    assert two.told(PushPullMerged) == [PushPullMerged(is_join=True)]


def test_join_is_passed_on_to_the_others_by_gossip() -> None:
    no_probes = attrs.evolve(LAN, probe_interval_s=1000.0)
    one, two, three = Peer(1), Peer(2, no_probes).knows(3), Peer(3).knows(2)
    one.core.join(two.address, 1.0)
    one.drain(1.0)
    carry(one, two)
    two.run(2.0)
    for message, destination in two.said():
        if destination == three.address:
            three.hear(message, two.address, 2.0)
    assert three.state_of("n1") == NodeState.ALIVE


def test_join_of_nobody_fails_with_the_reason() -> None:
    one = Peer(1)
    join_id = one.core.join(address(2), 1.0)
    one.drain(1.0)
    one.core.stream_failed(one.told(StreamWanted)[0], "ECONNREFUSED: Connection refused", 1.0)
    one.drain(1.0)
    assert one.told(JoinFinished) == [JoinFinished(join_id, address(2), "ECONNREFUSED: Connection refused")]


def test_stream_cut_before_the_answer_fails_the_join() -> None:
    one = Peer(1)
    one.core.join(address(2), 1.0)
    one.drain(1.0)
    exchange = one.core.open_stream(one.told(StreamWanted)[0], 1.0)
    exchange.receive_data(b"", 1.0)
    exchange.abort("again", 1.0)
    one.drain(1.0)
    assert ["the peer closed the stream before it had answered"] == [done.error for done in one.told(JoinFinished)]


def test_restarted_member_refutes_the_death_it_is_shown() -> None:
    old = Peer(2).knows(1)
    old.hear(Dead(1, "n1", "n2"), now=2.0)
    fresh = Peer(1)
    fresh.core.join(old.address, 3.0)
    fresh.drain(3.0)
    carry(fresh, old, 3.0)
    assert fresh.core.incarnation == 2
    assert [Refuted(NodeName("n1"), 2, NodeState.SUSPECT)] == fresh.told(Refuted)
    fresh.run(3.5)
    for message, destination in fresh.said():
        if destination == old.address:
            old.hear(message, fresh.address, 3.5)
    assert old.state_of("n1") == NodeState.ALIVE


def test_one_incompatible_node_abandons_the_whole_merge() -> None:
    one = Peer(1)
    bad = PushPullNode("n3", address(3).packed, 7946, b"", 1, 0, bytes([1, 5, 2, 2, 2, 2]))
    good = PushPullNode("n2", address(2).packed, 7946, b"", 1, 0, VSN)
    _, answer = ask(one, encode_push_pull(header_join=True, nodes=[good, bad], user_state=b""))
    assert answer
    assert one.state_of("n2") is None
    assert ["push-pull-refused"] == [dropped.reason for dropped in one.told(Dropped)]


def test_delegate_may_refuse_a_join_but_still_answers_it() -> None:
    class Refusing:
        def __init__(self) -> None:
            self._rest = NullDelegate()
            self.ack_payload = self._rest.ack_payload
            self.broadcasts = self._rest.broadcasts
            self.local_state: Callable[..., bytes] = self._rest.local_state
            self.refuse_alive = self._rest.refuse_alive
            self.merge_remote_state = self._rest.merge_remote_state

        def refuse_merge(self, members: object) -> Steps[str | None]:
            del members
            return at_once("part of wrong datacenter")

    core = Swim(LAN, Member(NodeName("n1"), address(1), b"", Versions(VSN)), Refusing(), Random(1), Envelope())
    core.start(0.0)
    exchange = core.accept_stream(STRANGER, 1.0)
    assert exchange is not None
    nodes = [PushPullNode("n2", address(2).packed, 7946, b"", 1, 0, VSN)]
    exchange.receive_data(encode_push_pull(header_join=True, nodes=nodes, user_state=b""), 1.0)
    assert exchange.data_to_send()
    assert core.node("n2") is None


# --- pings ---------------------------------------------------------------------------


def test_ping_is_acked_to_the_address_it_names_else_to_its_source() -> None:
    one = Peer(1)
    one.hear(Ping(7, "n1", address(5).packed, 7000, "n5"))
    one.hear(Ping(8, ""))
    assert [(Ack(7), Address(address(5).packed, 7000)), (Ack(8), STRANGER)] == [
        (message, where) for message, where in one.said() if isinstance(message, Ack)
    ]


def test_ping_for_another_node_is_not_answered() -> None:
    one = Peer(1)
    one.said()
    one.hear(Ping(7, "zzz"))
    assert one.said() == []
    assert ["ping-for-other-node"] == [dropped.reason for dropped in one.told(Dropped)]


def test_probe_and_ack_complete_with_a_round_trip_time() -> None:
    one, two = Peer(1).knows(2), Peer(2).knows(1)
    pings: list[Message] = []
    while not pings:
        sent_at = one.core.next_deadline() or 0.0
        one.run(sent_at)
        pings = [message for message, _ in one.said() if isinstance(message, Ping)]
    two.hear(pings[0], one.address, sent_at + 0.1)
    (ack,) = [message for message, _ in two.said() if isinstance(message, Ack)]
    one.hear(ack, two.address, sent_at + 0.25)
    (done,) = one.told(PingCompleted)
    assert done.member.name == "n2"
    assert done.rtt_s == pytest.approx(0.25)


def test_indirect_ping_with_port_zero_means_our_own_port() -> None:
    one = Peer(1)
    one.said()
    one.hear(IndirectPing(5, address(2).packed, 0, "n2", nack=True), address(9))
    assert [address(2)] == [where for message, where in one.said() if isinstance(message, Ping)]
    one.run(3.0)
    assert (Nack(5), address(9)) in one.said()


def test_indirect_ping_by_an_impossible_name_is_dropped() -> None:
    peer = Peer(1)
    peer.hear(IndirectPing(7, address(3).packed, 7946, "x" * 513))
    assert ["bad-name"] == [drop.reason for drop in peer.told(Dropped)]
    assert [] == peer.said()


@pytest.mark.parametrize("claim", [Suspect(1, "n2", "x" * 513), Dead(1, "n2", "x" * 513)])
def test_claim_too_long_for_any_packet_is_not_taken(claim: Message) -> None:
    peer = Peer(1).knows(2)
    queued = peer.core.statistics().queued_broadcasts
    peer.hear(claim)
    assert ["bad-name"] == [drop.reason for drop in peer.told(Dropped)]
    assert NodeState.ALIVE == peer.state_of("n2")
    assert queued == peer.core.statistics().queued_broadcasts


def test_only_a_few_pings_of_one_packet_are_answered() -> None:
    peer = Peer(1)
    packet = encode_compound([encode_message(Ping(number, "n1")) for number in range(50)])
    peer.core.receive_datagram(packet, STRANGER, 1.0)
    peer.drain(1.0)
    assert MAX_PINGS_PER_PACKET == len([message for message, _ in peer.said() if isinstance(message, Ack)])
    assert ["too-many-pings"] == [drop.reason for drop in peer.told(Dropped)]


def test_members_are_told_of_however_much_is_dropped_beside_them() -> None:
    peer = Peer(1)
    bad = PushPullNode("bad", b"", 1, b"", 1, 0, VSN)
    good = [PushPullNode(f"g{number}", address(9).packed, 1, b"", 1, 0, VSN) for number in range(10)]
    ask(peer, encode_push_pull(False, [*good, *[bad] * 70_000], b""))
    assert 10 == sum(event.member.name.startswith("g") for event in peer.told(NodeJoined))
    assert MAX_DROPS_WAITING >= len(peer.told(Dropped)) > 0


def test_broadcasts_ride_along_with_an_ack_within_the_packet_budget() -> None:
    one = Peer(1)
    for host in range(2, 60):
        one.hear(alive(host), now=0.5)
    one.sent.clear()
    one.hear(Ping(1, "n1"))
    (datagram,) = one.sent
    assert len(datagram.payload) <= LAN.udp_payload_bytes
    kinds = {type(message) for message, _ in one.said()}
    assert kinds == {Ack, Alive}


# --- failure and refutation --------------------------------------------------------------


def test_silent_member_is_suspected_then_dead_within_the_bounds() -> None:
    one = Peer(1).knows(2)
    one.run(30.0)
    assert one.state_of("n2") in (NodeState.DEAD, None)
    (suspected,) = one.told(NodeSuspected)
    (departed,) = one.told(NodeDeparted)
    assert (suspected.accuser, departed.accuser, departed.state) == ("n1", "n1", NodeState.DEAD)


def test_accused_member_refutes_with_a_higher_incarnation_and_loses_health() -> None:
    one = Peer(1).knows(2)
    one.hear(Suspect(4, "n1", "n2"), now=1.0)
    assert (one.core.incarnation, one.core.health_score) == (5, 1)
    one.run(1.5)
    assert any(isinstance(message, Alive) and message.incarnation == 5 for message, _ in one.said())


@pytest.mark.parametrize("claim", [Suspect(2**32 - 1, "n1", "n9"), Dead(2**32 - 1, "n1", "n9")])
def test_refutation_of_the_highest_incarnation_can_still_be_told(claim: Message) -> None:
    peer = Peer(1).knows(2)
    peer.hear(claim)
    assert 1 == peer.core.incarnation
    other = Peer(2)
    other.core.join(peer.address, 1.0)
    other.drain(1.0)
    carry(other, peer)
    assert NodeState.ALIVE == other.state_of("n1")


def test_refutation_in_time_cancels_the_death() -> None:
    one = Peer(1, attrs.evolve(LAN, probe_interval_s=1000.0)).knows(2)
    one.hear(Suspect(1, "n2", "n3"), now=1.0)
    one.hear(alive(2, incarnation=2), now=2.0)
    one.run(20.0)
    assert one.state_of("n2") == NodeState.ALIVE
    assert one.told(NodeDeparted) == []


def test_confirmations_bring_the_death_forward() -> None:
    params = attrs.evolve(LAN, probe_interval_s=1000.0, suspicion_mult=4)
    slow = Peer(1, attrs.evolve(params, probe_interval_s=1.0, probe_timeout_s=0.5, indirect_checks=0)).knows(2, 3, 4, 5)
    slow.hear(Suspect(1, "n2", "n3"), now=0.0)
    slow.hear(Suspect(1, "n2", "n4"), now=0.0)
    slow.hear(Suspect(1, "n2", "n5"), now=0.0)
    slow.run(3.99)
    assert "n2" not in [departed.member.name for departed in slow.told(NodeDeparted)]
    slow.run(4.01)
    assert "n2" in [departed.member.name for departed in slow.told(NodeDeparted)]


# --- leaving, updates, conflicts, user messages ------------------------------------------------


def test_leave_is_gossiped_to_the_limit_and_then_finished() -> None:
    one = Peer(1).knows(2)
    one.core.leave(5.0, 1.0)
    one.drain(1.0)
    assert one.told(LeaveFinished) == []
    one.run(4.0)
    assert one.told(LeaveFinished) == [LeaveFinished(timed_out=False)]
    assert any(message == Dead(1, "n1", "n1") for message, _ in one.said())


def test_leave_alone_is_finished_at_once_and_once_only() -> None:
    one = Peer(1)
    one.core.leave(5.0, 1.0)
    one.drain(1.0)
    one.run(20.0)
    assert one.told(LeaveFinished) == [LeaveFinished(timed_out=False)]
    with pytest.raises(LocalProtocolError):
        one.core.leave(5.0, 30.0)


def test_leave_that_nobody_hears_ends_by_its_timeout() -> None:
    one = Peer(1, attrs.evolve(LAN, gossip_interval_s=1000.0, probe_interval_s=1000.0)).knows(2)
    one.core.leave(5.0, 1.0)
    one.run(6.0)
    assert one.told(LeaveFinished) == [LeaveFinished(timed_out=True)]


def test_member_that_left_still_answers_pings_and_is_not_refuted_back() -> None:
    one = Peer(1).knows(2)
    one.core.leave(5.0, 1.0)
    one.hear(Dead(1, "n1", "n2"), now=2.0)
    one.hear(Ping(9, "n1"), now=2.0)
    assert one.core.incarnation == 1
    assert Ack(9) in [message for message, _ in one.said()]


def test_new_metadata_is_announced_with_a_higher_incarnation() -> None:
    one = Peer(1).knows(2)
    one.core.update_meta(b"\xff\x81", 1.0)
    one.drain(1.0)
    assert [b"\xff\x81"] == [event.member.meta for event in one.told(NodeUpdated)]
    one.run(1.5)
    claims = [message for message, _ in one.said() if isinstance(message, Alive) and message.node == "n1"]
    assert {(claim.incarnation, claim.meta) for claim in claims} == {(2, b"\xff\x81")}


def test_other_members_claims_are_passed_on_byte_for_byte() -> None:
    mapped = bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 3])
    claim = Alive(6, "n3", mapped, 7946, b"\xff\x82meta", VSN)
    one = Peer(1).knows(2)
    one.hear(claim)
    one.run(1.5)
    assert claim in [message for message, _ in one.said()]


def test_alive_with_port_zero_gets_our_own_port() -> None:
    one = Peer(1)
    one.hear(attrs.evolve(alive(2), port=0))
    found = one.core.node("n2")
    assert found is not None
    assert found[0].address.port == 7946


def test_claim_of_a_live_name_from_elsewhere_has_both_addresses_asked() -> None:
    one = Peer(1).knows(2)
    one.hear(alive(7, incarnation=9, name="n2"))
    pings = {destination: message for message, destination in one.said() if isinstance(message, Ping)}
    assert {address(2): "n2", address(7): "n2"} == {where: ping.node for where, ping in pings.items()}
    for where, ping in pings.items():
        one.hear(Ack(ping.seq_no), where)
    (conflict,) = one.told(ConflictSeen)
    assert (conflict.existing.address, conflict.claimant.address) == (address(2), address(7))
    assert (1, 9, STRANGER) == (conflict.existing_incarnation, conflict.claimed_incarnation, conflict.told_by)


def test_user_messages_come_through_from_datagrams_and_streams() -> None:
    one = Peer(1)
    one.hear(UserData(b"\x03event"))
    exchange, answer = ask(one, bytes([8]) + b"\x81\xaaUserMsgLen\x02" + b"hi")
    assert (exchange.finished, answer) == (True, b"")
    assert [b"\x03event", b"hi"] == [message.payload for message in one.told(UserMessage)]


# --- hostile input ------------------------------------------------------------------------


def test_good_parts_of_a_packet_count_though_others_are_bad() -> None:
    one = Peer(1)
    packet = encode_compound([b"\xee bad", encode_message(alive(2))])
    one.core.receive_datagram(packet, STRANGER, 1.0)
    one.drain(1.0)
    assert one.state_of("n2") == NodeState.ALIVE
    assert ["bad-message"] == [dropped.reason for dropped in one.told(Dropped)]


def test_streams_are_bounded_and_a_finished_one_makes_room() -> None:
    one = Peer(1, attrs.evolve(LAN, max_streams=2))
    first, second = (one.core.accept_stream(STRANGER, 1.0) for _ in range(2))
    assert first is not None
    assert second is not None
    assert one.core.accept_stream(STRANGER, 1.0) is None
    first.abort("i/o timeout", 2.0)
    first.abort("i/o timeout", 2.0)
    assert one.core.accept_stream(STRANGER, 2.0) is not None
    one.drain(2.0)
    assert ["too-many-streams", "stream-cut"] == [dropped.reason for dropped in one.told(Dropped)]


def test_unfinished_streams_are_bounded_in_bytes_together() -> None:
    one = Peer(1, attrs.evolve(LAN, max_inbound_bytes=100_000))
    header = b"\x08\x81\xaaUserMsgLen\xce\x00\x10\x00\x00"
    first, second, third = (one.core.accept_stream(STRANGER, 1.0) for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    first.receive_data(header + bytes(30_000), 1.0)
    second.receive_data(header + bytes(30_000), 1.0)
    assert (False, True) == (first.finished, second.finished)
    # The room of the refused one is free again, and that of the finished one too.
    first.abort("closed", 1.0)
    third.receive_data(header + bytes(45_000), 1.0)
    assert not third.finished
    one.drain(1.0)
    assert ["streams-too-large", "stream-cut"] == [dropped.reason for dropped in one.told(Dropped)]


def test_tiny_nodes_of_an_unfinished_push_pull_count_for_the_memory_they_take() -> None:
    one = Peer(1, attrs.evolve(LAN, max_inbound_bytes=100_000))
    stream = one.core.accept_stream(STRANGER, 1.0)
    assert stream is not None
    stream.receive_data(
        encode_push_pull(False, [], b"").replace(b"Nodes\x00", b"Nodes\xcd\xff\xff") + b"\x80" * 300, 1.0
    )
    assert stream.finished


@pytest.mark.parametrize(
    ("request_bytes", "is_answered"),
    [(b"\x00garbage", True), (b"\xf0", False), (b"\x06\xa5hello", True), (b"\x09\x80", True)],
)
def test_unreadable_stream_is_answered_with_an_error_unless_its_type_is_unknown(
    request_bytes: bytes, is_answered: bool
) -> None:
    one = Peer(1)
    exchange, answer = ask(one, request_bytes)
    assert exchange.finished
    assert is_answered == (answer != b"")
    if is_answered:
        assert b"\x0d" == decompress_untrusted(answer[1:])[:1]


def test_stream_ping_is_acked_for_our_name_only() -> None:
    one = Peer(1)
    _, answer = ask(one, encode_message(Ping(3, "n1")))
    assert answer == encode_message(Ack(3))
    _, answer = ask(one, encode_message(Ping(3, "zzz")))
    assert answer == b""


@given(st.binary(max_size=200))
def test_no_datagram_raises_or_makes_a_member(data: bytes) -> None:
    one = Peer(1)
    one.core.receive_datagram(data, STRANGER, 1.0)
    one.drain(1.0)
    assert one.core.size == 1


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_no_stream_raises(pieces: list[bytes]) -> None:
    one = Peer(1)
    exchange = one.core.accept_stream(STRANGER, 1.0)
    assert exchange is not None
    for piece in [*pieces, b""]:
        exchange.receive_data(piece, 1.0)
    exchange.abort("over", 1.0)
    assert exchange.finished
    assert one.core.statistics().inbound_streams == 0


# --- encryption ------------------------------------------------------------------------------


def sealed(key: bytes) -> Envelope:
    counter = iter(range(1 << 30))
    return Envelope(keyring=Keyring([key]), entropy=lambda size: next(counter).to_bytes(size, "big"))


def test_encrypted_members_join_and_probe_each_other() -> None:
    one, two = Peer(1, envelope=sealed(b"k" * 16)), Peer(2, envelope=sealed(b"k" * 16))
    one.core.join(two.address, 1.0)
    one.drain(1.0)
    carry(one, two)
    assert (one.state_of("n2"), two.state_of("n1")) == (NodeState.ALIVE, NodeState.ALIVE)
    one.run(3.0)
    for datagram in one.sent:
        two.core.receive_datagram(datagram.payload, one.address, 3.0)
    two.drain(3.0)
    assert two.told(Dropped) == []


class LargeState:
    """A delegate whose state fits into no encrypted block."""

    def __init__(self) -> None:
        rest = NullDelegate()
        self.ack_payload = rest.ack_payload
        self.broadcasts = rest.broadcasts
        self.refuse_alive = rest.refuse_alive
        self.refuse_merge = rest.refuse_merge
        self.merge_remote_state = rest.merge_remote_state

    def local_state(self, *, is_join: bool) -> bytes:
        del is_join
        return bytes(MAX_SEALED_BYTES)


def test_state_too_large_to_be_sealed_fails_the_exchange_on_either_side() -> None:
    plain = attrs.evolve(LAN, compression=False)
    large, other = Peer(1, plain, sealed(b"k" * 16), delegate=LargeState()), Peer(2, envelope=sealed(b"k" * 16))
    large.core.join(other.address, 1.0)
    large.drain(1.0)
    (wanted,) = large.told(StreamWanted)
    exchange = large.core.open_stream(wanted, 1.0)
    large.drain(1.0)
    assert (True, b"") == (exchange.finished, exchange.data_to_send())
    assert ["more than 20971520" in done.error for done in large.told(JoinFinished)] == [True]
    answering, answer = ask(large, sealed(b"k" * 16).seal_stream(encode_push_pull(False, [], b"")))
    assert (True, b"") == (answering.finished, answer)
    assert ["state-too-large"] == [drop.reason for drop in large.told(Dropped)]


def test_wrong_key_and_plain_text_are_dropped_by_an_encrypted_member() -> None:
    one = Peer(1, envelope=sealed(b"k" * 16))
    one.hear(alive(2))
    one.core.receive_datagram(sealed(b"x" * 16).seal_packet(encode_message(alive(2))), STRANGER, 1.0)
    one.drain(1.0)
    assert one.state_of("n2") is None
    assert ["not-encrypted", "wrong-key"] == [dropped.reason for dropped in one.told(Dropped)]


@pytest.mark.parametrize(
    ("joiner", "host", "at_joiner", "at_host"),
    [
        (sealed(b"x" * 16), sealed(b"k" * 16), "with a key that is not in our keyring", "wrong-key"),
        (Envelope(), sealed(b"k" * 16), "is encrypted and we have no key", "not-encrypted"),
        (sealed(b"k" * 16), Envelope(), "is not encrypted and ours is", "no-key"),
    ],
    ids=["wrong key", "joiner without a key", "key into a plain pool"],
)
def test_joiner_of_another_pool_learns_in_words_what_is_wrong_and_so_does_the_host(
    joiner: Envelope, host: Envelope, at_joiner: str, at_host: str
) -> None:
    one, two = Peer(1, envelope=joiner), Peer(2, envelope=host)
    one.core.join(two.address, 1.0)
    one.drain(1.0)
    carry(one, two)
    (outcome,) = one.told(JoinFinished)
    assert at_joiner in outcome.error
    assert [at_host] == [dropped.reason for dropped in two.told(Dropped)]
    assert (None, None) == (one.state_of("n2"), two.state_of("n1"))


def test_stream_of_another_label_is_closed_without_an_answer() -> None:
    one = Peer(1, envelope=Envelope(b"blue"))
    exchange, answer = ask(one, b"\xf4\x04gray" + encode_message(Ping(1, "n1")))
    assert (True, b"") == (exchange.finished, answer)
    assert ["other-label"] == [dropped.reason for dropped in one.told(Dropped)]


def test_encrypted_stream_to_a_plain_member_says_so() -> None:
    one = Peer(1, attrs.evolve(LAN, compression=False))
    exchange, answer = ask(one, sealed(b"k" * 16).seal_stream(encode_message(Ping(1, "n1"))))
    assert exchange.finished
    assert b"encryption is not configured" in answer


def test_first_alive_about_ourselves_is_a_join() -> None:
    assert [NodeName("n1")] == [event.member.name for event in Peer(1).told(NodeJoined)]


# --- the follow-up of a join -------------------------------------------------------------------


def push_pulls_wanted(peer: Peer) -> list[StreamWanted]:
    return [wanted for wanted in peer.told(StreamWanted) if wanted.purpose is StreamPurpose.PUSH_PULL]


def joined_pair(params: GossipParams) -> Peer:
    one, two = Peer(1, params), Peer(2, params)
    one.core.join(two.address, 1.0)
    one.drain(1.0)
    carry(one, two)
    return one


def test_join_is_followed_by_one_more_push_pull_within_seconds() -> None:
    one = joined_pair(attrs.evolve(LAN, probe_interval_s=1000.0, push_pull_interval_s=0.0))
    one.run(1.49)
    assert push_pulls_wanted(one) == []
    one.run(2.5)
    assert [address(2)] == [wanted.address for wanted in push_pulls_wanted(one)]


def test_follow_up_can_be_turned_off() -> None:
    one = joined_pair(attrs.evolve(LAN, join_follow_up_s=0.0, push_pull_interval_s=0.0))
    one.run(20.0)
    assert push_pulls_wanted(one) == []


def test_several_joins_share_one_follow_up() -> None:
    one = Peer(1, attrs.evolve(LAN, push_pull_interval_s=0.0))
    for host in (2, 3, 4):
        peer = Peer(host)
        one.core.join(peer.address, 1.0)
        one.drain(1.0)
        carry(one, peer)
    one.run(2.5)
    assert len(push_pulls_wanted(one)) == 1


def test_failed_join_has_no_follow_up() -> None:
    one = Peer(1, attrs.evolve(LAN, push_pull_interval_s=0.0)).knows(3)
    one.core.join(address(2), 1.0)
    one.drain(1.0)
    one.core.stream_failed(one.told(StreamWanted)[0], "refused", 1.0)
    one.drain(1.0)
    one.events.clear()
    one.run(2.5)
    assert push_pulls_wanted(one) == []


@pytest.mark.parametrize("state", [NodeState.ALIVE, NodeState.SUSPECT, NodeState.DEAD])
def test_earlier_life_of_ours_in_a_list_is_declared_left_for_members_that_do_not_ask(state: NodeState) -> None:
    one = Peer(1).knows(2)
    listed = PushPullNode("n1", address(7).packed, 7946, b"\xff\x80", 3, int(state), VSN)
    exchange = one.core.accept_stream(STRANGER, 1.0)
    assert exchange is not None
    exchange.receive_data(encode_push_pull(False, [listed], b""), 1.0)
    one.drain(1.0)
    one.run(6.0)
    said = [message for message, _ in one.said()]
    departures = [message for message in said if isinstance(message, Dead) and message.node == "n1"]
    assert {Dead(3, "n1", "n1")} == set(departures)
    assert one.core.incarnation > 3
    announced = [message for message in said if isinstance(message, Alive) and message.node == "n1"]
    assert one.core.incarnation == announced[-1].incarnation
