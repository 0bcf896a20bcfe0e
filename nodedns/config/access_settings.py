# ruff: noqa: RUF009 - key makes an attrs field, which is no mutable default
"""The blocks of ``Settings`` that say who may use the HTTP API, and how much of it; Consul's names."""

from __future__ import annotations

import attrs

from nodedns.config.keys import KeyText, key

__all__ = [
    "AclSettings",
    "HttpSettings",
    "LimitSettings",
    "TokenSettings",
]


@attrs.frozen(kw_only=True)
class TokenSettings:
    """The tokens; the lists are nodedns's own keys."""

    initial_management: KeyText | None = key("A token that may read and write.")
    default: KeyText | None = key("The token that requests without one are taken to have, and DNS clients too.")
    dns: KeyText | None = key("The token that DNS clients are taken to have instead.")
    read: list[KeyText] | None = key("Tokens that may read; nodedns's own key.")
    write: list[KeyText] | None = key("Tokens that may read and write; nodedns's own key.")


@attrs.frozen(kw_only=True)
class AclSettings:
    """Who may read and write."""

    enabled: bool | None = key("Whether tokens are looked at.")
    default_policy: str | None = key("allow or deny: what a request without a token may do.")
    tokens: TokenSettings | None = key("The tokens.")


@attrs.frozen(kw_only=True)
class HttpSettings:
    """What the HTTP API takes and sends."""

    allow_write_http_from: list[str] | None = key("Networks whose clients may change things.")
    block_endpoints: list[str] | None = key("Beginnings of paths that nobody may ask for.")
    response_headers: dict[str, str] | None = key("Headers added to every answer.")


@attrs.frozen(kw_only=True)
class LimitSettings:
    """What one client may take."""

    http_max_conns_per_client: int | None = key("HTTP connections of one address.")
