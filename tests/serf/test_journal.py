"""What is remembered of members: notable things only, in order, and never more than the limits say."""

from __future__ import annotations

import attrs
import pytest

from nodedns.gossip.events import (
    NameMoved,
    NodeDeparted,
    NodeSuspected,
    PingCompleted,
    ProbeFailed,
    ProbeHelped,
    Refuted,
    SuspicionConfirmed,
    SuspicionRefuted,
    TcpOnlyAck,
)
from nodedns.model.address import Address
from nodedns.model.conflict import Claimant, Conflict
from nodedns.model.history import NOBODY, ChangeKind, MemberHistory, ProbeReport
from nodedns.model.member import Member, MemberStatus, NodeState, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.serf.events import MemberChanged, MemberChangeKind, NameConflict, SerfEvent, UdpChecked
from nodedns.serf.journal import Journal

VERSIONS = Versions(bytes([1, 5, 2, 2, 5, 5]))
ADDRESS = Address(bytes([10, 0, 0, 2]), 8301)
ME, OTHER = NodeName("me"), NodeName("other")
REPORT = ProbeReport(ADDRESS, 0.5, 1.0, (OTHER,), nacks=1, expected_nacks=1, tcp="refused", health_score=2)


def member(name: str = "n1", address: Address = ADDRESS) -> Member:
    return Member(NodeName(name), address, b"", VERSIONS)


def changed(kind: MemberChangeKind, name: str = "n1") -> MemberChanged:
    return MemberChanged(kind, SerfMember(NodeName(name), ADDRESS, {}, MemberStatus.ALIVE, VERSIONS))


def told(*events: SerfEvent, health_score: int = 0, **limits: int) -> Journal:
    """A journal that was told these, a second apart."""
    journal = Journal(ME, lambda: health_score, **limits)
    for second, event in enumerate(events):
        journal.note(event, float(second))
    return journal


def history(journal: Journal, name: str = "n1") -> MemberHistory:
    found = journal.history(name)
    assert found is not None
    return found


def kinds(journal: Journal, name: str = "n1") -> list[ChangeKind]:
    return [entry.kind for entry in history(journal, name).entries]


def test_death_is_told_from_the_first_accuser_to_the_end() -> None:
    accusers = (ME, OTHER)
    journal = told(
        changed(MemberChangeKind.JOIN),
        ProbeFailed(member(), REPORT),
        NodeSuspected(member(), ME),
        SuspicionConfirmed(member(), OTHER, accusers, 2),
        NodeDeparted(member(), NodeState.DEAD, ME, accusers, 2),
        changed(MemberChangeKind.FAILED),
        health_score=3,
    )
    entries = history(journal).entries
    assert [
        (0.0, ChangeKind.JOINED, NOBODY, None),
        (2.0, ChangeKind.SUSPECTED, ME, REPORT),
        (3.0, ChangeKind.CONFIRMED, OTHER, None),
        (4.0, ChangeKind.DEAD, ME, None),
        (5.0, ChangeKind.FAILED, NOBODY, None),
    ] == [(entry.at, entry.kind, entry.by, entry.probe) for entry in entries]
    assert (accusers, 2, 3) == (entries[3].accusers, entries[3].wanted, entries[3].health_score)


def test_probe_of_ours_stands_with_our_own_accusation_only() -> None:
    failed = ProbeFailed(member(), REPORT)
    assert history(told(failed, NodeSuspected(member(), OTHER))).entries[-1].probe is None
    assert history(told(ProbeFailed(member("n9"), REPORT), NodeSuspected(member(), ME))).entries[-1].probe is None
    confirmed = SuspicionConfirmed(member(), ME, (OTHER, ME), 2)
    assert REPORT == history(told(failed, confirmed)).entries[-1].probe


def test_answered_probe_costs_no_entry_and_ends_a_row_of_misses() -> None:
    journal = told(
        ProbeHelped(member(), OTHER), ProbeFailed(member(), REPORT), PingCompleted(member(), 0.25, b"payload")
    )
    found = history(journal)
    assert ((), 2.0, 0.25, 0) == (found.entries, found.acked_at, found.rtt_s, found.misses)
    assert (1.0, REPORT) == (found.failed_at, found.failure)


def test_helper_that_got_through_is_remembered() -> None:
    found = history(told(ProbeFailed(member(), REPORT), ProbeHelped(member(), OTHER)))
    assert (OTHER, None, 2) == (found.helper, found.failure, found.misses)


def test_blocked_udp_is_told_once_until_something_else_happens() -> None:
    blocked = TcpOnlyAck(member(), REPORT)
    journal = told(blocked, blocked, changed(MemberChangeKind.UPDATE), blocked, blocked)
    assert [ChangeKind.TCP_ONLY, ChangeKind.UPDATED, ChangeKind.TCP_ONLY] == kinds(journal)


def checked(*, sent: bool | None, received: bool | None) -> UdpChecked:
    return UdpChecked(member(), member("me"), sent, received)


def test_finding_of_a_check_is_kept_until_udp_passes_again() -> None:
    blocked = checked(sent=False, received=True)
    flapping = [changed(MemberChangeKind.UPDATE) for _ in range(40)]
    found = history(told(blocked, blocked, *flapping))
    assert found.udp is not None
    assert (0.0, ChangeKind.UDP_CHECKED) == (found.udp.at, found.udp.kind)
    assert "UDP from me to n1" in found.udp.detail
    journal = told(blocked, checked(sent=None, received=None), checked(sent=True, received=True))
    assert ([ChangeKind.UDP_CHECKED] * 2, None) == (kinds(journal), history(journal).udp)


def test_open_way_that_was_never_blocked_is_no_news() -> None:
    assert [] == kinds(told(ProbeHelped(member(), OTHER), checked(sent=True, received=True)))


def test_status_has_its_time_even_when_its_entry_is_forgotten() -> None:
    journal = told(changed(MemberChangeKind.JOIN), *(changed(MemberChangeKind.UPDATE) for _ in range(40)))
    assert 0.0 == history(journal).status_at


def test_refutation_names_who_had_accused() -> None:
    (entry,) = history(told(SuspicionRefuted(member(), (OTHER, ME), 7))).entries
    assert (ChangeKind.REFUTED, (OTHER, ME), "incarnation 7") == (entry.kind, entry.accusers, entry.detail)


def test_accusation_of_ourselves_is_kept_under_our_own_name() -> None:
    (entry,) = history(told(Refuted(OTHER, 5, NodeState.SUSPECT)), "me").entries
    expected = (ChangeKind.ACCUSED, OTHER, "suspect; we announced incarnation 5")
    assert expected == (entry.kind, entry.by, entry.detail)


def test_departure_of_its_own_accord_is_no_death() -> None:
    departed = NodeDeparted(member(), NodeState.LEFT, NodeName("n1"))
    journal = told(changed(MemberChangeKind.LEAVING), departed, changed(MemberChangeKind.LEAVE))
    assert [ChangeKind.LEAVING, ChangeKind.LEFT] == kinds(journal)


def test_claimant_of_a_name_is_told_once_with_both_addresses() -> None:
    holder = Claimant(NodeName("n1"), Address(bytes([10, 0, 0, 2]), 8301), "", 1)
    rival = attrs.evolve(holder, address=Address(bytes([10, 0, 0, 9]), 8301))
    conflict = Conflict(holder, rival, rival.address, "n3", since=1.0, seen_at=1.0, is_local=False)
    told_again = NameConflict(conflict, is_new=False)
    (entry,) = history(told(NameConflict(conflict, is_new=True), told_again)).entries
    assert ("claimed by 10.0.0.9:8301, known at 10.0.0.2:8301", "n3") == (entry.detail, entry.by)


def test_names_fold_case() -> None:
    assert "N1" == history(told(changed(MemberChangeKind.JOIN, "N1")), "n1").name


def test_unknown_name_has_no_history() -> None:
    assert told().history("n1") is None


def test_latest_are_those_of_all_members_in_order() -> None:
    journal = told(*(changed(MemberChangeKind.JOIN, name) for name in ("a", "b", "c")))
    assert ["b", "c"] == [entry.name for entry in journal.latest(2)]
    assert 3 == len(journal.latest(99))


def test_flapping_member_loses_its_own_oldest_and_nobody_elses() -> None:
    events = [changed(MemberChangeKind.UPDATE, "flapping") for _ in range(50)]
    journal = told(changed(MemberChangeKind.JOIN, "quiet"), *events, max_entries=10, max_entries_a_member=4)
    assert [ChangeKind.JOINED] == kinds(journal, "quiet")
    assert [47.0, 48.0, 49.0, 50.0] == [entry.at for entry in history(journal, "flapping").entries]
    assert len(journal) == 5


def test_oldest_entries_of_all_make_room_and_the_forgotten_are_gone_whole() -> None:
    names = [f"n{number}" for number in range(30)]
    journal = told(*(changed(MemberChangeKind.JOIN, name) for name in names), max_entries=10)
    assert len(journal) == 10
    assert [None] * 20 == [journal.history(name) for name in names[:20]]
    assert all(journal.history(name) is not None for name in names[20:])


def test_reaped_member_keeps_its_story_but_not_its_probes() -> None:
    found = history(told(PingCompleted(member(), 0.1, b""), changed(MemberChangeKind.REAP)))
    assert ([ChangeKind.REAPED], None) == ([entry.kind for entry in found.entries], found.acked_at)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_latest_is_no_longer_than_asked_for(count: int) -> None:
    journal = told(*(changed(MemberChangeKind.JOIN, f"n{number}") for number in range(5)))
    assert count == len(journal.latest(count))


def test_rivals_told_of_by_turns_are_one_entry_each() -> None:
    holder = Claimant(NodeName("n1"), ADDRESS, "", 1)
    rivals = [attrs.evolve(holder, address=Address(bytes([10, 0, 0, host]), 8301)) for host in (8, 9)]
    conflicts = [Conflict(holder, rival, None, "", since=1.0, seen_at=1.0, is_local=False) for rival in rivals]
    rounds = [NameConflict(conflict, is_new=number == 0) for number in range(20) for conflict in conflicts]
    assert [ChangeKind.CONFLICT] * 2 == kinds(told(*rounds))


def test_name_that_moved_is_told_with_both_addresses_and_without_the_old_ones_probes() -> None:
    before, after = member(), member(address=Address(bytes([10, 0, 0, 9]), 8301))
    blocked = UdpChecked(before, member("me"), sent=False, received=True)
    found = history(
        told(PingCompleted(before, 0.1, b""), ProbeFailed(before, REPORT), blocked, NameMoved(before, after))
    )
    moved = found.entries[-1]
    assert (ChangeKind.MOVED, after.address, str(ADDRESS)) == (moved.kind, moved.address, moved.detail)
    assert (None, None, None, None, 0) == (found.acked_at, found.failed_at, found.failure, found.udp, found.misses)
