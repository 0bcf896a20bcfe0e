"""One probe after the other: acks, helpers, nacks, TCP, the verdict; and pings made for others."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs
import pytest

from nodedns.gossip.awareness import Awareness
from nodedns.gossip.events import GossipEvent, PingCompleted, ProbeFailed, ProbeHelped, TcpOnlyAck
from nodedns.gossip.members import Listed, MemberTable
from nodedns.gossip.messages import Ack, Alive, IndirectPing, Message, Nack, Ping, Suspect
from nodedns.gossip.params import LAN, GossipParams
from nodedns.gossip.probe import MAX_TCP_ERROR_CHARS, Prober
from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.history import NOBODY, ProbeReport
from nodedns.model.member import Member
from nodedns.model.names import NodeName

VSN = bytes([1, 5, 2, 2, 5, 5])
OLD_VSN = bytes([1, 2, 2, 2, 5, 5])
ME = NodeName("me")


def address(host: int) -> Address:
    return Address(bytes([10, 0, 0, host]), 7946)


class Bench:
    """A prober, and a host that writes down what it is asked for."""

    def __init__(self, others: int, params: GossipParams = LAN, vsn: bytes = VSN) -> None:
        self.now = 0.0
        self.sent: list[tuple[Message, Address]] = []
        self.pairs: list[tuple[Message, Message]] = []
        self.tcp: list[tuple[Address, float, Callable[[str], None]]] = []
        self.events: list[GossipEvent] = []
        self.suspicions: list[Suspect] = []
        self.awareness = Awareness(params.awareness_max_multiplier)
        self.timers = TimerHeap()
        self.table = MemberTable(params, ME, Random(3))
        self.table.apply_alive(Alive(1, ME, address(99).packed, 7946, b"", VSN), 0.0, is_boot=True)
        for host in range(1, others + 1):
            self.table.apply_alive(Alive(1, f"n{host}", address(host).packed, 7946, b"", vsn), 0.0)
        me = self.row(ME).member
        self.prober = Prober(
            host=self, params=params, local=me, table=self.table, awareness=self.awareness, timers=self.timers
        )

    def row(self, name: str) -> Listed:
        row = self.table.get(name)
        assert row is not None
        return row

    def send_message(self, message: Message, destination: Address) -> None:
        self.sent.append((message, destination))

    def send_pair(self, first: Message, second: Message, member: Member) -> None:
        del member
        self.pairs.append((first, second))

    def want_tcp_ping(self, ping: Ping, address: Address, deadline: float, on_over: Callable[[str], None]) -> None:
        del ping
        self.tcp.append((address, deadline, on_over))

    def emit(self, event: GossipEvent) -> None:
        self.events.append(event)

    def suspect(self, suspect: Suspect, now: float) -> None:
        del now
        self.suspicions.append(suspect)

    def at(self, now: float) -> None:
        self.now = now
        self.timers.fire(now)

    def ping(self) -> Ping:
        """Start a probe and return its ping."""
        self.prober.tick(self.now)
        message = self.sent[-1][0]
        assert isinstance(message, Ping)
        return message

    def helpers_asked(self) -> list[IndirectPing]:
        return [message for message, _ in self.sent if isinstance(message, IndirectPing)]


def test_ping_names_its_target_and_where_the_ack_goes() -> None:
    bench = Bench(1)
    assert Ping(1, "n1", address(99).packed, 7946, ME) == bench.ping()
    assert bench.sent[0][1] == address(1)


def test_direct_ack_ends_the_probe_with_its_round_trip() -> None:
    bench = Bench(3)
    bench.awareness.apply_delta(2)
    ping = bench.ping()
    assert bench.prober.handle_ack(Ack(ping.seq_no, b"coordinate"), 0.25)
    bench.at(60.0)
    assert bench.events == [PingCompleted(bench.row(ping.node).member, 0.25, b"coordinate")]
    assert (bench.suspicions, bench.helpers_asked(), bench.prober.pending) == ([], [], 0)
    assert bench.awareness.score == 1


def test_silence_brings_in_helpers_and_tcp_after_the_probe_timeout() -> None:
    bench = Bench(6)
    ping = bench.ping()
    bench.at(0.5)
    asked = bench.helpers_asked()
    assert {ping.seq_no} == {request.seq_no for request in asked}
    assert {ping.node} == {request.node for request in asked}
    assert len(asked) == LAN.indirect_checks
    assert all(request.nack for request in asked)
    targets = {destination for message, destination in bench.sent if isinstance(message, IndirectPing)}
    assert len(targets) == LAN.indirect_checks
    assert bench.row(ping.node).member.address not in targets
    assert [(host, deadline) for host, deadline, _ in bench.tcp] == [(bench.row(ping.node).member.address, 1.0)]


def test_late_ack_from_anybody_saves_the_member_without_a_round_trip() -> None:
    bench = Bench(6)
    ping = bench.ping()
    bench.at(0.5)
    bench.prober.handle_ack(Ack(ping.seq_no), 0.9, bench.row(ping.node).member.address)
    bench.at(5.0)
    assert ([], [ProbeHelped(bench.row(ping.node).member, NOBODY)]) == (bench.suspicions, bench.events)


def test_helper_that_brings_the_ack_is_named() -> None:
    bench = Bench(6)
    ping = bench.ping()
    bench.at(0.5)
    request, source = bench.sent[-1]
    assert isinstance(request, IndirectPing)
    bench.prober.handle_ack(Ack(ping.seq_no), 0.7, source)
    (helper,) = (row.member.name for row in bench.table if row.member.address == source)
    assert [ProbeHelped(bench.row(ping.node).member, helper)] == bench.events


def test_failed_probe_tells_whom_it_asked_and_what_came_of_tcp() -> None:
    bench = Bench(6)
    bench.awareness.apply_delta(1)
    ping = bench.ping()
    bench.at(0.5)
    bench.prober.handle_nack(Nack(ping.seq_no), bench.now)
    bench.tcp[0][2]("connection refused")
    bench.at(2.0)
    asked = {address for message, address in bench.sent if isinstance(message, IndirectPing)}
    (failed,) = bench.events
    assert isinstance(failed, ProbeFailed)
    assert asked == {bench.row(helper).member.address for helper in failed.report.helpers}
    target = bench.row(ping.node).member.address
    expected = ProbeReport(target, 0.5, 2.0, failed.report.helpers, 1, 3, "connection refused", health_score=1)
    assert ProbeFailed(bench.row(ping.node).member, expected) == failed


def test_tcp_ping_that_is_still_open_at_the_end_was_not_answered_in_time() -> None:
    bench = Bench(1)
    bench.ping()
    bench.at(0.5)
    bench.at(1.0)
    (failed,) = bench.events
    assert isinstance(failed, ProbeFailed)
    assert failed.report.tcp == "no answer in time"


def test_error_in_the_words_of_a_peer_is_cut() -> None:
    bench = Bench(1)
    bench.ping()
    bench.at(0.5)
    bench.tcp[0][2]("x" * 10_000)
    bench.at(1.0)
    (failed,) = bench.events
    assert isinstance(failed, ProbeFailed)
    assert "x" * MAX_TCP_ERROR_CHARS == failed.report.tcp


def test_silence_to_the_end_is_a_suspicion_at_the_incarnation_probed() -> None:
    bench = Bench(1)
    ping = bench.ping()
    bench.at(0.5)
    bench.row("n1").incarnation = 9
    bench.at(1.0)
    assert [Suspect(1, ping.node, ME)] == bench.suspicions
    assert bench.awareness.score == 1


def test_missing_nacks_count_against_ourselves_and_those_that_came_do_not() -> None:
    bench = Bench(6)
    ping = bench.ping()
    bench.at(0.5)
    for _ in range(2):
        bench.prober.handle_nack(Nack(ping.seq_no), bench.now)
    bench.at(1.0)
    assert bench.awareness.score == 1
    assert len(bench.suspicions) == 1


def test_every_nack_back_leaves_our_health_as_it_was() -> None:
    bench = Bench(6)
    ping = bench.ping()
    bench.at(0.5)
    for _ in range(5):
        bench.prober.handle_nack(Nack(ping.seq_no), bench.now)
    bench.at(1.0)
    assert bench.awareness.score == 0


def test_verdict_falls_at_once_when_tcp_and_every_helper_have_said_no() -> None:
    bench = Bench(6)
    ping = bench.ping()
    bench.at(0.5)
    bench.tcp[0][2]("connection refused")
    bench.now = 0.9
    for _ in range(2):
        bench.prober.handle_nack(Nack(ping.seq_no), bench.now)
        assert [] == bench.suspicions
    bench.prober.handle_nack(Nack(ping.seq_no), bench.now)
    assert [Suspect(1, ping.node, ME)] == bench.suspicions
    bench.at(60.0)
    assert (1, 0, 0) == (len(bench.suspicions), bench.awareness.score, bench.prober.pending)


@pytest.mark.parametrize("tcp", ["", None])
def test_verdict_waits_for_a_tcp_ping_that_is_answered_or_silent(tcp: str | None) -> None:
    bench = Bench(6)
    ping = bench.ping()
    bench.at(0.5)
    if tcp is not None:
        bench.tcp[0][2](tcp)
    bench.now = 0.9
    for _ in range(3):
        bench.prober.handle_nack(Nack(ping.seq_no), bench.now)
    assert 1 == bench.prober.pending


def test_verdict_is_not_hurried_where_there_is_nobody_to_ask() -> None:
    bench = Bench(1)
    ping = bench.ping()
    bench.at(0.5)
    bench.tcp[0][2]("connection refused")
    bench.prober.handle_nack(Nack(ping.seq_no), 0.9)
    assert [] == bench.suspicions


def test_tcp_ack_alone_keeps_the_member_and_says_that_udp_is_blocked() -> None:
    bench = Bench(1)
    bench.ping()
    bench.at(0.5)
    bench.tcp[0][2]("")
    bench.at(1.0)
    report = ProbeReport(address(1), 0.5, 1.0, (), nacks=0, expected_nacks=0, tcp="acked", health_score=0)
    assert [TcpOnlyAck(bench.row("n1").member, report)] == bench.events
    assert bench.suspicions == []


def test_old_agents_get_no_tcp_ping_and_no_wish_for_nacks() -> None:
    bench = Bench(4, vsn=OLD_VSN)
    bench.ping()
    bench.at(0.5)
    assert bench.tcp == []
    assert [request.nack for request in bench.helpers_asked()] == [False] * 3


def test_suspect_is_told_of_the_suspicion_with_the_ping_and_nothing_else() -> None:
    bench = Bench(1)
    bench.table.apply_suspect(Suspect(1, "n1", "n2"), 0.0)
    bench.prober.tick(0.0)
    assert bench.sent == []
    assert bench.pairs == [(Ping(1, "n1", address(99).packed, 7946, ME), Suspect(1, "n1", ME))]


def test_suspect_is_pinged_as_others_are_without_the_buddy_system() -> None:
    bench = Bench(1, params=attrs.evolve(LAN, buddy_system=False))
    bench.table.apply_suspect(Suspect(1, "n1", "n2"), 0.0)
    assert Ping(1, "n1", address(99).packed, 7946, ME) == bench.ping()
    assert bench.pairs == []


def test_bad_health_stretches_the_verdict_but_not_the_probe_timeout() -> None:
    bench = Bench(1)
    bench.awareness.apply_delta(2)
    bench.ping()
    bench.at(0.5)
    assert bench.tcp[0][1] == 3.0
    bench.at(2.9)
    assert bench.suspicions == []
    bench.at(3.0)
    assert len(bench.suspicions) == 1


def test_tick_during_a_probe_is_made_up_for_and_two_do_not_pile_up() -> None:
    bench = Bench(2)
    first = bench.ping()
    bench.prober.tick(0.1)
    bench.prober.tick(0.2)
    assert len(bench.sent) == 1
    bench.prober.handle_ack(Ack(first.seq_no), 0.3)
    bench.at(0.3)
    pings = [message for message, _ in bench.sent if isinstance(message, Ping)]
    assert [ping.seq_no for ping in pings] == [1, 2]


def test_everybody_is_probed_once_a_round_and_never_ourselves_or_the_gone() -> None:
    bench = Bench(5)
    bench.row("n5").state = bench.row("n5").state.DEAD
    probed: list[str] = []
    while len(probed) < 4:
        before = len(bench.sent)
        bench.prober.tick(bench.now)
        if len(bench.sent) > before:
            ping = bench.sent[-1][0]
            assert isinstance(ping, Ping)
            probed.append(ping.node)
            bench.prober.handle_ack(Ack(ping.seq_no), bench.now)
    assert sorted(probed) == ["n1", "n2", "n3", "n4"]


def test_relayed_ping_passes_the_ack_back_under_the_asker_s_number() -> None:
    bench = Bench(2)
    asker = address(50)
    request = IndirectPing(77, address(1).packed, 7946, "n1", nack=True)
    assert bench.prober.relay(request, asker, 0.0)
    ping, destination = bench.sent[-1]
    assert isinstance(ping, Ping)
    assert (ping.node, destination) == ("n1", address(1))
    bench.prober.handle_ack(Ack(ping.seq_no, b"coordinate"), 0.1)
    assert bench.sent[-1] == (Ack(77), asker)
    bench.at(9.0)
    assert bench.sent[-1] == (Ack(77), asker)


def test_relayed_ping_without_an_ack_is_nacked_while_the_asker_still_waits_if_asked_for() -> None:
    for nack, expected in ((True, [Nack(77)]), (False, [])):
        bench = Bench(2)
        bench.prober.relay(IndirectPing(77, address(1).packed, 7946, "n1", nack=nack), address(50), 0.0)
        bench.at(0.39)
        assert [] == bench.sent[1:]
        bench.at(0.4)
        assert expected == [message for message, _ in bench.sent[1:]]
        bench.at(0.5)
        assert expected == [message for message, _ in bench.sent[1:]]
        assert bench.prober.pending == 0


def test_ack_that_comes_after_the_nack_is_passed_back_all_the_same() -> None:
    bench = Bench(2)
    bench.prober.relay(IndirectPing(77, address(1).packed, 7946, "n1", nack=True), address(50), 0.0)
    ping, _ = bench.sent[-1]
    assert isinstance(ping, Ping)
    bench.at(0.45)
    bench.prober.handle_ack(Ack(ping.seq_no), bench.now)
    assert [Nack(77), Ack(77)] == [message for message, _ in bench.sent[1:]]
    assert bench.prober.pending == 0
    bench.at(9.0)
    assert 3 == len(bench.sent)


def test_relayed_pings_are_bounded() -> None:
    bench = Bench(1, attrs.evolve(LAN, max_relayed_pings=2))
    request = IndirectPing(1, address(1).packed, 7946, "n1")
    assert [bench.prober.relay(request, address(50), 0.0) for _ in range(3)] == [True, True, False]


def test_ack_nobody_waits_for_is_told_apart() -> None:
    bench = Bench(1)
    assert bench.prober.handle_ack(Ack(12345), 0.0) is False
    assert bench.prober.handle_nack(Nack(12345), 0.0) is False
