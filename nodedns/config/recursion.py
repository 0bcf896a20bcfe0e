"""The rules for recursors: who is asked about names outside ours, and for whom.

Strategy: a recursor is an address. Consul looks a host name up once, at start;
here it is refused, because the look-up would go through the very resolver that
may be about to ask us, and because ``validate`` must not need a network.

A recursor that is this agent's own DNS server would be asked by itself for ever,
so it is refused, where that can be seen: through another server it cannot.

Source: Consul's keys and error texts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from nodedns.config.draft import Draft
from nodedns.config.interfaces import InterfaceLister
from nodedns.config.templates import TemplateError, expand
from nodedns.dns.recursion import DEFAULT_ALLOWED, Network, Recursion, Recursor, Strategy
from nodedns.errors import shorten
from nodedns.model.address import parse_port

__all__ = ["recursion"]

PATH = "recursors"
DEFAULT_PORT = 53
MAX_TIMEOUT_S = 60.0  # ours: no client waits that long
UNIX_PREFIX = "unix://"


def recursion(draft: Draft, dns_addrs: Sequence[str], dns_port: int, interfaces: InterfaceLister) -> Recursion:
    """Return the knobs of recursion, each checked.

    Args:
        draft: Holds what was given; takes the problems.
        dns_addrs: IP texts on which this agent serves DNS.
        dns_port: And the port.
        interfaces: Gives this machine's addresses; asked only for a template, or where one may be a recursor's.
    """
    defaults = Recursion()
    return Recursion(
        recursors=_recursors(draft, dns_addrs, dns_port, interfaces),
        strategy=_strategy(draft, defaults.strategy),
        timeout_s=_timeout_s(draft, defaults.timeout_s),
        allowed=_allowed(draft),
    )


def _recursors(
    draft: Draft, dns_addrs: Sequence[str], dns_port: int, interfaces: InterfaceLister
) -> tuple[Recursor, ...]:
    found: list[Recursor] = []
    for given in draft.settings.recursors or ():
        try:
            words = expand(given, interfaces)
        except TemplateError as error:
            draft.problem(PATH, f"{PATH}: {error}")
            continue
        found += [recursor for word in words if (recursor := _recursor(draft, word)) is not None]
    for recursor in found:
        if _is_own(recursor, dns_addrs, dns_port, interfaces):
            draft.problem(PATH, f"recursor {recursor} is this agent's own DNS server, which would ask itself")
    return tuple(dict.fromkeys(found))


def _recursor(draft: Draft, word: str) -> Recursor | None:
    if word.startswith(UNIX_PREFIX):
        draft.problem(PATH, f"DNS Recursors cannot be unix sockets: {word}")
        return None
    host, port_text = _split(word)
    port = parse_port(port_text) if port_text else DEFAULT_PORT
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        draft.problem(PATH, f"Invalid recursor address: {_reason(word)}")
        return None
    if not port:
        draft.problem(PATH, f"Invalid recursor address: bad port {shorten(port_text)}, wanted 1 to 65535")
    elif ip.is_unspecified:
        draft.problem(PATH, "DNS recursor address cannot be 0.0.0.0, :: or [::]")
    elif ip.is_multicast:
        draft.problem(PATH, f"Invalid recursor address: {ip} is a multicast address")
    else:
        return Recursor(str(ip), port)
    return None


def _split(word: str) -> tuple[str, str]:
    """Return host and port; the port is empty where there is none."""
    if word.startswith("["):
        host, closing, rest = word[1:].partition("]")
        # What stands between is no port, and must not pass for the absence of one.
        return (host, rest[1:]) if closing and rest[:1] in ("", ":") and rest != ":" else (word, "")
    host, _, port = word.partition(":")
    return (host, port) if port and word.count(":") == 1 else (word, "")


def _reason(word: str) -> str:
    if word.count(":") > 1:
        return f"address {shorten(word)}: too many colons in address"
    return f"{shorten(word)} is no IP, with a port or without; nodedns does not look up the names of recursors"


def _is_own(recursor: Recursor, dns_addrs: Sequence[str], dns_port: int, interfaces: InterfaceLister) -> bool:
    if recursor.port != dns_port:
        return False
    ip = ipaddress.ip_address(recursor.host)
    for text in dns_addrs:
        own = ipaddress.ip_address(text)
        if ip == own:
            return True
        # A socket on :: takes IPv4 as well.
        if own.is_unspecified and own.version in (ip.version, 6):
            return ip.is_loopback or any(ip == interface.ip for interface in interfaces())
    return False


def _strategy(draft: Draft, default: Strategy) -> Strategy:
    given = draft.settings.dns_config.recursor_strategy if draft.settings.dns_config else None
    if not given:
        return default
    try:
        return Strategy(given)
    except ValueError:
        known = " or ".join(f'"{strategy.value}"' for strategy in Strategy)
        draft.problem("dns_config.recursor_strategy", f"invalid strategy: {shorten(given)}; it is {known}")
        return default


def _timeout_s(draft: Draft, default: float) -> float:
    given = draft.settings.dns_config.recursor_timeout if draft.settings.dns_config else None
    if given is None:
        return default
    if not 0 < given <= MAX_TIMEOUT_S:
        message = f"must be more than 0s and at most {MAX_TIMEOUT_S:g}s, not {given:g}s"
        draft.problem("dns_config.recursor_timeout", message)
        return default
    return given


def _allowed(draft: Draft) -> tuple[Network, ...]:
    given = draft.settings.dns_config.allow_recursion if draft.settings.dns_config else None
    if given is None:
        return DEFAULT_ALLOWED
    allowed: list[Network] = []
    for text in given:
        try:
            allowed.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            message = f"invalid cidr: {shorten(text)}; it takes a network such as 10.0.0.0/8"
            draft.problem("dns_config.allow_recursion", message)
    return tuple(allowed)
