"""Joining: from what a user types to the addresses to contact, and to who answered.

An address is an IP or a host name, with a port or without; ``[v6]:port`` for
IPv6 with a port. A host name stands for all its addresses, looked up anew at
each try. The error of a failed join lists every address with its reason, in
Consul's shape.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

import trio

from nodedns.errors import JoinError, LocalProtocolError, shorten
from nodedns.model.address import Address
from nodedns.observe.logs import logger
from nodedns.serf.events import JoinDone
from nodedns.serf.serf import Serf

__all__ = ["Joiner", "parse_join_address", "resolve", "resolve_all"]

RESOLVE_TIMEOUT_S = 5.0
"""Longest look-up of a join address (resolv.conf's default time-out); the next round looks it up again."""
MAX_ADDRESSES_PER_NAME = 64
"""Addresses of one host name that are tried; ours, so that a hostile zone cannot make us dial for ever."""

_LOG = logger("agent")


class Joiner:
    """Joins pools, for commands and at start.

    Args:
        serf: Contacts the addresses.
        wake: Called after every command to ``serf``.
        default_port: For addresses without one.
    """

    def __init__(self, serf: Serf, wake: Callable[[], None], default_port: int) -> None:
        self._serf = serf
        self._wake = wake
        self._default_port = default_port
        self._under_way: dict[int, _Join] = {}

    def finish(self, done: JoinDone) -> None:
        """Take the outcome of a join, for whoever waits for it."""
        self._under_way.pop(done.join_id).finish(done)

    async def join(self, texts: Sequence[str]) -> int:
        """Join the pool through any of these addresses; return how many answered.

        Raises:
            JoinError: None did; it carries each with its reason.
        """
        addresses, failures = await resolve_all(texts, self._default_port)
        contacted = 0
        if addresses:
            done = await self._contact(addresses)
            contacted = done.contacted
            failures += [(str(address), reason) for address, reason in done.failures]
        if not contacted:
            raise JoinError(failures)
        for address, reason in failures:
            _LOG.warning("address did not answer a join", address=address, error=reason)
        return contacted

    async def join_until_done(self, texts: Sequence[str], interval_s: float, max_retries: int) -> bool:
        """Join again and again until somebody answers; return False once the retries are used up.

        Args:
            texts: Looked up anew in every round.
            interval_s: Pause between two rounds.
            max_retries: Rounds after the first; 0 for no end.
        """
        retries = 0
        while True:
            _LOG.info("joining the pool", addresses=" ".join(texts))
            try:
                contacted = await self.join(texts)
            except JoinError as problem:
                if max_retries and retries >= max_retries:
                    _LOG.error("max join retry exhausted, exiting", retries=retries, error=problem)
                    return False
                retries += 1
                _LOG.warning("join failed, will retry", retry_interval=f"{interval_s:g}s", error=problem)
                await trio.sleep(interval_s)
            else:
                _LOG.info("join completed", contacted=contacted)
                return True

    async def _contact(self, addresses: Sequence[Address]) -> JoinDone:
        join = _Join()
        try:
            self._under_way[self._serf.join(addresses, trio.current_time())] = join
        except LocalProtocolError:
            raise JoinError([(str(address), "this agent is leaving the pool") for address in addresses]) from None
        self._wake()
        return await join.wait()


class _Join:
    """One join under way, and whoever waits for it."""

    def __init__(self) -> None:
        self._over = trio.Event()
        self._done: JoinDone | None = None

    def finish(self, done: JoinDone) -> None:
        self._done = done
        self._over.set()

    async def wait(self) -> JoinDone:
        while self._done is None:
            await self._over.wait()
        return self._done


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
