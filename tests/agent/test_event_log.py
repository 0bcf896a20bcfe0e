"""What people and monitoring are told of gossip."""

from __future__ import annotations

import io
from collections.abc import Iterator

import attrs
import pytest

from nodedns.agent.event_log import EventLog
from nodedns.gossip.events import (
    Dropped,
    NameMoved,
    NodeDeparted,
    NodeSuspected,
    Refuted,
    StaleAddressOutbid,
    SuspicionConfirmed,
    SuspicionRefuted,
    TcpOnlyAck,
)
from nodedns.model.address import Address
from nodedns.model.conflict import Claimant, Conflict
from nodedns.model.history import ProbeReport
from nodedns.model.member import Member, MemberStatus, NodeState, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.observe.metrics import Metrics
from nodedns.serf.events import (
    AloneInPool,
    ConflictLost,
    ConflictWon,
    KeyringChanged,
    MemberChanged,
    MemberChangeKind,
    NameConflict,
    NameConflictOver,
    QueryReceived,
    RejoinTried,
    SerfEvent,
    UdpChecked,
    UserEventReceived,
)
from nodedns.testing.log_lines import log_lines

ADDRESS = Address(bytes([10, 0, 0, 2]), 8301)
VERSIONS = Versions(bytes([1, 5, 2, 2, 5, 5]))
MEMBER = Member(NodeName("two"), ADDRESS, b"", VERSIONS)
LOCAL = Member(NodeName("one"), Address(bytes([10, 0, 0, 1]), 8301), b"", VERSIONS)
REPORT = ProbeReport(ADDRESS, 0.5, 1.0, (), nacks=0, expected_nacks=0, tcp="acked", health_score=0)
RIVAL = Address(bytes([10, 0, 0, 3]), 8301)
CONFLICT = Conflict(
    holder=Claimant(NodeName("two"), ADDRESS, "id-2", 4),
    rival=Claimant(NodeName("two"), RIVAL, "id-3", 1),
    told_by=ADDRESS,
    told_by_name="one",
    since=1.0,
    seen_at=2.0,
    is_local=True,
)
SERF_MEMBER = SerfMember(NodeName("two"), ADDRESS, {}, MemberStatus.FAILED, VERSIONS)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    with log_lines("debug") as stream:
        yield stream


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (MemberChanged(MemberChangeKind.FAILED, SERF_MEMBER), "[INFO]  agent.serf: EventMemberFailed: name=two"),
        (NodeSuspected(MEMBER, NodeName("one")), "[INFO]  agent.gossip: member is suspected: name=two"),
        (
            Refuted(NodeName("one"), 4, NodeState.SUSPECT),
            "[WARN]  agent.gossip: refuted a claim that we are gone: from=one incarnation=4",
        ),
        (TcpOnlyAck(MEMBER, REPORT), "is UDP blocked?: from=10.0.0.2 name=two address=10.0.0.2:8301"),
        (
            UdpChecked(MEMBER, LOCAL, sent=False, received=True),
            '[WARN]  agent.gossip: UDP is blocked: from=10.0.0.2 name=two finding="UDP from one to two (10.0.0.2:8301)',
        ),
        (
            UdpChecked(MEMBER, LOCAL, sent=True, received=True),
            "[DEBUG] agent.gossip: UDP was checked: from=10.0.0.2 name=two",
        ),
        (
            SuspicionConfirmed(MEMBER, NodeName("three"), (NodeName("one"), NodeName("three")), 2),
            "[DEBUG] agent.gossip: suspicion is confirmed: name=two accuser=three confirmations=1 wanted=2",
        ),
        (
            SuspicionRefuted(MEMBER, (NodeName("one"),), 5),
            "[INFO]  agent.gossip: suspicion is refuted: name=two incarnation=5",
        ),
        (
            NodeDeparted(MEMBER, NodeState.DEAD, NodeName("one"), (NodeName("one"), NodeName("three")), 2),
            "[INFO]  agent.gossip: suspect is declared dead: name=two accuser=one confirmations=1",
        ),
        (
            NameConflict(CONFLICT, is_new=True),
            "[WARN]  agent.serf: two agents claim one node name: from=10.0.0.3 holder='two' "
            "holder_address=10.0.0.2:8301 holder_id='id-2' holder_incarnation=4 rival='two' "
            "rival_address=10.0.0.3:8301 rival_id='id-3' rival_incarnation=1 told_by='one' ours=True",
        ),
        (NameConflictOver(CONFLICT), "the conflict about a node name is over: from=10.0.0.3 name='two'"),
        (NameMoved(MEMBER, attrs.evolve(MEMBER, address=RIVAL)), "name='two' old=10.0.0.2:8301 new=10.0.0.3:8301"),
        (StaleAddressOutbid(RIVAL, 7), "it is announced anew: from=10.0.0.3 address=10.0.0.3:8301 incarnation=7"),
        (KeyringChanged("_serf_use-key", 2), "agent.serf: gossip keyring changed: query=_serf_use-key keys=2"),
        (
            ConflictLost(0, 3),
            "[ERROR] agent.serf: our node name belongs to another agent; stopping: start this one with another name "
            "(-node): agreed=0 answers=3",
        ),
        (ConflictWon(3, 3), "[WARN]  agent.serf: our node name was confirmed as ours: agreed=3 answers=3"),
        (RejoinTried("10.0.0.3:8301", ""), "[INFO]  agent.serf: re-joined to previously known node"),
        (RejoinTried("10.0.0.3:8301", "refused"), "[WARN]  agent.serf: re-join to previously known node failed"),
        (
            AloneInPool(0, 2, ("two 10.0.0.2:8301", "three 10.0.0.3:8301"), 0.75),
            "[WARN]  agent.serf: alone in the pool; trying remembered members again: members=2 "
            'first="two 10.0.0.2:8301, three 10.0.0.3:8301" within=0.8s',
        ),
        (UserEventReceived(3, "deploy", b"", can_coalesce=True), "[DEBUG] agent.serf: user event: name=deploy ltime=3"),
        (
            QueryReceived(3, 9, "uptime", b"", "two", ADDRESS, 0, 5.0),
            "[DEBUG] agent.serf: query: name=uptime source=two",
        ),
        (Dropped("bad-crc", None), "input dropped: from=unknown reason=bad-crc"),
        (Dropped("event-too-old", None), "[DEBUG] agent.gossip: input dropped: from=unknown reason=event-too-old\n"),
        (Dropped("query-too-old", ADDRESS), "[DEBUG] agent.gossip: input dropped"),
        (Dropped("answer-to-no-query", ADDRESS), "[DEBUG] agent.gossip: input dropped"),
        (Dropped("bad-crc", Address(b"x", 1)), "from=<78>:1"),
    ],
)
def test_event_is_told_in_one_line(lines: io.StringIO, event: SerfEvent, expected: str) -> None:
    EventLog(Metrics(), lambda: 0.0).note(event)
    (line,) = lines.getvalue().splitlines(keepends=True)
    assert expected in line


def test_flood_of_drops_is_counted_in_full_and_logged_at_a_limit(lines: io.StringIO) -> None:
    metrics = Metrics()
    log = EventLog(metrics, lambda: 0.0)
    for _ in range(1_000):
        log.note(Dropped("bad-packet", ADDRESS, "detail"))
    assert metrics.value("nodedns_gossip_dropped_total", reason="bad-packet") == 1_000
    assert 0 < len(lines.getvalue().splitlines()) <= 10


def test_agent_that_stays_alone_says_so_ever_more_seldom(lines: io.StringIO) -> None:
    log = EventLog(Metrics(), lambda: 0.0)
    for rounds in range(100):
        log.note(AloneInPool(rounds, 2, ("two 10.0.0.2:8301",), 30.0))
    assert 10 == len([line for line in lines.getvalue().splitlines() if "[WARN]" in line])


def test_failed_repetitions_of_a_rejoin_are_for_debugging(lines: io.StringIO) -> None:
    EventLog(Metrics(), lambda: 0.0).note(RejoinTried("10.0.0.3:8301", "refused", is_repeated=True))
    assert "[DEBUG] agent.serf: re-join to previously known node failed" in lines.getvalue()


def test_outcomes_of_suspicions_and_blocked_directions_are_counted() -> None:
    metrics = Metrics()
    log = EventLog(metrics, lambda: 0.0)
    one = NodeName("one")
    for event in (
        SuspicionConfirmed(MEMBER, one, (one,), 2),
        SuspicionRefuted(MEMBER, (one,), 5),
        NodeDeparted(MEMBER, NodeState.DEAD, one, (one,), 2),
        NodeDeparted(MEMBER, NodeState.LEFT, one),
        TcpOnlyAck(MEMBER, REPORT),
        UdpChecked(MEMBER, LOCAL, sent=False, received=True),
        UdpChecked(MEMBER, LOCAL, sent=True, received=False),
        UdpChecked(MEMBER, LOCAL, sent=None, received=False),
        UdpChecked(MEMBER, LOCAL, sent=True, received=True),
    ):
        log.note(event)
    outcomes = [metrics.value("nodedns_gossip_suspicions_total", outcome=o) for o in ("confirmed", "refuted", "dead")]
    blocked = [metrics.value("nodedns_gossip_udp_blocked_total", direction=d) for d in ("to", "from", "both")]
    assert ([1, 1, 1], [1, 1, 1], 1) == (outcomes, blocked, metrics.value("nodedns_gossip_tcp_only_total"))


def test_conflicts_are_counted_once_each_and_moves_each_time() -> None:
    metrics = Metrics()
    log = EventLog(metrics, lambda: 0.0)
    for is_new in (True, False, False):
        log.note(NameConflict(CONFLICT, is_new=is_new))
    log.note(NameMoved(MEMBER, MEMBER))
    assert 1 == metrics.value("nodedns_serf_name_conflicts_total")
    assert 1 == metrics.value("nodedns_serf_names_moved_total")
