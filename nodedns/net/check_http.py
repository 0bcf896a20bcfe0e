"""HTTP checks: one request, redirects followed, the status code decides.

2xx passes, 429 warns, everything else and every error is critical. The body is read to its end
or to a bound, and its end is kept; where the time-out passes while it is read, the status
code decides all the same. HTTP/1.1, over TLS too; each request has a connection of its own,
and no proxy of the environment is asked.

Source: Consul's CheckHTTP (agent/checks) for texts and headers; Go's net/http for redirects.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import attrs
import h11
import trio

from nodedns.checks.kinds import HttpKind, TlsOptions
from nodedns.checks.outcome import Outcome, OutputTail, cut_note
from nodedns.model.check import CheckStatus
from nodedns.net.check_connect import Connector, reason_of

__all__ = ["run_http"]

MAX_REDIRECTS = 10
"""Of one request (Go)."""
MAX_BODY_BYTES = 1_048_576
"""Of a body that are read; ours: only its end is kept, and a check is no download."""
MAX_HEAD_BYTES = 16_384
"""Of a response's head; ours, twice what servers usually send at most, and 10 ms of work in the worst case."""
MAX_REASON_CHARS = 128
"""Of the words behind a status code that are shown; ours."""
MAX_PIECES = 8_192
"""Pieces in which a body may come, and answers before the answer; ours: with a byte in each, half a second of work."""
READ_BYTES = 4_096
"""At once; ours: in the smallest pieces there can be, 10 ms of work between which others have a turn."""

_OWN_HEADERS = {"User-Agent": "Consul Health Check", "Accept": "text/plain, text/*, */*"}
_SECRET_HEADERS = {"authorization", "cookie", "www-authenticate"}
_SAFE = "%/:=&?~#+!$,;'@()*[]"


@attrs.define
class _Answer:
    """What is known so far."""

    tail: OutputTail
    status: int = 0
    reason: str = ""
    location: str = ""
    error: str = ""


@attrs.frozen
class _Ask:
    """One request of what may become several."""

    url: str
    method: str
    header: Mapping[str, tuple[str, ...]]
    body: bytes
    tls: TlsOptions

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)


async def run_http(kind: HttpKind, connector: Connector, timeout_s: float, limit_bytes: int) -> Outcome:
    """Run an HTTP check once.

    Args:
        kind: What to ask.
        connector: Opens the connections.
        timeout_s: For all of it.
        limit_bytes: How much of the body is kept.
    """
    answer = _Answer(OutputTail(limit_bytes))
    answer.error = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    with trio.move_on_after(timeout_s):
        await _ask_all(kind, connector, answer, limit_bytes)
    shown = _without_password(kind.url)
    if not answer.status:
        said = f'{kind.method.capitalize()} "{shown}": {answer.error}'
        return Outcome(CheckStatus.CRITICAL, cut_note(said, limit_bytes))
    said = f"{answer.status} {answer.reason or _phrase(answer.status)}".rstrip()
    output = f"HTTP {kind.method} {shown}: {said} Output: {answer.tail.text()}"
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome(CheckStatus.PASSING, output)
    is_warning = answer.status == HTTPStatus.TOO_MANY_REQUESTS
    return Outcome(CheckStatus.WARNING if is_warning else CheckStatus.CRITICAL, output)


async def _ask_all(kind: HttpKind, connector: Connector, answer: _Answer, limit_bytes: int) -> None:
    ask = _Ask(kind.url, kind.method, kind.header, kind.body.encode(), kind.tls)
    for _ in range(MAX_REDIRECTS + 1):
        try:
            await _ask_once(ask, connector, answer)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            answer.error = reason_of(error)
            return
        except (h11.RemoteProtocolError, h11.LocalProtocolError, ValueError) as error:
            answer.error = f"malformed HTTP exchange: {error}"
            return
        try:
            following = _follow(ask, answer) if kind.has_redirects else None
        except ValueError as error:
            answer.status, answer.error = 0, f"failed to parse Location header: {error}"
            return
        if following is None:
            return
        answer.status, answer.tail, ask = 0, OutputTail(limit_bytes), following
    answer.error = f"stopped after {MAX_REDIRECTS} redirects"


async def _ask_once(ask: _Ask, connector: Connector, answer: _Answer) -> None:
    parts = ask.parts
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    stream: trio.abc.Stream
    if is_tls:
        stream = await connector.open_tls(host, port, ask.tls, ("http/1.1",))
    else:
        stream = await connector.open_tcp(host, port)
    try:
        await _exchange(ask, stream, answer)
    finally:
        await trio.aclose_forcefully(stream)


async def _exchange(ask: _Ask, stream: trio.abc.Stream, answer: _Answer) -> None:
    machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    target = quote(ask.parts._replace(scheme="", netloc="", fragment="").geturl() or "/", safe=_SAFE)
    request = h11.Request(
        method=ask.method, target=target if target.startswith("/") else f"/{target}", headers=_headers(ask)
    )
    sent = machine.send(request) or b""
    if ask.body:
        sent += machine.send(h11.Data(data=ask.body)) or b""
    await stream.send_all(sent + (machine.send(h11.EndOfMessage()) or b""))
    pieces = 0
    while pieces < MAX_PIECES:
        event = machine.next_event()
        if event is h11.NEED_DATA:
            data = bytes(await stream.receive_some(READ_BYTES))
            # What has come already is handed over without a pause.
            await trio.lowlevel.checkpoint()
            machine.receive_data(data)
            continue
        pieces += 1
        if isinstance(event, h11.Response):
            answer.status, answer.reason = event.status_code, event.reason.decode("latin-1")[:MAX_REASON_CHARS]
            answer.location = dict(event.headers).get(b"location", b"").decode("utf-8", "replace")
        elif isinstance(event, h11.Data):
            answer.tail.add(bytes(event.data))
            if answer.tail.total_bytes >= MAX_BODY_BYTES:
                return
        elif not isinstance(event, h11.InformationalResponse):
            return
    if not answer.status:
        raise ValueError(f"more than {MAX_PIECES} answers before the answer")


def _headers(ask: _Ask) -> list[tuple[bytes, bytes]]:
    parts = ask.parts
    given = {name.lower() for name in ask.header}
    found = [(name, value) for name, values in ask.header.items() for value in values]
    own = {"Host": _host_header(parts), **_OWN_HEADERS}
    if ask.body:
        own["Content-Length"] = str(len(ask.body))
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        own["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    found += [(name, value) for name, value in own.items() if name.lower() not in given]
    found = [(name, value) for name, value in found if name.lower() not in {"connection", "transfer-encoding"}]
    return [(name.encode(), value.strip().encode()) for name, value in [*found, ("Connection", "close")]]


def _host_header(parts: SplitResult) -> str:
    host = (
        (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
    )
    return host if parts.port is None else f"{host}:{parts.port}"


def _follow(ask: _Ask, answer: _Answer) -> _Ask | None:
    """Return the request that a redirect asks for; None where the answer is none."""
    if answer.status not in {301, 302, 303, 307, 308} or not answer.location:
        return None
    url = urljoin(ask.url, answer.location)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    method, body = ask.method, ask.body
    if answer.status in {301, 302, 303} and method not in {"GET", "HEAD"}:
        method, body = "GET", b""
    header = ask.header
    if parts.hostname != ask.parts.hostname:
        header = {name: values for name, values in header.items() if name.lower() not in _SECRET_HEADERS}
    header = {name: values for name, values in header.items() if name.lower() not in {"host", "content-length"}}
    return _Ask(url, method, header, body, ask.tls)


def _phrase(status: int) -> str:
    """Return the usual words for a status code that came without any."""
    return HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else ""


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=f"{parts.username}:xxxxx@{parts.netloc.rpartition('@')[2]}").geturl()
