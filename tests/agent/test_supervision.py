"""When the service manager is told what, in virtual time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import attrs
import pytest
import trio
from trio.testing import MockClock

from nodedns.agent.statistics import status_line
from nodedns.agent.supervision import MAX_JOIN_WAIT_S, Supervision
from nodedns.net.service_manager import ServiceManager
from nodedns.net.vitals import Vital
from nodedns.serf.statistics import SerfStatistics
from nodedns.testing.service_manager import NotifySocket

ALONE = SerfStatistics(
    members=1,
    failed=0,
    left=0,
    remembered=0,
    health_score=0,
    member_time=0,
    event_time=0,
    query_time=0,
    intent_queue=0,
    event_queue=0,
    query_queue=0,
    coordinate_resets=0,
    encrypted=False,
)


@pytest.fixture
def told() -> Iterator[NotifySocket]:
    with NotifySocket(f"@nodedns-supervision-{os.getpid()}") as manager:
        yield manager


class Told:
    """A supervision, and what it is told by."""

    def __init__(self, told: NotifySocket, watchdog_s: float | None = None) -> None:
        self.status = "one"
        self.turns = 0
        self.is_due = False
        self.join_tried = trio.Event()
        vital = Vital("gossip", lambda: self.turns, lambda: self.is_due)
        self.supervision = Supervision(
            ServiceManager(told.address, watchdog_s, lambda: 1.0), [vital], lambda: self.status
        )


async def test_ready_waits_for_the_first_try_to_join(told: NotifySocket, mock_clock: MockClock) -> None:
    agent = Told(told)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.supervision.run, agent.join_tried)
        await trio.testing.wait_all_tasks_blocked()
        assert [] == told.waiting()
        agent.join_tried.set()
        await trio.testing.wait_all_tasks_blocked()
        assert [{"READY": "1", "STATUS": "one"}] == told.waiting()
        nursery.cancel_scope.cancel()


async def test_ready_does_not_wait_for_ever(told: NotifySocket, autojump_clock: MockClock) -> None:
    agent = Told(told)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.supervision.run, agent.join_tried)
        await trio.sleep(MAX_JOIN_WAIT_S + 0.1)
        assert [{"READY": "1", "STATUS": "one"}] == told.waiting()
        nursery.cancel_scope.cancel()


async def test_status_is_told_when_it_has_changed_and_not_for_each_change(
    told: NotifySocket, autojump_clock: MockClock
) -> None:
    agent = Told(told)
    agent.join_tried.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.supervision.run, agent.join_tried)
        await trio.sleep(10.1)
        assert 1 == len(told.waiting())
        for number in range(100):
            agent.status = f"change {number}"
            await trio.sleep(0.01)
        await trio.sleep(10)
        assert [{"STATUS": "change 99"}] == told.waiting()
        nursery.cancel_scope.cancel()


async def test_signs_of_life_end_with_the_turns_of_what_is_due(told: NotifySocket, autojump_clock: MockClock) -> None:
    agent = Told(told, watchdog_s=10)
    agent.join_tried.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.supervision.run, agent.join_tried)
        await trio.sleep(24)
        assert 5 == sum("WATCHDOG" in message for message in told.waiting())
        agent.is_due = True
        await trio.sleep(50)
        assert 1 == sum("WATCHDOG" in message for message in told.waiting())
        agent.turns += 1
        await trio.sleep(4)
        assert 1 == sum("WATCHDOG" in message for message in told.waiting())
        nursery.cancel_scope.cancel()


async def test_a_reload_is_told_of_at_both_ends_even_if_it_fails(told: NotifySocket, autojump_clock: MockClock) -> None:
    agent = Told(told)
    with agent.supervision.reloading():
        assert [] == told.waiting()  # nobody has been told that it is ready yet
    agent.join_tried.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(agent.supervision.run, agent.join_tried)
        await trio.sleep(1)
        told.waiting()
        with suppress(ValueError), agent.supervision.reloading():
            assert [{"RELOADING": "1", "MONOTONIC_USEC": "1000000"}] == told.waiting()
            raise ValueError("wrong")
        assert [{"READY": "1", "STATUS": "one"}] == told.waiting()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("members", "failed", "left", "line"),
    [
        (1, 0, 0, "n1 serves 1 alive member"),
        (5, 0, 0, "n1 serves 5 alive members"),
        (5, 1, 2, "n1 serves 2 alive members, 1 failed, 2 left"),
    ],
)
def test_the_status_counts_members(members: int, failed: int, left: int, line: str) -> None:
    statistics = attrs.evolve(ALONE, members=members, failed=failed, left=left)
    assert line == status_line("n1", statistics)
