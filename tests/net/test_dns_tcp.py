from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from nodedns.errors import BindError
from nodedns.model.address import Address
from nodedns.net.dns_guard import Respond
from nodedns.net.dns_tcp import DnsTcpLimits, TcpDnsServer, bind_dns_tcp
from nodedns.observe.metrics import Metrics
from nodedns.testing.network import SimNetwork
from nodedns.testing.streams import STREAM_WINDOW_BYTES
from nodedns.testing.transports import SimHost, SimStream, TrioScheduler

SERVER = Address.from_text("10.0.0.1", 8600)
QUERY = bytes.fromhex("1234 0120 0001 0000 0000 0000 0161 00 0001 0001")


def echo(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
    return wire + b"!" if is_tcp else None


class World:
    """A server on the simulated network, and clients as many as wanted."""

    def __init__(self, network: SimNetwork, server: TcpDnsServer, metrics: Metrics) -> None:
        self.network = network
        self.server = server
        self.metrics = metrics

    async def dial(self, client: int = 2) -> SimStream:
        address = Address.from_text(f"10.0.0.{client}", 8600)
        port = self.network.port_at(address)
        host = SimHost(self.network, address) if port is None else port.endpoint
        assert isinstance(host, SimHost)
        return await host.dialer.dial(SERVER)


Body = Callable[[World], Awaitable[None]]


def serve(body: Body, respond: Respond = echo, limits: DnsTcpLimits | None = None) -> None:
    async def main() -> None:
        scheduler = TrioScheduler()
        network = SimNetwork(scheduler, seed=1)
        metrics = Metrics()
        server = TcpDnsServer(SimHost(network, SERVER).listener, respond, metrics, limits)
        with trio.fail_after(1000):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(scheduler.run)
                await nursery.start(server.serve)
                await body(World(network, server, metrics))
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


async def read_exactly(stream: trio.abc.Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        got = await stream.receive_some(size - len(data))
        if not got:
            break
        data += got
    return data


def test_query_is_answered_with_its_length() -> None:
    async def body(world: World) -> None:
        stream = await world.dial()
        await stream.send_all(framed(b"query"))
        assert framed(b"query!") == await read_exactly(stream, 8)

    serve(body)


def test_query_may_come_byte_by_byte() -> None:
    async def body(world: World) -> None:
        stream = await world.dial()
        for byte in framed(b"query"):
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.1)
        assert framed(b"query!") == await read_exactly(stream, 8)

    serve(body)


def test_pipelined_queries_are_answered_in_order() -> None:
    async def body(world: World) -> None:
        stream = await world.dial()
        await stream.send_all(framed(b"one") + framed(b"two") + framed(b"three"))
        expected = framed(b"one!") + framed(b"two!") + framed(b"three!")
        assert expected == await read_exactly(stream, len(expected))

    serve(body)


def test_silent_connection_is_closed_after_the_idle_time() -> None:
    async def body(world: World) -> None:
        stream = await world.dial()
        begun = trio.current_time()
        assert b"" == await stream.receive_some(10)
        assert trio.current_time() - begun == pytest.approx(10, abs=0.1)
        assert 0 == world.server.connections

    serve(body)


def test_trickle_of_an_unfinished_query_does_not_hold_the_connection() -> None:
    async def body(world: World) -> None:
        stream = await world.dial()
        begun = trio.current_time()

        async def trickle() -> None:
            while True:
                await stream.send_all(b"\x01")
                await trio.sleep(0.5)

        with pytest.raises(trio.BrokenResourceError):
            await trickle()
        assert trio.current_time() - begun == pytest.approx(10, abs=1)

    serve(body)


def test_answered_query_renews_the_idle_time() -> None:
    async def body(world: World) -> None:
        stream = await world.dial()
        for _ in range(5):
            await trio.sleep(8)
            await stream.send_all(framed(b"q"))
            assert framed(b"q!") == await read_exactly(stream, 4)

    serve(body)


def test_connections_of_one_client_are_bounded() -> None:
    async def body(world: World) -> None:
        held = [await world.dial(2) for _ in range(2)]
        third = await world.dial(2)
        assert b"" == await third.receive_some(10)
        other = await world.dial(3)
        await other.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(other, 4)
        assert 2 == len(held)
        assert 1 == world.metrics.value("nodedns_dns_dropped_total", reason="too-many-streams-of-client")

    serve(body, limits=DnsTcpLimits(connections_per_client=2))


def test_connections_in_all_are_bounded_and_come_free_again() -> None:
    async def body(world: World) -> None:
        first, second = await world.dial(2), await world.dial(3)
        refused = await world.dial(4)
        assert b"" == await refused.receive_some(10)
        await first.aclose()
        await second.aclose()
        await trio.sleep(0.1)
        assert 0 == world.metrics.value("nodedns_dns_streams_open")
        assert 2 == world.metrics.value("nodedns_dns_streams_total")
        again = await world.dial(4)
        await again.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(again, 4)

    serve(body, limits=DnsTcpLimits(connections=2))


def test_busy_server_grants_less_silence() -> None:
    async def body(world: World) -> None:
        begun = trio.current_time()
        await world.dial(2)
        last = await world.dial(3)
        assert b"" == await last.receive_some(10)
        assert trio.current_time() - begun == pytest.approx(2, abs=0.1)

    serve(body, limits=DnsTcpLimits(connections=2))


def test_slow_reader_is_cut() -> None:
    def long_answer(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        return bytes(60_000)

    async def body(world: World) -> None:
        stream = await world.dial()
        queries = STREAM_WINDOW_BYTES // 60_000 + 2
        await stream.send_all(framed(b"q") * queries)
        await trio.sleep(6)
        assert 1 == world.metrics.value("nodedns_dns_dropped_total", reason="slow-reader")
        assert 0 == world.server.connections

    serve(body, long_answer)


def test_message_that_is_no_query_ends_the_connection() -> None:
    async def body(world: World) -> None:
        stream = await world.dial()
        begun = trio.current_time()
        await stream.send_all(framed(b"x"))
        assert b"" == await stream.receive_some(10)
        assert trio.current_time() - begun < 1

    serve(body, lambda _wire, _client, _is_tcp: None)


def test_client_that_resets_harms_nobody() -> None:
    async def body(world: World) -> None:
        bad, good = await world.dial(2), await world.dial(3)
        await bad.send_all(framed(b"q"))
        bad.reset()
        await good.send_all(framed(b"q"))
        assert framed(b"q!") == await read_exactly(good, 4)
        await trio.sleep(0.1)
        assert 1 == world.server.connections

    serve(body)


def test_fault_in_the_responder_is_answered_servfail() -> None:
    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        raise RuntimeError("a bug")

    async def body(world: World) -> None:
        stream = await world.dial()
        await stream.send_all(framed(QUERY))
        assert framed(bytes.fromhex("1234 8102 0000 0000 0000 0000")) == await read_exactly(stream, 14)
        assert 1 == world.metrics.value("nodedns_dns_errors_total", transport="tcp")

    serve(body, respond)


def test_real_sockets_serve_alike() -> None:
    async def main() -> None:
        server = TcpDnsServer(bind_dns_tcp("127.0.0.1", 0), echo, Metrics())
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                await nursery.start(server.serve)
                async with await trio.open_tcp_stream("127.0.0.1", server.local_address.port) as stream:
                    await stream.send_all(framed(b"one") + framed(b"two"))
                    assert framed(b"one!") + framed(b"two!") == await read_exactly(stream, 12)
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_port_taken_is_one_line_with_the_flag() -> None:
    taken = bind_dns_tcp("127.0.0.1", 0)
    port = taken.local_address.port
    with pytest.raises(BindError, match=rf"^cannot listen on 127.0.0.1:{port} \(tcp\): EADDRINUSE .* -dns-port$"):
        bind_dns_tcp("127.0.0.1", port)
    taken.close()
