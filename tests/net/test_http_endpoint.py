"""The ASGI application, driven by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio
import trio.testing

from nodedns.net.http_endpoint import HttpEndpoint, HttpParams
from nodedns.observe.metrics import Metrics
from nodedns.testing.table_agent import TableAgent


class Client:
    """One GET whose client stays until told to go."""

    def __init__(self, target: str) -> None:
        path, _, query = target.partition("?")
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [],
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
