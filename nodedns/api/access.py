"""``AccessRules``: who may read and who may change things over HTTP, and who may ask DNS.

Strategy: a request needs the right that its route names. Where tokens are on, it has the
right of the token it brings, or without one that of everybody; a token that nobody gave out has none. Besides,
changes may be limited to networks, and paths may be blocked. A refusal is 403 with Consul's text.

Tokens are kept as digests, which are all compared with the one that is brought, each in constant time: neither the time
that takes nor what is shown of the configuration tells anything of a secret.

Does not read requests' bodies and has no finer rights than reading and writing.

Source: Consul agent/http.go (parseTokenInternal, checkWriteAccess, blocked endpoints), acl/errors.go.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping

import attrs

from nodedns.api.request import Request
from nodedns.errors import ApiError

__all__ = ["MAX_TOKENS", "AccessRules", "Network", "Right", "Tokens", "check_access", "token_of"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_TOKENS = 256
"""Every one is compared with each request's; ours, as Consul looks them up by index."""
TOKEN_HEADER = "x-consul-token"  # noqa: S105 - a header's name
BEARER = "bearer"
READING_METHODS = ("GET", "HEAD", "OPTIONS")


class Right(enum.IntEnum):
    """What a request needs, or its sender has; each includes those before it."""

    NONE = 0
    READ = 1
    WRITE = 2


class Tokens:
    """The secrets that were given out, each with its right; nothing shows them.

    Args:
        rights: By secret, at most ``MAX_TOKENS``.
    """

    __slots__ = ("_rights",)

    def __init__(self, rights: Mapping[str, Right] | None = None) -> None:
        self._rights = tuple((_digest(secret), right) for secret, right in (rights or {}).items())

    def right_of(self, secret: str) -> Right | None:
        """Return the right of a secret; None for one that was not given out."""
        digest = _digest(secret)
        found = None
        for known, right in self._rights:
            # No early end: how long it takes must not tell which one it was, or how much of it was right.
            if hmac.compare_digest(known, digest):
                found = right
        return found

    def __len__(self) -> int:
        return len(self._rights)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokens) and self._rights == other._rights

    def __hash__(self) -> int:
        return hash(self._rights)

    def __repr__(self) -> str:
        return "hidden" if self._rights else ""


@attrs.frozen(kw_only=True)
class AccessRules:
    """Who may do what; by default everybody who can connect may do everything, as with Consul.

    Attributes:
        with_tokens: Whether tokens are looked at; otherwise they are ignored.
        denies_by_default: Whether a sender has no right but those of a token.
        tokens: Given out.
        anonymous: The right of a request without a token.
        dns: The right of DNS clients; below ``READ`` our names are refused to them.
        write_networks: Of clients that may change things; empty for all. Not for Unix sockets.
        blocked_paths: Beginnings of paths that nobody may ask for.
        response_headers: Added to every answer.
    """

    with_tokens: bool = False
    denies_by_default: bool = False
    tokens: Tokens = attrs.field(factory=Tokens)
    anonymous: Right = Right.WRITE
    dns: Right = Right.WRITE
    write_networks: tuple[Network, ...] = ()
    blocked_paths: tuple[str, ...] = ()
    response_headers: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What every answer carries."""
        policy = "deny" if self.with_tokens and self.denies_by_default else "allow"
        return (("X-Consul-Default-ACL-Policy", policy), *self.response_headers)


def token_of(request: Request) -> str:
    """Return the token that a request brings, empty if none: a parameter counts before headers, as in Consul."""
    given = request.parameters.first("token") or request.headers.get(TOKEN_HEADER, "")
    if given:
        return given
    scheme, _, rest = request.headers.get("authorization", "").strip().partition(" ")
    return rest.strip() if scheme.lower() == BEARER else ""


def check_access(request: Request, needed: Right, rules: AccessRules) -> None:
    """Do nothing if the request may go on.

    Args:
        request: Its method is one that the route has.
        needed: The right that the route names for it.
        rules: In force now.

    Raises:
        ApiError: 403 with Consul's text.
    """
    if rules.blocked_paths and request.path.startswith(rules.blocked_paths):
        raise ApiError(403, "Endpoint is blocked by agent configuration")
    if rules.write_networks and request.method not in READING_METHODS:
        _check_network(request.client, rules)
    if rules.with_tokens:
        _check_token(token_of(request), needed, rules)


def _check_network(client: str, rules: AccessRules) -> None:
    if not client:
        return  # a Unix socket: its directory's permissions say who may use it
    ip = ipaddress.ip_address(client.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    if not any((mapped or ip) in network for network in rules.write_networks):
        raise ApiError(403, "Access is restricted")


def _check_token(token: str, needed: Right, rules: AccessRules) -> None:
    has = rules.tokens.right_of(token) if token else rules.anonymous
    if has is None:
        raise ApiError(403, "ACL not found")
    if has >= needed:
        return
    lacking = f"lacks permission '{needed.name.lower()}'"
    if token:
        raise ApiError(403, f"Permission denied: token {lacking}")
    reason = "The anonymous token is used implicitly when a request does not specify a token."
    raise ApiError(403, f"Permission denied: anonymous token {lacking}. {reason}")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
