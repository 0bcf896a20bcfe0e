"""The ASGI application, driven by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio
import trio.testing

from nodedns.api.queries import Acked, Asked, AskPool, Closed
from nodedns.errors import ApiError
from nodedns.net.http_endpoint import HttpEndpoint, HttpParams, http_application
from nodedns.observe.metrics import Metrics
from nodedns.testing.table_agent import TableAgent


class Client:
    """One request whose client stays until told to go."""

    def __init__(self, target: str, method: str = "GET", **headers: str) -> None:
        path, _, query = target.partition("?")
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        self.sent: list[Mapping[str, Any]] = []
        self.gone = trio.Event()
        self._is_read = False

    async def receive(self) -> dict[str, Any]:
        if self._is_read:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        self._is_read = True
        return {"type": "http.request"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent if message["type"] == "http.response.body"]


async def test_wait_that_begins_while_stopping_is_answered_at_once() -> None:
    endpoint = HttpEndpoint(TableAgent(first_index=7), Metrics(), HttpParams())
    endpoint.end_waits()
    client = Client("/v1/catalog/nodes?index=7")
    with trio.fail_after(1):
        await endpoint(client.scope, client.receive, client.send)
    assert 200 == client.sent[0]["status"]
    assert (b"x-consul-index", b"7") in client.sent[0]["headers"]


async def test_nothing_is_sent_to_a_client_that_is_gone(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = HttpEndpoint(TableAgent(first_index=7), Metrics(), HttpParams())
    client = Client("/v1/catalog/nodes?index=7")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(endpoint, client.scope, client.receive, client.send)
        await trio.sleep(5)
        client.gone.set()
    assert ([], 5) == (client.sent, trio.current_time())


async def test_wait_lasts_its_time_and_its_spread(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = HttpEndpoint(TableAgent(first_index=7), Metrics(), HttpParams())
    client = Client("/v1/catalog/nodes?index=7&wait=16s")
    await endpoint(client.scope, client.receive, client.send)
    assert 200 == client.sent[0]["status"]
    assert 16 <= trio.current_time() <= 17


QUESTION = "/v1/agent/query/uptime?timeout=5s"
ACK = b'{"Type":"ack","From":"two","Seconds":0.5}\n'


async def test_replies_to_a_question_are_sent_as_they_come() -> None:
    agent, metrics = TableAgent(), Metrics()
    endpoint = HttpEndpoint(agent, metrics, HttpParams())
    client = Client(QUESTION, "PUT")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(endpoint, client.scope, client.receive, client.send)
        await agent.reply.send(Asked())
        await agent.reply.send(Acked("two", 0.5))
        await trio.testing.wait_all_tasks_blocked()
        assert (200, [b'{"Type":"asked"}\n', ACK]) == (client.sent[0]["status"], client.bodies)
        await agent.reply.send(Closed(1, 0, 5.0))
        agent.reply.close()
    assert [AskPool(name="uptime", timeout_s=5.0)] == agent.asked
    assert (b"", False) == (client.bodies[-1], client.sent[-1]["more_body"])
    assert 1 == metrics.value("nodedns_http_requests_total", method="PUT", status="200")


async def test_replies_are_not_held_back_by_compression() -> None:
    agent = TableAgent()
    app = http_application(HttpEndpoint(agent, Metrics(), HttpParams()))
    client = Client(QUESTION, "PUT", accept_encoding="gzip")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(app, client.scope, client.receive, client.send)
        await agent.reply.send(Acked("two", 0.5))
        await trio.testing.wait_all_tasks_blocked()
        assert [ACK] == client.bodies
        agent.reply.close()


async def test_question_that_is_refused_is_an_error() -> None:
    agent = TableAgent()
    agent.failure = ApiError(413, "too long")
    client = Client(QUESTION, "PUT")
    await HttpEndpoint(agent, Metrics(), HttpParams())(client.scope, client.receive, client.send)
    assert (413, [b"too long"]) == (client.sent[0]["status"], client.bodies)


async def test_question_ends_when_the_client_goes() -> None:
    agent = TableAgent()
    client = Client(QUESTION, "PUT")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(HttpEndpoint(agent, Metrics(), HttpParams()), client.scope, client.receive, client.send)
        await agent.reply.send(Acked("two", 0.5))
        await trio.testing.wait_all_tasks_blocked()
        client.gone.set()
    assert [ACK] == client.bodies


async def test_question_is_cut_short_when_the_server_stops() -> None:
    agent = TableAgent()
    endpoint = HttpEndpoint(agent, Metrics(), HttpParams())
    client = Client(QUESTION, "PUT")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(endpoint, client.scope, client.receive, client.send)
        await agent.reply.send(Acked("two", 0.5))
        await trio.testing.wait_all_tasks_blocked()
        endpoint.end_waits()
    assert ([ACK, b""], False) == (client.bodies, client.sent[-1]["more_body"])


async def test_question_that_comes_while_stopping_is_not_asked() -> None:
    agent = TableAgent()
    endpoint = HttpEndpoint(agent, Metrics(), HttpParams())
    endpoint.end_waits()
    client = Client(QUESTION, "PUT")
    await endpoint(client.scope, client.receive, client.send)
    assert (503, []) == (client.sent[0]["status"], agent.asked)
