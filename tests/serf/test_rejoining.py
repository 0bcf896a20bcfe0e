"""Whom an agent tries, and when; with a gossip core that only takes notes."""

from __future__ import annotations

from random import Random

import pytest

from nodedns.gossip.events import JoinFinished
from nodedns.gossip.timers import TimerHeap
from nodedns.model.address import Address
from nodedns.model.member import Member, MemberStatus, Versions
from nodedns.model.names import NodeName
from nodedns.serf.events import AloneInPool, RejoinTried, SerfEvent
from nodedns.serf.members import MemberTable
from nodedns.serf.rejoining import (
    FIRST_PAUSE_S,
    FOLLOW_UP_S,
    LONGEST_PAUSE_S,
    MAX_TRIES_PER_ROUND,
    NEWS_S,
    NO_COMPANY,
    REJOINS_AT_ONCE,
    SEEK_EVERY_S,
    STAGGER_S,
    Rejoining,
)
from nodedns.serf.remembered import RememberedPeers

VERSIONS = Versions(bytes([1, 5, 2, 2, 5, 5]))
ME = NodeName("me")
KEEP_S = 1000.0


def address(number: int) -> Address:
    return Address(bytes([10, 0, number >> 8, number & 0xFF]), 7946)


def member(name: str, number: int) -> Member:
    return Member(NodeName(name), address(number), b"", VERSIONS)


def texts(*numbers: int) -> dict[str, str]:
    return {f"n{number}": str(address(number)) for number in numbers}


class Bench:
    """Rejoining, and all around it."""

    def __init__(self, alive: dict[str, str], failed: dict[str, str] | None = None, seed: int = 1) -> None:
        self.now = 0.0
        self.tried: list[Address] = []
        self.events: list[SerfEvent] = []
        self.timers = TimerHeap()
        self.table = MemberTable(max_members=1000)
        self.peers = RememberedPeers(alive, failed)
        self.is_alone = True
        self.may_try = True
        self.rejoining = Rejoining(
            local=member(ME, 99),
            peers=self.peers,
            table=self.table,
            forget=self._forget,
            is_alone=lambda: self.is_alone,
            may_try=lambda: self.may_try,
            keep_s=KEEP_S,
            rng=Random(seed),
            timers=self.timers,
            emit=self.events.append,
            join_gossip=self._join,
        )

    def _forget(self, name: str) -> None:
        self.peers.forget(name)

    def _join(self, where: Address, _now: float) -> int:
        self.tried.append(where)
        return len(self.tried)

    def finish(self, gossip_id: int, error: str = "refused") -> None:
        assert self.rejoining.finished(JoinFinished(gossip_id, self.tried[gossip_id - 1], error), self.now)

    def fail_all(self) -> None:
        """Let everything that is tried be refused, until nothing is under way."""
        done = len(self.tried) - sum(1 for _ in self.rejoining._under_way)
        while done < len(self.tried):
            done += 1
            self.finish(done)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.timers.fire(self.now)

    def to_next_round(self) -> float:
        """Let the pause pass; return how long it was."""
        deadline = self.timers.next_deadline()
        assert deadline is not None
        pause_s = deadline - self.now
        self.pass_time(pause_s)
        return pause_s

    def come_into_company(self) -> None:
        self.is_alone = False
        self.rejoining.observe(self.now)

    def become_alone(self) -> None:
        self.is_alone = True
        self.rejoining.observe(self.now)

    def know(self, number: int, status: MemberStatus) -> None:
        self.table.add(member(f"n{number}", number), {}, status)


# --- alone -----------------------------------------------------------------------------------------


def test_first_round_begins_at_once_with_the_living() -> None:
    bench = Bench(texts(1, 2, 3), texts(4, 5))
    bench.rejoining.start(0.0)
    bench.fail_all()
    assert {address(1), address(2), address(3)} == set(bench.tried[:3])
    assert {address(4), address(5)} == set(bench.tried[3:])


def test_order_depends_on_the_seed_only() -> None:
    first = set()
    for seed in range(20):
        bench = Bench(texts(*range(1, 9)), seed=seed)
        bench.rejoining.start(0.0)
        first.add(bench.tried[0])
    assert 1 < len(first)


def test_one_answer_that_brings_company_ends_it() -> None:
    bench = Bench(texts(1, 2, 3))
    bench.rejoining.start(0.0)
    bench.finish(1)
    bench.is_alone = False
    bench.finish(2, "")
    bench.rejoining.observe(0.0)
    bench.know(3, MemberStatus.ALIVE)
    for number in (1, 2):
        bench.know(number, MemberStatus.ALIVE)
    bench.pass_time(3600)
    tried = [str(where) for where in bench.tried]
    assert [RejoinTried(tried[0], "refused"), RejoinTried(tried[1], "")] == bench.events
    assert 2 == len(bench.tried)


def test_failure_that_comes_late_begins_nothing_in_company() -> None:
    bench = Bench(texts(1, 2))
    bench.rejoining.start(0.0)
    bench.come_into_company()
    seeks_at = bench.timers.next_deadline()
    bench.finish(1)
    assert not any(isinstance(event, AloneInPool) for event in bench.events)
    assert seeks_at == bench.timers.next_deadline()


def test_answer_without_company_does_not_end_it() -> None:
    bench = Bench(texts(1, 2))
    bench.rejoining.start(0.0)
    bench.finish(1, "")
    assert RejoinTried(str(bench.tried[0]), NO_COMPANY) == bench.events[0]
    assert 2 == len(bench.tried)


def test_neither_our_name_nor_our_address_is_tried() -> None:
    bench = Bench({ME: str(address(1)), "other": str(address(99))})
    bench.rejoining.start(0.0)
    assert ([], []) == (bench.tried, bench.events)
    assert 1 == bench.rejoining.remembered


def test_what_is_no_address_is_told_and_passed_over() -> None:
    bench = Bench({"a": "nonsense"}, texts(1))
    bench.rejoining.start(0.0)
    assert RejoinTried("nonsense", "not an address") == bench.events[0]
    assert [address(1)] == bench.tried


def test_silent_address_does_not_hold_up_the_next() -> None:
    bench = Bench(texts(1, 2, 3))
    bench.rejoining.start(0.0)
    assert 1 == len(bench.tried)
    bench.pass_time(STAGGER_S)
    bench.pass_time(STAGGER_S)
    assert 3 == len(bench.tried)


def test_silent_addresses_are_tried_in_bounded_number() -> None:
    bench = Bench(texts(*range(100, 150)))
    bench.rejoining.start(0.0)
    for _ in range(60):
        bench.pass_time(STAGGER_S)
    assert REJOINS_AT_ONCE == len(bench.tried)
    bench.finish(1)
    assert REJOINS_AT_ONCE + 1 == len(bench.tried)


def test_rounds_are_repeated_for_ever_with_a_growing_pause() -> None:
    bench = Bench(texts(1), texts(2))
    bench.rejoining.start(0.0)
    pauses = []
    for _ in range(50):
        bench.fail_all()
        pauses.append(bench.to_next_round())
    assert FIRST_PAUSE_S <= pauses[0] <= 2 * FIRST_PAUSE_S
    assert all(LONGEST_PAUSE_S / 2 <= pause_s <= LONGEST_PAUSE_S for pause_s in pauses[5:])
    assert 1 < len(set(pauses[5:]))  # not in step with others that went down at the same time
    assert 2 * 50 == len(bench.tried) - len(bench.rejoining._under_way)


def test_each_pause_is_told_with_whom_and_how_long() -> None:
    bench = Bench(texts(1), texts(2, 3, 4))
    bench.rejoining.start(0.0)
    bench.fail_all()
    told = bench.events[-1]
    assert isinstance(told, AloneInPool)
    assert (1, 4) == (told.rounds, told.remembered)
    assert ("n1 10.0.0.1:7946", "n2 10.0.0.2:7946", "n3 10.0.0.3:7946") == told.whom
    assert bench.timers.next_deadline() == told.pause_s


def test_second_round_tells_that_it_is_not_the_first() -> None:
    bench = Bench(texts(1))
    bench.rejoining.start(0.0)
    bench.fail_all()
    bench.to_next_round()
    bench.fail_all()
    assert [False, True] == [event.is_repeated for event in bench.events if isinstance(event, RejoinTried)]


def test_huge_snapshot_is_gone_through_over_several_rounds() -> None:
    bench = Bench(texts(*range(1000, 1000 + MAX_TRIES_PER_ROUND + 10)))
    bench.rejoining.start(0.0)
    bench.fail_all()
    assert MAX_TRIES_PER_ROUND == len(bench.tried)
    bench.to_next_round()
    bench.fail_all()
    assert MAX_TRIES_PER_ROUND + 10 == len(set(bench.tried)) == len(bench.tried)


def test_whoever_loses_all_company_begins_anew() -> None:
    bench = Bench(texts(1))
    bench.rejoining.start(0.0)
    bench.is_alone = False
    bench.finish(1, "")
    bench.rejoining.observe(0.0)
    bench.peers.note_failed("n1", str(address(1)))
    bench.become_alone()
    assert FIRST_PAUSE_S / 2 <= bench.to_next_round() <= FIRST_PAUSE_S
    assert [address(1), address(1)] == bench.tried


def test_who_is_leaving_tries_nobody() -> None:
    bench = Bench(texts(1))
    bench.may_try = False
    bench.rejoining.start(0.0)
    bench.come_into_company()
    bench.become_alone()
    assert ([], []) == (bench.tried, bench.events)


def test_who_begins_to_leave_during_a_pause_tries_nobody_after_it() -> None:
    bench = Bench(texts(1))
    bench.rejoining.start(0.0)
    bench.fail_all()
    bench.may_try = False
    bench.to_next_round()
    assert 1 == len(bench.tried)


def test_join_of_somebody_else_is_not_ours() -> None:
    bench = Bench({})
    bench.rejoining.start(0.0)
    assert not bench.rejoining.finished(JoinFinished(7, address(1), ""), 0.0)


def test_lost_member_that_answers_and_is_still_lost_is_tried_once_more_soon() -> None:
    bench = Bench(texts(1))
    bench.rejoining.start(0.0)
    bench.finish(1, "")  # it holds us dead, and we it
    bench.pass_time(FOLLOW_UP_S)
    assert 3 == len(bench.tried)  # the follow-up, and the next round
    bench.is_alone = False
    bench.rejoining.observe(bench.now)
    bench.know(1, MemberStatus.ALIVE)
    bench.pass_time(100)
    assert 3 == len(bench.tried)


# --- in company ------------------------------------------------------------------------------------


def company(failed: int, alive: int, remembered: dict[str, str] | None = None) -> Bench:
    bench = Bench(remembered or {})
    bench.come_into_company()
    for number in range(failed + alive):
        bench.know(number, MemberStatus.FAILED if number < failed else MemberStatus.ALIVE)
    return bench


def test_reconnect_tries_nobody_while_nobody_is_lost() -> None:
    bench = company(failed=0, alive=3, remembered=texts(0, 1, 2))
    bench.rejoining.reconnect(0.0)
    assert [] == bench.tried


def test_reconnect_is_certain_when_as_many_are_lost_as_live() -> None:
    bench = company(failed=2, alive=2)
    for _ in range(20):
        bench.rejoining.reconnect(0.0)
    assert 20 == len(bench.tried)
    assert {address(0), address(1)} == set(bench.tried)


def test_reconnect_is_as_likely_as_the_share_that_is_lost() -> None:
    bench = company(failed=1, alive=10)
    for _ in range(2000):
        bench.rejoining.reconnect(0.0)
    assert 150 < len(bench.tried) < 250


def test_reconnect_tries_those_too_whom_the_pool_does_not_know() -> None:
    bench = company(failed=0, alive=2, remembered=texts(0, 7))
    for _ in range(50):
        bench.rejoining.reconnect(0.0)
    assert {address(7)} == set(bench.tried)


def test_missing_members_are_each_sought_once_when_the_news_has_spread() -> None:
    bench = Bench(texts(1, 2, 3, 4), texts(5))
    bench.know(1, MemberStatus.ALIVE)
    bench.come_into_company()
    bench.know(2, MemberStatus.ALIVE)
    bench.know(6, MemberStatus.FAILED)
    bench.pass_time(NEWS_S / 2 - 0.1)
    assert [] == bench.tried
    bench.pass_time(NEWS_S / 2 + 0.1)
    assert 1 == len(bench.tried)
    for _ in range(10):
        bench.pass_time(SEEK_EVERY_S)
    assert [address(number) for number in (3, 4, 5, 6)] == sorted(bench.tried, key=str)


def test_missing_member_that_turns_up_is_sought_no_more() -> None:
    bench = Bench(texts(1, 2))
    bench.come_into_company()
    bench.pass_time(NEWS_S)
    for number in (1, 2):
        if address(number) not in bench.tried:
            bench.know(number, MemberStatus.ALIVE)
    bench.pass_time(SEEK_EVERY_S)
    assert 1 == len(bench.tried)


def test_who_becomes_alone_again_or_leaves_seeks_nobody_missing() -> None:
    bench = Bench(texts(1, 2, 3))
    bench.come_into_company()
    bench.pass_time(NEWS_S)
    bench.may_try = False
    bench.pass_time(SEEK_EVERY_S)
    assert 1 == len(bench.tried)


@pytest.mark.parametrize(("error", "tries"), [("", 2), ("refused", 1)])
def test_reconnect_that_is_answered_is_followed_up_while_the_member_is_lost(error: str, tries: int) -> None:
    bench = company(failed=1, alive=1)
    bench.rejoining.reconnect(bench.now)
    bench.finish(1, error)
    bench.pass_time(FOLLOW_UP_S)
    assert [address(0)] * tries == bench.tried
    assert tries == 1 or not bench.rejoining.finished(JoinFinished(2, address(0), ""), bench.now)  # once is enough


def test_reconnect_that_brought_the_member_back_is_not_followed_up() -> None:
    bench = company(failed=1, alive=1)
    bench.rejoining.reconnect(bench.now)
    record = bench.table.get("n0")
    assert record is not None
    bench.table.move(record, MemberStatus.ALIVE)
    bench.finish(1, "")
    bench.pass_time(FOLLOW_UP_S)
    assert 1 == len(bench.tried)


def test_reconnect_leaves_it_to_the_rounds_while_alone() -> None:
    bench = Bench({})
    bench.know(1, MemberStatus.FAILED)
    bench.rejoining.reconnect(0.0)
    assert [] == bench.tried


@pytest.mark.parametrize(("waited_s", "kept"), [(KEEP_S, ["n1", "n7"]), (KEEP_S + 1, ["n1"])])
def test_who_is_unknown_to_the_pool_is_forgotten_in_time(waited_s: float, kept: list[str]) -> None:
    bench = Bench(texts(1, 7))
    bench.know(1, MemberStatus.ALIVE)
    bench.come_into_company()
    bench.rejoining.expire(waited_s)
    assert kept == list(bench.peers.alive)


def test_nobody_is_forgotten_while_alone() -> None:
    bench = Bench(texts(1, 7))
    bench.come_into_company()
    bench.become_alone()
    bench.rejoining.expire(100 * KEEP_S)
    assert 2 == len(bench.peers)
