"""What a check looks at: one frozen value per kind.

A kind says what to do, never how: ``nodedns/net`` runs those that need I/O. The lists of
kinds below are closed; a new one is added to ``Kind`` and gets a runner.

Source: Consul's check types (agent/structs/check_type.go).
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = [
    "AliasKind",
    "GrpcKind",
    "H2PingKind",
    "HttpKind",
    "Kind",
    "OsServiceKind",
    "RunKind",
    "ScriptKind",
    "TcpKind",
    "TlsOptions",
    "TtlKind",
    "UdpKind",
    "default_timeout_s",
    "type_of",
]

SCRIPT_TIMEOUT_S = 30.0
"""Of programs, where none is given (Consul)."""
REQUEST_TIMEOUT_S = 10.0
"""Of what asks another over the network, where none is given (Consul)."""


@attrs.frozen
class TlsOptions:
    """How a check speaks TLS.

    Attributes:
        server_name: Whose certificate is expected, and the name sent; empty for the host asked.
        is_unverified: Whether any certificate will do.
    """

    server_name: str = ""
    is_unverified: bool = False


@attrs.frozen
class ScriptKind:
    """A program: exit code 0 passes, 1 warns, anything else is critical.

    Attributes:
        args: The program and its arguments, at least one; no shell is in between.
    """

    args: tuple[str, ...]


@attrs.frozen
class HttpKind:
    """A request: 2xx passes, 429 warns, anything else is critical.

    Attributes:
        url: ``http`` or ``https``.
        method: In capitals.
        header: Name to values.
        body: Sent as UTF-8.
        has_redirects: Whether redirects are followed.
        tls: Of ``https``.
    """

    url: str
    method: str = "GET"
    header: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    body: str = ""
    has_redirects: bool = True
    tls: TlsOptions = TlsOptions()


@attrs.frozen
class TcpKind:
    """A connection: made passes, anything else is critical.

    Attributes:
        target: ``host:port``.
        has_tls: Whether a TLS handshake belongs to it.
        tls: Of that.
    """

    target: str
    has_tls: bool = False
    tls: TlsOptions = TlsOptions()


@attrs.frozen
class UdpKind:
    """A datagram: any answer, and none at all, pass; a refusal is critical.

    Attributes:
        target: ``host:port``.
    """

    target: str


@attrs.frozen
class GrpcKind:
    """The gRPC health protocol: SERVING passes, anything else is critical.

    Attributes:
        target: ``host:port``.
        service: Which service is asked about; empty for the server as a whole.
        has_tls: Whether the connection is TLS.
        tls: Of that.
    """

    target: str
    service: str = ""
    has_tls: bool = False
    tls: TlsOptions = TlsOptions()


@attrs.frozen
class H2PingKind:
    """An HTTP/2 ping: answered passes, anything else is critical.

    Attributes:
        target: ``host:port``.
        has_tls: Whether the connection is TLS.
        tls: Of that.
    """

    target: str
    has_tls: bool = True
    tls: TlsOptions = TlsOptions()


@attrs.frozen
class OsServiceKind:
    """A unit of the service manager: active passes, on its way there warns, anything else is critical.

    Attributes:
        name: Such as ``nginx`` or ``nginx.service``.
    """

    name: str


@attrs.frozen
class TtlKind:
    """Whoever is checked says how it is, and is critical where it falls silent.

    Attributes:
        ttl_s: After how many seconds of silence.
    """

    ttl_s: float


@attrs.frozen
class AliasKind:
    """As well as the worst check of another service or node.

    Attributes:
        service: ID of the service; empty for the node itself.
        node: Which node; empty for the own one.
    """

    service: str = ""
    node: str = ""


RunKind = ScriptKind | HttpKind | TcpKind | UdpKind | GrpcKind | H2PingKind | OsServiceKind
"""Kinds that something has to be done for, every interval."""
Kind = RunKind | TtlKind | AliasKind

_TYPES: Mapping[type, str] = {
    ScriptKind: "script",
    HttpKind: "http",
    TcpKind: "tcp",
    UdpKind: "udp",
    GrpcKind: "grpc",
    H2PingKind: "h2ping",
    OsServiceKind: "os_service",
    TtlKind: "ttl",
    AliasKind: "alias",
}


def type_of(kind: Kind) -> str:
    """Return Consul's word for the kind, as the catalog shows it."""
    return _TYPES[type(kind)]


def default_timeout_s(kind: Kind) -> float:
    """Return how long a run may take where nothing is said; 0 where nothing is run."""
    if isinstance(kind, ScriptKind | OsServiceKind):
        return SCRIPT_TIMEOUT_S
    return 0.0 if isinstance(kind, TtlKind | AliasKind) else REQUEST_TIMEOUT_S
