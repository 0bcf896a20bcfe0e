"""HTTP checks, against servers on loopback that answer, hang, flood and lie."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from nodedns.checks.kinds import HttpKind, TlsOptions
from nodedns.checks.outcome import Outcome
from nodedns.model.check import CheckStatus
from nodedns.net.check_connect import Connector
from nodedns.net.check_http import MAX_BODY_BYTES, MAX_PIECES, READ_BYTES, run_http
from nodedns.testing.turns import counted_turns

PASSING, WARNING, CRITICAL = CheckStatus.PASSING, CheckStatus.WARNING, CheckStatus.CRITICAL

Handler = Callable[[trio.abc.Stream, bytes], Awaitable[None]]


@attrs.define
class Server:
    """What was asked, and where."""

    port: int = 0
    asked: list[bytes] = attrs.field(factory=list)

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return f"{scheme}://localhost:{self.port}{path}"


async def read_request(stream: trio.abc.Stream) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive_some(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = [int(line.split()[1]) for line in head.splitlines() if line.lower().startswith(b"content-length:")]
    while length and len(body) < length[0]:
        body += await stream.receive_some(65536)
    return head + b"\r\n\r\n" + body


@asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()

    async def serve(stream: trio.abc.Stream) -> None:
        try:
            request = await read_request(stream)
            server.asked.append(request)
            await handler(stream, request)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the check has what it wants
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        if context is None:
            listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, serve, 0)
            server.port = listeners[0].socket.getsockname()[1]
            host = listeners[0].socket.getsockname()[0]
            assert host
        else:
            wrapped = await nursery.start(trio.serve_ssl_over_tcp, serve, 0, context)
            server.port = wrapped[0].transport_listener.socket.getsockname()[1]
        yield server
        nursery.cancel_scope.cancel()


def saying(status: str, body: bytes = b"", *headers: str) -> Handler:
    async def handle(stream: trio.abc.Stream, request: bytes) -> None:
        head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
        await stream.send_all(head.encode() + b"\r\n\r\n" + body)

    return handle


async def check(kind: HttpKind, timeout_s: float = 20.0, limit: int = 4096) -> Outcome:
    return await run_http(kind, Connector(), timeout_s, limit)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("200 OK", PASSING),
        ("204 No Content", PASSING),
        ("299 Odd", PASSING),
        ("429 Too Many Requests", WARNING),
        ("304 Not Modified", CRITICAL),
        ("404 Not Found", CRITICAL),
        ("500 Internal Server Error", CRITICAL),
    ],
)
async def test_the_status_code_decides(status: str, expected: CheckStatus) -> None:
    async with serving(saying(status, b"" if status[:3] in {"204", "304"} else b"said")) as server:
        outcome = await check(HttpKind(server.url("/health?deep=1")))

    assert expected is outcome.status
    assert outcome.output.startswith(f"HTTP GET {server.url('/health?deep=1')}: {status} Output: ")
    assert server.asked[0].startswith(b"GET /health?deep=1 HTTP/1.1\r\n")


@pytest.mark.parametrize(("status", "shown"), [("200 ", "200 OK"), ("299", "299")])
async def test_a_status_code_without_words_gets_the_usual_ones(status: str, shown: str) -> None:
    async with serving(saying(status)) as server:
        outcome = await check(HttpKind(server.url()))

    assert f"HTTP GET {server.url()}: {shown} Output: " == outcome.output


async def test_a_request_says_what_consul_says_and_what_the_check_adds() -> None:
    kind = HttpKind("", "POST", {"X-One": ("1", "2"), "Host": ("other.example",)}, "{}")
    async with serving(saying("200 OK", b"fine")) as server:
        outcome = await check(attrs.evolve(kind, url=server.url("", "http").replace("//", "//me:p%20w@")))
    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    lines = head.decode().splitlines()

    assert "POST / HTTP/1.1" == lines[0]
    assert sorted(
        [
            "X-One: 1",
            "X-One: 2",
            "Host: other.example",
            "User-Agent: Consul Health Check",
            "Accept: text/plain, text/*, */*",
            "Content-Length: 2",
            "Authorization: Basic bWU6cCB3",
            "Connection: close",
        ],
        key=str.lower,
    ) == sorted(lines[1:], key=str.lower)
    assert b"{}" == body
    assert f"HTTP POST http://me:xxxxx@localhost:{server.port}: 200 OK Output: fine" == outcome.output


async def test_the_end_of_a_body_is_kept() -> None:
    async with serving(saying("200 OK", b"x" * 100_000 + b"end\xff")) as server:
        outcome = await check(HttpKind(server.url()), limit=4)

    assert outcome.output.endswith("Output: Captured 4 of 100004 bytes\n...\nend\ufffd")


async def test_a_body_without_end_is_left_after_a_bound() -> None:
    sent = 0

    async def flood(stream: trio.abc.Stream, request: bytes) -> None:
        nonlocal sent
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send_all(b"y" * 65536)
            sent += 65536

    async with serving(flood) as server:
        outcome = await check(HttpKind(server.url()))

    assert PASSING is outcome.status
    assert MAX_BODY_BYTES <= sent < 64 * MAX_BODY_BYTES


@pytest.fixture
def clock() -> trio.testing.MockClock:
    """One that goes as clocks do, and can be put forward."""
    return trio.testing.MockClock(rate=1.0)


async def test_a_slow_body_ends_with_the_timeout_and_the_status_code_decides(clock: trio.testing.MockClock) -> None:
    async def drip(stream: trio.abc.Stream, request: bytes) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
        await trio.testing.wait_all_tasks_blocked(0.05)  # until it is read
        clock.jump(2_000)
        await trio.sleep_forever()

    async with serving(drip) as server:
        outcome = await check(HttpKind(server.url()), timeout_s=1_000)

    assert Outcome(PASSING, f"HTTP GET {server.url()}: 200 OK Output: begun") == outcome


async def test_a_silent_server_is_critical_at_the_timeout() -> None:
    async def hang(stream: trio.abc.Stream, request: bytes) -> None:
        await trio.sleep_forever()

    async with serving(hang) as server:
        outcome = await check(HttpKind(server.url()), timeout_s=0.3)

    late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert Outcome(CRITICAL, f'Get "{server.url()}": {late}') == outcome


async def test_a_closed_port_and_an_unknown_host_are_critical() -> None:
    async with serving(saying("200 OK")) as server:
        pass
    closed = await check(HttpKind(f"http://127.0.0.1:{server.port}/"))
    unknown = await check(HttpKind("http://no-such-host.invalid/"))

    refused = f"dial tcp 127.0.0.1:{server.port}: connect: connection refused"
    assert Outcome(CRITICAL, f'Get "http://127.0.0.1:{server.port}/": {refused}') == closed
    assert CRITICAL is unknown.status
    assert unknown.output.startswith('Get "http://no-such-host.invalid/": dial tcp: lookup no-such-host.invalid: ')


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 2000000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000,
        b"\x00" * 99,
    ],
    ids=["ssh", "code", "endless-head", "zeros"],
)
async def test_what_is_no_http_is_critical(answer: bytes) -> None:
    async def lie(stream: trio.abc.Stream, request: bytes) -> None:
        await stream.send_all(answer)

    async with serving(lie) as server:
        outcome = await check(HttpKind(server.url()))

    assert CRITICAL is outcome.status
    assert outcome.output.startswith(f'Get "{server.url()}": malformed HTTP exchange')


async def test_a_server_that_hangs_up_is_critical() -> None:
    async def hang_up(stream: trio.abc.Stream, request: bytes) -> None:
        return

    async with serving(hang_up) as server:
        outcome = await check(HttpKind(server.url()))

    assert CRITICAL is outcome.status


async def test_redirects_are_followed_unless_told_otherwise() -> None:
    async def redirect(stream: trio.abc.Stream, request: bytes) -> None:
        if request.startswith(b"GET /end "):
            await saying("200 OK", b"there")(stream, request)
        elif request.startswith(b"POST /again "):
            await saying("303 See Other", b"", "Location: end")(stream, request)
        else:
            await saying("307 Temporary Redirect", b"", "Location: /again")(stream, request)

    async with serving(redirect) as server:
        kind = HttpKind(server.url("/begin"), "POST", {"X": ("y",)}, "body")
        followed = await check(kind)
        asked = [request.split(b"\r\n")[0].decode() + request.rpartition(b"\n")[2].decode() for request in server.asked]
        left = await check(attrs.evolve(kind, has_redirects=False))

    assert Outcome(PASSING, f"HTTP POST {server.url('/begin')}: 200 OK Output: there") == followed
    assert ["POST /begin HTTP/1.1body", "POST /again HTTP/1.1body", "GET /end HTTP/1.1"] == asked
    assert Outcome(CRITICAL, f"HTTP POST {server.url('/begin')}: 307 Temporary Redirect Output: ") == left


async def test_a_circle_of_redirects_ends() -> None:
    async with serving(saying("302 Found", b"", "Location: /")) as server:
        outcome = await check(HttpKind(server.url()))

    assert Outcome(CRITICAL, f'Get "{server.url()}": stopped after 10 redirects') == outcome
    assert 11 == len(server.asked)


async def test_secrets_stay_with_the_host_they_are_for() -> None:
    async with (
        serving(saying("200 OK", b"there")) as other,
        serving(saying("302 Found", b"", f"Location: http://127.0.0.1:{other.port}/")) as server,
    ):
        await check(HttpKind(server.url(), "GET", {"Authorization": ("secret",), "X-Kept": ("yes",)}))

    assert b"secret" in server.asked[0]
    assert b"secret" not in other.asked[0]
    assert b"X-Kept: yes" in other.asked[0]


async def test_a_certificate_is_verified_unless_told_otherwise(
    server_context: ssl.SSLContext, server_certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(saying("200 OK", b"fine"), server_context) as server:
        kind = HttpKind(server.url("/", "https"))
        refused = await check(kind)
        unverified = await check(attrs.evolve(kind, tls=TlsOptions(is_unverified=True)))
        monkeypatch.setenv("SSL_CERT_FILE", str(server_certificate))
        trusted = await check(kind)
        named = await check(attrs.evolve(kind, tls=TlsOptions("other.example")))

    assert CRITICAL is refused.status
    assert "failed to verify certificate" in refused.output
    assert [PASSING, PASSING] == [unverified.status, trusted.status]
    assert CRITICAL is named.status
    assert "other.example" in named.output


async def test_plain_http_where_tls_is_expected_is_critical() -> None:
    async with serving(saying("200 OK")) as server:
        with trio.move_on_after(20):
            outcome = await check(HttpKind(server.url("/", "https")), timeout_s=1.0)

    assert CRITICAL is outcome.status


@pytest.mark.parametrize("location", ["http://[", "http://[::1", "//[v1.x]:99999/", "http://a:99999/"])
async def test_a_redirect_to_an_address_that_is_none_is_critical_and_no_surprise(location: str) -> None:
    async with serving(saying("302 Found", b"", f"Location: {location}")) as server:
        outcome = await check(HttpKind(server.url()))

    assert CRITICAL is outcome.status


async def test_what_a_redirect_says_is_not_what_the_check_says() -> None:
    async def handle(stream: trio.abc.Stream, request: bytes) -> None:
        is_first = request.startswith(b"GET / ")
        answer = saying("302 Found", b"moved", "Location: /there") if is_first else saying("200 OK", b"here")
        await answer(stream, request)

    async with serving(handle) as server:
        outcome = await check(HttpKind(server.url()))

    assert f"HTTP GET {server.url()}: 200 OK Output: here" == outcome.output


async def test_a_body_in_bytes_is_given_up_while_others_have_their_turns() -> None:
    async def flood(stream: trio.abc.Stream, request: bytes) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await stream.send_all(b"1\r\nx\r\n" * READ_BYTES)

    async with serving(flood) as server, counted_turns() as counter:
        outcome = await check(HttpKind(server.url()))

    assert (PASSING, True) == (
        outcome.status,
        outcome.output.endswith(f"of {MAX_PIECES - 1} bytes\n...\n" + "x" * 4096),
    )
    assert MAX_PIECES * len(b"1\r\nx\r\n") // READ_BYTES <= counter.turns


async def test_answers_before_the_answer_do_not_go_on_for_ever() -> None:
    async def stall(stream: trio.abc.Stream, request: bytes) -> None:
        while True:
            await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    async with serving(stall) as server:
        outcome = await check(HttpKind(server.url()))

    assert (CRITICAL, True) == (outcome.status, f"more than {MAX_PIECES} answers" in outcome.output)
