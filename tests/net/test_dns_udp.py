from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from nodedns.errors import BindError
from nodedns.model.address import Address
from nodedns.net import datagram_batch
from nodedns.net.dns_guard import Later, Respond, servfail
from nodedns.net.dns_udp import BUSY_QUERIES, GATHERED, SMALL_BATCH, TURN_S, UdpDnsServer, bind_dns_udp
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import Metrics
from nodedns.testing.processes import DEADLINE_S

QUERY = bytes.fromhex("1234 0120 0001 0000 0000 0000 0161 00 0001 0001")


def echo(wire: bytes, client: Address, is_tcp: bool) -> bytes:
    return wire + str(client).encode() + (b" tcp" if is_tcp else b" udp")


def stopped() -> float:
    """Return the time of a clock that never says that a turn is over, however long a busy machine takes."""
    return 0.0


Body = Callable[[UdpDnsServer], Awaitable[None]]


def serve(respond: Respond, body: Body, host: str = "127.0.0.1", metrics: Metrics | None = None) -> None:
    async def main() -> None:
        server = UdpDnsServer(bind_dns_udp(host, 0), respond, metrics or Metrics())
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                await nursery.start(server.serve)
                await body(server)
                nursery.cancel_scope.cancel()

    trio.run(main)


def client_socket(host: str = "127.0.0.1") -> trio.socket.SocketType:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return trio.socket.socket(family, socket.SOCK_DGRAM)


def test_query_is_answered_to_its_sender() -> None:
    async def body(server: UdpDnsServer) -> None:
        with client_socket() as client:
            await client.bind(("127.0.0.1", 0))
            await client.sendto(QUERY, ("127.0.0.1", server.local_address.port))
            reply, source = await client.recvfrom(4096)
            assert QUERY + f"127.0.0.1:{client.getsockname()[1]} udp".encode() == reply
            assert ("127.0.0.1", server.local_address.port) == source

    serve(echo, body)


@pytest.mark.parametrize(
    ("bound", "asked"),
    [("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "127.0.0.77"), ("::", "::1"), ("::", "127.0.0.77")],
)
def test_wildcard_server_answers_from_the_address_that_was_asked(bound: str, asked: str) -> None:
    async def body(server: UdpDnsServer) -> None:
        with client_socket(asked) as client:
            # A connected socket takes replies from that address only.
            await client.connect((asked, server.local_address.port))
            await client.send(QUERY)
            reply = await client.recv(4096)
            assert reply.startswith(QUERY)

    serve(echo, body, host=bound)


def test_silence_is_kept_where_the_responder_says_so() -> None:
    answered: list[bytes] = []

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        answered.append(wire)
        return wire if wire == b"second" else None

    async def body(server: UdpDnsServer) -> None:
        with client_socket() as client:
            await client.connect(("127.0.0.1", server.local_address.port))
            await client.send(b"first")
            await client.send(b"second")
            assert b"second" == await client.recv(100)

    serve(respond, body)
    assert [b"first", b"second"] == answered


def test_fault_in_the_responder_is_answered_servfail_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        raise RuntimeError("a bug")

    async def body(server: UdpDnsServer) -> None:
        with client_socket() as client:
            await client.connect(("127.0.0.1", server.local_address.port))
            for _ in range(3):
                await client.send(QUERY)
                assert bytes.fromhex("1234 8102 0000 0000 0000 0000") == await client.recv(100)

    serve(respond, body, metrics=metrics)
    assert 3 == metrics.value("nodedns_dns_errors_total", transport="udp")
    assert ["answering failed"] == [record.message for record in caplog.records]


def test_counters_of_our_faults_are_there_before_the_first_one() -> None:
    metrics = Metrics()

    async def body(server: UdpDnsServer) -> None:
        exposed = metrics.expose().decode()
        assert ["tcp", "udp"] == sorted(re.findall(r'nodedns_dns_errors_total\{transport="(\w+)"\} 0', exposed))

    serve(echo, body, metrics=metrics)


def test_servfail_is_not_sent_to_a_response_or_a_stump() -> None:
    assert None is servfail(QUERY[:11])
    assert None is servfail(QUERY[:2] + b"\x81" + QUERY[3:])


def test_servfail_keeps_id_opcode_and_rd() -> None:
    assert bytes.fromhex("beef a902 0000 0000 0000 0000") == servfail(bytes.fromhex("beef 2920 0001 0000 0000 0001"))


def test_batch_is_bounded_and_stops_at_an_empty_socket() -> None:
    async def main() -> None:
        sock = bind_dns_udp("127.0.0.1", 0)
        server = UdpDnsServer(sock, echo, Metrics(), clock=stopped)
        remote_log = RemoteLog(logger("dns"), trio.current_time)
        with sock, client_socket() as client:
            await client.connect(("127.0.0.1", server.local_address.port))
            for _ in range(datagram_batch.BATCH + 3):
                await client.send(QUERY)
            async with trio.open_nursery() as nursery:
                assert datagram_batch.BATCH == server.answer_turn(remote_log, nursery, turn_s=0)
                assert 3 == server.answer_turn(remote_log, nursery, turn_s=0)
                assert 0 == server.answer_turn(remote_log, nursery, turn_s=0)

    trio.run(main, clock=trio.testing.MockClock())


def test_queries_that_take_long_are_answered_in_turns() -> None:
    clock = trio.testing.MockClock()
    asked: list[bytes] = []

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        asked.append(wire)
        clock.jump(TURN_S / 2)
        return wire

    async def main() -> None:
        sock = bind_dns_udp("127.0.0.1", 0)
        server = UdpDnsServer(sock, respond, Metrics())
        remote_log = RemoteLog(logger("dns"), trio.current_time)
        queries = [QUERY + bytes((number,)) for number in range(5)]
        with sock, client_socket() as client:
            await client.connect(("127.0.0.1", server.local_address.port))
            for query in queries:
                await client.send(query)
            async with trio.open_nursery() as nursery:
                assert [2, 2, 1, 0] == [server.answer_turn(remote_log, nursery, turn_s=0) for _ in range(4)]
            assert queries == [await client.recv(100) for _ in queries]

    trio.run(main, clock=clock)
    assert 5 == len(asked)


def test_server_goes_on_with_what_it_had_no_time_for_though_no_more_comes() -> None:
    clock = trio.testing.MockClock(rate=1.0)

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        clock.jump(TURN_S)
        return wire

    async def main() -> None:
        server = UdpDnsServer(bind_dns_udp("127.0.0.1", 0), respond, Metrics())
        with trio.fail_after(DEADLINE_S), client_socket() as client:
            await client.connect(("127.0.0.1", server.local_address.port))
            for _ in range(3):
                await client.send(QUERY)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.serve)
                assert [QUERY] * 3 == [await client.recv(100) for _ in range(3)]
                nursery.cancel_scope.cancel()

    trio.run(main, clock=clock)


def test_reply_too_long_for_udp_is_counted_and_the_server_goes_on() -> None:
    metrics = Metrics()

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | None:
        return bytes(70_000) if wire == b"much" else wire

    async def body(server: UdpDnsServer) -> None:
        with client_socket() as client:
            await client.connect(("127.0.0.1", server.local_address.port))
            await client.send(b"much")
            await client.send(b"little")
            assert b"little" == await client.recv(100)

    serve(respond, body, metrics=metrics)
    assert 1 == metrics.value("nodedns_dns_dropped_total", reason="send-error")


def test_port_taken_is_one_line_with_the_flag() -> None:
    with bind_dns_udp("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BindError) as caught:
            bind_dns_udp("127.0.0.1", port)

    expected = f"cannot listen on 127.0.0.1:{port} (udp): EADDRINUSE (Address already in use); change it with -dns-port"
    assert expected == str(caught.value)


def test_cancelled_server_closes_its_socket() -> None:
    sock = bind_dns_udp("127.0.0.1", 0)

    async def main() -> None:
        server = UdpDnsServer(sock, echo, Metrics())
        with trio.move_on_after(0.01):
            await server.serve()

    trio.run(main)
    assert -1 == sock.fileno()


@pytest.mark.parametrize("is_later", [True, False])
def test_server_waits_for_more_queries_only_while_no_client_waits_for_others(is_later: bool) -> None:
    waited: list[bool] = []

    async def never() -> bytes | None:
        await trio.sleep_forever()
        return None

    def respond(wire: bytes, client: Address, is_tcp: bool) -> bytes | Later | None:
        return never if is_later else wire

    async def main() -> None:
        sock = bind_dns_udp("127.0.0.1", 0)
        server = UdpDnsServer(sock, respond, Metrics(), clock=stopped)
        receive = server._batch.receive

        def noting(*, may_wait: bool = False) -> list[int]:
            waited.append(may_wait)
            return receive(may_wait=may_wait)

        server._batch.receive = noting  # type: ignore[method-assign]
        with sock, client_socket() as client:
            await client.connect(("127.0.0.1", server.local_address.port))
            for _ in range(BUSY_QUERIES):
                await client.send(QUERY)
            async with trio.open_nursery() as nursery:
                server.answer_turn(RemoteLog(logger("dns"), trio.current_time), nursery)
                nursery.cancel_scope.cancel()

    trio.run(main)
    assert (not is_later) is (True in waited)


@pytest.mark.parametrize(("least", "batch"), [(1.1, SMALL_BATCH - 1), (1.1, SMALL_BATCH), (0.9, SMALL_BATCH - 1)])
def test_more_are_gathered_after_a_small_batch_while_many_come(least: float, batch: int) -> None:
    rate = least * GATHERED / datagram_batch.GATHER_S
    calls: list[str] = []
    sent = 0

    async def main() -> None:
        sock = bind_dns_udp("127.0.0.1", 0)
        server = UdpDnsServer(sock, echo, Metrics(), clock=lambda: sent / rate)
        with sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", server.local_address.port))
            receive = server._batch.receive

            def noting(*, may_wait: bool = False) -> list[int]:
                nonlocal sent
                for _ in range(batch if sent <= batch else 0):
                    client.send(QUERY)
                    sent += 1
                calls.append("receive")
                return receive(may_wait=may_wait)

            server._batch.receive = noting  # type: ignore[method-assign]
            server._batch.gather = lambda: calls.append("gather")  # type: ignore[method-assign]
            async with trio.open_nursery() as nursery:
                answered = server.answer_turn(RemoteLog(logger("dns"), trio.current_time), nursery, turn_s=60)
                assert 2 * batch == answered

    trio.run(main)
    gathers = ["gather"] if least > 1 and batch < SMALL_BATCH else []
    assert ["receive", "receive", *gathers, "receive"] == calls
