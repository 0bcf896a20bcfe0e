"""Where the HTTP server listens: addresses, ports, and Unix sockets with their files."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from nodedns.errors import BindError
from nodedns.net.http_server import HttpServer, bind_http, http_address
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import MemberUpserted
from nodedns.testing.table_agent import TableAgent, agent_member


def a_pool() -> TableAgent:
    agent = TableAgent("one", first_index=100, is_server=True)
    agent.apply(MemberUpserted(agent_member("one", "10.0.0.1", is_server=True)))
    return agent


async def read_to_end(stream: trio.SocketStream) -> bytes:
    return b"".join([part async for part in stream])


def test_taken_port_is_one_clear_error() -> None:
    (taken,) = bind_http(["127.0.0.1"], 0)
    port = taken.getsockname()[1]
    with pytest.raises(BindError) as raised:
        bind_http(["127.0.0.2", "127.0.0.1"], port)
    taken.close()
    text = f"cannot listen on 127.0.0.1:{port} (tcp): EADDRINUSE (Address already in use); change it with -http-port"
    assert text == str(raised.value)
    # The address that could be had was given back.
    for sock in bind_http(["127.0.0.2"], port):
        sock.close()


async def ask_unix(path: Path) -> bytes:
    async with await trio.open_unix_socket(path) as stream:
        await stream.send_all(b"GET /v1/status/leader HTTP/1.0\r\n\r\n")
        return (await read_to_end(stream)).rpartition(b"\r\n")[2]


async def test_unix_socket_is_served_and_its_file_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    (sock,) = bind_http([f"unix://{path}"], 8500)
    assert f"unix://{path}" == http_address(sock)
    server = HttpServer([sock], a_pool(), Metrics())
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: server.serve(task_status=task_status))
        assert b'"10.0.0.1:8301"' == await ask_unix(path)
        nursery.cancel_scope.cancel()
    assert not path.exists()


def test_unix_socket_left_by_a_crash_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    where = f"unix://{tmp_path / 'http.sock'}"
    (first,) = bind_http([where], 8500)
    with pytest.raises(BindError, match=rf"cannot listen on {where}: EADDRINUSE .*change it with -client"):
        bind_http([where], 8500)
    first.close()
    (second,) = bind_http([where], 8500)
    second.close()


def test_file_in_the_place_of_a_unix_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_bytes(b"data")
    with pytest.raises(BindError, match="EADDRINUSE"):
        bind_http([f"unix://{path}"], 8500)
    assert b"data" == path.read_bytes()


async def test_every_address_is_served() -> None:
    agent = a_pool()
    server = HttpServer(bind_http(["127.0.0.1", "127.0.0.2"], 0), agent, Metrics())
    assert ["127.0.0.1", "127.0.0.2"] == [address.host for address in server.local_addresses]
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: server.serve(task_status=task_status))
        for address in server.local_addresses:
            stream = await trio.open_tcp_stream(address.host, address.port)
            await stream.send_all(b"GET /v1/status/leader HTTP/1.0\r\n\r\n")
            assert b'"10.0.0.1:8301"' == (await read_to_end(stream)).rpartition(b"\r\n")[2]
            await stream.aclose()
        nursery.cancel_scope.cancel()
