"""Every exception nodedns raises on purpose, in one tree.

Strategy: decoders raise ``WireError`` and nothing else; cores raise only when
their own caller breaks a rule (``LocalProtocolError``); shells translate
``OSError`` at the seam. Remote input never raises out of a core. Anything
else that escapes is a bug.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence

__all__ = [
    "AgentError",
    "ApiError",
    "BindError",
    "ConfigError",
    "ConfigProblem",
    "DataDirError",
    "DefinitionError",
    "DnsWireError",
    "ForeignGossip",
    "GossipWireError",
    "JoinError",
    "LocalProtocolError",
    "NodednsError",
    "ProtocolError",
    "RemoteProtocolError",
    "TooBig",
    "WireError",
    "shorten",
]

SHORTENED_CHARS = 60

_CONTAINERS = reprlib.Repr()  # six levels deep, a few items each
_CONTAINERS.maxlong = _CONTAINERS.maxother = _CONTAINERS.maxstring = SHORTENED_CHARS


def shorten(value: object) -> str:
    """Return ``repr(value)``, cut so that a hostile value cannot fill a log line.

    Containers are looked into only so far: the repr of a list nested a thousand
    deep ends in ``RecursionError``, and that of megabytes takes long to make.
    """
    text = repr(value[:SHORTENED_CHARS]) if isinstance(value, str | bytes) else _CONTAINERS.repr(value)
    if len(text) <= SHORTENED_CHARS:
        return text
    return text[: SHORTENED_CHARS - 3] + "..."


class NodednsError(Exception):
    """Root of every exception that nodedns raises on purpose."""


class ConfigProblem:
    """One thing wrong in the configuration: where it stands, what, and the rule it breaks.

    Attributes:
        source: File name, or ``command line``, or ``environment``.
        path: Dotted key path such as ``dns_config.node_ttl``; empty for a whole file.
        message: What is wrong, with the offending value shortened.
    """

    __slots__ = ("message", "path", "source")

    def __init__(self, source: str, path: str, message: str) -> None:
        self.source = source
        self.path = path
        self.message = message

    def __str__(self) -> str:
        where = f"{self.source}: {self.path}" if self.path else self.source
        return f"{where}: {self.message}"

    def __repr__(self) -> str:
        return f"ConfigProblem({self!s})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConfigProblem) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class ConfigError(NodednsError):
    """The configuration cannot be used; carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class WireError(NodednsError):
    """Bytes from the network do not form what they claim to be.

    Args:
        what: The thing being decoded, e.g. ``alive message``.
        offset: Byte offset at which decoding stopped, 0 where unknown.
        reason: Why, in a few words; safe to log.
    """

    def __init__(self, what: str, offset: int, reason: str) -> None:
        self.what = what
        self.offset = offset
        self.reason = reason
        super().__init__(f"{what}: {reason} (at byte {offset})")


class GossipWireError(WireError):
    """A gossip packet or stream is malformed."""


class ForeignGossip(GossipWireError):
    """A packet or stream is not of our pool: another label, another key, or encryption on one side only.

    Args:
        kind: ``other-label``, ``wrong-key``, ``no-key`` (we have none) or ``not-encrypted`` (the peer's).
        reason: The same for people, with what to look at; safe to log.
    """

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        super().__init__("gossip", 0, reason)

    def __str__(self) -> str:
        return self.reason


class DnsWireError(WireError):
    """A DNS message is malformed."""


class TooBig(NodednsError):
    """An encoder was given more than fits its limit.

    Args:
        what: The thing being encoded.
        size_bytes: Its encoded size.
        limit_bytes: The limit it broke.
    """

    def __init__(self, what: str, size_bytes: int, limit_bytes: int) -> None:
        self.what = what
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(f"{what} is {size_bytes} bytes, the limit is {limit_bytes}")


class ProtocolError(NodednsError):
    """A rule of a protocol was broken; see the two subclasses for by whom."""


class LocalProtocolError(ProtocolError):
    """Our own caller broke a rule of the core (a bug in nodedns, not in the peer)."""


class RemoteProtocolError(ProtocolError):
    """The peer broke a rule on a stream."""


class JoinError(NodednsError):
    """No address of a join could be contacted.

    Args:
        attempts: ``(address text, reason)`` of each try.
    """

    def __init__(self, attempts: Sequence[tuple[str, str]]) -> None:
        self.attempts = tuple(attempts)
        super().__init__("; ".join(f"Failed to join {where}: {why}" for where, why in self.attempts))


class ApiError(NodednsError):
    """An HTTP request is answered with an error status.

    Args:
        status: HTTP status code.
        message: Body text, without a trailing newline.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(f"{status}: {message}")


class DefinitionError(NodednsError):
    """A service or a check is not defined as it may be.

    Its text is what HTTP answers with, as status 400; a configuration file shows the path by
    itself, and then says ``reason``.

    Args:
        reason: What is wrong, without where.
        path: Dotted key path inside the definition, such as ``checks[1].interval``; empty for the whole.
        text: How Consul's HTTP API says it, where it says more than the reason.
    """

    def __init__(self, reason: str, path: str = "", text: str = "") -> None:
        self.reason = reason
        self.path = path
        self.text = text or reason
        super().__init__(self.text)

    def inside(self, path: str) -> DefinitionError:
        """Return the same error of something that stands under ``path`` itself."""
        dot = "." if path and self.path and not self.path.startswith("[") else ""
        return DefinitionError(self.reason, path + dot + self.path, self.text)


class AgentError(NodednsError):
    """The agent cannot start or go on."""


class BindError(AgentError):
    """An address or port cannot be bound; the message names address, port, errno and flag."""


class DataDirError(AgentError):
    """The data directory cannot be used: another node's, in use, or not writable."""
