"""Answers too long to be made at one go: whole, as they would be in one piece, and made in turns with others."""

from __future__ import annotations

import gzip
import json
from functools import partial
from typing import cast

import pytest
import trio

from nodedns.api.slices import SLICE_ITEMS
from nodedns.model.names import NodeName
from nodedns.net.http_connection import PIECE_BYTES
from nodedns.net.http_server import HttpServer, bind_http
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import ExternalNode, NodeRegistered
from nodedns.testing.processes import DEADLINE_S
from nodedns.testing.table_agent import TableAgent
from nodedns.testing.turns import counted_turns

NODES = 40 * SLICE_ITEMS


@pytest.fixture
def agent() -> TableAgent:
    """An agent that knows thousands of nodes."""
    agent = TableAgent("one", first_index=100, is_server=True)
    agent.apply(*(NodeRegistered(ExternalNode(NodeName(f"node-{n:05}"), "", "10.0.0.9")) for n in range(NODES)))
    return agent


async def ask(port: int, target: str, *headers: str) -> tuple[bytes, bytes]:
    """Return head and body of one answer."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    lines = [f"GET {target} HTTP/1.1", "Host: one", "Connection: close", *headers]
    data = b""
    async with stream:
        await stream.send_all("\r\n".join([*lines, "\r\n"]).encode())
        async for part in stream:
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    return head.lower(), body


async def test_a_long_list_comes_whole_with_its_length_or_compressed(agent: TableAgent) -> None:
    server = HttpServer(bind_http(["127.0.0.1"], 0), agent, Metrics())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            get = partial(ask, server.local_addresses[0].port, "/v1/catalog/nodes")
            head, body = await get()
            packed_head, packed = await get("Accept-Encoding: gzip")
            nursery.cancel_scope.cancel()

    assert len(body) > 2 * PIECE_BYTES
    assert f"content-length: {len(body)}".encode() in head
    names = [node["Node"] for node in cast("list[dict[str, object]]", json.loads(body))]
    assert [f"node-{n:05}" for n in range(NODES)] == names
    assert b"content-encoding: gzip" in packed_head
    assert f"content-length: {len(packed)}".encode() in packed_head
    assert body == gzip.decompress(packed)


async def test_others_have_their_turns_while_long_lists_are_made(agent: TableAgent) -> None:
    server = HttpServer(bind_http(["127.0.0.1"], 0), agent, Metrics())
    clients = 4
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            port = server.local_addresses[0].port
            async with counted_turns() as counter, trio.open_nursery() as asking:
                for _ in range(clients):
                    asking.start_soon(ask, port, '/v1/catalog/nodes?filter=Node+matches+"no-such"')
            nursery.cancel_scope.cancel()

    # Each slice of each answer in a turn of its own, however many ask.
    assert clients * (NODES // SLICE_ITEMS - 4) <= counter.turns
