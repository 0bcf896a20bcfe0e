from __future__ import annotations

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.member import Member, MemberStatus, Versions
from nodedns.model.names import NodeName
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.events import MemberChanged, MemberChangeKind, SerfEvent
from nodedns.serf.lamport import LamportClock
from nodedns.serf.members import MemberTable
from nodedns.serf.membership import Membership
from nodedns.serf.messages import JoinIntent, LeaveIntent
from nodedns.serf.params import SerfParams

ME = NodeName("me")
PARAMS = SerfParams()
ALIVE, LEAVING, LEFT, FAILED = MemberStatus.ALIVE, MemberStatus.LEAVING, MemberStatus.LEFT, MemberStatus.FAILED


def member(name: str, meta: bytes = b"\xff\x80") -> Member:
    address = Address(bytes([10, 0, 0, 1]), 7946)
    return Member(NodeName(name), address, meta, Versions(bytes([1, 5, 2, 2, 5, 5])))


class Bench:
    """A membership with its parts in reach."""

    def __init__(self, max_members: int = 100) -> None:
        self.clock = LamportClock()
        self.table = MemberTable(max_members)
        self.broadcasts = Broadcasts(4, 100, 1000)
        self.timers = TimerHeap()
        self.events: list[SerfEvent] = []
        self.is_alive = True
        self.unknown_left: list[NodeName] = []
        self.membership = Membership(
            local_name=ME,
            params=PARAMS,
            clock=self.clock,
            table=self.table,
            broadcasts=self.broadcasts,
            timers=self.timers,
            emit=self.events.append,
            is_local_alive=lambda: self.is_alive,
            on_unknown_left=self.unknown_left.append,
        )
        self.membership.node_joined(member(ME))
        self.events.clear()

    def kinds(self) -> list[MemberChangeKind]:
        return [event.kind for event in self.events if isinstance(event, MemberChanged)]

    def status(self, name: str) -> MemberStatus:
        record = self.table.get(name)
        return MemberStatus.NONE if record is None else record.status


def test_witnessed_intents_move_the_clock() -> None:
    bench = Bench()
    bench.membership.receive_join(JoinIntent(40, "nobody"), 0.0)
    assert bench.clock.time == 41


def test_node_that_departs_without_intent_failed() -> None:
    bench = Bench()
    bench.membership.node_joined(member("x"))
    bench.membership.node_departed(NodeName("x"), 1.0)
    assert bench.status("x") is FAILED
    assert bench.kinds() == [MemberChangeKind.JOIN, MemberChangeKind.FAILED]


def test_node_that_departs_after_its_intent_left() -> None:
    bench = Bench()
    bench.membership.node_joined(member("x"))
    bench.membership.receive_leave(LeaveIntent(5, "x"), 0.0)
    bench.membership.node_departed(NodeName("x"), 1.0)
    assert bench.kinds() == [MemberChangeKind.JOIN, MemberChangeKind.LEAVING, MemberChangeKind.LEAVE]


def test_second_departure_and_unknown_departure_change_nothing() -> None:
    bench = Bench()
    bench.membership.node_joined(member("x"))
    bench.membership.node_departed(NodeName("x"), 1.0)
    bench.events.clear()
    bench.membership.node_departed(NodeName("x"), 2.0)
    bench.membership.node_departed(NodeName("unknown"), 2.0)
    assert bench.events == []


def test_update_brings_new_tags() -> None:
    bench = Bench()
    bench.membership.node_joined(member("x"))
    bench.membership.node_updated(member("x", b"\xff\x81\xa1k\xa1v"))
    assert bench.kinds() == [MemberChangeKind.JOIN, MemberChangeKind.UPDATE]
    record = bench.table.get("x")
    assert record is not None
    assert record.shown.tags == {"k": "v"}


def test_update_of_an_unknown_node_changes_nothing() -> None:
    bench = Bench()
    bench.membership.node_updated(member("x"))
    assert bench.events == []


def test_leave_intent_about_us_is_refuted_with_a_later_join_intent() -> None:
    bench = Bench()
    assert not bench.membership.receive_leave(LeaveIntent(5, ME), 0.0)
    assert bench.status(ME) is ALIVE
    assert bench.broadcasts.intents.take(3, 1000, 5) == [b"\x01\x82\xa5LTime\x06\xa4Node\xa2me"]


def test_leave_intent_about_us_while_we_leave_is_not_refuted() -> None:
    bench = Bench()
    bench.is_alive = False
    assert bench.membership.receive_leave(LeaveIntent(5, ME), 0.0)
    assert bench.status(ME) is LEAVING


def test_pruning_ourselves_is_not_done() -> None:
    bench = Bench()
    bench.is_alive = False
    bench.membership.receive_leave(LeaveIntent(5, ME, prune=True), 0.0)
    bench.timers.fire(1000.0)
    assert bench.status(ME) is LEAVING


def test_pruned_member_met_anew_is_not_erased_by_the_old_prune() -> None:
    bench = Bench()
    bench.membership.node_joined(member("x"))
    bench.membership.receive_leave(LeaveIntent(5, "x", prune=True), 0.0)
    record = bench.table.get("x")
    assert record is not None
    bench.table.erase(record)
    bench.membership.node_joined(member("x"))
    bench.timers.fire(1000.0)
    assert bench.status("x") is ALIVE


def test_prune_of_a_leaving_member_waits_once_however_often_it_is_asked_for() -> None:
    bench = Bench()
    bench.membership.node_joined(member("x"))
    for ltime in range(1, 50):
        bench.membership.receive_leave(LeaveIntent(ltime=ltime, node="x", prune=True), 0.0)
    assert 1 == len(bench.timers)
    bench.timers.fire(60.0)
    assert MemberStatus.NONE is bench.status("x")


def test_full_table_forgets_a_departed_member_for_a_new_one() -> None:
    bench = Bench(max_members=2)
    bench.membership.node_joined(member("gone"))
    bench.membership.node_departed(NodeName("gone"), 1.0)
    bench.events.clear()
    bench.membership.node_joined(member("new"))
    assert bench.kinds() == [MemberChangeKind.REAP, MemberChangeKind.JOIN]


def test_intent_that_has_nobody_to_go_to_counts_as_sent() -> None:
    bench = Bench()
    told: list[str] = []
    bench.membership.announce_leave(NodeName("x"), 0.0, prune=False, on_finished=lambda: told.append("sent"))
    assert told == ["sent"]
    assert len(bench.broadcasts.intents) == 0


@attrs.define
class _Row:
    status: MemberStatus
    ltime: int


class MembershipMachine(RuleBasedStateMachine):
    """Status x input against the rules written down once more, as a table."""

    NAMES = st.sampled_from("xyz")
    LTIMES = st.integers(0, 12)

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.rows: dict[str, _Row] = {}
        self.buffered: dict[str, tuple[bool, int]] = {}

    @rule(name=NAMES)
    def join(self, name: str) -> None:
        if name in self.rows:
            self.rows[name].status = ALIVE
        else:
            is_leave, ltime = self.buffered.get(name, (False, 0))
            self.rows[name] = _Row(LEAVING if is_leave else ALIVE, ltime)
        self.bench.membership.node_joined(member(name))

    @rule(name=NAMES)
    def depart(self, name: str) -> None:
        row = self.rows.get(name)
        if row is not None:
            row.status = {ALIVE: FAILED, LEAVING: LEFT}.get(row.status, row.status)
        self.bench.membership.node_departed(NodeName(name), 1.0)

    def _expect_buffered(self, name: str, ltime: int, *, is_leave: bool) -> bool:
        if name in self.buffered and ltime <= self.buffered[name][1]:
            return False
        self.buffered[name] = (is_leave, ltime)
        return True

    @rule(name=NAMES, ltime=LTIMES)
    def leave_intent(self, name: str, ltime: int) -> None:
        row = self.rows.get(name)
        if row is None:
            expected = self._expect_buffered(name, ltime, is_leave=True)
        else:
            expected = ltime > row.ltime
            if expected:
                row.ltime = ltime
                row.status = {ALIVE: LEAVING, FAILED: LEFT}.get(row.status, row.status)
        assert expected == self.bench.membership.receive_leave(LeaveIntent(ltime, name), 1.0)

    @rule(name=NAMES, ltime=LTIMES)
    def join_intent(self, name: str, ltime: int) -> None:
        row = self.rows.get(name)
        if row is None:
            expected = self._expect_buffered(name, ltime, is_leave=False)
        else:
            expected = ltime > row.ltime
            if expected:
                row.ltime = ltime
                row.status = ALIVE if row.status is LEAVING else row.status
        assert expected == self.bench.membership.receive_join(JoinIntent(ltime, name), 1.0)

    @invariant()
    def agrees_with_the_table(self) -> None:
        held = {record.name: _Row(record.status, record.status_ltime) for record in self.bench.table}
        del held[ME]
        assert self.rows == held

    @invariant()
    def events_tell_the_same_story(self) -> None:
        told: dict[str, MemberStatus] = {}
        for event in self.bench.events:
            assert isinstance(event, MemberChanged)
            told[event.member.name] = event.member.status
        assert {name: row.status for name, row in self.rows.items()} == told


TestMembershipAgainstTable = MembershipMachine.TestCase


def test_member_that_is_still_there_minutes_after_its_leave_intent_is_not_leaving() -> None:
    bench = Bench()
    bench.membership.node_joined(member("x"))
    bench.membership.receive_leave(LeaveIntent(5, "x", prune=False), 10.0)
    bench.membership.reap(10.0 + PARAMS.recent_intent_timeout_s)
    assert bench.status("x") is LEAVING
    bench.membership.reap(10.1 + PARAMS.recent_intent_timeout_s)
    assert bench.status("x") is ALIVE
    assert bench.kinds() == [MemberChangeKind.JOIN, MemberChangeKind.LEAVING, MemberChangeKind.UPDATE]


def test_leave_intent_heard_before_the_member_counts_from_when_it_was_heard() -> None:
    bench = Bench()
    bench.membership.receive_leave(LeaveIntent(5, "x", prune=False), 10.0)
    bench.membership.node_joined(member("x"))
    bench.membership.reap(10.0 + PARAMS.recent_intent_timeout_s)
    assert bench.status("x") is LEAVING
    bench.membership.reap(10.1 + PARAMS.recent_intent_timeout_s)
    assert bench.status("x") is ALIVE


def test_our_own_leave_does_not_lapse() -> None:
    bench = Bench()
    bench.is_alive = False
    bench.membership.receive_leave(LeaveIntent(5, ME, prune=False), 10.0)
    bench.membership.reap(10_000.0)
    assert bench.status(ME) is LEAVING


def test_leave_of_somebody_unknown_is_passed_on_to_whoever_remembers_names() -> None:
    bench = Bench()
    bench.membership.receive_leave(LeaveIntent(ltime=5, node="gone", prune=False), 0.0)
    assert [NodeName("gone")] == bench.unknown_left
