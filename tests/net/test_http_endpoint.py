"""The endpoint, driven by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing

from nodedns.api.queries import Acked, Asked, AskPool, Closed
from nodedns.errors import ApiError
from nodedns.net.http_connection import ClientGone
from nodedns.net.http_endpoint import HttpEndpoint, HttpParams
from nodedns.net.http_machine import AnswerHead, HttpMachine, RequestHead
from nodedns.observe.metrics import Metrics
from nodedns.testing.table_agent import TableAgent


class Client:
    """One request whose client stays until told to go."""

    host = "127.0.0.1"

    def __init__(self, target: str, method: str = "GET", **headers: str) -> None:
        path, _, query = target.partition("?")
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self.request = RequestHead(method, path.encode(), query.encode(), told)
        self.heads: list[AnswerHead] = []
        self.bodies: list[bytes] = []
        self.is_over = False
        self.gone = trio.Event()

    @property
    def status(self) -> int:
        return self.heads[0].status

    @property
    def head_bytes(self) -> bytes:
        machine = HttpMachine()
        machine.receive(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        machine.next()
        return machine.begin(self.heads[0])

    async def read_body(self, limit_bytes: int, timeout_s: float) -> bytes:
        return b""

    async def wait_gone(self) -> None:
        await self.gone.wait()

    async def send(self, head: AnswerHead, body: bytes) -> None:
        self.heads.append(head)
        self.bodies.append(body)
        self.is_over = True

    async def begin(self, head: AnswerHead) -> None:
        self.heads.append(head)

    async def tell(self, part: bytes) -> None:
        self.bodies.append(part)

    async def end(self) -> None:
        self.is_over = True


@asynccontextmanager
async def running(
    agent: TableAgent | None = None,
    metrics: Metrics | None = None,
    wall_clock: Callable[[], float] | None = None,
) -> AsyncIterator[HttpEndpoint]:
    endpoint = HttpEndpoint(agent or TableAgent(first_index=7), metrics or Metrics(), HttpParams(), wall_clock)
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        yield endpoint
        nursery.cancel_scope.cancel()


async def test_wait_that_begins_while_stopping_is_answered_at_once() -> None:
    client = Client("/v1/catalog/nodes?index=7")
    with trio.fail_after(1):
        async with running() as endpoint:
            endpoint.end_waits()
            await endpoint.answer(client.request, client)
    assert 200 == client.status
    assert b"\r\nX-Consul-Index: 7\r\n" in client.head_bytes


async def test_nothing_is_sent_to_a_client_that_is_gone(autojump_clock: trio.testing.MockClock) -> None:
    client = Client("/v1/catalog/nodes?index=7")

    async def leave() -> None:
        await trio.sleep(5)
        client.gone.set()

    async with running() as endpoint, trio.open_nursery() as nursery:
        nursery.start_soon(leave)
        with pytest.raises(ClientGone):
            await endpoint.answer(client.request, client)
        assert 0 == endpoint.waiting
    assert ([], 5) == (client.heads, trio.current_time())


async def test_wait_lasts_its_time_and_its_spread(autojump_clock: trio.testing.MockClock) -> None:
    client = Client("/v1/catalog/nodes?index=7&wait=16s")
    async with running() as endpoint:
        await endpoint.answer(client.request, client)
    assert 200 == client.status
    assert 16 <= trio.current_time() <= 17


async def test_date_is_told_by_who_has_a_clock() -> None:
    client, undated = Client("/v1/status/leader"), Client("/v1/status/leader")
    async with running(wall_clock=lambda: 784111777.9) as endpoint:
        await endpoint.answer(client.request, client)
    async with running() as endpoint:
        await endpoint.answer(undated.request, undated)
    assert b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" in client.head_bytes  # RFC 9110's example
    assert b"Date:" not in undated.head_bytes


QUESTION = "/v1/agent/query/uptime?timeout=5s"
ACK = b'{"Type":"ack","From":"two","Seconds":0.5}\n'


async def test_replies_to_a_question_are_sent_as_they_come() -> None:
    agent, metrics = TableAgent(), Metrics()
    client = Client(QUESTION, "PUT")
    async with running(agent, metrics) as endpoint, trio.open_nursery() as nursery:
        nursery.start_soon(endpoint.answer, client.request, client)
        await agent.reply.send(Asked())
        await agent.reply.send(Acked("two", 0.5))
        await trio.testing.wait_all_tasks_blocked()
        assert (200, [b'{"Type":"asked"}\n', ACK]) == (client.status, client.bodies)
        assert not client.is_over
        await agent.reply.send(Closed(1, 0, 5.0))
        agent.reply.close()
    assert [AskPool(name="uptime", timeout_s=5.0)] == agent.asked
    assert client.is_over
    assert 1 == metrics.value("nodedns_http_requests_total", method="PUT", status="200")


async def test_replies_are_not_held_back_by_compression() -> None:
    agent = TableAgent()
    client = Client(QUESTION, "PUT", accept_encoding="gzip")
    async with running(agent) as endpoint, trio.open_nursery() as nursery:
        nursery.start_soon(endpoint.answer, client.request, client)
        await agent.reply.send(Acked("two", 0.5))
        await trio.testing.wait_all_tasks_blocked()
        assert [ACK] == client.bodies
        agent.reply.close()


async def test_question_that_is_refused_is_an_error() -> None:
    agent = TableAgent()
    agent.failure = ApiError(413, "too long")
    client = Client(QUESTION, "PUT")
    async with running(agent) as endpoint:
        await endpoint.answer(client.request, client)
    assert (413, [b"too long"]) == (client.status, client.bodies)


async def test_question_ends_when_the_client_goes() -> None:
    agent = TableAgent()
    client = Client(QUESTION, "PUT")
    ended: list[str] = []

    async def answer(endpoint: HttpEndpoint) -> None:
        with pytest.raises(ClientGone):
            await endpoint.answer(client.request, client)
        ended.append("gone")

    async with running(agent) as endpoint, trio.open_nursery() as nursery:
        nursery.start_soon(answer, endpoint)
        await agent.reply.send(Acked("two", 0.5))
        await trio.testing.wait_all_tasks_blocked()
        client.gone.set()
    assert ([ACK], ["gone"]) == (client.bodies, ended)


async def test_question_is_cut_short_when_the_server_stops() -> None:
    agent = TableAgent()
    client = Client(QUESTION, "PUT")
    async with running(agent) as endpoint, trio.open_nursery() as nursery:
        nursery.start_soon(partial(endpoint.answer, client.request, client))
        await agent.reply.send(Acked("two", 0.5))
        await trio.testing.wait_all_tasks_blocked()
        endpoint.end_waits()
    assert ([ACK], True) == (client.bodies, client.is_over)


async def test_question_that_comes_while_stopping_is_not_asked() -> None:
    agent = TableAgent()
    client = Client(QUESTION, "PUT")
    async with running(agent) as endpoint:
        endpoint.end_waits()
        await endpoint.answer(client.request, client)
    assert (503, []) == (client.status, agent.asked)
