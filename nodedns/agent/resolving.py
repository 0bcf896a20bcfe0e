"""From what a user types as an address to join, to the addresses to contact.

It is an IP, a host name, or the name of a service; the first two with a port
or without; ``[v6]:port`` for IPv6 with a port. A host name stands for all its
addresses, A and AAAA. A service's name, ``_gossip._tcp.example.com``, stands for
the hosts of its SRV records, which say the ports too. Nothing is kept: every
call looks everything up anew, all texts at once, each within a bounded time.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TypeVar

import attrs
import trio

from nodedns.errors import JoinError, shorten
from nodedns.model.address import Address, parse_port, split_port
from nodedns.model.names import is_service_name
from nodedns.net.srv_lookup import SrvTarget, look_up_srv

__all__ = ["RESOLVE_TIMEOUT_S", "LookUpSrv", "Resolved", "Resolver", "parse_join_address"]

RESOLVE_TIMEOUT_S = 5.0
"""Longest look-up of a join address (resolv.conf's default time-out); the next round looks it up again."""
MAX_ADDRESSES_PER_NAME = 64
"""Addresses of one host name that are tried; ours, so that a hostile zone cannot make us dial for ever."""
LOOKUPS_AT_ONCE = 16
"""Names looked up at the same time; ours: each takes a thread while the resolver is silent."""

LookUpSrv = Callable[[str, float, Random], Awaitable[list[SrvTarget]]]
"""``net.srv_lookup.look_up_srv``, or another's."""

T = TypeVar("T")


@attrs.frozen
class Resolved:
    """What some texts stand for.

    Attributes:
        addresses: Each once, in the order of the texts.
        failures: What could not be looked up, each with its reason.
    """

    addresses: tuple[Address, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()


class Resolver:
    """Looks up what is to be joined.

    Args:
        default_port: For addresses without one.
        rng: For the order of SRV targets of like priority.
        look_up_srv: Asks for SRV records.
    """

    def __init__(self, default_port: int, rng: Random, look_up_srv: LookUpSrv = look_up_srv) -> None:
        self._default_port = default_port
        self._rng = rng
        self._look_up_srv = look_up_srv
        self._limit = trio.CapacityLimiter(LOOKUPS_AT_ONCE)

    async def resolve_all(self, texts: Sequence[str]) -> Resolved:
        """Return what ``texts`` stand for; never raises for what they say."""
        return _together(await _at_once(self._resolve, texts))

    async def _resolve(self, text: str) -> Resolved:
        try:
            host, port = parse_join_address(text, self._default_port)
            if not is_service_name(host):
                async with self._limit:
                    return Resolved(await _addresses_of(host, port, text))
            targets = await self._look_up_srv(host, RESOLVE_TIMEOUT_S, self._rng)
        except JoinError as problem:
            return Resolved((), problem.attempts)
        return _together(await _at_once(self._resolve_target, targets))

    async def _resolve_target(self, target: SrvTarget) -> Resolved:
        text = f"{target.host}:{target.port}"
        if not target.port:
            return Resolved((), ((text, "its SRV record says port 0"),))
        try:
            async with self._limit:
                return Resolved(await _addresses_of(target.host, target.port, text))
        except JoinError as problem:
            return Resolved((), problem.attempts)


def parse_join_address(text: str, default_port: int) -> tuple[str, int]:
    """Return (host, port) of ``text``; for the name of a service the port means nothing.

    Raises:
        JoinError: It is no address.
    """
    host, port_text = split_port(text.strip())
    if not host:
        raise JoinError([(text, "the address is empty")])
    if not port_text:
        return host, default_port
    if is_service_name(host):
        raise JoinError([(text, f"{shorten(host)} is looked up as SRV, and its records say the port; leave it out")])
    port = parse_port(port_text)
    if not port:
        raise JoinError([(text, f"bad port {shorten(port_text)}, wanted 1 to 65535")])
    return host, port


async def _addresses_of(host: str, port: int, text: str) -> tuple[Address, ...]:
    try:
        with trio.fail_after(RESOLVE_TIMEOUT_S):
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except trio.TooSlowError:
        raise JoinError([(text, f"looking up {shorten(host)} took longer than {RESOLVE_TIMEOUT_S:g}s")]) from None
    except (OSError, UnicodeError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise JoinError([(text, f"looking up {shorten(host)} failed: {reason}")]) from None
    addresses = [Address.from_text(str(entry[4][0]), port) for entry in found]
    return tuple(dict.fromkeys(addresses))[:MAX_ADDRESSES_PER_NAME]


async def _at_once(resolve: Callable[[T], Awaitable[Resolved]], items: Sequence[T]) -> list[Resolved]:
    """Return ``resolve(item)`` for each item, in their order, however long each takes."""
    found = [Resolved()] * len(items)

    async def one(number: int, item: T) -> None:
        found[number] = await resolve(item)

    async with trio.open_nursery() as nursery:
        for number, item in enumerate(items):
            nursery.start_soon(one, number, item)
    return found


def _together(parts: Sequence[Resolved]) -> Resolved:
    return Resolved(
        tuple(dict.fromkeys(address for part in parts for address in part.addresses)),
        tuple(failure for part in parts for failure in part.failures),
    )
