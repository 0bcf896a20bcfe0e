"""Joining at start: again and again, as often as is wanted."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from random import Random
from typing import cast

import pytest
import trio
import trio.testing

from nodedns.agent.joining import Joiner
from nodedns.agent.resolving import Resolver
from nodedns.errors import JoinError
from nodedns.model.address import Address
from nodedns.net.srv_lookup import SrvTarget
from nodedns.observe.logs import LineFormatter
from nodedns.serf.events import JoinDone
from nodedns.serf.serf import Serf

SERVICE = "_gossip._tcp.pool.example"
INTERVAL_S = 30.0


class Pool:
    """Stands for Serf and for the DNS: who is there, and what the service's records say, by the number of the try."""

    def __init__(self, answers_at: int) -> None:
        self.answers_at = answers_at
        self.tries: list[float] = []
        self.contacted: list[Address] = []
        # Of Serf, a joiner uses nothing but ``join``.
        self.joiner = Joiner(cast("Serf", self), self._finish, Resolver(8301, Random(1), self.look_up))

    async def look_up(self, name: str, timeout_s: float, rng: Random) -> list[SrvTarget]:
        del timeout_s, rng
        self.tries.append(trio.current_time())
        if len(self.tries) == 1:
            raise JoinError([(name, "there is no such name")])
        return [SrvTarget(1, 1, "127.0.0.1", len(self.tries))]

    def join(self, addresses: list[Address], now: float) -> int:
        del now
        self.contacted += addresses
        return len(self.contacted)

    def _finish(self) -> None:
        is_there = len(self.tries) >= self.answers_at
        failures = () if is_there else ((self.contacted[-1], "refused"),)
        self.joiner.finish(JoinDone(len(self.contacted), int(is_there), failures))


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger("nodedns")
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)  # which also forgets who was told that nobody listens
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def play(pool: Pool, max_retries: int) -> bool:
    async def main() -> bool:
        return await pool.joiner.join_until_done([SERVICE], INTERVAL_S, max_retries)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_join_is_tried_at_the_interval_and_looked_up_anew_until_somebody_answers(lines: io.StringIO) -> None:
    pool = Pool(answers_at=4)
    assert play(pool, 0)
    assert [INTERVAL_S * number for number in range(4)] == [when - pool.tries[0] for when in pool.tries]
    assert [2, 3, 4] == [address.port for address in pool.contacted]
    told = lines.getvalue()
    assert "Join cluster failed, will retry: retry_interval=30s" in told
    assert "there is no such name" in told
    assert "Join cluster completed: contacted=1" in told


@pytest.mark.parametrize(("retries", "is_joined"), [(1, False), (2, False), (3, True), (0, True)])
def test_as_many_rounds_as_wanted_follow_the_first(retries: int, is_joined: bool, lines: io.StringIO) -> None:
    assert is_joined == play(Pool(answers_at=4), retries)
    exhausted = 'Retry join failed: error="agent: max join LAN retry exhausted, exiting"'
    assert is_joined != (exhausted in lines.getvalue())
