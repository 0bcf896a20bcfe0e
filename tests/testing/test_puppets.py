"""The puppets are taken for members, by a real agent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodedns.model.address import Address
from nodedns.testing.chance import seeded_random
from nodedns.testing.loopback import GOSSIP_PORT, LoneAgent, free_hosts, lone_agent
from nodedns.testing.processes import Stopwatch, poll
from nodedns.testing.puppets import MAX_PUPPETS, PuppetPool

SIZE = 30
TURN_S = 0.02
clock = Stopwatch()


@contextmanager
def played(pool: PuppetPool, lone: LoneAgent, *, pinging: bool) -> Iterator[None]:
    """Play the pool in a thread while the agent is asked things."""
    over = threading.Event()
    agent = Address.from_text(lone.host, GOSSIP_PORT)

    def play() -> None:
        while not over.is_set():
            if pinging:
                pool.ping_agent(agent)
            pool.serve(lambda: clock.elapsed_s, clock.elapsed_s + TURN_S)

    player = threading.Thread(target=play)
    player.start()
    try:
        yield
    finally:
        over.set()
        player.join()


def test_agent_takes_puppets_for_a_pool_at_rest(tmp_path: Path) -> None:
    network = next(free_hosts()).rsplit(".", 2)[0]
    with lone_agent(tmp_path) as lone, PuppetPool(SIZE, network, 0, seeded_random("puppets")) as pool:
        with played(pool, lone, pinging=True):
            lone.start(f"-retry-join={pool.address(0)}")
            poll(lambda: len(lone.statuses()) == SIZE + 1, "all puppets as members")
            poll(lambda: pool.pings_answered >= 2 and len(pool.acks) >= 2, "pings both ways")
            assert dict.fromkeys([*pool.names(), "lone"], "alive") == lone.statuses()
        pool.update_one(clock.elapsed_s)
        with played(pool, lone, pinging=False):
            poll(lambda: "-2" in lone.http("GET", "/v1/agent/members")[1], "the changed tag")
        assert [] == lone.process.lines("input dropped|suspected")


@pytest.mark.parametrize("size", [0, MAX_PUPPETS + 1])
def test_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} puppets"):
        PuppetPool(size, "127.40", 0, seeded_random("puppets"))
