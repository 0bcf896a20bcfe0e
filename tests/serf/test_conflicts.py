"""The book of open conflicts: what opens one, what closes it, and how many it holds."""

from __future__ import annotations

import attrs
import pytest

from nodedns.gossip.events import ConflictOver, ConflictSeen
from nodedns.model.address import Address
from nodedns.model.member import Member, MemberStatus, Versions
from nodedns.model.names import NodeName
from nodedns.serf.conflicts import MAX_CONFLICTS, ConflictBook
from nodedns.serf.events import MemberChanged, MemberChangeKind, NameConflict, NameConflictOver, SerfEvent
from nodedns.serf.members import MemberTable
from nodedns.serf.tags import encode_tags

VERSIONS = Versions(bytes([1, 5, 2, 2, 5, 5]))
ME = NodeName("me")


def address(host: int, port: int = 8301) -> Address:
    return Address(bytes([10, 0, 0, host]), port)


def member(name: str, host: int, node_id: str = "") -> Member:
    return Member(NodeName(name), address(host), encode_tags({"id": node_id} if node_id else {}), VERSIONS)


class Bench:
    """A book over a real table."""

    def __init__(self) -> None:
        self.events: list[SerfEvent] = []
        self.table = MemberTable(1000)
        self.book = ConflictBook(
            local_name=ME, table=self.table, incarnation_of=lambda _name: 7, emit=self.events.append
        )

    def join(self, name: str, host: int, now: float = 1.0) -> None:
        record = self.table.get(name)
        if record is None:
            record = self.table.add(member(name, host), {}, MemberStatus.ALIVE)
        else:
            self.table.move(record, MemberStatus.ALIVE)
        self.book.note(MemberChanged(MemberChangeKind.JOIN, record.shown), now)

    def fail(self, name: str, now: float = 2.0) -> None:
        record = self.table.get(name)
        assert record is not None
        self.table.move(record, MemberStatus.FAILED)
        self.book.note(MemberChanged(MemberChangeKind.FAILED, record.shown), now)

    def reap(self, name: str, now: float = 2.0) -> None:
        record = self.table.get(name)
        assert record is not None
        self.table.erase(record)
        self.book.note(MemberChanged(MemberChangeKind.REAP, record.shown), now)

    def see(self, name: str = "web", rival: int = 9, now: float = 3.0, told_by: Address | None = None) -> None:
        existing, claimant = member(name, 1, "id-1"), member(name, rival, "id-9")
        self.book.seen(ConflictSeen(existing, claimant, 4, 1, told_by, is_new=True), now)

    def pairs(self) -> list[tuple[str, str]]:
        return [(conflict.holder.name, conflict.rival.name) for conflict in self.book.shown()]


def test_conflict_has_both_claimants_with_their_ids_and_incarnations() -> None:
    bench = Bench()
    bench.see()
    (conflict,) = bench.book.shown()
    assert ("id-1", 4, "id-9", 1) == (
        conflict.holder.node_id,
        conflict.holder.incarnation,
        conflict.rival.node_id,
        conflict.rival.incarnation,
    )


def test_conflict_seen_again_keeps_its_beginning() -> None:
    bench = Bench()
    bench.see(now=3.0)
    bench.see(now=8.0)
    (conflict,) = bench.book.shown()
    assert (3.0, 8.0) == (conflict.since, conflict.seen_at)
    assert [True, False] == [event.is_new for event in bench.events if isinstance(event, NameConflict)]


@pytest.mark.parametrize(
    ("told_by", "name"),
    [
        (None, ""),
        (address(5), "teller"),
        (address(5, port=40_000), "teller"),  # a stream comes from a port of its own
        (address(6), "second"),
        (address(6, port=40_000), ""),  # two members there: no telling which
        (address(200), ""),
    ],
)
def test_teller_is_named_where_one_member_is_known_there(told_by: Address | None, name: str) -> None:
    bench = Bench()
    bench.join("teller", 5)
    bench.join("second", 6)
    other = attrs.evolve(member("third", 6), address=address(6, port=8302))
    bench.table.add(other, {}, MemberStatus.ALIVE)
    bench.see(told_by=told_by)
    (conflict,) = bench.book.shown()
    assert name == conflict.told_by_name


def test_conflict_is_over_when_the_core_says_so_and_only_that_one() -> None:
    bench = Bench()
    bench.see(rival=8)
    bench.see(rival=9)
    bench.book.over(ConflictOver(NodeName("web"), address(9)))
    assert [address(8)] == [conflict.rival.address for conflict in bench.book.shown()]
    bench.book.over(ConflictOver(NodeName("web"), address(9)))
    assert 1 == len([event for event in bench.events if isinstance(event, NameConflictOver)])


def test_conflict_is_over_when_its_holder_is_gone() -> None:
    bench = Bench()
    bench.join("web", 1)
    bench.see()
    bench.fail("web")
    assert [] == bench.book.shown()


def test_book_holds_so_many_conflicts_and_the_oldest_make_room() -> None:
    bench = Bench()
    for number in range(MAX_CONFLICTS + 10):
        bench.see(f"web{number:04}")
    assert MAX_CONFLICTS == len(bench.book)
    assert "web0010" == bench.book.shown()[0].holder.name


def test_two_spellings_are_a_conflict_until_either_is_gone() -> None:
    bench = Bench()
    bench.join("web", 1)
    bench.join("WEB", 2)
    assert [("web", "WEB")] == bench.pairs()
    bench.fail("WEB")
    assert [] == bench.pairs()
    bench.join("WEB", 2)
    bench.reap("web")
    assert [] == bench.pairs()


def test_of_three_spellings_the_next_holds_the_name_when_the_first_goes() -> None:
    bench = Bench()
    for host, name in enumerate(("web", "WEB", "Web"), 1):
        bench.join(name, host)
    assert [("web", "WEB"), ("web", "Web")] == bench.pairs()
    bench.fail("web")
    assert [("WEB", "Web")] == bench.pairs()


def test_every_other_spelling_is_a_rival_of_the_one_that_follows() -> None:
    bench = Bench()
    for host, name in enumerate(("web", "WEB", "Web", "wEB"), 1):
        bench.join(name, host)
    bench.fail("web")
    assert [("WEB", "Web"), ("WEB", "wEB")] == bench.pairs()


def test_failed_spelling_is_no_rival() -> None:
    bench = Bench()
    bench.join("web", 1)
    bench.fail("web")
    bench.join("WEB", 2)
    assert [] == bench.pairs()


def test_our_own_spelling_in_a_conflict_is_told_as_ours() -> None:
    bench = Bench()
    bench.join(ME, 1)
    bench.join("ME", 2)
    assert [True] == [conflict.is_local for conflict in bench.book.shown()]
