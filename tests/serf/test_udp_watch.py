"""When the way to a member is worth a check."""

from __future__ import annotations

import attrs
import pytest

from nodedns.gossip.events import JoinFinished, NameMoved, PingCompleted, ProbeHelped, TcpOnlyAck
from nodedns.model.address import Address
from nodedns.model.history import NOBODY, ProbeReport
from nodedns.model.member import Member, MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.serf.events import MemberChanged, MemberChangeKind, SerfEvent, UdpChecked
from nodedns.serf.udp_watch import MAX_WATCHED, RECHECK_BLOCKED_S, RECHECK_S, START_INTERVAL_S, UdpWatch

VERSIONS = Versions(bytes([1, 5, 2, 2, 5, 5]))
ADDRESS = Address(bytes([10, 0, 0, 2]), 8301)
REPORT = ProbeReport(ADDRESS, 0.5, 1.0, (), 0, 0, "acked", 0)


def member(name: str = "n1") -> Member:
    return Member(NodeName(name), ADDRESS, b"", VERSIONS)


def tcp_only(name: str = "n1") -> TcpOnlyAck:
    return TcpOnlyAck(member(name), REPORT)


HELPED = ProbeHelped(member(), NOBODY)
ACKED = PingCompleted(member(), 0.01, b"")
JOINED = JoinFinished(1, ADDRESS, "")


def checked(*, sent: bool | None, received: bool | None) -> UdpChecked:
    return UdpChecked(member(), member("me"), sent, received)


class Watched:
    """A watch, and the names it had checked."""

    def __init__(self, *, known: bool = True, free: bool = True) -> None:
        self.checked: list[str] = []
        self.free = free
        self.watch = UdpWatch(self._check, lambda _address: NodeName("joined") if known else None)

    def _check(self, name: NodeName, now: float) -> bool:
        del now
        if self.free:
            self.checked.append(name)
        return self.free

    def told(self, *events: SerfEvent, at: float = 0.0) -> list[str]:
        for event in events:
            self.watch.note(event, at)
        return self.checked


def test_first_member_joined_is_checked_and_later_ones_are_not() -> None:
    watched = Watched()
    assert ["joined"] == watched.told(JOINED)
    assert ["joined"] == watched.told(JOINED, at=1_000.0)


@pytest.mark.parametrize("watched", [Watched(known=False), Watched(free=False)], ids=["stranger", "busy"])
def test_join_that_could_not_be_checked_leaves_the_next_to_be(watched: Watched) -> None:
    assert [] == watched.told(JOINED)
    watched.free = True
    watched.watch._member_at = lambda _address: NodeName("later")
    assert ["later"] == watched.told(JOINED, at=60.0)


def test_failed_join_checks_nobody() -> None:
    assert [] == Watched().told(JoinFinished(1, ADDRESS, "refused"))


def test_answer_over_tcp_only_is_checked_and_not_again_for_a_while() -> None:
    watched = Watched()
    assert ["n1"] == watched.told(tcp_only())
    assert ["n1"] == watched.told(tcp_only(), at=RECHECK_S - 1)
    assert ["n1", "n1"] == watched.told(tcp_only(), at=RECHECK_S)


def test_one_probe_saved_by_others_is_everyday_and_two_in_a_row_are_not() -> None:
    watched = Watched()
    assert [] == watched.told(HELPED, ACKED, HELPED)
    assert ["n1"] == watched.told(HELPED)


def test_checks_of_several_members_keep_their_distance() -> None:
    watched = Watched()
    assert ["n1"] == watched.told(tcp_only("n1"), tcp_only("n2"))
    assert ["n1", "n2"] == watched.told(tcp_only("n2"), at=START_INTERVAL_S)


def test_blocked_member_that_answers_again_is_checked_at_once_and_an_open_one_is_not() -> None:
    watched = Watched()
    watched.told(tcp_only(), checked(sent=False, received=True))
    assert ["n1", "n1"] == watched.told(ACKED, at=10.0)
    assert ["n1", "n1"] == watched.told(checked(sent=True, received=True), ACKED, at=20.0)


@pytest.mark.parametrize(
    ("sent", "received", "again_s"),
    [
        (None, False, RECHECK_S),
        (None, None, RECHECK_S),
        (True, True, RECHECK_S),
        (False, True, RECHECK_BLOCKED_S),
        (True, False, RECHECK_BLOCKED_S),
    ],
)
def test_direction_known_to_be_blocked_is_left_alone_for_longer(
    sent: bool | None, received: bool | None, again_s: float
) -> None:
    watched = Watched()
    watched.told(tcp_only(), checked(sent=sent, received=received))
    assert ["n1"] == watched.told(tcp_only(), at=again_s - 1)
    assert ["n1", "n1"] == watched.told(tcp_only(), at=again_s)


def test_forgotten_member_begins_afresh() -> None:
    watched = Watched()
    gone = SerfMember(NodeName("n1"), ADDRESS, {}, MemberStatus.FAILED, VERSIONS)
    watched.told(tcp_only(), checked(sent=False, received=True), MemberChanged(MemberChangeKind.REAP, gone))
    assert ["n1", "n1"] == watched.told(tcp_only(), at=START_INTERVAL_S)


def test_name_that_moved_begins_afresh() -> None:
    watched = Watched()
    after = attrs.evolve(member(), address=Address(bytes([10, 0, 0, 9]), 8301))
    watched.told(tcp_only(), checked(sent=False, received=True), NameMoved(member(), after))
    assert ["n1", "n1"] == watched.told(tcp_only(), at=START_INTERVAL_S)


def test_no_more_members_are_remembered_than_the_limit_says() -> None:
    watched = Watched(free=False)
    watched.told(*(ProbeHelped(member(f"n{number}"), NOBODY) for number in range(MAX_WATCHED + 5)))
    watched.free = True
    assert [] == watched.told(ProbeHelped(member("n0"), NOBODY), at=100.0)
    assert [f"n{MAX_WATCHED}"] == watched.told(ProbeHelped(member(f"n{MAX_WATCHED}"), NOBODY), at=100.0)
