from __future__ import annotations

from nodedns.model.address import Address
from nodedns.model.member import Member, MemberStatus, Versions
from nodedns.model.names import NodeName
from nodedns.serf.members import MemberTable

DAY_S = 86_400.0


def member(name: str) -> Member:
    return Member(NodeName(name), Address(bytes([10, 0, 0, 1]), 7946), b"", Versions(bytes([1, 5, 2, 2, 5, 5])))


def test_counts_follow_the_moves() -> None:
    table = MemberTable(max_members=10)
    record = table.add(member("a"), {}, MemberStatus.ALIVE)
    assert (1, 0, 0) == (table.alive_count, table.failed_count, table.left_count)
    table.move(record, MemberStatus.FAILED)
    assert (0, 1, 0) == (table.alive_count, table.failed_count, table.left_count)
    table.move(record, MemberStatus.LEFT)
    assert (0, 0, 1) == (table.alive_count, table.failed_count, table.left_count)
    table.erase(record)
    assert (0, 0, 0, 0) == (len(table), table.alive_count, table.failed_count, table.left_count)


def test_full_table_gives_up_the_member_longest_gone() -> None:
    table = MemberTable(max_members=3)
    table.add(member("alive"), {}, MemberStatus.ALIVE)
    first = table.add(member("first"), {}, MemberStatus.FAILED)
    table.add(member("second"), {}, MemberStatus.FAILED)
    assert first is table.make_room()
    assert table.get("first") is None


def test_table_with_room_gives_up_nobody() -> None:
    table = MemberTable(max_members=3)
    table.add(member("gone"), {}, MemberStatus.LEFT)
    assert table.make_room() is None


def test_failed_and_left_members_expire_by_their_own_timeouts() -> None:
    table = MemberTable(max_members=10)
    failed = table.add(member("failed"), {}, MemberStatus.FAILED)
    left = table.add(member("left"), {}, MemberStatus.LEFT)
    assert table.expired(10.0, failed_after_s=10.0, left_after_s=20.0) == []
    assert [failed] == table.expired(10.1, failed_after_s=10.0, left_after_s=20.0)
    assert [failed, left] == table.expired(20.1, failed_after_s=10.0, left_after_s=20.0)


def test_rc_tm_tag_overrides_both_timeouts() -> None:
    table = MemberTable(max_members=10)
    failed = table.add(member("failed"), {"rc_tm": "1h"}, MemberStatus.FAILED)
    left = table.add(member("left"), {"rc_tm": "2h"}, MemberStatus.LEFT)
    assert [failed] == table.expired(3601.0, failed_after_s=DAY_S, left_after_s=DAY_S)
    assert [failed, left] == table.expired(7201.0, failed_after_s=DAY_S, left_after_s=DAY_S)


def test_rc_tm_tag_that_is_no_duration_is_ignored() -> None:
    table = MemberTable(max_members=10)
    table.add(member("failed"), {"rc_tm": "soon"}, MemberStatus.FAILED)
    assert table.expired(3601.0, failed_after_s=DAY_S, left_after_s=DAY_S) == []
