"""TCP, UDP, HTTP/2 and gRPC checks, against real servers on loopback."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import grpc
import pytest
import trio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from nodedns.checks.kinds import GrpcKind, H2PingKind, TcpKind, TlsOptions, UdpKind
from nodedns.checks.outcome import Outcome
from nodedns.model.check import CheckStatus
from nodedns.net.check_connect import Connector
from nodedns.net.check_h2 import run_grpc, run_h2ping
from nodedns.net.check_socket import run_tcp, run_udp
from nodedns.testing.processes import DEADLINE_S

PASSING, WARNING, CRITICAL = CheckStatus.PASSING, CheckStatus.WARNING, CheckStatus.CRITICAL
TRUST_ANY = TlsOptions(is_unverified=True)


@contextmanager
def listening() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def closed_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def tcp(kind: TcpKind, timeout_s: float = 20.0) -> Outcome:
    return await run_tcp(kind, Connector(), timeout_s, 4096)


async def test_a_connection_that_is_made_passes() -> None:
    with listening() as port:
        outcome = await tcp(TcpKind(f"127.0.0.1:{port}"))

    assert Outcome(PASSING, f"TCP connect 127.0.0.1:{port}: Success") == outcome


async def test_a_name_is_looked_up_and_each_of_its_addresses_tried() -> None:
    with listening() as port:  # on IPv4 alone, while localhost is IPv6 too
        outcome = await tcp(TcpKind(f"localhost:{port}"))

    assert PASSING is outcome.status


async def test_a_closed_port_is_critical() -> None:
    port = closed_port()
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"

    assert Outcome(CRITICAL, refused) == await tcp(TcpKind(f"127.0.0.1:{port}"))


async def test_a_server_without_tls_does_not_pass_for_one_with_it(server_context: ssl.SSLContext) -> None:
    with listening() as port:
        silent = await tcp(TcpKind(f"127.0.0.1:{port}", has_tls=True, tls=TRUST_ANY), timeout_s=0.3)
    async with tls_server(server_context) as port:
        spoken = await tcp(TcpKind(f"127.0.0.1:{port}", has_tls=True, tls=TRUST_ANY))
        refused = await tcp(TcpKind(f"127.0.0.1:{port}", has_tls=True))

    assert (CRITICAL, PASSING, CRITICAL) == (silent.status, spoken.status, refused.status)
    assert "i/o timeout" in silent.output
    assert "failed to verify certificate" in refused.output


@asynccontextmanager
async def tls_server(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.receive_some()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_ssl_over_tcp, serve, 0, context)
        yield listeners[0].transport_listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def udp(port: int, timeout_s: float) -> Outcome:
    return await run_udp(UdpKind(f"127.0.0.1:{port}"), Connector(), timeout_s, 4096)


async def test_silence_over_udp_passes_and_a_refusal_is_critical() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        assert Outcome(PASSING, f"UDP connect 127.0.0.1:{port}: Success") == await udp(port, 0.2)
    refused = await udp(port, 20.0)

    assert Outcome(CRITICAL, f"udp 127.0.0.1:{port}: connection refused") == refused


async def test_an_answer_over_udp_passes_at_once() -> None:
    sock = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    await sock.bind(("127.0.0.1", 0))

    async def answer() -> None:
        _, source = await sock.recvfrom(100)
        await sock.sendto(b"here", source)

    with sock, trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            assert PASSING is (await udp(sock.getsockname()[1], 1000.0)).status


class Served:
    """A gRPC server with the health service, in threads of its own."""

    def __init__(self, credentials: grpc.ServerCredentials | None) -> None:
        self.health = health.HealthServicer()
        self._server = grpc.server(ThreadPoolExecutor(2))
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        if credentials is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self._server.start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def say(self, service: str, status: str) -> None:
        self.health.set(service, getattr(health_pb2.HealthCheckResponse, status))

    def stop(self) -> None:
        self._server.stop(0).wait()


@pytest.fixture
def served() -> Iterator[Served]:
    server = Served(None)
    yield server
    server.stop()


@pytest.fixture
def served_with_tls(server_certificate: Path) -> Iterator[Served]:
    certificate = server_certificate.read_bytes()
    key = server_certificate.with_suffix(".key").read_bytes()
    server = Served(grpc.ssl_server_credentials([(key, certificate)]))
    yield server
    server.stop()


async def ask(kind: GrpcKind, timeout_s: float = 20.0) -> Outcome:
    return await run_grpc(kind, Connector(), timeout_s, 4096)


@pytest.mark.parametrize(("says", "status"), [("SERVING", PASSING), ("UNKNOWN", WARNING), ("NOT_SERVING", CRITICAL)])
async def test_a_grpc_server_says_how_it_is(served: Served, says: str, status: CheckStatus) -> None:
    served.say("", says)
    served.say("shop.Cart", says)
    of_server, of_service = await ask(GrpcKind(served.target)), await ask(GrpcKind(served.target, "shop.Cart"))

    assert [status, status] == [of_server.status, of_service.status]
    if status is PASSING:
        assert f"gRPC check {served.target}/shop.Cart: success" == of_service.output
    else:
        assert says in of_service.output


async def test_an_unknown_grpc_service_is_critical(served: Served) -> None:
    outcome = await ask(GrpcKind(served.target, "nobody"))

    assert CRITICAL is outcome.status
    assert "code = NotFound" in outcome.output


async def test_a_long_name_of_a_grpc_service_is_asked_for_whole(served: Served) -> None:
    served.say("s" * 300, "SERVING")

    assert PASSING is (await ask(GrpcKind(served.target, "s" * 300))).status


async def test_grpc_over_tls(served_with_tls: Served) -> None:
    served_with_tls.say("", "SERVING")
    target = served_with_tls.target

    assert PASSING is (await ask(GrpcKind(target, has_tls=True, tls=TRUST_ANY))).status
    assert "failed to verify" in (await ask(GrpcKind(target, has_tls=True))).output
    assert CRITICAL is (await ask(GrpcKind(target))).status


async def test_who_does_not_speak_grpc_is_critical() -> None:
    with listening() as port:
        silent = await ask(GrpcKind(f"127.0.0.1:{port}"), timeout_s=0.2)
    closed = await ask(GrpcKind(f"127.0.0.1:{closed_port()}"))

    assert (CRITICAL, CRITICAL) == (silent.status, closed.status)
    assert "context deadline exceeded" in silent.output
    assert "connection refused" in closed.output


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 4096, b""], ids=["http1", "noise", "end"]
)
async def test_what_is_no_http2_is_critical(answer: bytes) -> None:
    async def lie(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, lie, 0)
        target = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        for outcome in (
            await ask(GrpcKind(target)),
            await run_h2ping(H2PingKind(target, has_tls=False), Connector(), 20.0, 4096),
        ):
            assert CRITICAL is outcome.status
        nursery.cancel_scope.cancel()


async def test_a_grpc_server_whose_words_are_no_utf8_is_critical_and_no_surprise() -> None:
    head = b"\x88\x00\x02xy\x02\xff\xfe"  # status 200, and "xy" with two bytes that are none of UTF-8
    settings, headers = b"\0\0\0\x04\0\0\0\0\0", len(head).to_bytes(3, "big") + b"\x01\x05\0\0\0\x01" + head

    async def lie(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(settings + headers)
        await stream.receive_some()

    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, lie, 0)
        outcome = await ask(GrpcKind(f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"))
        nursery.cancel_scope.cancel()

    assert (CRITICAL, True) == (outcome.status, "HTTP status 200" in outcome.output)


async def test_a_ping_is_answered(served: Served, served_with_tls: Served) -> None:
    plain = await run_h2ping(H2PingKind(served.target, has_tls=False), Connector(), 20.0, 4096)
    secret = await run_h2ping(H2PingKind(served_with_tls.target, tls=TRUST_ANY), Connector(), 20.0, 4096)

    assert [Outcome(PASSING, "HTTP2 ping was successful")] * 2 == [plain, secret]


async def test_a_ping_nobody_answers_is_critical() -> None:
    with listening() as port:
        outcome = await run_h2ping(H2PingKind(f"127.0.0.1:{port}", has_tls=False), Connector(), 0.2, 4096)

    assert Outcome(CRITICAL, "HTTP2 ping failed: context deadline exceeded") == outcome
