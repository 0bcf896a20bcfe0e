"""HTTP/2 checks: a ping, and the gRPC health protocol.

Strategy: h2 is the protocol machine, as it is for the HTTP server; one connection per run,
one ping or one request on it. gRPC's health protocol is one message of one field in either
direction, so that it is written out here rather than carried by a library with threads and
code of its own.

Source: RFC 9113; grpc's doc/PROTOCOL-HTTP2.md and health/v1/health.proto; Consul's texts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import trio

from nodedns.checks.decode_kind import split_target
from nodedns.checks.kinds import GrpcKind, H2PingKind, TlsOptions
from nodedns.checks.outcome import Outcome, cut_note
from nodedns.model.check import CheckStatus
from nodedns.net.check_connect import Connector, reason_of

__all__ = ["run_grpc", "run_h2ping"]

READ_BYTES = 4_096
"""At once; ours: in the smallest frames there can be, 15 ms of work between which others have a turn."""
MAX_ANSWER_BYTES = 4096
"""Of a health answer, which has two; ours."""
MAX_EVENTS = 1024
"""That a server may make of one question before it answers; ours."""
PING = b"nodedns\0"
STREAM = 1

_HEALTH_PATH = "/grpc.health.v1.Health/Check"
_SERVING_STATUS = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_STATUS_OF_SERVING = {"SERVING": CheckStatus.PASSING, "UNKNOWN": CheckStatus.WARNING}
_CODES = {"5": "NotFound", "7": "PermissionDenied", "12": "Unimplemented", "14": "Unavailable", "16": "Unauthenticated"}


class _Link:
    """One HTTP/2 connection, after its preface was sent."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.machine = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.machine.initiate_connection()

    async def flush(self) -> None:
        """Send what the machine has to send."""
        data = self.machine.data_to_send()
        if data:
            await self._stream.send_all(data)

    async def events(self) -> list[h2.events.Event]:
        """Wait for the next events. Raises ``OSError`` at the end of the connection."""
        await self.flush()
        data = await self._stream.receive_some(READ_BYTES)
        # What has come already is handed over without a pause.
        await trio.lowlevel.checkpoint()
        if not data:
            raise OSError("connection closed by the server")
        found = self.machine.receive_data(bytes(data))
        await self.flush()
        for event in found:
            if isinstance(event, h2.events.ConnectionTerminated):
                raise OSError(f"connection closed by the server: error code {int(event.error_code or 0)}")
        return found


async def run_h2ping(kind: H2PingKind, connector: Connector, timeout_s: float, limit_bytes: int) -> Outcome:
    """Run an HTTP/2 ping check once."""

    async def ping() -> Outcome:
        stream = await _open(kind.target, kind.tls if kind.has_tls else None, connector)
        try:
            link = _Link(stream)
            link.machine.ping(PING)
            for _ in range(MAX_EVENTS):
                if any(isinstance(event, h2.events.PingAckReceived) for event in await link.events()):
                    return Outcome(CheckStatus.PASSING, "HTTP2 ping was successful")
            raise OSError("the server talks on and does not answer")
        finally:
            await trio.aclose_forcefully(stream)

    return await _guarded(ping, "HTTP2 ping failed: ", timeout_s, limit_bytes)


async def run_grpc(kind: GrpcKind, connector: Connector, timeout_s: float, limit_bytes: int) -> Outcome:
    """Run a gRPC health check once."""

    async def ask() -> Outcome:
        stream = await _open(kind.target, kind.tls if kind.has_tls else None, connector)
        try:
            return await _ask_health(kind, _Link(stream))
        finally:
            await trio.aclose_forcefully(stream)

    return await _guarded(ask, f"gRPC check {_shown(kind)}: ", timeout_s, limit_bytes)


async def _ask_health(kind: GrpcKind, link: _Link) -> Outcome:
    scheme = "https" if kind.has_tls else "http"
    head = [(":method", "POST"), (":scheme", scheme), (":path", _HEALTH_PATH), (":authority", kind.target)]
    plain = [("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", "Consul Health Check")]
    link.machine.send_headers(STREAM, head + plain)
    link.machine.send_data(STREAM, _health_request(kind.service), end_stream=True)
    answer = b""
    trailers: dict[str, str] = {}
    for _ in range(MAX_EVENTS):
        is_over = False
        for event in await link.events():
            match event:
                case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                    trailers.update(_texts(event.headers or ()))
                case h2.events.DataReceived():
                    answer += event.data or b""
                    link.machine.acknowledge_received_data(event.flow_controlled_length or 0, STREAM)
                case h2.events.StreamEnded() | h2.events.StreamReset():
                    is_over = True
        if len(answer) > MAX_ANSWER_BYTES:
            raise OSError("the answer is too long for a health answer")
        if is_over:
            return _judge(kind, trailers, answer)
    raise OSError("the server talks on and does not answer")


def _judge(kind: GrpcKind, trailers: dict[str, str], answer: bytes) -> Outcome:
    code = trailers.get("grpc-status", "")
    if code != "0":
        said = trailers.get("grpc-message", "") or f"HTTP status {trailers.get(':status', 'missing')}"
        raise OSError(f"rpc error: code = {_CODES.get(code, code or 'Unknown')} desc = {said}")
    serving = _SERVING_STATUS.get(_health_answer(answer), "UNKNOWN")
    status = _STATUS_OF_SERVING.get(serving, CheckStatus.CRITICAL)
    if status is CheckStatus.PASSING:
        return Outcome(status, f"gRPC check {_shown(kind)}: success")
    return Outcome(status, f"gRPC check {_shown(kind)}: gRPC application didn't report service healthy: {serving}")


def _health_request(service: str) -> bytes:
    """Return ``HealthCheckRequest{service = 1}`` as one message of gRPC."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _health_answer(data: bytes) -> int:
    """Return the status of one ``HealthCheckResponse{status = 1}``. Raises ``OSError``."""
    message = data[5:]
    if len(data) < 5 or data[0] != 0 or int.from_bytes(data[1:5], "big") != len(message):
        raise OSError("the answer is no message of gRPC")
    if not message:
        return 0  # a field of its default value is not sent
    if len(message) != 2 or message[0] != 0x08:
        raise OSError("the answer is no health answer")
    return message[1]


async def _open(target: str, tls: TlsOptions | None, connector: Connector) -> trio.abc.Stream:
    host, port = split_target(target)
    return await connector.open_tcp(host, port) if tls is None else await connector.open_tls(host, port, tls, ("h2",))


async def _guarded(ask: Callable[[], Awaitable[Outcome]], preface: str, timeout_s: float, limit_bytes: int) -> Outcome:
    try:
        with trio.fail_after(timeout_s):
            return await ask()
    except trio.TooSlowError:
        said = "context deadline exceeded"
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
        said = reason_of(error)
    except h2.exceptions.H2Error as error:
        said = f"malformed HTTP/2: {error}"
    return Outcome(CheckStatus.CRITICAL, cut_note(preface + said, limit_bytes))


def _texts(headers: Iterable[tuple[bytes | str, bytes | str]]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in headers}


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _shown(kind: GrpcKind) -> str:
    return f"{kind.target}/{kind.service}" if kind.service else kind.target
