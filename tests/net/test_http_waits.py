"""Blocking queries of many clients: woken in turns, sharing what is the same, and nobody left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from nodedns.api.blocking import Wait
from nodedns.api.context import ApiContext
from nodedns.api.request import Parameters, Request, Response
from nodedns.api.router import handle
from nodedns.model.names import NodeName
from nodedns.net.http_answer import Answer
from nodedns.net.http_connection import ClientGone
from nodedns.net.http_waits import LOOKS_AT_ONCE, Waits
from nodedns.table.changes import ExternalNode, NodeRegistered
from nodedns.testing.table_agent import TableAgent

MANY = 5 * LOOKS_AT_ONCE


@attrs.define
class Bench:
    """A table, those who wait, and what they were answered."""

    agent: TableAgent
    waits: Waits
    made: list[Response]
    answers: list[Answer]

    def add(self, name: str) -> None:
        self.agent.apply(NodeRegistered(ExternalNode(NodeName(name), "", "10.0.0.7")))

    def look(self, target: str) -> Wait:
        path, _, query = target.partition("?")
        outcome = handle(
            Request("GET", path, Parameters.from_query_untrusted(query.encode())), self.agent.api_context()
        )
        assert isinstance(outcome, Wait)
        return outcome

    async def ask(self, target: str) -> None:
        self.answers.append(await self.waits.answer(self.look(target), trio.sleep_forever))


@asynccontextmanager
async def a_bench() -> AsyncIterator[Bench]:
    agent = TableAgent(first_index=7)
    made: list[Response] = []

    def make(response: Response, _ctx: ApiContext) -> Answer:
        made.append(response)
        return Answer(response)

    waits = Waits(agent.api_context, agent.wait_changed, make)
    async with trio.open_nursery() as nursery:
        await nursery.start(waits.run)
        yield Bench(agent, waits, made, [])
        nursery.cancel_scope.cancel()


async def test_all_who_asked_the_same_share_one_answer() -> None:
    async with a_bench() as bench, trio.open_nursery() as nursery:
        for number in range(MANY):
            nursery.start_soon(bench.ask, f"/v1/catalog/nodes?index=7&wait={number + 10}s")
        await trio.testing.wait_all_tasks_blocked()
        bench.add("a")
    assert (MANY, 1) == (len(bench.answers), len(set(map(id, bench.answers))))


@pytest.mark.parametrize("other", ["?index=7&pretty", "?index=7&node-meta=a:b", "?index=7&filter=Node==a"])
async def test_who_asked_otherwise_has_an_answer_of_his_own(other: str) -> None:
    async with a_bench() as bench, trio.open_nursery() as nursery:
        nursery.start_soon(bench.ask, "/v1/catalog/nodes?index=7")
        nursery.start_soon(bench.ask, "/v1/catalog/nodes" + other)
        await trio.testing.wait_all_tasks_blocked()
        bench.add("a")
    assert 2 == len(set(map(id, bench.answers)))


async def test_many_are_woken_in_turns() -> None:
    most = before = 0

    async with a_bench() as bench:

        async def watch() -> None:
            nonlocal most, before
            while len(bench.answers) < MANY:
                await trio.lowlevel.checkpoint()
                most, before = max(most, len(bench.answers) - before), len(bench.answers)

        async with trio.open_nursery() as nursery:
            for _ in range(MANY):
                nursery.start_soon(bench.ask, "/v1/catalog/nodes?index=7")
            await trio.testing.wait_all_tasks_blocked()
            bench.add("a")
            nursery.start_soon(watch)
    assert 0 < most <= 2 * LOOKS_AT_ONCE


async def test_change_of_something_else_leaves_them_asleep() -> None:
    async with a_bench() as bench, trio.open_nursery() as nursery:
        nursery.start_soon(bench.ask, "/v1/catalog/node/a?index=7")
        await trio.testing.wait_all_tasks_blocked()
        bench.add("b")
        await trio.testing.wait_all_tasks_blocked()
        assert ([], 1) == (bench.answers, bench.waits.count)
        bench.add("a")
    assert 1 == len(bench.answers)


async def test_change_while_they_are_looked_after_is_not_missed() -> None:
    async with a_bench() as bench, trio.open_nursery() as nursery:
        for number in range(MANY):
            nursery.start_soon(bench.ask, f"/v1/catalog/node/n{number}?index=7")
        nursery.start_soon(bench.ask, "/v1/catalog/nodes?index=7")
        await trio.testing.wait_all_tasks_blocked()
        for number in range(MANY):
            bench.add(f"n{number}")
            await trio.lowlevel.checkpoint()
    assert MANY + 1 == len(bench.answers)


async def test_client_that_goes_takes_its_query_along() -> None:
    gone = trio.Event()
    async with a_bench() as bench, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ClientGone):
                await bench.waits.answer(bench.look("/v1/catalog/nodes?index=7"), gone.wait)

        nursery.start_soon(ask)
        nursery.start_soon(bench.ask, "/v1/catalog/nodes?index=7")
        await trio.testing.wait_all_tasks_blocked()
        assert 2 == bench.waits.count
        gone.set()
        await trio.testing.wait_all_tasks_blocked()
        assert (1, []) == (bench.waits.count, bench.answers)
        bench.add("a")
    assert (1, 0) == (len(bench.answers), bench.waits.count)


async def test_time_that_is_over_is_answered_with_what_there_is(autojump_clock: trio.testing.MockClock) -> None:
    async with a_bench() as bench:
        await bench.ask("/v1/catalog/nodes?index=7&wait=16s")
    assert 16 <= trio.current_time() <= 17
    assert [b"[]"] == [response.body for response in bench.made]


async def test_end_answers_all_who_wait_and_who_come_later() -> None:
    async with a_bench() as bench:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(bench.ask, "/v1/catalog/nodes?index=7")
            await trio.testing.wait_all_tasks_blocked()
            bench.waits.end()
        await bench.ask("/v1/catalog/nodes?index=7")
    assert (4, 0) == (len(bench.answers), bench.waits.count)


async def test_fault_in_a_look_is_that_querys_own() -> None:
    def fail(_ctx: ApiContext) -> Response:
        raise RuntimeError("a fault")

    async with a_bench() as bench, trio.open_nursery() as nursery:

        async def ask() -> None:
            wait = attrs.evolve(bench.look("/v1/catalog/nodes?index=7"), resume=fail)
            with pytest.raises(RuntimeError, match="a fault"):
                await bench.waits.answer(wait, trio.sleep_forever)

        nursery.start_soon(ask)
        nursery.start_soon(bench.ask, "/v1/catalog/nodes?index=7")
        await trio.testing.wait_all_tasks_blocked()
        bench.add("a")
    assert 1 == len(bench.answers)
