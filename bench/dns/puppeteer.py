"""``Puppeteer``: members of a pool, played by a thread of the bench, that announce other tags at a steady rate.

The members are ``nodedns.testing.puppets``. Each change reaches the agent as
often as gossip passes on a piece of news in a pool of that size, packed with others
as gossip packs them. That is more than a pool could do: its members send fifteen
packets a second each, which hold fewer than a hundred such messages, not twelve hundred. Their
tags show as TXT records beside their addresses, so with each change an answer changes.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from types import TracebackType

from bench.dns.processes import CLIENT_CPU
from nodedns.model.address import Address
from nodedns.testing.chance import seeded_random
from nodedns.testing.puppets import PuppetPool

__all__ = ["Puppeteer"]

NETWORK = "127.41"
PORTS = range(27_946, 28_046)
"""Below those that the kernel gives to clients, of which a moment ago there may have been many."""
AT_REST_S = 1.0


class Puppeteer:
    """Plays ``size`` members while the ``with`` lasts; ``rate`` may be set at any time.

    Attributes:
        rate: Changes a second; 0 is rest.
        changes: How many were made.
    """

    def __init__(self, size: int, agent: Address) -> None:
        self.rate = 0.0
        self.changes = 0
        self._agent = agent
        self._pool = _pool(size)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play)

    def __enter__(self) -> Puppeteer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._pool.close()

    @property
    def join(self) -> str:
        """The address of a member to join."""
        return self._pool.address(0)

    def names(self) -> list[str]:
        return self._pool.names()

    def _play(self) -> None:
        os.sched_setaffinity(threading.get_native_id(), {CLIENT_CPU})
        ping_at = change_at = time.monotonic()
        while not self._ended.is_set():
            now = time.monotonic()
            if now >= ping_at:
                self._pool.ping_agent(self._agent)
                ping_at = now + AT_REST_S
            if not self.rate:
                change_at = now
            while self.rate and change_at <= now:
                self._pool.update_one(now)
                self.changes += 1
                change_at += 1 / self.rate
            self._pool.serve(time.monotonic, min(ping_at, now + (1 / self.rate if self.rate else 0.1)))


def _pool(size: int) -> PuppetPool:
    for port in PORTS:
        with suppress(OSError):
            return PuppetPool(size, NETWORK, port, seeded_random("puppeteer"))
    raise SystemExit(f"no port from {PORTS.start} to {PORTS.stop} is free on all addresses")
