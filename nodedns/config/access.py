"""The rules of ``acl``, ``http_config`` and ``limits``: who may use the HTTP API, and how much of it.

A token has one right, read or write, by the list that it stands in. ``acl.tokens.default`` and ``acl.tokens.dns``
name one of those tokens: what they say is who a sender without a token is taken for. A secret is never part of a
message.

Source: Consul's keys, defaults and error texts.
"""

from __future__ import annotations

import ipaddress
import re

import attrs

from nodedns.api.access import MAX_TOKENS, AccessRules, Network, Right, Tokens
from nodedns.config.access_settings import TokenSettings
from nodedns.config.draft import Draft
from nodedns.config.ranges import Ranges, in_ranges
from nodedns.errors import shorten
from nodedns.net.http_endpoint import HttpParams

__all__ = ["access_rules", "http_params"]

ALLOW, DENY = "allow", "deny"
MIN_SECRET_CHARS = 8
"""Shorter ones are guessed; ours. A UUID, as Consul makes them, has 36."""
MAX_SECRET_CHARS = 256
MAX_NETWORKS = 256  # each is compared with every client that changes something
_SECRET = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.1
_HEADER_TEXT = re.compile(r"[ -~]*")
# They tell the client where the answer ends; two of one name would be two stories.
_OWN_HEADERS = frozenset({"connection", "content-encoding", "content-length", "date", "transfer-encoding"})

LIMITS: Ranges = {
    "http_max_conns_per_client": ("connections_per_client", 1, 65_535),
    "https_handshake_timeout": ("handshake_s", 1, 60),
}


def http_params(draft: Draft) -> HttpParams:
    """Return the limits of the HTTP server, each checked."""
    knobs = in_ranges(draft, "limits", draft.settings.limits, LIMITS)
    return HttpParams(**knobs)


def access_rules(draft: Draft) -> AccessRules:
    """Return who may do what, each key checked."""
    given = draft.settings.http_config
    rules = AccessRules(
        write_networks=_networks(draft, given.allow_write_http_from if given else None),
        blocked_paths=_blocked(draft, given.block_endpoints if given else None),
        response_headers=_headers(draft, given.response_headers if given else None),
    )
    acl = draft.settings.acl
    if acl is None:
        return rules
    denies = _denies(draft, acl.default_policy)
    rights = _rights(draft, acl.tokens)
    everybody = Right.NONE if denies else Right.WRITE
    anonymous = _right_of_named(draft, "default", acl.tokens, rights, everybody)
    dns = _right_of_named(draft, "dns", acl.tokens, rights, anonymous)
    if not acl.enabled:
        if rights:
            draft.warnings.append("acl.tokens are not used: acl.enabled is not true")
        return rules
    return attrs.evolve(
        rules, with_tokens=True, denies_by_default=denies, tokens=Tokens(rights), anonymous=anonymous, dns=dns
    )


def _denies(draft: Draft, given: str | None) -> bool:
    if given not in (None, ALLOW, DENY):
        draft.problem("acl.default_policy", f'must be "{ALLOW}" or "{DENY}", not {shorten(given)}')
    return given == DENY


def _rights(draft: Draft, given: TokenSettings | None) -> dict[str, Right]:
    if given is None:
        return {}
    rights: dict[str, Right] = {}
    management = [] if given.initial_management is None else [given.initial_management]
    lists = (("read", given.read, Right.READ), ("write", given.write, Right.WRITE))
    for name, secrets, right in (*lists, ("initial_management", management, Right.WRITE)):
        for secret in secrets or ():
            path = f"acl.tokens.{name}"
            if not MIN_SECRET_CHARS <= len(secret) <= MAX_SECRET_CHARS or _SECRET.fullmatch(secret) is None:
                span = f"{MIN_SECRET_CHARS} to {MAX_SECRET_CHARS}"
                draft.problem(path, f"a token must have {span} printable ASCII characters and no blank")
            elif rights.get(secret, right) is not right:
                draft.problem(path, "a token cannot be among those that read and among those that write")
            else:
                rights[secret] = right
    if len(rights) > MAX_TOKENS:
        longest = max(lists, key=lambda each: len(each[1] or ()))[0]
        draft.problem(f"acl.tokens.{longest}", f"there can be at most {MAX_TOKENS} tokens, not {len(rights)}")
    return rights


def _right_of_named(
    draft: Draft, name: str, given: TokenSettings | None, rights: dict[str, Right], otherwise: Right
) -> Right:
    secret = getattr(given, name) if given else None
    if secret is None:
        return otherwise
    if secret not in rights:
        draft.problem(f"acl.tokens.{name}", "must be a token that acl.tokens.read or acl.tokens.write has too")
    return rights.get(secret, otherwise)


def _networks(draft: Draft, given: list[str] | None) -> tuple[Network, ...]:
    path = "http_config.allow_write_http_from"
    networks: list[Network] = []
    for text in given or ():
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            draft.problem(path, f"invalid cidr: {shorten(text)}; it takes a network such as 10.0.0.0/8")
    if len(networks) > MAX_NETWORKS:
        draft.problem(path, f"takes at most {MAX_NETWORKS} networks, not {len(networks)}")
    return tuple(networks)


def _blocked(draft: Draft, given: list[str] | None) -> tuple[str, ...]:
    for path in given or ():
        if not path.startswith("/"):
            draft.problem("http_config.block_endpoints", f"a path begins with a slash: {shorten(path)}")
    return tuple(given or ())


def _headers(draft: Draft, given: dict[str, str] | None) -> tuple[tuple[str, str], ...]:
    path = "http_config.response_headers"
    for name, text in (given or {}).items():
        if _HEADER_NAME.fullmatch(name) is None or _HEADER_TEXT.fullmatch(text) is None:
            draft.problem(path, f"{shorten(name)} is no header of printable ASCII")
        elif name.lower() in _OWN_HEADERS:
            draft.problem(path, f"{name} is set by the server itself")
    return tuple((given or {}).items())
