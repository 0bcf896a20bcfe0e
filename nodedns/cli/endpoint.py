"""``Endpoint``: where an agent's HTTP API is, and what ``-http-addr`` may say of it."""

from __future__ import annotations

import ipaddress

from nodedns.cli.goflags import CommandError
from nodedns.errors import shorten

__all__ = ["ADDRESS_VARIABLE", "DEFAULT_ADDRESS", "Endpoint", "parse_endpoint"]

DEFAULT_ADDRESS = "127.0.0.1:8500"
DEFAULT_PORT = 8500
DEFAULT_TLS_PORT = 8501
"""What Consul's documentation gives ``ports.https``."""
ADDRESS_VARIABLE = "CONSUL_HTTP_ADDR"


class Endpoint:
    """A host and port, with TLS or without, or the path of a Unix socket."""

    __slots__ = ("host", "is_tls", "port", "unix_path")

    def __init__(self, host: str, port: int, unix_path: str = "", *, is_tls: bool = False) -> None:
        self.host = host
        self.port = port
        self.unix_path = unix_path
        self.is_tls = is_tls

    @property
    def authority(self) -> str:
        """``host:port`` as it stands in a URL, or ``localhost`` for a Unix socket."""
        if self.unix_path:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, as far as its name says."""
        if self.unix_path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def base(self) -> str:
        """The beginning of a URL, without a slash at its end."""
        return f"{'https' if self.is_tls else 'http'}://{self.authority}"

    @property
    def dialled(self) -> str:
        """What is dialled, in the words of Go's network errors."""
        return f"unix {self.unix_path}" if self.unix_path else f"tcp {self.authority}"


def parse_endpoint(text: str, *, is_tls: bool = False) -> Endpoint:
    """Return the endpoint that ``text`` names.

    Args:
        text: ``host:port``, ``http://host:port``, ``https://host:port`` or ``unix:///path``.
        is_tls: Whether TLS is meant where the text has no scheme.

    Raises:
        CommandError: It has no host, or its port is no port.
    """
    if text.startswith("unix://"):
        return Endpoint("", 0, unix_path=text.removeprefix("unix://"))
    scheme, found, rest = text.partition("://")
    if found and scheme not in ("http", "https"):
        raise _no_address(text)
    is_tls = scheme == "https" if found else is_tls
    bare = (rest if found else text).partition("/")[0]
    host, colon, port = bare.rpartition(":")
    if not colon or bare.endswith("]"):
        host, port = bare, str(DEFAULT_TLS_PORT if is_tls else DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65535:
        raise _no_address(text)
    return Endpoint(host, int(port), is_tls=is_tls)


def _no_address(text: str) -> CommandError:
    return CommandError(
        f"{shorten(text)} is not an address of an agent; -http-addr takes host:port, https://host:port or unix:///path."
    )
