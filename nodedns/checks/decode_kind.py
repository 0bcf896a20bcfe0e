"""From the keys of a check to its kind: exactly one, with what it needs, and nothing that cannot work.

Consul takes an address or a URL as it comes, and the check is critical for ever; here what
can never work is refused where it is registered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from nodedns.checks.fields import Fields
from nodedns.checks.kinds import (
    AliasKind,
    GrpcKind,
    H2PingKind,
    HttpKind,
    Kind,
    OsServiceKind,
    ScriptKind,
    TcpKind,
    TlsOptions,
    TtlKind,
    UdpKind,
)
from nodedns.errors import DefinitionError, shorten
from nodedns.model.address import MAX_PORT

__all__ = ["KIND_KEYS", "decode_kind", "split_target"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER_BREAK = re.compile(r"[\x00\r\n]")  # RFC 9110 section 5.5
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]+")  # systemd.unit(5)

KIND_KEYS: Mapping[str, tuple[str, ...]] = {
    "args": (),
    "http": ("method", "header", "body", "disable_redirects", "tls_server_name", "tls_skip_verify"),
    "tcp": ("tcp_use_tls", "tls_server_name", "tls_skip_verify"),
    "udp": (),
    "grpc": ("grpc_use_tls", "tls_server_name", "tls_skip_verify"),
    "h2ping": ("h2ping_use_tls", "tls_server_name", "tls_skip_verify"),
    "os_service": (),
    "ttl": (),
    "alias_service": (),
    "alias_node": (),
}
"""The key that makes a check of each kind, and those that belong to it."""


def split_target(target: str) -> tuple[str, int]:
    """Return host and port of ``host:port`` or ``[v6]:port``.

    Raises:
        ValueError: It is not that; the message says so.
    """
    host, colon, port = target.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"address {shorten(target)}: too many colons in address")
    if not colon:
        raise ValueError(f"address {shorten(target)}: missing port in address")
    if not host or _CONTROL.search(host) or " " in host:
        raise ValueError(f"address {shorten(target)}: missing host in address")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= MAX_PORT):
        raise ValueError(f"address {shorten(target)}: invalid port")
    return host, int(port)


def decode_kind(fields: Fields) -> Kind | None:
    """Return the kind that the keys say; None where they say none.

    Raises:
        DefinitionError: They say more than one, or one that can never work.
    """
    said = [key for key in KIND_KEYS if fields.raw(key) not in (None, "", [], 0)]
    if "ttl" in said and fields.seconds("ttl") <= 0:
        said.remove("ttl")  # 0s is none
    if said[-2:] == ["alias_service", "alias_node"]:
        said.pop()
    if not said:
        return None
    if len(said) > 1:
        raise _invalid(f"Check type is not valid: it has both {said[0]} and {said[1]}", said[1])
    return _MAKERS[said[0]](fields)


def _script(fields: Fields) -> ScriptKind:
    args = fields.texts("args")
    if not args[0] or any("\0" in arg for arg in args):
        raise _invalid("args must begin with a program, and hold no NUL", "args")
    return ScriptKind(args)


def _http(fields: Fields) -> HttpKind:
    url = fields.text("http")
    if _fails_as_url(url):
        raise _invalid(f"http must be an http or https URL, not {shorten(url)}", "http")
    method = fields.text("method") or "GET"
    if not _TOKEN.fullmatch(method):
        raise _invalid(f"method must be a method of HTTP, not {shorten(method)}", "method")
    header = fields.lists("header")
    for name, values in header.items():
        if not _TOKEN.fullmatch(name) or any(_HEADER_BREAK.search(value) for value in values):
            raise _invalid(f"header {shorten(name)} is none that can be sent", "header")
    return HttpKind(
        url=url,
        method=method.upper(),
        header=header,
        body=fields.text("body"),
        has_redirects=not fields.flag("disable_redirects"),
        tls=_tls(fields),
    )


def _fails_as_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return True
    is_clean = not _CONTROL.search(url) and " " not in url
    return not (is_clean and has_port and parts.scheme in {"http", "https"} and parts.hostname)


def _tcp(fields: Fields) -> TcpKind:
    return TcpKind(_target(fields, "tcp"), fields.flag("tcp_use_tls"), _tls(fields))


def _udp(fields: Fields) -> UdpKind:
    return UdpKind(_target(fields, "udp"))


def _grpc(fields: Fields) -> GrpcKind:
    target, _, service = fields.text("grpc").partition("/")
    return GrpcKind(_checked_target(target, "grpc"), service, fields.flag("grpc_use_tls"), _tls(fields))


def _h2ping(fields: Fields) -> H2PingKind:
    return H2PingKind(_target(fields, "h2ping"), fields.flag("h2ping_use_tls", default=True), _tls(fields))


def _os_service(fields: Fields) -> OsServiceKind:
    name = fields.text("os_service")
    if not _UNIT.fullmatch(name):
        raise _invalid(f"os_service must be the name of a systemd unit, not {shorten(name)}", "os_service")
    return OsServiceKind(name)


def _ttl(fields: Fields) -> TtlKind:
    return TtlKind(fields.seconds("ttl"))


def _alias(fields: Fields) -> AliasKind:
    return AliasKind(fields.text("alias_service"), fields.text("alias_node"))


def _target(fields: Fields, name: str) -> str:
    return _checked_target(fields.text(name), name)


def _checked_target(target: str, name: str) -> str:
    try:
        split_target(target)
    except ValueError as error:
        raise _invalid(f"{name}: {error}", name) from None
    return target


def _tls(fields: Fields) -> TlsOptions:
    return TlsOptions(fields.text("tls_server_name"), fields.flag("tls_skip_verify"))


def _invalid(reason: str, path: str) -> DefinitionError:
    return DefinitionError(reason, path, f"Invalid check: {reason}")


_MAKERS: Mapping[str, Callable[[Fields], Kind]] = {
    "args": _script,
    "http": _http,
    "tcp": _tcp,
    "udp": _udp,
    "grpc": _grpc,
    "h2ping": _h2ping,
    "os_service": _os_service,
    "ttl": _ttl,
    "alias_service": _alias,
    "alias_node": _alias,
}
