"""What a client gets of a connection, piece by piece."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import pytest
import trio

from nodedns.net.http_connection import HttpConnection

HEAD = b"HTTP/1.1 200 \r\ncontent-length: 4\r\n\r\n"


async def _stay() -> None:
    pass


def told(story: Callable[[HttpConnection], Awaitable[None]]) -> bytes:
    """Return what has reached the client after a story."""

    async def main() -> bytes:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            connection = HttpConnection(trio.SocketStream(trio.socket.from_stdlib_socket(ours)), 1.0, _stay)
            await story(connection)
            try:
                got = theirs.recv(65_536)
            except BlockingIOError:
                got = b""
            connection.cut()
            return got

    return trio.run(main)


def sending(*pieces: bytes) -> Callable[[HttpConnection], Awaitable[None]]:
    async def story(connection: HttpConnection) -> None:
        for piece in pieces:
            await connection.send_all(piece)

    return story


def test_head_of_a_response_waits_for_what_follows_it() -> None:
    assert b"" == told(sending(HEAD))
    assert HEAD + b"true" == told(sending(HEAD, b"true"))


def test_head_without_a_body_goes_with_its_empty_end() -> None:
    assert HEAD == told(sending(HEAD, b""))


@pytest.mark.parametrize(
    "piece",
    [
        b"HTTP/1.1 100 \r\n\r\n",
        b"HTTP/1.1 101 \r\n\r\n",
        b"HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n",
        b"true",
        b"{}\r\n\r\n",
    ],
    ids=["continue", "upgrade", "lines", "body", "blank"],
)
def test_whatever_else_goes_at_once(piece: bytes) -> None:
    assert piece == told(sending(piece))


def test_body_that_looks_like_a_head_goes_with_the_head() -> None:
    assert HEAD + HEAD == told(sending(HEAD, HEAD))


def test_head_that_nothing_followed_goes_at_the_end() -> None:
    async def story(connection: HttpConnection) -> None:
        await connection.send_all(HEAD)
        await connection.send_eof()

    assert HEAD == told(story)
