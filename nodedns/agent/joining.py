"""Joining: from what a user types to the addresses to contact.

An address is an IP or a host name, with a port or without; ``[v6]:port`` for
IPv6 with a port. A host name stands for all its addresses, looked up anew at
each try. The error of a failed join lists every address with its reason, in
Consul's shape.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

import trio

from nodedns.errors import JoinError, shorten
from nodedns.model.address import Address

__all__ = ["parse_join_address", "resolve", "resolve_all"]

RESOLVE_TIMEOUT_S = 5.0
"""Longest look-up of a join address (resolv.conf's default time-out); the next round looks it up again."""
MAX_ADDRESSES_PER_NAME = 64
"""Addresses of one host name that are tried; ours, so that a hostile zone cannot make us dial for ever."""


def parse_join_address(text: str, default_port: int) -> tuple[str, int]:
    """Return (host, port) of ``text``.

    Raises:
        JoinError: It is no address.
    """
    host, port_text = _split(text.strip())
    if not host:
        raise JoinError([(text, "the address is empty")])
    if not port_text:
        return host, default_port
    if not port_text.isascii() or not port_text.isdigit() or not 0 < int(port_text[:6]) <= 65535:
        raise JoinError([(text, f"bad port {shorten(port_text)}, wanted 1 to 65535")])
    return host, int(port_text)


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    try:
        ipaddress.ip_address(text)
    except ValueError:
        host, _, port_text = text.partition(":")
        return host, port_text
    return text, ""


async def resolve(text: str, default_port: int) -> list[Address]:
    """Return the addresses that ``text`` stands for.

    Raises:
        JoinError: It is no address, or its host name has none.
    """
    host, port = parse_join_address(text, default_port)
    try:
        with trio.fail_after(RESOLVE_TIMEOUT_S):
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except trio.TooSlowError:
        raise JoinError([(text, f"looking up {shorten(host)} took longer than {RESOLVE_TIMEOUT_S:g}s")]) from None
    except (OSError, UnicodeError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise JoinError([(text, f"looking up {shorten(host)} failed: {reason}")]) from None
    addresses = [Address.from_text(str(entry[4][0]), port) for entry in found]
    return list(dict.fromkeys(addresses))[:MAX_ADDRESSES_PER_NAME]


async def resolve_all(texts: Sequence[str], default_port: int) -> tuple[list[Address], list[tuple[str, str]]]:
    """Return the addresses of all ``texts`` and the failed look-ups, each with its reason."""
    addresses: list[Address] = []
    failures: list[tuple[str, str]] = []
    for text in texts:
        try:
            addresses += await resolve(text, default_port)
        except JoinError as problem:
            failures += problem.attempts
    return list(dict.fromkeys(addresses)), failures
