"""One connection over a pair of sockets, under a virtual clock: its times, its limits, and how it ends."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from nodedns.errors import ApiError
from nodedns.net.http_connection import DISCARDED_BODIES, LINGER_S, READ_BYTES, ClientGone, HttpConnection
from nodedns.net.http_machine import AnswerHead, RequestHead
from nodedns.testing.turns import counted_turns

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = AnswerHead.of(200, [("Content-Length", "5")])
LIMIT_BYTES = 1_000


@attrs.frozen
class Pair:
    ours: HttpConnection
    client: trio.SocketStream

    async def request(self, data: bytes) -> RequestHead:
        await self.client.send_all(data)
        head = await self.ours.next_request(75.0)
        assert head is not None
        return head

    async def body(self) -> bytes:
        return await self.ours.read_body(LIMIT_BYTES, 30.0)

    def received(self) -> bytes:
        """Return what has come to the client."""
        try:
            return self.client.socket._sock.recv(1 << 20)  # type: ignore[attr-defined,no-any-return]
        except BlockingIOError:
            return b""


@asynccontextmanager
async def a_pair() -> AsyncIterator[Pair]:
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(sock)) for sock in socket.socketpair())
    pair = Pair(HttpConnection(ours, "10.0.0.1", send_stall_s=30.0), theirs)
    try:
        yield pair
    finally:
        pair.ours.cut()
        theirs.socket.close()


# --- the head -----------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost"])
async def test_head_that_does_not_come_in_time_is_none(autojump_clock: trio.testing.MockClock, begun: bytes) -> None:
    async with a_pair() as pair:
        await pair.client.send_all(begun)
        assert await pair.ours.next_request(75.0) is None
    assert 75.0 == trio.current_time()


async def test_head_that_comes_byte_by_byte_has_no_more_time(autojump_clock: trio.testing.MockClock) -> None:
    async def dribble(client: trio.SocketStream) -> None:
        for number in range(len(GET)):
            await client.send_all(GET[number : number + 1])
            await trio.sleep(10)

    async with a_pair() as pair, trio.open_nursery() as nursery:
        nursery.start_soon(dribble, pair.client)
        assert await pair.ours.next_request(75.0) is None
        assert 75.0 == trio.current_time()
        nursery.cancel_scope.cancel()


async def test_idle_connection_ends_when_told(autojump_clock: trio.testing.MockClock) -> None:
    async with a_pair() as pair, trio.open_nursery() as nursery:
        nursery.start_soon(pair.ours.next_request, 75.0)
        await trio.testing.wait_all_tasks_blocked()
        pair.ours.end_when_idle()
    assert 0.0 == trio.current_time()


async def test_request_under_way_is_answered_though_the_connection_is_to_end() -> None:
    async with a_pair() as pair:
        await pair.request(GET)
        assert b"" == await pair.body()
        pair.ours.end_when_idle()
        await pair.ours.send(HELLO, b"hello")
        assert b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello" == pair.received()
        assert not pair.ours.start_next()


# --- the body -------------------------------------------------------------------------------


async def test_client_that_asks_is_told_to_send_its_body() -> None:
    async with a_pair() as pair:
        await pair.request(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        async with trio.open_nursery() as nursery:

            async def answer() -> None:
                assert b"HTTP/1.1 100 Continue\r\n\r\n" == await pair.client.receive_some()
                await pair.client.send_all(b"ab")

            nursery.start_soon(answer)
            assert b"ab" == await pair.body()


async def test_body_that_is_announced_too_long_is_not_asked_for() -> None:
    async with a_pair() as pair:
        await pair.request(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
        with pytest.raises(ApiError) as raised:
            await pair.body()
        assert (413, b"") == (raised.value.status, pair.received())


PUT_CHUNKS = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_body_in_the_smallest_chunks_is_whole() -> None:
    async with a_pair() as pair:
        await pair.request(PUT_CHUNKS)
        await pair.client.send_all(b"1\r\nx\r\n" * LIMIT_BYTES + b"0\r\n\r\n")
        assert b"x" * LIMIT_BYTES == await pair.body()


async def test_others_have_turns_while_the_smallest_chunks_are_read() -> None:
    async with a_pair() as pair:
        await pair.request(PUT_CHUNKS)
        await pair.client.send_all(b"1\r\nx\r\n" * LIMIT_BYTES + b"0\r\n\r\n")
        async with counted_turns() as counter:
            await pair.body()
    assert LIMIT_BYTES // 64 <= counter.turns


async def refused_amid(pair: Pair, endless: bytes) -> tuple[ApiError, int]:
    """Return how a client that sends the same without end is refused, and how much was read of it."""
    sent = 0

    async def send_on() -> None:
        nonlocal sent
        while True:
            await pair.client.send_all(endless)
            sent += len(endless)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_on)
        with pytest.raises(ApiError) as raised:
            await pair.body()
        nursery.cancel_scope.cancel()
    return raised.value, sent


@pytest.mark.parametrize(
    "endless",
    [b"5\r\nxxxxx\r\n" * 100, (b"1;" + b"e" * 5_000 + b"\r\nx\r\n") * 4],
    ids=["chunks", "chunks that are mostly extension"],
)
async def test_body_without_end_is_refused_after_a_while(endless: bytes) -> None:
    async with a_pair() as pair:
        await pair.request(PUT_CHUNKS)
        error, sent = await refused_amid(pair, endless)
    assert 413 == error.status
    # And what the kernel holds, of either side.
    assert sent < LIMIT_BYTES * DISCARDED_BODIES + 2 * READ_BYTES + 1_000_000


async def test_slow_body_is_408(autojump_clock: trio.testing.MockClock) -> None:
    async with a_pair() as pair:
        await pair.request(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        with pytest.raises(ApiError) as raised:
            await pair.body()
    assert (408, 30.0) == (raised.value.status, trio.current_time())


async def test_malformed_body_is_400() -> None:
    async with a_pair() as pair:
        await pair.request(PUT_CHUNKS + b"xyz\r\n")
        with pytest.raises(ApiError) as raised:
            await pair.body()
        assert 400 == raised.value.status


# --- while it is answered ---------------------------------------------------------------------


async def test_client_that_closes_is_noticed() -> None:
    async with a_pair() as pair, trio.open_nursery() as nursery:
        await pair.request(GET)
        await pair.body()
        nursery.start_soon(pair.ours.wait_gone)
        await trio.testing.wait_all_tasks_blocked()
        await pair.client.aclose()


async def test_request_that_comes_early_is_kept() -> None:
    async with a_pair() as pair:
        await pair.request(GET)
        await pair.body()
        with trio.CancelScope() as watching:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pair.ours.wait_gone)
                await pair.client.send_all(GET.replace(b"/ ", b"/next "))
                await trio.testing.wait_all_tasks_blocked()
                watching.cancel()
        await pair.ours.send(HELLO, b"hello")
        assert pair.ours.start_next()
        head = await pair.ours.next_request(1.0)
        assert head is not None
        assert b"/next" == head.path


async def test_little_is_read_of_a_client_that_sends_on_while_it_is_answered() -> None:
    sent = 0

    async def send_on(client: trio.SocketStream) -> None:
        nonlocal sent
        while True:
            await client.send_all(bytes(65_536))
            sent += 65_536

    async with a_pair() as pair, trio.open_nursery() as nursery:
        await pair.request(GET)
        await pair.body()
        nursery.start_soon(pair.ours.wait_gone)
        nursery.start_soon(send_on, pair.client)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert sent < 2 * READ_BYTES + 1_000_000
        nursery.cancel_scope.cancel()


# --- what goes ---------------------------------------------------------------------------------


async def test_long_answer_comes_whole() -> None:
    body = bytes(range(256)) * 2_000
    got = b""

    async def read(client: trio.SocketStream) -> None:
        nonlocal got
        async for part in client:
            got += part

    async with a_pair() as pair, trio.open_nursery() as nursery:
        nursery.start_soon(read, pair.client)
        await pair.request(b"GET / HTTP/1.0\r\n\r\n")
        await pair.body()
        await pair.ours.send(AnswerHead.of(200, [("Content-Length", str(len(body)))]), body)
        assert not pair.ours.start_next()
        await pair.ours.aclose()
    assert body == got.partition(b"\r\n\r\n")[2]


async def test_client_that_does_not_read_is_gone_after_its_time(autojump_clock: trio.testing.MockClock) -> None:
    body = bytes(4_000_000)
    async with a_pair() as pair:
        await pair.request(GET)
        await pair.body()
        with pytest.raises(ClientGone):
            await pair.ours.send(AnswerHead.of(200, [("Content-Length", str(len(body)))]), body)
    assert 30.0 == trio.current_time()


async def test_refused_client_gets_its_answer_and_then_the_end(autojump_clock: trio.testing.MockClock) -> None:
    async with a_pair() as pair:
        await pair.client.send_all(b"G(T / HTTP/1.1\r\n\r\nand on it goes")
        with pytest.raises(ApiError) as raised:
            await pair.ours.next_request(1.0)
        await pair.ours.refuse(raised.value)
        got = pair.received()
        assert got.startswith(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n")
        assert b"\r\nConnection: close\r\n" in got
        assert got.endswith(b"400 Bad Request: illegal request line")
        assert b"" == await pair.client.receive_some()
    assert LINGER_S == trio.current_time()


async def test_client_that_goes_before_its_answer_is_gone() -> None:
    async with a_pair() as pair:
        await pair.request(GET)
        await pair.body()
        await pair.client.aclose()
        with pytest.raises(ClientGone):
            await pair.ours.send(HELLO, b"hello")


async def test_closing_twice_does_nothing() -> None:
    async with a_pair() as pair:
        await pair.ours.aclose()
        await pair.ours.aclose()
        pair.ours.cut()
