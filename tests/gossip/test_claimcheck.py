"""A name claimed from a second address: who is asked, how often, and what each outcome means."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs
import pytest

from nodedns.gossip.awareness import Awareness
from nodedns.gossip.claimcheck import MAX_CLAIM_CHECKS, MAX_CLAIMANTS_PER_NAME, RECHECK_S, ClaimChecks
from nodedns.gossip.events import ConflictOver, ConflictSeen, Dropped, GossipEvent
from nodedns.gossip.members import Listed, MemberTable
from nodedns.gossip.messages import Ack, Alive, IndirectPing, Message, Ping
from nodedns.gossip.params import LAN
from nodedns.gossip.probe import Prober
from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.member import Member
from nodedns.model.names import NodeName

VSN = bytes([1, 5, 2, 2, 5, 5])
ME = NodeName("me")
TELLER = Address(bytes([10, 9, 9, 9]), 7946)
ANSWER_S = 1.0  # the LAN's probe interval


def address(host: int) -> Address:
    return Address(bytes([10, 0, 0, host]), 7946)


OLD, NEW = address(1), address(50)


def claim(name: str = "n1", where: Address = NEW, incarnation: int = 2) -> Alive:
    return Alive(incarnation, name, where.packed, where.port, b"\xff\x80", VSN)


class Bench:
    """Checks over a real table and prober; a host and an owner that write down what they are asked for."""

    def __init__(self, others: int = 5) -> None:
        self.now = 0.0
        self.sent: list[tuple[Message, Address]] = []
        self.tcp: list[tuple[Address, Callable[[str], None]]] = []
        self.events: list[GossipEvent] = []
        self.taken: list[Alive] = []
        self.outbids: list[tuple[Alive, bool]] = []
        self.passed_on: list[Alive] = []
        self.answering: set[Address] = set()
        self.timers = TimerHeap()
        self.table = MemberTable(LAN, ME, Random(3))
        self.table.apply_alive(claim(ME, address(99), 1), 0.0, is_boot=True)
        for host in range(1, others + 1):
            self.table.apply_alive(claim(f"n{host}", address(host), 1), 0.0)
        awareness = Awareness(LAN.awareness_max_multiplier)
        me = self.row(ME).member
        self.prober = Prober(host=self, params=LAN, local=me, table=self.table, awareness=awareness, timers=self.timers)
        self.checks = ClaimChecks(
            host=self,
            owner=self,
            params=LAN,
            local=me,
            table=self.table,
            prober=self.prober,
            awareness=awareness,
            timers=self.timers,
        )

    def row(self, name: str) -> Listed:
        row = self.table.get(name)
        assert row is not None
        return row

    def hear(self, alive: Alive, *, is_listed: bool = False) -> None:
        self.checks.doubt(self.row(alive.node), alive, TELLER, self.now, is_listed=is_listed)

    def run(self, until: float) -> None:
        """Let time pass; who is ``answering`` acks each ping at once."""
        while True:
            self.answer()
            deadline = self.timers.next_deadline()
            if deadline is None or deadline > until:
                break
            self.now = max(deadline, self.now)
            self.timers.fire(self.now)
        self.now = until

    def answer(self) -> None:
        for message, destination in list(self.sent):
            if isinstance(message, Ping) and destination in self.answering:
                self.prober.handle_ack(Ack(message.seq_no), self.now)

    def pings_to(self, destination: Address) -> list[Ping]:
        return [message for message, where in self.sent if isinstance(message, Ping) and where == destination]

    # what the machines ask for

    def send_alone(self, message: Message, destination: Address) -> None:
        self.sent.append((message, destination))

    def send_message(self, message: Message, destination: Address) -> None:
        self.sent.append((message, destination))

    def send_pair(self, first: Message, second: Message, member: Member) -> None:
        raise AssertionError(first, second, member)

    def suspect(self, suspect: object, now: float) -> None:
        raise AssertionError(suspect, now)

    def want_tcp_ping(self, ping: Ping, address: Address, deadline: float, on_over: Callable[[str], None]) -> None:
        del ping, deadline
        self.tcp.append((address, on_over))

    def emit(self, event: GossipEvent) -> None:
        self.events.append(event)

    def take_over(self, alive: Alive, now: float) -> None:
        self.table.move(alive, now)
        self.taken.append(alive)

    def outbid(self, alive: Alive, now: float, *, is_listed: bool) -> None:
        del now
        self.outbids.append((alive, is_listed))

    def spread(self, alive: Alive) -> None:
        self.passed_on.append(alive)

    @property
    def is_untouched(self) -> bool:
        return not (self.taken or self.events or self.passed_on)


def test_name_moves_once_the_old_address_had_its_time_and_the_new_one_answers() -> None:
    bench = Bench()
    bench.answering = {NEW}
    bench.hear(claim())
    bench.run(ANSWER_S - 0.01)
    assert [] == bench.taken
    bench.run(ANSWER_S)
    assert [claim()] == bench.taken
    assert 0 == len(bench.checks)
    assert 0 == bench.prober.pending


def test_both_answering_is_a_conflict_told_at_once_and_passed_on_once() -> None:
    bench = Bench()
    bench.answering = {OLD, NEW}
    bench.hear(claim())
    bench.run(0.0)
    (seen,) = bench.events
    assert isinstance(seen, ConflictSeen)
    assert (OLD, NEW, TELLER, True) == (seen.existing.address, seen.claimant.address, seen.told_by, seen.is_new)
    bench.run(RECHECK_S + ANSWER_S)
    assert [True, False] == [event.is_new for event in bench.events if isinstance(event, ConflictSeen)]
    assert [claim()] == bench.passed_on
    assert [] == bench.taken


def test_claim_of_a_silent_address_changes_nothing() -> None:
    bench = Bench()
    bench.answering = {OLD}
    bench.hear(claim())
    bench.run(10.0)
    assert bench.is_untouched
    assert 0 == len(bench.checks)


def test_name_does_not_move_where_neither_answers() -> None:
    bench = Bench()
    bench.hear(claim())
    bench.run(10.0)
    assert bench.is_untouched


@pytest.mark.parametrize("lost", [1, 2])
def test_lost_pings_do_not_cost_a_live_holder_its_name(lost: int) -> None:
    bench = Bench()
    bench.answering = {NEW}
    bench.hear(claim())
    while len(bench.pings_to(OLD)) <= lost:
        bench.run(bench.timers.next_deadline() or 0.0)
    bench.answering.add(OLD)
    bench.run(5.0)
    assert [] == bench.taken


def test_silent_holder_is_tried_over_tcp_and_through_others_before_it_loses() -> None:
    bench = Bench()
    bench.answering = {NEW}
    bench.hear(claim())
    bench.run(ANSWER_S / 2)
    helpers = [message for message, _ in bench.sent if isinstance(message, IndirectPing)]
    assert [("n1", OLD.packed)] * LAN.indirect_checks == [(request.node, request.target) for request in helpers]
    ((where, on_over),) = bench.tcp
    assert OLD == where
    on_over("")
    bench.run(5.0)
    assert [] == bench.taken


def test_holder_that_raised_its_incarnation_meanwhile_keeps_its_name() -> None:
    bench = Bench()
    bench.answering = {NEW}
    bench.hear(claim(incarnation=9))
    bench.table.apply_alive(claim("n1", OLD, 5), 0.5)
    bench.run(5.0)
    assert [] == bench.taken


def test_claim_that_does_not_outbid_waits_for_one_that_does() -> None:
    bench = Bench()
    bench.answering = {NEW}
    bench.hear(claim(incarnation=1))
    bench.run(ANSWER_S)
    assert [] == bench.taken
    bench.hear(claim(incarnation=2))
    assert [claim(incarnation=2)] == bench.taken


def test_newer_claim_heard_while_asking_is_the_one_that_counts() -> None:
    bench = Bench()
    bench.answering = {NEW}
    bench.hear(claim(incarnation=1))
    bench.hear(claim(incarnation=4))
    bench.run(ANSWER_S)
    assert [claim(incarnation=4)] == bench.taken


def test_conflict_is_over_when_the_holder_stops_and_the_name_moves() -> None:
    bench = Bench()
    bench.answering = {OLD, NEW}
    bench.hear(claim())
    bench.run(1.0)
    bench.answering = {NEW}
    bench.run(RECHECK_S + 2 * ANSWER_S)
    assert ConflictOver(NodeName("n1"), NEW) == bench.events[-1]
    assert [claim()] == bench.taken


def test_look_again_asks_at_once() -> None:
    bench = Bench()
    bench.answering = {OLD, NEW}
    bench.hear(claim())
    bench.run(1.0)
    bench.answering = {OLD}
    assert bench.checks.look_again("n1", NEW, bench.now)
    bench.run(1.0 + ANSWER_S)
    assert ConflictOver(NodeName("n1"), NEW) == bench.events[-1]
    assert not bench.checks.look_again("n1", NEW, bench.now)


def test_our_own_name_at_a_silent_address_is_outbid_once_in_a_while() -> None:
    bench = Bench()
    bench.hear(claim(ME, incarnation=7), is_listed=True)
    bench.run(ANSWER_S)
    bench.hear(claim(ME, incarnation=7))
    bench.run(2.0)
    assert [(claim(ME, incarnation=7), True)] == bench.outbids
    assert [] == bench.events
    assert [] == bench.pings_to(address(99))


def test_our_own_name_at_an_address_that_answers_is_a_conflict() -> None:
    bench = Bench()
    bench.answering = {NEW}
    bench.hear(claim(ME))
    bench.run(2.0)
    (seen,) = bench.events
    assert isinstance(seen, ConflictSeen)
    assert (address(99), NEW) == (seen.existing.address, seen.claimant.address)
    assert [] == bench.outbids


def test_earlier_address_that_is_ours_still_is_no_rival() -> None:
    bench = Bench()
    bench.hear(claim(ME, incarnation=7))
    (ping,) = bench.pings_to(NEW)
    assert bench.checks.is_own_ping(ping)
    bench.answering = {NEW}  # over TCP we would answer ourselves as well
    bench.run(ANSWER_S)
    assert [(claim(ME, incarnation=7), False)] == bench.outbids
    assert [] == bench.events


def test_ping_of_another_agent_is_not_taken_for_ours() -> None:
    bench = Bench()
    bench.hear(claim(ME))
    (ping,) = bench.pings_to(NEW)
    assert not bench.checks.is_own_ping(attrs.evolve(ping, source_node="n2"))
    assert not bench.checks.is_own_ping(attrs.evolve(ping, seq_no=ping.seq_no + 1))


def test_agent_that_slept_asks_again_before_it_judges() -> None:
    bench = Bench()
    bench.hear(claim())
    bench.now = 30.0
    bench.timers.fire(30.0)
    assert [] == bench.taken
    bench.answering = {OLD, NEW}
    bench.run(40.0)
    assert [] == bench.taken
    assert [ConflictSeen] == list({type(event) for event in bench.events})


def test_flood_of_invented_claims_sends_little_and_leaves_room_for_other_names() -> None:
    bench = Bench(others=60)
    for host in range(100, 200):
        bench.hear(claim("n1", address(host)))
    assert MAX_CLAIMANTS_PER_NAME == len(bench.checks)
    for number in range(1, 61):
        bench.hear(claim(f"n{number}", Address(bytes([10, 7, 7, number]), 7946)))
        bench.hear(claim(f"n{number}", Address(bytes([10, 7, 8, number]), 7946)))
    assert MAX_CLAIM_CHECKS == len(bench.checks)
    bench.run(20.0)
    to_claimed = [where for message, where in bench.sent if isinstance(message, Ping) and where.packed[1] == 7]
    assert 3 == max(to_claimed.count(where) for where in to_claimed)
    assert {"too-many-claims"} == {event.reason for event in bench.events if isinstance(event, Dropped)}
    assert 0 == len(bench.checks)
