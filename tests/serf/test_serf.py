"""Serf cores in conversation, their datagrams and streams carried by hand."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TypeVar

import attrs
import pytest

from nodedns.errors import GossipWireError, LocalProtocolError, TooBig
from nodedns.gossip.envelope import Envelope, Keyring
from nodedns.gossip.events import Dropped, StaleAddressOutbid, StreamWanted
from nodedns.gossip.key_text import encode_key_text
from nodedns.gossip.messages import Alive, UserData
from nodedns.gossip.params import LOCAL, GossipParams
from nodedns.gossip.wire import decode_packet_untrusted
from nodedns.gossip.wire import encode_message as encode_gossip
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember
from nodedns.model.names import NodeName
from nodedns.serf.events import (
    ConflictLost,
    ConflictWon,
    JoinDone,
    LeaveDone,
    LocalState,
    MemberChanged,
    MemberChangeKind,
    NameConflict,
    NameConflictOver,
    QueryAcked,
    QueryAnswered,
    QueryClosed,
    QueryReceived,
    RejoinTried,
    SerfEvent,
    SnapshotAppend,
    SnapshotRewrite,
    UserEventReceived,
)
from nodedns.serf.merge import MergePolicy
from nodedns.serf.messages import (
    ConflictResponse,
    JoinIntent,
    KeyRequest,
    LeaveIntent,
    Query,
    QueryFlag,
    QueryResponse,
    Relay,
    SerfMessage,
    UserEvent,
    decode_message_untrusted,
    encode_message,
)
from nodedns.serf.outgoing_queries import MAX_OPEN_QUERIES, QueryParams
from nodedns.serf.params import SerfParams
from nodedns.serf.serf import Serf
from nodedns.serf.snapshot import SnapshotState, replay_snapshot
from nodedns.testing.exchanges import work_through

PARAMS = SerfParams(leave_propagate_delay_s=1.0)
STRANGER = Address(bytes([10, 9, 9, 9]), 9999)
A, B, C = "a", "b", "c"
EventT = TypeVar("EventT")


def address_of(name: str) -> Address:
    return Address(bytes([10, 0, 0, ord(name[-1]) % 250]), 7946)


class Pool:
    """Cores on a network without delay; time jumps from deadline to deadline."""

    def __init__(self, *names: str, params: SerfParams = PARAMS, gossip: GossipParams = LOCAL) -> None:
        self.now = 100.0
        self.params = params
        self.gossip = gossip
        self.cores: dict[str, Serf] = {}
        self.down: set[str] = set()
        self.events: dict[str, list[SerfEvent]] = {}
        self.sent: list[tuple[Address, bytes]] = []
        self._by_address: dict[Address, str] = {}
        for name in names:
            self.add(name)

    def add(
        self,
        name: str,
        *,
        address: Address | None = None,
        key: str | None = None,
        remembered: SnapshotState | None = None,
        policy: MergePolicy | None = None,
        tags: Mapping[str, str] | None = None,
        envelope: Envelope | None = None,
        params: SerfParams | None = None,
    ) -> Serf:
        """Start a core; ``key`` tells apart two of one name."""
        key = key or name
        where = address or address_of(name)
        rng = Random(f"pool/{key}")  # a seeded test
        core = Serf(
            params or self.params,
            self.gossip,
            NodeName(name),
            where,
            tags or {},
            rng,
            rng.randbytes,
            remembered=remembered,
            merge_policy=policy,
            envelope=envelope,
        )
        self.cores[key] = core
        self.events[key] = []
        self._by_address[where] = key
        self.down.discard(key)
        core.start(self.now)
        self.settle()
        return core

    def __getitem__(self, key: str) -> Serf:
        return self.cores[key]

    def settle(self) -> None:
        """Carry datagrams and streams until all is quiet."""
        is_busy = True
        while is_busy:
            is_busy = False
            for key in [key for key in self.cores if key not in self.down]:
                is_busy = self._drain(key) or is_busy

    def _drain(self, key: str) -> bool:
        core = self.cores[key]
        datagrams = core.datagrams_to_send(self.now)
        for datagram in datagrams:
            self.sent.append((datagram.destination, datagram.payload))
            target = self._by_address.get(datagram.destination)
            if target is not None and target not in self.down:
                self.cores[target].receive_datagram(datagram.payload, self._address(key), self.now)
        had_event = False
        while (event := core.next_event()) is not None:
            had_event = True
            if isinstance(event, StreamWanted):
                self._carry_stream(key, event)
            else:
                self.events[key].append(event)
        return bool(datagrams) or had_event

    def _address(self, key: str) -> Address:
        return next(address for address, owner in self._by_address.items() if owner == key)

    def _carry_stream(self, key: str, wanted: StreamWanted) -> None:
        core = self.cores[key]
        target = self._by_address.get(wanted.address)
        if target is None or target in self.down:
            core.stream_failed(wanted, "refused", self.now)
            return
        near = core.open_stream(wanted, self.now)
        far = self.cores[target].accept_stream(self._address(key), self.now)
        assert far is not None
        while not near.finished:
            far.receive_data(near.data_to_send(), self.now)
            work_through(far, self.now)
            near.receive_data(far.data_to_send(), self.now)
            work_through(near, self.now)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            self.settle()
            live = [core for key, core in self.cores.items() if key not in self.down]
            deadlines = [deadline for core in live if (deadline := core.next_deadline()) is not None]
            due = min(deadlines, default=end)
            if due > end:
                break
            self.now = max(self.now, due)
            for core in live:
                core.handle_timer(self.now)
        self.now = end

    def join(self, key: str, *others: str) -> None:
        self[key].join([self._address(other) for other in others], self.now)
        self.run(2.0)

    def say(self, to: str, message: SerfMessage) -> None:
        """Have a stranger send a Serf message."""
        self[to].receive_datagram(b"\x08" + encode_message(message), STRANGER, self.now)
        self.settle()

    def status(self, viewer: str, name: str) -> MemberStatus:
        member = self[viewer].member(name)
        return MemberStatus.NONE if member is None else member.status

    def changes(self, viewer: str, name: str) -> list[MemberChangeKind]:
        return [
            event.kind
            for event in self.events[viewer]
            if isinstance(event, MemberChanged) and event.member.name == name
        ]

    def seen(self, key: str, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events[key] if isinstance(event, kind)]

    def intents_queued(self, key: str) -> int:
        return self[key].statistics().intent_queue


def joined(*names: str, params: SerfParams = PARAMS) -> Pool:
    pool = Pool(*names, params=params)
    for name in names[1:]:
        pool.join(name, names[0])
    return pool


# --- joining -----------------------------------------------------------------------


def test_lone_agent_knows_itself() -> None:
    pool = Pool(A)
    assert [member.name for member in pool[A].members()] == [A]
    assert pool.changes(A, A) == [MemberChangeKind.JOIN]


def test_joined_agents_know_each_other() -> None:
    pool = joined(A, B, C)
    for viewer in (A, B, C):
        assert [(member.name, member.status) for member in pool[viewer].members()] == [
            (name, MemberStatus.ALIVE) for name in (A, B, C)
        ]


def test_join_tells_how_many_answered() -> None:
    pool = Pool(A, B)
    join_id = pool[B].join([address_of(A), STRANGER], pool.now)
    pool.settle()
    assert pool.seen(B, JoinDone) == [JoinDone(join_id, 1, ((STRANGER, "refused"),))]


def test_successful_join_broadcasts_an_intent_and_a_failed_one_does_not() -> None:
    pool = Pool(A, B)
    pool[B].join([STRANGER], pool.now)
    pool.settle()
    assert pool.intents_queued(B) == 0
    pool[B].join([address_of(A)], pool.now)
    pool.settle()
    assert pool.intents_queued(B) == 1


def test_join_cut_off_on_the_way_has_failed() -> None:
    pool = Pool(A)
    pool[A].join([STRANGER], pool.now)
    wanted = pool[A].next_event()
    while wanted is not None and not isinstance(wanted, StreamWanted):
        wanted = pool[A].next_event()
    assert wanted is not None
    stream = pool[A].open_stream(wanted, pool.now)
    assert pool.now < stream.deadline
    stream.abort("reset", pool.now)
    assert stream.finished
    pool.settle()
    assert [done.contacted for done in pool.seen(A, JoinDone)] == [0]


def test_clocks_meet_in_a_push_pull() -> None:
    pool = Pool(A, B)
    pool.say(A, JoinIntent(70, "nobody"))
    pool.say(A, UserEvent(80, "deploy", b""))
    pool.join(B, A)
    statistics = pool[B].statistics()
    assert statistics.member_time >= 71
    assert statistics.event_time == 81


def test_join_after_leaving_is_refused() -> None:
    pool = Pool(A)
    pool[A].leave(pool.now)
    with pytest.raises(LocalProtocolError):
        pool[A].join([STRANGER], pool.now)


# --- leaving and failing --------------------------------------------------------------


def test_graceful_leave_shows_as_left() -> None:
    pool = joined(A, B, C)
    pool[C].leave(pool.now)
    pool.run(8.0)
    assert pool.status(A, C) is MemberStatus.LEFT
    assert pool.changes(A, C) == [MemberChangeKind.JOIN, MemberChangeKind.LEAVING, MemberChangeKind.LEAVE]


def test_leave_tells_when_it_is_over() -> None:
    pool = joined(A, B)
    pool[B].leave(pool.now)
    assert pool[B].local_state is LocalState.LEAVING
    pool.run(8.0)
    assert pool.seen(B, LeaveDone) == [LeaveDone("")]
    assert pool[B].local_state is LocalState.LEFT


def test_leave_lingers_for_the_propagate_delay() -> None:
    pool = Pool(A, B, params=attrs.evolve(PARAMS, leave_propagate_delay_s=30.0))
    pool.join(B, A)
    pool[B].leave(pool.now)
    pool.run(29.0)
    assert pool.seen(B, LeaveDone) == []
    pool.run(10.0)
    assert pool.seen(B, LeaveDone) == [LeaveDone("")]


def test_lone_agent_leaves_without_waiting() -> None:
    pool = Pool(A)
    pool[A].leave(pool.now)
    pool.run(0.0)
    assert pool.seen(A, LeaveDone) == [LeaveDone("")]


def test_leave_that_nobody_hears_goes_on_after_its_timeouts() -> None:
    pool = Pool(A, B, params=attrs.evolve(PARAMS, broadcast_timeout_s=0.01))
    pool.join(B, A)
    pool.down.add(A)
    pool[B].leave(pool.now)
    pool.run(3.0)
    (done,) = pool.seen(B, LeaveDone)
    assert "timeout broadcasting the leave intent" in done.error


def test_join_that_ends_after_a_leave_began_does_not_take_it_back() -> None:
    pool = joined(A, B)
    pool[B].join([address_of(A)], pool.now)
    pool[B].leave(pool.now)
    pool.run(10.0)
    assert pool.seen(B, JoinDone)[-1].contacted == 1
    assert pool.status(A, B) is MemberStatus.LEFT


def test_tags_are_not_changed_while_leaving() -> None:
    pool = joined(A, B)
    pool[B].leave(pool.now)
    with pytest.raises(LocalProtocolError):
        pool[B].set_tags({"role": "web"}, pool.now)
    pool.run(10.0)
    assert pool.status(A, B) is MemberStatus.LEFT


def test_leave_twice_is_the_callers_mistake() -> None:
    pool = Pool(A)
    pool[A].leave(pool.now)
    with pytest.raises(LocalProtocolError):
        pool[A].leave(pool.now)


def test_leave_intent_and_departure_never_share_a_packet() -> None:
    pool = joined(A, B)
    pool.sent.clear()
    pool[B].leave(pool.now)
    pool.run(8.0)
    intent = encode_message(LeaveIntent(0, B))[-9:]
    departure = b"\xa4From\xa1b"
    assert any(intent in payload for _, payload in pool.sent)
    assert any(departure in payload for _, payload in pool.sent)
    assert not any(intent in payload and departure in payload for _, payload in pool.sent)


def test_silence_shows_as_failed() -> None:
    pool = joined(A, B)
    pool.down.add(B)
    pool.run(60.0)
    assert pool.status(A, B) is MemberStatus.FAILED
    assert pool.changes(A, B) == [MemberChangeKind.JOIN, MemberChangeKind.FAILED]


def test_departure_without_intent_shows_as_failed() -> None:
    pool = joined(A, B)
    pool[A].receive_datagram(
        bytes.fromhex("0583ab496e6361726e6174696f6e01a446726f6da162a44e6f6465a162"), STRANGER, pool.now
    )
    assert pool.status(A, B) is MemberStatus.FAILED


def test_failed_member_that_comes_back_is_alive_again() -> None:
    pool = joined(A, B)
    pool.down.add(B)
    pool.run(60.0)
    pool.add(B)
    pool.join(B, A)
    assert pool.status(A, B) is MemberStatus.ALIVE
    assert (0, 0) == (pool[A].statistics().failed, pool[A].statistics().left)


# --- intents ----------------------------------------------------------------------------


def test_leave_intent_makes_a_member_leaving_and_is_passed_on_once() -> None:
    pool = joined(A, B)
    pool.run(10.0)
    pool.say(A, LeaveIntent(500, "b"))
    assert pool.status(A, B) is MemberStatus.LEAVING
    assert pool.intents_queued(A) == 1
    pool.say(A, LeaveIntent(500, "b"))
    assert pool.intents_queued(A) == 1


def test_leave_intent_not_above_the_status_time_is_dropped() -> None:
    pool = joined(A, B)
    pool.say(A, JoinIntent(500, "b"))
    pool.say(A, LeaveIntent(500, "b"))
    assert pool.status(A, B) is MemberStatus.ALIVE


def test_join_intent_takes_a_leave_back() -> None:
    pool = joined(A, B)
    pool.say(A, LeaveIntent(500, "b"))
    pool.say(A, JoinIntent(501, "b"))
    assert pool.status(A, B) is MemberStatus.ALIVE


def test_leave_intent_about_a_live_agent_is_refuted_by_it() -> None:
    pool = joined(A, B)
    pool.say(A, LeaveIntent(500, "b"))
    pool.run(3.0)
    assert pool.status(B, B) is MemberStatus.ALIVE
    assert pool.status(A, B) is MemberStatus.ALIVE


def test_intents_about_unknown_members_wait_for_them() -> None:
    pool = Pool(A, B)
    pool.say(A, LeaveIntent(500, "b"))
    pool.join(B, A)
    # B refutes as soon as it hears of it; what counts is how A took it in.
    first = pool.seen(A, MemberChanged)[1]
    assert (MemberChangeKind.JOIN, MemberStatus.LEAVING) == (first.kind, first.member.status)


def test_buffered_intent_expires() -> None:
    pool = Pool(A, B, params=attrs.evolve(PARAMS, recent_intent_timeout_s=10.0))
    pool.say(A, LeaveIntent(500, "b"))
    pool.run(30.0)
    pool.join(B, A)
    first = pool.seen(A, MemberChanged)[1]
    assert first.member.status is MemberStatus.ALIVE


def test_force_leave_makes_a_failed_member_left_everywhere() -> None:
    pool = joined(A, B, C)
    pool.down.add(C)
    pool.run(60.0)
    pool[A].force_leave(C, pool.now, prune=False)
    pool.run(3.0)
    assert pool.status(A, C) is MemberStatus.LEFT
    assert pool.status(B, C) is MemberStatus.LEFT
    assert pool.changes(B, C)[-1] is MemberChangeKind.LEAVE


def test_force_leave_of_a_live_member_is_refuted() -> None:
    pool = joined(A, B)
    pool[A].force_leave(B, pool.now, prune=False)
    pool.run(3.0)
    assert pool.status(A, B) is MemberStatus.ALIVE


def test_prune_erases_a_failed_member_at_once() -> None:
    pool = joined(A, B, C)
    pool.down.add(C)
    pool.run(60.0)
    pool[A].force_leave(C, pool.now, prune=True)
    pool.run(3.0)
    assert [member.name for member in pool[B].members()] == [A, B]
    assert pool.changes(B, C)[-2:] == [MemberChangeKind.LEAVE, MemberChangeKind.REAP]


def test_prune_of_a_left_member_erases_it() -> None:
    pool = joined(A, B, C)
    pool[C].leave(pool.now)
    pool.run(8.0)
    pool.down.add(C)
    pool[A].force_leave(C, pool.now, prune=True)
    pool.run(3.0)
    assert pool.status(A, C) is MemberStatus.NONE
    assert pool.status(B, C) is MemberStatus.NONE


def test_prune_of_a_leaving_member_waits_for_it_to_go() -> None:
    pool = joined(A, B)
    pool.down.add(B)
    pool.say(A, LeaveIntent(500, "b", prune=True))
    pool.run(5.9)
    assert pool.status(A, B) is not MemberStatus.NONE
    pool.run(0.2)
    assert pool.status(A, B) is MemberStatus.NONE


def test_prune_of_a_member_that_refutes_in_time_is_off() -> None:
    pool = joined(A, B)
    pool.say(A, LeaveIntent(500, "b", prune=True))
    pool.run(10.0)
    assert pool.status(A, B) is MemberStatus.ALIVE


# --- reaping and reconnecting ------------------------------------------------------------


def test_failed_member_is_reaped_after_its_time() -> None:
    pool = joined(A, B, params=attrs.evolve(PARAMS, reconnect_timeout_s=60.0))
    pool.down.add(B)
    pool.run(120.0)
    assert pool.status(A, B) is MemberStatus.NONE
    assert pool.changes(A, B)[-1] is MemberChangeKind.REAP


def test_left_member_is_reaped_after_its_time() -> None:
    pool = joined(A, B, params=attrs.evolve(PARAMS, tombstone_timeout_s=60.0))
    pool[B].leave(pool.now)
    pool.run(8.0)
    pool.down.add(B)
    pool.run(40.0)
    assert pool.status(A, B) is MemberStatus.LEFT
    pool.run(40.0)
    assert pool.status(A, B) is MemberStatus.NONE


def test_reconnect_finds_a_member_that_is_back() -> None:
    pool = joined(A, B)
    pool.down.add(B)
    pool.run(90.0)
    assert pool.status(A, B) is MemberStatus.FAILED
    pool.down.discard(B)
    pool.run(60.0)
    assert pool.status(A, B) is MemberStatus.ALIVE


# --- user events --------------------------------------------------------------------------


def test_user_event_reaches_everyone_once() -> None:
    pool = joined(A, B, C)
    pool[A].user_event("deploy", b"v1", pool.now, coalesce=True)
    pool.run(5.0)
    for key in (A, B, C):
        assert pool.seen(key, UserEventReceived) == [UserEventReceived(1, "deploy", b"v1", can_coalesce=True)]


def test_user_event_beyond_the_limit_is_refused() -> None:
    pool = Pool(A)
    with pytest.raises(TooBig):
        pool[A].user_event("deploy", bytes(600), pool.now, coalesce=False)


@pytest.mark.parametrize("key", [None, bytes(16)])
def test_event_that_fits_no_packet_is_not_queued_for_one(key: bytes | None) -> None:
    envelope = None if key is None else Envelope(keyring=Keyring([key]), entropy=bytes)
    core = Pool().add(A, envelope=envelope)
    clear = envelope or Envelope()
    room = 1400 - clear.packet_overhead - 2 - 2 - 1
    shortest = len(encode_message(UserEvent(1, "e", bytes(1000), coalesce=False))) - 1000
    for ltime, size, queued in ((1, room - shortest, 1), (2, room - shortest + 1, 1)):
        event = encode_message(UserEvent(ltime, "e", bytes(size), coalesce=False))
        core.receive_datagram(clear.seal_packet(b"\x08" + event), STRANGER, 100.0)
        assert queued == core.statistics().event_queue


def test_joiner_hears_of_earlier_events_if_it_wants_to() -> None:
    pool = Pool(A, B)
    pool[A].user_event("deploy", b"v1", pool.now, coalesce=True)
    pool[B].join([address_of(A)], pool.now, ignore_old_events=False)
    pool.run(1.0)
    assert pool.seen(B, UserEventReceived) == [UserEventReceived(1, "deploy", b"v1", can_coalesce=False)]


def test_joiner_hears_of_no_earlier_events_by_default() -> None:
    pool = Pool(A, B)
    for number in range(3):
        pool[A].user_event("deploy", b"%d" % number, pool.now, coalesce=False)
    pool.join(B, A)
    assert pool.seen(B, UserEventReceived) == []


def test_joiner_that_is_ahead_of_us_does_not_hide_events_on_their_way() -> None:
    pool = joined(A, B)
    pool.add(C)
    for number in range(5):
        pool[C].user_event("deploy", b"%d" % number, pool.now, coalesce=False)
    pool[C].join([address_of(B)], pool.now)
    pool.settle()
    pool.say(B, UserEvent(3, "late", b"", coalesce=False))
    assert "late" in [event.name for event in pool.seen(B, UserEventReceived)]


def test_event_learnt_from_a_push_pull_is_not_passed_on() -> None:
    pool = Pool(A, B)
    pool[A].user_event("deploy", b"v1", pool.now, coalesce=False)
    pool[B].join([address_of(A)], pool.now, ignore_old_events=False)
    pool.settle()
    assert pool[B].statistics().event_queue == 0


# --- queries --------------------------------------------------------------------------------


def test_query_is_acked_and_answered_by_everyone() -> None:
    pool = joined(A, B, C)
    query_id = pool[A].query(QueryParams(name="uptime", payload=b"x", wants_acks=True), pool.now)
    pool.run(0.5)
    for key in (A, B, C):
        (received,) = pool.seen(key, QueryReceived)
        pool[key].respond(received, key.encode(), pool.now)
    pool.run(10.0)
    assert {A, B, C} == {event.node for event in pool.seen(A, QueryAcked)}
    assert {(A, b"a"), (B, b"b"), (C, b"c")} == {(e.node, e.payload) for e in pool.seen(A, QueryAnswered)}
    assert pool.seen(A, QueryClosed) == [QueryClosed(query_id, 3, 3)]


def test_query_is_answered_once_and_in_time() -> None:
    pool = joined(A, B)
    pool[A].query(QueryParams(name="uptime", timeout_s=2.0), pool.now)
    pool.run(1.0)
    (at_b,) = pool.seen(B, QueryReceived)
    pool[B].respond(at_b, b"1", pool.now)
    with pytest.raises(LocalProtocolError):
        pool[B].respond(at_b, b"2", pool.now)
    (at_a,) = pool.seen(A, QueryReceived)
    pool.run(5.0)
    with pytest.raises(LocalProtocolError):
        pool[A].respond(at_a, b"late", pool.now)


def test_answer_beyond_the_limit_is_refused_and_another_may_follow() -> None:
    pool = Pool(A)
    pool[A].query(QueryParams(name="uptime", timeout_s=2.0), pool.now)
    pool.settle()
    (received,) = pool.seen(A, QueryReceived)
    with pytest.raises(TooBig):
        pool[A].respond(received, bytes(1100), pool.now)
    pool[A].respond(received, b"short", pool.now)
    pool.run(3.0)
    assert [event.payload for event in pool.seen(A, QueryAnswered)] == [b"short"]


def test_query_reaches_only_those_whom_its_filters_name() -> None:
    pool = Pool(A)
    pool.add(B, tags={"role": "web"})
    pool.add(C, tags={"role": "db"})
    pool.join(B, A)
    pool.join(C, A)
    pool[A].query(QueryParams(name="to-b", nodes=("b", "c"), tags={"role": "^w"}), pool.now)
    pool.run(3.0)
    assert [len(pool.seen(key, QueryReceived)) for key in (A, B, C)] == [0, 1, 0]


def test_query_beyond_the_limit_is_refused() -> None:
    pool = Pool(A)
    with pytest.raises(TooBig):
        pool[A].query(QueryParams(name="big", payload=bytes(1100)), pool.now)


def test_query_marked_so_is_not_passed_on() -> None:
    pool = Pool(A)
    pool.say(A, query_to(STRANGER, flags=int(QueryFlag.NO_BROADCAST)))
    assert pool[A].statistics().query_queue == 0
    assert len(pool.seen(A, QueryReceived)) == 1


def test_query_that_is_not_for_us_is_passed_on() -> None:
    pool = Pool(A)
    pool.say(A, query_to(STRANGER, filters=(b"\x00\x91\xa1z",)))
    assert pool[A].statistics().query_queue == 1
    assert pool.seen(A, QueryReceived) == []


def query_to(
    asker: Address,
    name: str = "uptime",
    payload: bytes = b"",
    *,
    flags: int = 0,
    filters: tuple[bytes, ...] = (),
    relay_factor: int = 0,
    ltime: int = 5,
    query_id: int = 7,
) -> Query:
    return Query(ltime, query_id, asker.packed, asker.port, "asker", filters, flags, relay_factor, 10**9, name, payload)


def test_query_that_would_crash_real_agents_is_dropped() -> None:
    pool = Pool(A)
    whole = encode_message(query_to(STRANGER, "_serf_install-key", b"\x07"))
    crippled = whole.replace(b"\xa7Payload\xa1\x07", b"\xa7Payload\xc0")
    assert crippled != whole
    pool[A].receive_datagram(b"\x08" + crippled, STRANGER, pool.now)
    pool.settle()
    assert pool[A].statistics().query_queue == 0
    assert [event.reason for event in pool.seen(A, Dropped)] == ["bad-serf-message"]


def test_duplicate_query_is_handled_once() -> None:
    pool = Pool(A)
    pool.say(A, query_to(STRANGER))
    pool.say(A, query_to(STRANGER))
    assert len(pool.seen(A, QueryReceived)) == 1
    assert pool[A].statistics().query_queue == 1


def test_query_from_an_impossible_address_is_dropped() -> None:
    pool = Pool(A)
    pool.say(A, query_to(Address(b"\x01\x02", 7), flags=int(QueryFlag.ACK)))
    assert [event.reason for event in pool.seen(A, Dropped)] == ["query-from-nowhere"]


def answers_to_stranger(pool: Pool) -> list[SerfMessage]:
    return [
        decode_message_untrusted(payload[1:])
        for where, payload in pool.sent
        if where == STRANGER and payload[:1] == b"\x08"
    ]


def test_ping_query_is_only_acked() -> None:
    pool = Pool(A)
    pool.say(A, query_to(STRANGER, "_serf_ping", flags=int(QueryFlag.ACK)))
    assert answers_to_stranger(pool) == [QueryResponse(5, 7, A, int(QueryFlag.ACK))]
    assert pool.seen(A, QueryReceived) == []


def answer_payload(pool: Pool) -> bytes:
    (response,) = answers_to_stranger(pool)
    assert isinstance(response, QueryResponse)
    return response.payload


def test_conflict_query_about_an_unknown_name_is_answered_with_nil() -> None:
    pool = Pool(A)
    pool.say(A, query_to(STRANGER, "_serf_conflict", b"nobody"))
    assert answer_payload(pool) == b"\x06\xc0"


def test_conflict_query_about_ourselves_is_not_answered() -> None:
    pool = Pool(A)
    pool.say(A, query_to(STRANGER, "_serf_conflict", b"a"))
    assert answers_to_stranger(pool) == []


def test_conflict_query_about_a_member_is_answered_with_its_record() -> None:
    pool = joined(A, B)
    pool.say(A, query_to(STRANGER, "_serf_conflict", b"b", ltime=50))
    answer = answer_payload(pool)
    assert answer.startswith(b"\x06\x8b")
    assert b"\xa4Addr\xa4\x0a\x00\x00\x62" in answer


@pytest.mark.parametrize("name", ["_serf_install-key", "_serf_use-key", "_serf_remove-key"])
def test_key_change_without_encryption_is_answered_as_serf_does(name: str) -> None:
    pool = Pool(A)
    pool.say(A, query_to(STRANGER, name, b"\x07\x81\xa3Key\xb00123456789abcdef"))
    answer = answer_payload(pool)
    assert b"No keyring to modify (encryption not enabled)" in answer
    assert answer.endswith(b"\xa6Result\xc2")


def test_key_list_without_encryption_is_answered_as_serf_does() -> None:
    pool = Pool(A)
    pool.say(A, query_to(STRANGER, "_serf_list-keys", b"\x07\x81\xa3Key\xa0"))
    assert b"Keyring is empty (encryption not enabled)" in answer_payload(pool)


def test_keys_are_installed_used_listed_and_removed() -> None:
    keys = Keyring([b"0123456789abcdef"])
    pool = Pool()
    pool.add(A, envelope=Envelope(keyring=keys, entropy=Random(1).randbytes))  # a seeded test
    pool.add(B, envelope=Envelope(keyring=Keyring([b"0123456789abcdef"]), entropy=Random(2).randbytes))
    pool.join(B, A)
    for name in ("install", "use"):
        pool[B].query(QueryParams(name=f"_serf_{name}-key", payload=b"\x07\x81\xa3Key\xb0fedcba9876543210"), pool.now)
        pool.run(3.0)
    assert list(keys.keys) == [b"fedcba9876543210", b"0123456789abcdef"]
    pool[B].query(QueryParams(name="_serf_remove-key", payload=b"\x07\x81\xa3Key\xb00123456789abcdef"), pool.now)
    pool.run(3.0)
    pool[B].query(QueryParams(name="_serf_list-keys"), pool.now)
    pool.run(3.0)
    assert list(keys.keys) == [b"fedcba9876543210"]
    assert b"ZmVkY2JhOTg3NjU0MzIxMA==" in pool.seen(B, QueryAnswered)[-1].payload
    assert pool[A].statistics().encrypted


def test_relayed_answer_reaches_the_asker_though_the_direct_one_is_lost() -> None:
    pool = joined(A, B, C)
    pool.sent.clear()
    pool.say(B, query_to(STRANGER, flags=int(QueryFlag.ACK), relay_factor=2, ltime=50))
    pool.settle()
    # Once straight from B, once by each of the two others.
    assert answers_to_stranger(pool) == [QueryResponse(50, 7, B, int(QueryFlag.ACK))] * 3


def test_relay_that_would_be_too_large_is_not_asked_for() -> None:
    pool = joined(A, B, C)
    pool.say(B, query_to(STRANGER, relay_factor=2, ltime=50))
    (received,) = pool.seen(B, QueryReceived)
    pool.sent.clear()
    pool[B].respond(received, bytes(950), pool.now)
    pool.settle()
    assert [where for where, payload in pool.sent if payload[:1] in (b"\x08", b"\x09")] == [STRANGER]


def test_queries_open_for_an_answer_are_bounded() -> None:
    pool = Pool(A, params=attrs.evolve(PARAMS, query_buffer_slots=4))
    for query_id in range(5):
        pool.say(A, query_to(STRANGER, query_id=query_id))
    first, *_, last = pool.seen(A, QueryReceived)
    with pytest.raises(LocalProtocolError):
        pool[A].respond(first, b"", pool.now)
    pool[A].respond(last, b"", pool.now)
    assert len(answers_to_stranger(pool)) == 0
    pool.settle()
    assert len(answers_to_stranger(pool)) == 1


def test_ack_that_fits_no_response_is_dropped() -> None:
    pool = Pool(A, params=attrs.evolve(PARAMS, query_response_limit_bytes=10))
    pool.say(A, query_to(STRANGER, flags=int(QueryFlag.ACK)))
    assert [event.reason for event in pool.seen(A, Dropped)] == ["query-answer-too-big"]


def test_relay_is_sent_on() -> None:
    pool = Pool(A)
    inner = encode_message(QueryResponse(5, 7, "z"))
    pool.say(A, Relay(STRANGER.packed, STRANGER.port, "asker", inner))
    assert pool.sent == [(STRANGER, b"\x08" + inner)]


def test_relay_too_large_or_to_nowhere_is_dropped() -> None:
    pool = Pool(A)
    inner = encode_message(QueryResponse(5, 7, "z"))
    pool.say(A, Relay(STRANGER.packed, 0, "asker", inner))
    pool.say(A, Relay(b"\x01", 7, "asker", inner))
    pool.say(A, Relay(STRANGER.packed, 7, "asker", inner + bytes(1100)))
    assert pool.sent == []
    assert [event.reason for event in pool.seen(A, Dropped)] == ["bad-relay"] * 3


def test_answer_to_no_query_is_dropped() -> None:
    pool = Pool(A)
    pool.say(A, QueryResponse(5, 7, "z"))
    assert [event.reason for event in pool.seen(A, Dropped)] == ["answer-to-no-query"]


@pytest.mark.parametrize("has_left", [False, True])
def test_pruned_member_is_not_brought_back_by_one_that_missed_the_prune(has_left: bool) -> None:
    pool = joined(A, B, C)
    if has_left:
        pool[C].leave(pool.now)
        pool.run(5.0)
    pool.down.add(C)
    pool.run(20.0)
    pool.down.add(B)
    pool[A].force_leave(C, pool.now, prune=True)
    pool.run(0.3)
    assert MemberStatus.NONE is pool.status(A, C)
    pool.down.discard(B)
    assert MemberStatus.NONE is not pool.status(B, C)
    for _ in range(10):
        pool.join(A, B)
        pool.run(20.0)
        assert MemberStatus.NONE is pool.status(A, C)


@pytest.mark.parametrize(("incoming", "outgoing"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("name", ["list-keys", "install-key", "use-key", "remove-key"])
def test_keys_are_neither_told_nor_changed_nor_asked_for_where_a_stranger_may_be_asking(
    name: str, incoming: bool, outgoing: bool
) -> None:
    known, foreign = b"k" * 16, b"f" * 16
    keyring = Keyring([known, foreign])
    entropy = Random(5).randbytes  # a seeded test
    pool = Pool()
    pool.add(A, envelope=Envelope(b"", keyring, verify_incoming=incoming, verify_outgoing=outgoing, entropy=entropy))
    question = encode_message(query_to(STRANGER, f"_serf_{name}", encode_message(KeyRequest(foreign))))
    data = b"\x08" + question
    pool[A].receive_datagram(keyring.seal(data, b"n" * 12, b"") if incoming else data, STRANGER, pool.now)
    pool.settle()
    ((_, sent),) = pool.sent
    answer = keyring.open_untrusted(sent, b"") if outgoing else sent
    assert b"keys are neither told nor changed" in answer
    assert encode_key_text(known).encode() not in answer
    assert (known, foreign) == keyring.keys
    assert 0 == pool[A].statistics().query_queue
    assert pool[A].key_refusal.startswith("keys are neither told nor changed")


def test_keys_are_changed_where_all_gossip_is_encrypted() -> None:
    pool = Pool()
    pool.add(A, envelope=Envelope(b"", Keyring([b"k" * 16]), entropy=Random(5).randbytes))
    assert "" == pool[A].key_refusal


# --- conflicts ---------------------------------------------------------------------------------


def claim(name: str, where: Address, incarnation: int = 50) -> bytes:
    return encode_gossip(Alive(incarnation, name, where.packed, where.port, b"\xff\x80", bytes([1, 5, 2, 2, 5, 5])))


OTHER = Address(bytes([10, 0, 9, 9]), 7946)
SILENT_ON_CONFLICT = attrs.evolve(PARAMS, resolve_conflicts=False)


def with_rival(pool: Pool, name: str) -> Pool:
    """Start a second agent of that name at ``OTHER``, which knows nobody and answers pings."""
    pool.add(name, key=f"{name}2", address=OTHER, params=SILENT_ON_CONFLICT, tags={"id": "rival-id"})
    return pool


def say_claim(pool: Pool, to: str, name: str, source: Address = STRANGER) -> None:
    """Have ``to`` hear that ``name`` is alive at ``OTHER``, and give it the time to ask there."""
    pool[to].receive_datagram(claim(name, OTHER), source, pool.now)
    pool.run(5.0)


def test_conflict_about_another_name_is_only_told_with_both_claimants() -> None:
    pool = with_rival(joined(A, B), B)
    say_claim(pool, A, B, source=address_of(B))
    (event,) = pool.seen(A, NameConflict)
    conflict = event.conflict
    assert (address_of(B), OTHER, 50) == (conflict.holder.address, conflict.rival.address, conflict.rival.incarnation)
    assert (address_of(B), B, False) == (conflict.told_by, conflict.told_by_name, conflict.is_local)
    assert [conflict] == pool[A].conflicts()
    assert LocalState.ALIVE is pool[A].local_state
    assert address_of(B) == shown(pool, A, B).address


def shown(pool: Pool, viewer: str, name: str) -> SerfMember:
    member = pool[viewer].member(name)
    assert member is not None
    return member


def test_conflict_is_over_once_the_rival_is_silent() -> None:
    pool = with_rival(joined(A, B), B)
    say_claim(pool, A, B)
    pool.down.add("b2")
    pool.run(15.0)
    assert [OTHER] == [event.conflict.rival.address for event in pool.seen(A, NameConflictOver)]
    assert [] == pool[A].conflicts()


def test_lie_about_a_live_name_at_a_silent_address_changes_nothing() -> None:
    pool = joined(A, B)
    say_claim(pool, A, B)
    pool.run(30.0)
    assert [] == pool.seen(A, NameConflict)
    assert address_of(B) == shown(pool, A, B).address
    assert MemberStatus.ALIVE is pool.status(A, B)


def test_lone_agent_survives_a_lie_about_its_own_name() -> None:
    pool = Pool(A)
    say_claim(pool, A, A)
    pool.run(30.0)
    assert [] == pool.seen(A, ConflictLost)
    assert [51] == [event.incarnation for event in pool.seen(A, StaleAddressOutbid)]
    assert LocalState.ALIVE is pool[A].local_state


def test_machine_replaced_under_its_name_is_followed_and_not_shut_down() -> None:
    pool = joined(A, B, C)
    pool.down.add(C)
    pool.add(C, key="c2", address=OTHER)
    pool.join("c2", A)
    pool.run(2.0)
    for viewer in (A, B, "c2"):
        assert (OTHER, MemberStatus.ALIVE) == (shown(pool, viewer, C).address, pool.status(viewer, C))
        assert [] == pool[viewer].conflicts()
    assert [] == pool.seen("c2", ConflictLost)
    assert [MemberChangeKind.JOIN, MemberChangeKind.UPDATE] == pool.changes(A, C)
    pool.run(60.0)
    assert OTHER == shown(pool, A, C).address


def test_vote_is_won_where_the_others_know_us() -> None:
    pool = with_rival(joined(A, B, C), A)
    say_claim(pool, A, A)
    pool.run(5.0)
    assert pool.seen(A, ConflictWon) == [ConflictWon(2, 2)]
    assert pool[A].local_state is LocalState.ALIVE


def test_vote_is_lost_where_the_others_know_another() -> None:
    pool = joined(A, B, C)
    pool.add(A, key="a2", address=OTHER)
    pool["a2"].join([address_of(B)], pool.now)
    pool.run(15.0)
    assert pool.seen("a2", ConflictLost) == [ConflictLost(0, 2)]
    assert pool["a2"].local_state is LocalState.SHUTDOWN
    assert pool[A].local_state is LocalState.ALIVE


def test_vote_lost_to_a_holder_that_has_stopped_since_is_not_lost() -> None:
    pool = joined(A, B, C)
    pool.add(A, key="a2", address=OTHER)
    pool["a2"].join([address_of(B)], pool.now)
    pool.run(0.5)
    pool.down.add(A)  # the vote is under way, and the others know no better yet
    pool.run(15.0)
    assert [] == pool.seen("a2", ConflictLost)
    assert (OTHER, MemberStatus.ALIVE) == (shown(pool, B, A).address, pool.status(B, A))


def test_answers_in_invented_names_stop_nobody() -> None:
    pool = with_rival(joined(A, B, C), A)
    pool[A].receive_datagram(claim(A, OTHER), STRANGER, pool.now)
    pool.run(0.1)
    faults: list[GossipWireError] = []
    parts = (part for _, data in pool.sent for part in decode_packet_untrusted(data, faults.append))
    messages = (decode_message_untrusted(part.payload) for part in parts if isinstance(part, UserData))
    question = next(message for message in messages if isinstance(message, Query))
    nothing = encode_message(ConflictResponse(None))
    for name in (A, *(f"invented{number}" for number in range(9))):
        pool.say(A, QueryResponse(question.ltime, question.query_id, name, payload=nothing))
    pool.run(20.0)
    assert [ConflictWon(2, 2)] == pool.seen(A, ConflictWon)
    assert LocalState.ALIVE is pool[A].local_state


def test_vote_that_nobody_answers_is_lost() -> None:
    pool = with_rival(Pool(A), A)
    say_claim(pool, A, A)
    pool.run(10.0)
    assert pool.seen(A, ConflictLost) == [ConflictLost(0, 0)]


def test_conflict_while_every_query_slot_is_taken_waits_until_it_is_seen_again() -> None:
    pool = with_rival(Pool(A), A)
    for _ in range(MAX_OPEN_QUERIES):
        pool[A].query(QueryParams(name="q", timeout_s=5.0), pool.now)
    say_claim(pool, A, A)
    assert [] == pool.seen(A, ConflictLost)
    pool.run(20.0)
    assert 1 == len(pool.seen(A, ConflictLost))


def test_no_vote_is_held_where_it_is_turned_off() -> None:
    pool = with_rival(Pool(A, params=SILENT_ON_CONFLICT), A)
    say_claim(pool, A, A)
    assert [event.conflict.is_local for event in pool.seen(A, NameConflict)] == [True]
    assert pool[A].local_state is LocalState.ALIVE


def test_names_that_differ_in_case_are_a_conflict_until_one_goes() -> None:
    pool = Pool(A)
    pool.add("web", address=address_of(B))
    pool.add("WEB", address=address_of(C))
    pool.join("web", A)
    pool.join("WEB", A)
    (conflict,) = pool[A].conflicts()
    assert ("web", "WEB", False) == (conflict.holder.name, conflict.rival.name, conflict.is_local)
    assert [True] == [conflict.is_local for conflict in pool["WEB"].conflicts()]
    assert LocalState.ALIVE is pool["WEB"].local_state
    pool["web"].leave(pool.now)
    pool.run(5.0)
    assert [] == pool[A].conflicts()


# --- merge policy, tags, coordinates ---------------------------------------------------------------


def test_agent_of_another_datacenter_is_kept_out() -> None:
    pool = Pool()
    for name, datacenter in ((A, "dc1"), (B, "dc2")):
        policy = MergePolicy(NodeName(name), f"id-{name}", datacenter)
        pool.add(name, policy=policy, tags={"role": "node", "dc": datacenter, "id": f"id-{name}"})
    pool.join(B, A)
    assert [member.name for member in pool[A].members()] == [A]
    assert [member.name for member in pool[B].members()] == [B]
    (done,) = pool.seen(B, JoinDone)
    assert (0, "Member 'a' part of wrong datacenter 'dc1'") == (done.contacted, done.failures[0][1])


def test_plain_member_is_let_in_under_a_policy() -> None:
    pool = Pool(B)
    pool.add(A, policy=MergePolicy(NodeName(A), "id-a", "dc1"), tags={"role": "node", "dc": "dc1", "id": "id-a"})
    pool.join(B, A)
    assert pool.status(A, B) is MemberStatus.ALIVE


def test_changed_tags_are_seen_by_the_others() -> None:
    pool = joined(A, B)
    pool[B].set_tags({"role": "web"}, pool.now)
    pool.run(3.0)
    seen = pool[A].member(B)
    own = pool[B].member(B)
    assert seen is not None
    assert own is not None
    assert {"role": "web"} == dict(seen.tags) == dict(own.tags)
    assert pool.changes(A, B)[-1] is MemberChangeKind.UPDATE


def test_tags_beyond_the_limit_are_refused() -> None:
    pool = Pool(A)
    with pytest.raises(TooBig):
        pool[A].set_tags({"role": "x" * 600}, pool.now)


def test_probes_move_our_coordinate() -> None:
    pool = joined(A, B)
    start = Pool(A)[A].coordinate
    pool.run(10.0)
    assert start != pool[A].coordinate
    assert pool[A].statistics().coordinate_resets == 0


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x02\x80", b"\x63", b"\x06\xc0", b"\x09", b"\x07\x80", b"\x04\x90"])
def test_bad_serf_message_is_dropped_and_counted(data: bytes) -> None:
    pool = Pool(A)
    pool[A].receive_datagram(b"\x08" + data, STRANGER, pool.now)
    pool.settle()
    assert len(pool.seen(A, Dropped)) == 1


# --- snapshots -----------------------------------------------------------------------------------------


def file_of(pool: Pool, key: str, before: bytes = b"") -> bytes:
    data = before
    for event in pool.events[key]:
        if isinstance(event, SnapshotAppend):
            data += event.data
        elif isinstance(event, SnapshotRewrite):
            data = event.data
    return data


def test_snapshot_remembers_the_members() -> None:
    pool = joined(A, B)
    pool.run(1.0)
    state = replay_snapshot(file_of(pool, A), rejoin_after_leave=False)
    assert dict(state.alive) == {A: "10.0.0.97:7946", B: "10.0.0.98:7946"}
    assert pool[A].statistics().member_time - 1 == state.clock


def test_restarted_agent_rejoins_from_its_snapshot_without_an_intent() -> None:
    pool = joined(A, B)
    pool.run(1.0)
    before = file_of(pool, A)
    pool.down.add(A)
    pool.run(30.0)
    pool.add(A, remembered=replay_snapshot(before, rejoin_after_leave=False))
    assert pool.seen(A, RejoinTried) == [RejoinTried("10.0.0.98:7946", "")]
    assert pool.intents_queued(A) == 0
    pool.run(3.0)
    assert pool.status(A, B) is MemberStatus.ALIVE
    assert pool.status(B, A) is MemberStatus.ALIVE


def test_restarted_agent_goes_on_from_its_clocks() -> None:
    pool = Pool()
    pool.add(A, remembered=SnapshotState(clock=10, event_clock=20, query_clock=30))
    statistics = pool[A].statistics()
    assert (11, 21, 31) == (statistics.member_time, statistics.event_time, statistics.query_time)
    pool.say(A, UserEvent(20, "old", b""))
    pool.say(A, UserEvent(21, "new", b""))
    pool.say(A, query_to(STRANGER, ltime=30))
    pool.say(A, query_to(STRANGER, ltime=31))
    assert [event.name for event in pool.seen(A, UserEventReceived)] == ["new"]
    assert [event.ltime for event in pool.seen(A, QueryReceived)] == [31]


def test_agent_that_left_does_not_rejoin() -> None:
    pool = joined(A, B)
    pool[A].leave(pool.now)
    pool.run(8.0)
    before = file_of(pool, A)
    assert b"leave\n" in before
    pool.down.add(A)
    pool.add(A, remembered=replay_snapshot(before, rejoin_after_leave=False))
    assert pool.seen(A, RejoinTried) == []


def test_idle_agent_writes_no_snapshot_lines() -> None:
    pool = Pool(A)
    pool.run(1.0)
    written = file_of(pool, A)
    pool.run(60.0)
    assert written == file_of(pool, A)
