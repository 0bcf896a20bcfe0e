"""``AgentClient``: asks one agent over its HTTP API, as Consul's command-line client does.

The address comes from ``-http-addr``, else from ``CONSUL_HTTP_ADDR``, else it
is 127.0.0.1:8500; it may be ``host:port``, ``http://host:port``, ``https://host:port`` or
``unix:///path``. Token and certificates come from flags and variables likewise (``client_settings``). HTTP
itself is h11's over one blocking socket per request: commands live for a moment, and h11 loads in a third
of the time that the standard library's client takes. No redirect is followed.

Error texts have Consul's shapes, since scripts look for them; an agent that
cannot be reached gets a second line that says how to mend it.
"""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

import h11

from nodedns import __version__
from nodedns.cli.client_settings import ABSENT_CLIENT_FLAGS, ClientSettings, client_flags, client_settings
from nodedns.cli.endpoint import ADDRESS_VARIABLE, DEFAULT_ADDRESS, Endpoint, parse_endpoint
from nodedns.cli.tables import printable
from nodedns.errors import NodednsError, shorten

if TYPE_CHECKING:
    import ssl

__all__ = [
    "ABSENT_CLIENT_FLAGS",
    "AgentClient",
    "ClientError",
    "Endpoint",
    "client_flags",
    "misshapen",
    "parse_endpoint",
]

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0
"""Longer than a graceful leave (15 s) and than a join that tries several dead addresses."""
MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""Room for the members of the largest cluster (131,072, about 1 KiB each) and as much again."""
MAX_LINE_BYTES = 1024 * 1024
"""Far above the longest line: a reply to a query is a datagram."""
READ_BYTES = 64 * 1024


class ClientError(NodednsError):
    """The agent could not be asked, or refused; the message is fit to print.

    Args:
        message: For people.
        status: The HTTP status other than 200, if there was one.
        has_begun: Whether a part of the answer was there already.
    """

    def __init__(self, message: str, status: int = 0, *, has_begun: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.has_begun = has_begun


def misshapen(path: str) -> ClientError:
    """Return the error for JSON that no agent answers with: something else listens there."""
    return ClientError(f"the answer to {path} is not that of an agent; does something else listen there?")


class AgentClient:
    """Asks one agent. Each call is one connection.

    Args:
        endpoint: The agent's HTTP API.
        settings: Token and certificates; those of the environment unless given.
        connect_s: How long a connection may take to come about.
    """

    def __init__(
        self, endpoint: Endpoint, settings: ClientSettings | None = None, *, connect_s: float = CONNECT_TIMEOUT_S
    ) -> None:
        self._endpoint = endpoint
        self._settings = settings or ClientSettings()
        self._connect_s = connect_s

    @classmethod
    def from_flag(
        cls, http_addr: str | None, *, default: str = DEFAULT_ADDRESS, connect_s: float = CONNECT_TIMEOUT_S
    ) -> AgentClient:
        """Build from ``-http-addr``, else from the environment, else ``default``; with the command's other flags.

        Raises:
            CommandError: An address, a file or a variable cannot be used.
        """
        settings = client_settings()
        address = http_addr or os.environ.get(ADDRESS_VARIABLE) or default
        return cls(parse_endpoint(address, is_tls=settings.is_tls), settings, connect_s=connect_s)

    @property
    def endpoint(self) -> Endpoint:
        """Whom it asks."""
        return self._endpoint

    def get_list(self, path: str, query: Sequence[tuple[str, str]] = ()) -> list[Any]:
        """Return the JSON list that answers a GET, empty for ``null``. Arguments and errors as ``get``."""
        answer = self.get(path, query)
        if answer is not None and not isinstance(answer, list):
            raise misshapen(path)
        return answer or []

    def get_object(self, path: str, query: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Return the JSON object that answers a GET. Arguments and errors as ``get``."""
        answer = self.get(path, query)
        if not isinstance(answer, dict):
            raise misshapen(path)
        return answer

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Any:  # noqa: ANN401 - JSON has no type
        """Return the JSON answer to a GET.

        Args:
            path: From ``/v1`` on, its parts quoted.
            query: Parameters, in order.

        Raises:
            ClientError: No agent, no HTTP, another status than 200, or no JSON.
        """
        return _parsed(path, self._ask("GET", path, query).body)

    def get_raw(
        self, path: str, query: Sequence[tuple[str, str]] = (), *, answer_s: float
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return what answers a GET as it came, and its headers by name in lower case.

        Args:
            path: As ``get`` has it, and so the errors.
            query: Likewise.
            answer_s: How long the agent may be silent.
        """
        answer = self._ask("GET", path, query, answer_s=answer_s)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
        return answer.body, headers

    def get_indexed(self, path: str, query: Sequence[tuple[str, str]], answer_s: float) -> tuple[Any, int]:
        """Return the JSON answer to a GET and its ``X-Consul-Index``, 0 where there is none.

        Args:
            path: As ``get`` has it, and so the errors.
            query: Likewise.
            answer_s: How long the agent may take.
        """
        answer = self._ask("GET", path, query, answer_s=answer_s)
        index = dict(answer.headers).get(b"x-consul-index", b"")
        return _parsed(path, answer.body), int(index) if index.isdigit() else 0

    def get_lines(self, path: str, query: Sequence[tuple[str, str]]) -> Iterator[bytes]:
        """Yield the lines that answer a GET, each when it comes, with any time between them.

        Raises:
            ClientError: As ``get``; or the answer broke off.
        """
        yield from self._lines_of("GET", path, query, b"", quiet_s=None)

    def put(self, path: str, query: Sequence[tuple[str, str]] = ()) -> None:
        """Send a PUT without a body and drop the answer. Raises as ``get``."""
        self._ask("PUT", path, query)

    def put_for_object(self, path: str, query: Sequence[tuple[str, str]], body: bytes) -> dict[str, Any]:
        """Return the JSON object that answers a PUT of ``body``. Errors as ``get``."""
        answer = _parsed(path, self._ask("PUT", path, query, body).body)
        if not isinstance(answer, dict):
            raise misshapen(path)
        return answer

    def send(self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes) -> None:
        """Send a body by POST, PUT or DELETE and drop the answer. Raises as ``get``."""
        self._ask(method, path, query, body)

    def _ask(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        content: bytes = b"",
        *,
        answer_s: float = ANSWER_TIMEOUT_S,
    ) -> _Answer:
        target = path + _encode_query(query)
        try:
            with self._connect() as sock:
                sock.settimeout(answer_s)
                answer = _exchange(sock, self._request(method, target, content), content)
        except (OSError, h11.RemoteProtocolError) as error:
            raise ClientError(self._explain(method, target, error)) from error
        if answer.status != 200:
            raise _refusal(answer.status, answer.body)
        return answer

    def put_lines(
        self, path: str, query: Sequence[tuple[str, str]], body: bytes, *, quiet_s: float
    ) -> Iterator[dict[str, Any]]:
        """Yield the JSON objects, one a line, that answer a PUT of ``body``, each when it comes.

        Args:
            path: From ``/v1`` on, its parts quoted.
            query: Parameters, in order.
            body: Sent along.
            quiet_s: How long the agent may be silent.

        Raises:
            ClientError: As ``get``; or the answer broke off.
        """
        for line in self._lines_of("PUT", path, query, body, quiet_s=quiet_s):
            value = _parsed(path, line)
            if not isinstance(value, dict):
                raise misshapen(path)
            yield value

    def _lines_of(
        self, method: str, path: str, query: Sequence[tuple[str, str]], body: bytes, *, quiet_s: float | None
    ) -> Iterator[bytes]:
        target = path + _encode_query(query)
        has_begun = False

        def begin() -> None:
            nonlocal has_begun
            has_begun = True

        try:
            with self._connect() as sock:
                # The kernel finds out about an agent that is gone without a word.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.settimeout(quiet_s)
                yield from _lines(sock, self._request(method, target, body), body, begin)
        except (OSError, h11.RemoteProtocolError) as error:
            raise ClientError(self._explain(method, target, error), has_begun=has_begun) from error

    def _request(self, method: str, target: str, content: bytes) -> h11.Request:
        return h11.Request(
            method=method,
            target=target,
            headers=[
                ("Host", self._endpoint.authority),
                ("User-Agent", f"nodedns/{__version__}"),
                ("Accept", "application/json"),
                ("Content-Length", str(len(content))),
                ("Connection", "close"),
                *self._credentials(),
            ],
        )

    def _credentials(self) -> list[tuple[str, str]]:
        headers = []
        if self._settings.token:
            headers.append(("X-Consul-Token", self._settings.token))
        if self._settings.basic_auth:
            pair = base64.b64encode(self._settings.basic_auth.encode("utf-8", "surrogateescape"))
            headers.append(("Authorization", f"Basic {pair.decode('ascii')}"))
        return headers

    def _connect(self) -> socket.socket:
        if not self._endpoint.unix_path:
            sock = socket.create_connection((self._endpoint.host, self._endpoint.port), self._connect_s)
            return self._secured(sock) if self._endpoint.is_tls else sock
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self._connect_s)
            sock.connect(self._endpoint.unix_path)
        except OSError:
            sock.close()
            raise
        return sock

    def _secured(self, sock: socket.socket) -> socket.socket:
        # Imported here: it takes longer to load than a command without TLS takes in all.
        from nodedns.cli.client_tls import client_context  # noqa: PLC0415

        try:
            context = client_context(self._settings)
            return context.wrap_socket(sock, server_hostname=self._settings.server_name or self._endpoint.host)
        except BaseException:
            sock.close()
            raise

    def _explain(self, method: str, target: str, error: Exception) -> str:
        line = f'{method.capitalize()} "{self._endpoint.base}{target}": {self._reason(error)}'
        if self._endpoint.is_tls and _is_of_tls(error):
            return (
                f"{line}\nName the authority of the agent's certificate with -ca-file or CONSUL_CACERT, and a "
                "certificate of ours with -client-cert and -client-key."
            )
        return (
            f"{line}\nNo agent of nodedns answers there. Start one (nodedns agent -dev), or name the one to ask "
            f"with -http-addr=<host:port> or {ADDRESS_VARIABLE}."
        )

    def _reason(self, error: Exception) -> str:
        if isinstance(error, h11.RemoteProtocolError):
            return f"no HTTP from {self._endpoint.dialled}: {error}"
        if self._endpoint.is_tls and _is_of_tls(error):
            from nodedns.cli.client_tls import tls_reason  # noqa: PLC0415 - as in _secured

            return tls_reason(error)
        if isinstance(error, TimeoutError):
            return f"dial {self._endpoint.dialled}: i/o timeout"
        if isinstance(error, socket.gaierror):
            return f"dial {self._endpoint.dialled}: lookup {self._endpoint.host}: {error.strerror}"
        reason = str(getattr(error, "strerror", None) or error).lower()
        return f"dial {self._endpoint.dialled}: connect: {reason}"


def _is_of_tls(error: Exception) -> TypeGuard[ssl.SSLError]:
    import ssl  # noqa: PLC0415 - as in _secured

    return isinstance(error, ssl.SSLError)


def _parsed(path: str, body: bytes) -> Any:  # noqa: ANN401 - JSON has no type
    try:
        return json.loads(body)
    except ValueError:
        raise ClientError(f"the answer to {path} is no JSON: {shorten(body)}") from None


class _Answer(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def _exchange(sock: socket.socket, request: h11.Request, content: bytes) -> _Answer:
    connection = _send(sock, request, content)
    status = 0
    headers: list[tuple[bytes, bytes]] = []
    chunks: list[bytes] = []
    room = MAX_ANSWER_BYTES
    for event in _received(sock, connection):
        if isinstance(event, h11.Response):
            status, headers = event.status_code, [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, h11.Data):
            chunks.append(bytes(event.data))
            room -= len(event.data)
            if room < 0:
                raise h11.RemoteProtocolError(f"the answer is over {MAX_ANSWER_BYTES} bytes")
    return _Answer(status, headers, b"".join(chunks))


def _lines(sock: socket.socket, request: h11.Request, content: bytes, begin: Callable[[], None]) -> Iterator[bytes]:
    """Yield the lines of an answer, ``begin`` called before; raise ``ClientError`` for another status than 200."""
    connection = _send(sock, request, content)
    status = 0
    rest = b""
    for event in _received(sock, connection):
        if isinstance(event, h11.Response):
            status = event.status_code
            if status == 200:
                begin()
        elif isinstance(event, h11.Data):
            rest += bytes(event.data)
            if status == 200:
                *lines, rest = rest.split(b"\n")
                yield from lines
            if len(rest) > MAX_LINE_BYTES:
                raise h11.RemoteProtocolError(f"a line is over {MAX_LINE_BYTES} bytes")
    if status != 200:
        raise _refusal(status, rest)
    if rest:
        yield rest


def _refusal(status: int, body: bytes) -> ClientError:
    # An agent tells of others in their own words, such as the name of a node.
    said = printable(body.decode(errors="replace").strip(), kept="\n\t")
    return ClientError(f"Unexpected response code: {status} ({said})", status)


def _send(sock: socket.socket, request: h11.Request, content: bytes) -> h11.Connection:
    connection = h11.Connection(our_role=h11.CLIENT)
    parts: list[h11.Event] = [request, h11.Data(content), h11.EndOfMessage()]
    sock.sendall(b"".join(connection.send(part) or b"" for part in parts))
    return connection


def _received(sock: socket.socket, connection: h11.Connection) -> Iterator[h11.Event]:
    """Yield what comes, up to the end of the answer."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(sock.recv(READ_BYTES))
        elif isinstance(event, h11.EndOfMessage):
            return
        elif isinstance(event, h11.Event):
            yield event


def _encode_query(query: Sequence[tuple[str, str]]) -> str:
    if not query:
        return ""
    # Imported here: most commands send no parameter, and it costs them a few milliseconds.
    from urllib.parse import urlencode  # noqa: PLC0415

    return "?" + urlencode(query)
