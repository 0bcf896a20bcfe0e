"""The table of a running agent: its gauges are as fresh as the look at them, its waiters are woken."""

from __future__ import annotations

import trio
import trio.testing

from nodedns.agent.live_table import MAX_WAITING_CHANGES, LiveTable
from nodedns.model.check import Check, CheckStatus
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import CheckRegistered, ExternalNode, MemberUpserted, NodeRegistered, ServiceRegistered
from nodedns.table.node_table import NodeTable
from nodedns.table.parts import CHECKS, NODES, WHOLE, Part, node_part, service_part
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


async def test_only_who_waits_for_a_part_that_changes_is_woken() -> None:
    table = made(Metrics())
    table.apply([NodeRegistered(ExternalNode(NodeName("a"), "", "10.0.0.1"))])
    woken: list[Part] = []

    async def wait(part: Part) -> None:
        await table.wait_changed(table.view.index, part)
        woken.append(part)

    async with trio.open_nursery() as nursery:
        for part in (WHOLE, NODES, CHECKS, node_part("b"), service_part("web"), service_part("db")):
            nursery.start_soon(wait, part)
        await trio.testing.wait_all_tasks_blocked()
        table.apply([ServiceRegistered(NodeName("a"), Service("web", "web"))])
        await trio.testing.wait_all_tasks_blocked()
        assert {WHOLE, service_part("web")} == set(woken)
        table.note(CheckRegistered(NodeName("a"), Check("c", "c", CheckStatus.PASSING)))
        await trio.testing.wait_all_tasks_blocked()
        assert {WHOLE, service_part("web"), CHECKS} == set(woken)
        nursery.cancel_scope.cancel()


async def test_index_that_is_past_is_not_waited_for() -> None:
    table = made(Metrics())
    await table.wait_changed(table.view.index - 1, service_part("web"))


async def test_parts_nobody_waits_for_any_more_are_forgotten() -> None:
    table = made(Metrics())
    parts = [service_part(f"s{number}") for number in range(100)]
    with trio.move_on_after(0):
        async with trio.open_nursery() as nursery:
            for part in parts:
                nursery.start_soon(table.wait_changed, table.view.index, part)
    assert 0 == table.waited_parts


async def test_one_of_two_that_wait_for_a_part_may_give_up() -> None:
    table = made(Metrics())
    patience = trio.CancelScope()

    async def wait_a_little() -> None:
        with patience:
            await table.wait_changed(table.view.index, NODES)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_a_little)
        nursery.start_soon(table.wait_changed, table.view.index, NODES)
        await trio.testing.wait_all_tasks_blocked()
        patience.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert 1 == table.waited_parts
        table.apply([NodeRegistered(ExternalNode(NodeName("a"), "", "10.0.0.1"))])
