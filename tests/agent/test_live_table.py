"""The table of a running agent: its gauges are as fresh as the look at them, its waiters are woken."""

from __future__ import annotations

import trio
import trio.testing

from nodedns.agent.live_table import MAX_WAITING_CHANGES, LiveTable
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import MemberUpserted
from nodedns.table.node_table import NodeTable
from nodedns.testing.table_agent import agent_member


def made(metrics: Metrics) -> LiveTable:
    return LiveTable(NodeTable("dc1", NodeName("one"), 100), metrics)


async def test_gauges_tell_the_table_as_it_is() -> None:
    metrics = Metrics()
    table = made(metrics)
    table.apply([MemberUpserted(agent_member("one")), MemberUpserted(agent_member("two", "10.0.0.2"))])
    table.apply([MemberUpserted(agent_member("two", "10.0.0.2", status=MemberStatus.LEFT))])
    counts = [metrics.value("nodedns_serf_members", status=word) for word in ("alive", "left", "failed")]
    assert counts == [1, 1, 0]
    assert metrics.value("nodedns_table_nodes") == 1
    assert metrics.value("nodedns_table_index") == table.view.index


async def test_waiter_is_woken_by_a_change_and_not_by_a_repetition() -> None:
    table = made(Metrics())
    change = MemberUpserted(agent_member("one"))
    table.apply([change])
    index = table.view.index
    async with trio.open_nursery() as nursery:
        nursery.start_soon(table.wait_changed, index)
        await trio.testing.wait_all_tasks_blocked()
        table.apply([change])
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        table.apply([MemberUpserted(agent_member("two", "10.0.0.2"))])
    assert table.view.index > index


async def test_noted_changes_show_to_whoever_looks_and_wake_whoever_waits() -> None:
    table = made(Metrics())
    index = table.view.index
    async with trio.open_nursery() as nursery:
        nursery.start_soon(table.wait_member, "two")
        await trio.testing.wait_all_tasks_blocked()
        table.note(MemberUpserted(agent_member("one")))
        table.note(MemberUpserted(agent_member("two", "10.0.0.2")))
    assert table.view.index == index + 2


async def test_changes_nobody_looks_for_do_not_gather_without_end() -> None:
    node_table = NodeTable("dc1", NodeName("one"), 100)
    table = LiveTable(node_table, Metrics())
    for number in range(10 * MAX_WAITING_CHANGES + 1):
        table.note(MemberUpserted(agent_member(f"n{number}", "10.0.0.2")))
    assert node_table.view.index == 100 + 10 * MAX_WAITING_CHANGES
