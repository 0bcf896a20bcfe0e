from __future__ import annotations

from nodedns.gossip.events import Dropped
from nodedns.gossip.slices import complete
from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.member import Member, MemberStatus, Versions
from nodedns.model.names import NodeName
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.events import SerfEvent, UserEventReceived
from nodedns.serf.lamport import MAX_LTIME, Clocks
from nodedns.serf.members import MemberTable
from nodedns.serf.membership import Membership
from nodedns.serf.messages import (
    EventSlot,
    LeaveIntent,
    SerfState,
    SlotEvent,
    decode_state_untrusted,
    encode_message,
    encode_state,
)
from nodedns.serf.params import SerfParams
from nodedns.serf.push_pull import StateExchange
from nodedns.serf.user_events import UserEvents

ME = NodeName("me")


class Bench:
    def __init__(self, *names: str) -> None:
        params = SerfParams()
        self.told: list[SerfEvent] = []
        self.clocks = Clocks()
        self.table = MemberTable(100)
        self.broadcasts = Broadcasts(4, 100, 1000)
        self.membership = Membership(
            local_name=ME,
            params=params,
            clock=self.clocks.member,
            table=self.table,
            broadcasts=self.broadcasts,
            timers=TimerHeap(),
            emit=self.told.append,
            is_local_alive=lambda: True,
            on_unknown_left=lambda _name: None,
        )
        events = UserEvents(params, self.clocks.event, self.broadcasts, self.told.append)
        self.exchange = StateExchange(
            self.table, self.membership, self.clocks, events, self.told.append, lambda _now: None
        )
        for name in (ME, *names):
            versions = Versions(bytes([1, 5, 2, 2, 5, 5]))
            address = Address(bytes([10, 0, 0, 1]), 7946)
            self.membership.node_joined(Member(NodeName(name), address, b"", versions))
        self.told.clear()

    def merge(self, state: SerfState, *, is_join: bool = False) -> None:
        complete(self.exchange.merge(encode_state(state), 1.0, is_join), 1.0)

    def status(self, name: str) -> MemberStatus:
        record = self.table.get(name)
        assert record is not None
        return record.status


def state(
    ltime: int = 1,
    *,
    statuses: dict[str, int] | None = None,
    left: tuple[str, ...] = (),
    event_ltime: int = 1,
    events: tuple[EventSlot | None, ...] = (),
    query_ltime: int = 1,
) -> SerfState:
    return SerfState(ltime, statuses or {}, left, event_ltime, events, query_ltime)


def test_clocks_witness_one_less_than_was_sent() -> None:
    bench = Bench()
    bench.merge(state(10, event_ltime=20, query_ltime=30))
    assert (bench.clocks.member.time, bench.clocks.event.time, bench.clocks.query.time) == (10, 20, 30)


def test_who_left_there_is_leaving_here() -> None:
    bench = Bench("x")
    bench.merge(state(left=("x",), statuses={"x": 4}))
    assert bench.status("x") is MemberStatus.LEAVING
    record = bench.table.get("x")
    assert record is not None
    assert record.status_ltime == 5


def test_leave_under_way_is_not_told_as_a_join_of_its_time() -> None:
    bench, other = Bench("x"), Bench("x")
    leave = LeaveIntent(ltime=5, node="x", prune=False)
    bench.membership.receive_leave(leave, 1.0)
    complete(other.exchange.merge(bench.exchange.encode_local(), 1.0, False), 1.0)
    other.membership.receive_leave(leave, 2.0)
    assert other.status("x") is MemberStatus.LEAVING


def test_last_of_all_times_is_not_counted_beyond() -> None:
    bench = Bench("x")
    bench.merge(state(left=("x",), statuses={"x": MAX_LTIME, ME: MAX_LTIME}))
    assert bench.status("x") is MemberStatus.ALIVE
    # What came of it can still be told to others, and a member can still leave.
    assert {"x": 0, "me": 0} == decode_state_untrusted(bench.exchange.encode_local()).status_ltimes


def test_a_joiner_told_of_the_last_of_all_event_times_still_hears_events() -> None:
    bench = Bench()
    bench.exchange.ignore_old_events = lambda: True
    bench.merge(state(event_ltime=MAX_LTIME), is_join=True)
    bench.told.clear()
    later = bench.clocks.event.time + 1
    bench.merge(state(events=(EventSlot(later, (SlotEvent("e"),)),)))
    assert [event.ltime for event in bench.told if isinstance(event, UserEventReceived)] == [later]


def test_leave_at_the_last_of_all_times_does_not_make_later_intents_old() -> None:
    bench = Bench("x")
    assert not bench.membership.receive_leave(LeaveIntent(ltime=MAX_LTIME, node="x", prune=False), 1.0)
    leave = LeaveIntent(ltime=bench.clocks.member.time, node="x", prune=False)
    assert bench.membership.receive_leave(leave, 2.0)
    assert bench.status("x") is MemberStatus.LEAVING


def test_who_left_there_and_failed_here_has_left() -> None:
    bench = Bench("x")
    bench.membership.node_departed(NodeName("x"), 0.0)
    bench.merge(state(left=("x",)))
    assert bench.status("x") is MemberStatus.LEFT


def test_left_member_told_of_again_can_still_be_pruned() -> None:
    bench = Bench("x")
    bench.membership.receive_leave(LeaveIntent(ltime=5, node="x", prune=False), 0.0)
    bench.membership.node_departed(NodeName("x"), 0.0)
    bench.merge(state(left=("x",), statuses={"x": 5}))
    # From an agent that heard of the leave and of nothing since.
    assert bench.membership.receive_leave(LeaveIntent(ltime=6, node="x", prune=True), 1.0)
    assert bench.table.get("x") is None


def test_time_of_a_later_leave_is_learnt_from_others() -> None:
    bench = Bench("x")
    bench.membership.receive_leave(LeaveIntent(ltime=5, node="x", prune=False), 0.0)
    bench.merge(state(left=("x",), statuses={"x": 9}))
    record = bench.table.get("x")
    assert record is not None
    assert (record.status_ltime, bench.clocks.member.time) == (9, 11)


def test_later_status_time_takes_a_leave_back() -> None:
    bench = Bench("x")
    bench.merge(state(left=("x",), statuses={"x": 4}))
    bench.merge(state(statuses={"x": 6}))
    assert bench.status("x") is MemberStatus.ALIVE


def test_claim_that_we_left_is_refuted() -> None:
    bench = Bench()
    bench.merge(state(left=("me",), statuses={"me": 4}))
    assert bench.status("me") is MemberStatus.ALIVE
    assert len(bench.broadcasts.intents) == 1


def test_live_member_is_told_that_others_hold_it_left() -> None:
    bench = Bench("x")
    bench.merge(state(left=("x",), statuses={"x": 4}))
    expected = encode_message(LeaveIntent(ltime=5, node="x", prune=False))
    assert bench.broadcasts.intents.take(0, 1000, 2) == [expected]


def test_nothing_else_merged_is_passed_on() -> None:
    bench = Bench("x")
    bench.membership.node_departed(NodeName("x"), 0.0)
    bench.merge(state(left=("x", "z"), statuses={"y": 3}, events=(EventSlot(2, (SlotEvent("deploy"),)),)))
    assert (len(bench.broadcasts.intents), len(bench.broadcasts.events)) == (0, 0)


def test_events_are_delivered_and_empty_slots_skipped() -> None:
    bench = Bench()
    bench.merge(state(events=(None, EventSlot(2, (SlotEvent("deploy", b"v1"),)), None), event_ltime=3))
    assert bench.told == [UserEventReceived(2, "deploy", b"v1", can_coalesce=False)]


def test_old_events_are_ignored_on_a_join_that_asks_for_it() -> None:
    bench = Bench()
    bench.exchange.ignore_old_events = lambda: True
    events = (EventSlot(2, (SlotEvent("deploy"),)),)
    bench.merge(state(events=events, event_ltime=3), is_join=True)
    assert bench.told == [Dropped("event-too-old", None)]


def test_idle_agent_sends_no_event_slots() -> None:
    sent = decode_state_untrusted(Bench("x").exchange.encode_local())
    assert sent == SerfState(1, {"me": 0, "x": 0}, (), 1, (), 1)


def test_malformed_state_is_dropped() -> None:
    bench = Bench()
    complete(bench.exchange.merge(b"\x02\x90", 1.0, True), 1.0)
    assert [event.reason for event in bench.told if isinstance(event, Dropped)] == ["bad-push-pull-state"]
