"""``Joiner``: joining, once for a command, or again and again at start until somebody answers.

What the texts stand for is looked up anew at each try (``resolving.py``). The
error of a failed join lists every address with its reason, in Consul's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from nodedns.agent.resolving import Resolver
from nodedns.errors import JoinError, LocalProtocolError
from nodedns.model.address import Address
from nodedns.observe.logs import logger
from nodedns.serf.events import JoinDone
from nodedns.serf.serf import Serf

__all__ = ["Joiner"]

EXHAUSTED = "agent: max join LAN retry exhausted, exiting"  # Consul's words

_LOG = logger("agent")


class Joiner:
    """Joins pools, for commands and at start.

    Args:
        serf: Contacts the addresses.
        wake: Called after every command to ``serf``.
        resolver: Looks up what is to be joined.

    Attributes:
        tried: Set once the first round of ``join_until_done`` is over, well or not.
    """

    def __init__(self, serf: Serf, wake: Callable[[], None], resolver: Resolver) -> None:
        self._serf = serf
        self._wake = wake
        self._resolver = resolver
        self._under_way: dict[int, _Join] = {}
        self.tried = trio.Event()

    def finish(self, done: JoinDone) -> None:
        """Take the outcome of a join, for whoever waits for it."""
        self._under_way.pop(done.join_id).finish(done)

    async def join(self, texts: Sequence[str]) -> int:
        """Join the pool through any of these addresses; return how many answered.

        Raises:
            JoinError: None did; it carries each with its reason.
        """
        found = await self._resolver.resolve_all(texts)
        failures = list(found.failures)
        contacted = 0
        if found.addresses:
            done = await self._contact(found.addresses)
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
            _LOG.info("Joining cluster...", addresses=" ".join(texts))
            try:
                contacted = await self.join(texts)
            except JoinError as problem:
                self.tried.set()
                if max_retries and retries >= max_retries:
                    _LOG.error("Retry join failed", error=EXHAUSTED, retries=retries, last_error=problem)
                    return False
                retries += 1
                _LOG.warning("Join cluster failed, will retry", retry_interval=f"{interval_s:g}s", error=problem)
                await trio.sleep(interval_s)
            else:
                self.tried.set()
                _LOG.info("Join cluster completed", contacted=contacted)
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
