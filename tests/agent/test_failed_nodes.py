"""Failed members leave DNS when their grace is over, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from nodedns.agent.failed_nodes import MAX_HIDDEN_AT_ONCE, FailedNodes
from nodedns.agent.live_table import LiveTable
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import MemberForgotten, MemberUpserted
from nodedns.table.node_row import RowChange
from nodedns.table.node_table import NodeTable
from nodedns.testing.table_agent import agent_member

GRACE_S = 30.0


class Pool:
    """A live table, and what hides its failed members."""

    def __init__(self, grace_s: float | None) -> None:
        self.table = LiveTable(NodeTable("dc1", NodeName("one"), 1), Metrics())
        self.failed_nodes = FailedNodes(grace_s, self.table.apply)

    def see(self, name: str, status: MemberStatus, host: str = "10.0.0.1") -> None:
        """Take a change as the agent does."""
        member = agent_member(name, host, status=status)
        self.table.note(MemberUpserted(member))
        self.failed_nodes.note(member, trio.current_time())

    def forget(self, name: str) -> None:
        self.table.note(MemberForgotten(NodeName(name)))
        self.failed_nodes.note(agent_member(name, status=MemberStatus.FAILED), trio.current_time(), is_forgotten=True)

    def shown(self) -> list[str]:
        """Return whom DNS has."""
        view = self.table.view
        return [row.name for row in view.nodes() if view.node_folded(row.name) is not None]


def play(story: Callable[[Pool], Awaitable[None]], grace_s: float | None = GRACE_S) -> None:
    """Run the story on a pool in virtual time."""

    async def main() -> None:
        pool = Pool(grace_s)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pool.failed_nodes.run)
            await story(pool)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_failed_member_is_gone_from_dns_after_the_grace_and_back_once_it_is_alive() -> None:
    async def story(pool: Pool) -> None:
        for name in ("one", "two"):
            pool.see(name, MemberStatus.ALIVE)
        pool.see("two", MemberStatus.FAILED)
        await trio.sleep(GRACE_S - 0.1)
        assert ["one", "two"] == pool.shown()
        await trio.sleep(0.2)
        assert ["one"] == pool.shown()
        assert ["one", "two"] == [row.name for row in pool.table.view.nodes()]
        pool.see("two", MemberStatus.ALIVE)
        assert ["one", "two"] == pool.shown()
        await trio.sleep(10 * GRACE_S)
        assert ["one", "two"] == pool.shown()

    play(story)


def test_grace_is_counted_from_the_failure_though_nobody_looked() -> None:
    async def story(pool: Pool) -> None:
        pool.see("two", MemberStatus.FAILED)
        await trio.sleep(GRACE_S + 0.1)
        assert [] == pool.shown()

    play(story)


def test_each_member_has_a_grace_of_its_own_and_each_failure_a_new_one() -> None:
    async def story(pool: Pool) -> None:
        pool.see("two", MemberStatus.FAILED)
        await trio.sleep(20)
        pool.see("six", MemberStatus.FAILED)
        pool.see("two", MemberStatus.ALIVE)
        pool.see("two", MemberStatus.FAILED)
        await trio.sleep(20)
        assert ["six", "two"] == pool.shown()
        pool.see("two", MemberStatus.ALIVE)
        await trio.sleep(10.1)
        assert ["two"] == pool.shown()
        pool.see("two", MemberStatus.FAILED)
        await trio.sleep(29.8)
        assert ["two"] == pool.shown()
        await trio.sleep(0.3)
        assert [] == pool.shown()

    play(story)


def test_news_about_a_failed_member_does_not_prolong_its_grace_or_show_it_again() -> None:
    async def story(pool: Pool) -> None:
        pool.see("two", MemberStatus.FAILED)
        await trio.sleep(20)
        pool.see("two", MemberStatus.FAILED, "10.0.0.2")
        await trio.sleep(10.1)
        assert [] == pool.shown()
        pool.see("two", MemberStatus.FAILED, "10.0.0.3")
        index = pool.table.view.index
        assert [] == pool.shown()
        await trio.sleep(10 * GRACE_S)
        assert index == pool.table.view.index

    play(story)


def test_member_that_leaves_or_is_forgotten_is_no_longer_waited_for() -> None:
    async def story(pool: Pool) -> None:
        for name in ("two", "six"):
            pool.see(name, MemberStatus.FAILED)
        await trio.sleep(20)
        pool.see("two", MemberStatus.LEFT)
        pool.forget("six")
        pool.see("six", MemberStatus.FAILED)
        await trio.sleep(20)
        assert ["six"] == pool.shown()
        await trio.sleep(10.1)
        assert [] == pool.shown()

    play(story)


def test_no_grace_at_all_hides_at_once() -> None:
    async def story(pool: Pool) -> None:
        pool.see("two", MemberStatus.FAILED)
        await trio.testing.wait_all_tasks_blocked()
        assert [] == pool.shown()

    play(story, 0.0)


def test_failed_members_are_kept_where_there_is_no_grace_to_end() -> None:
    async def story(pool: Pool) -> None:
        pool.see("two", MemberStatus.FAILED)
        await trio.sleep(80_000)
        assert ["two"] == pool.shown()

    play(story, None)


def test_shorter_grace_hides_whom_it_is_over_for_at_once() -> None:
    async def story(pool: Pool) -> None:
        pool.see("two", MemberStatus.FAILED)
        await trio.sleep(10)
        pool.see("six", MemberStatus.FAILED)
        pool.failed_nodes.update(5.0, trio.current_time())
        await trio.sleep(0.1)
        assert ["six"] == pool.shown()
        await trio.sleep(5)
        assert [] == pool.shown()

    play(story)


@pytest.mark.parametrize("grace_s", [100.0, None])
def test_longer_grace_shows_whom_it_is_not_over_for(grace_s: float | None) -> None:
    async def story(pool: Pool) -> None:
        pool.see("six", MemberStatus.FAILED)
        await trio.sleep(90)
        pool.see("two", MemberStatus.FAILED)
        await trio.sleep(GRACE_S + 0.1)
        pool.see("ten", MemberStatus.FAILED)
        assert ["ten"] == pool.shown()
        pool.failed_nodes.update(grace_s, trio.current_time())
        assert (["ten", "two"] if grace_s else ["six", "ten", "two"]) == pool.shown()
        await trio.sleep(70)
        assert (["ten"] if grace_s else ["six", "ten", "two"]) == pool.shown()

    play(story)


def test_grace_that_is_new_counts_for_who_failed_before_it() -> None:
    async def story(pool: Pool) -> None:
        pool.see("two", MemberStatus.FAILED)
        await trio.sleep(20)
        pool.failed_nodes.update(GRACE_S, trio.current_time())
        await trio.sleep(9.8)
        assert ["two"] == pool.shown()
        await trio.sleep(0.3)
        assert [] == pool.shown()

    play(story, None)


def test_many_that_fail_at_once_are_hidden_in_slices() -> None:
    async def story(pool: Pool) -> None:
        sizes: list[int] = []
        pool.table.watch(lambda changes, _: sizes.append(sum(hides(change) for change in changes)))
        for number in range(2 * MAX_HIDDEN_AT_ONCE + 1):
            pool.see(f"n{number:04}", MemberStatus.FAILED)
        await trio.sleep(GRACE_S + 0.1)
        assert [] == pool.shown()
        assert [MAX_HIDDEN_AT_ONCE, MAX_HIDDEN_AT_ONCE, 1] == [size for size in sizes if size]

    play(story)


def hides(change: RowChange) -> bool:
    return change.after is not None and change.after.is_hidden
