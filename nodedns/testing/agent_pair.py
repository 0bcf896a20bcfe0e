"""``agent_pair``: two real agents on loopback that have joined."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.processes import poll

__all__ = ["Pair", "agent_pair"]


class Pair(NamedTuple):
    """Two agents that have joined, called ``one`` and ``two``."""

    one: LoneAgent
    two: LoneAgent


@contextmanager
def agent_pair(folder: Path, *flags: str) -> Iterator[Pair]:
    """Run two agents with these flags until each knows both alive; yield them; they are killed at the end."""
    hosts = free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT)
    made = Pair(*(LoneAgent(name, next(hosts), folder / name) for name in Pair._fields))
    try:
        made.one.start(*flags)
        made.two.start(*flags, f"-retry-join={made.one.host}")
        for agent in made:
            poll(partial(_knows_both, agent), "both to be known")
        yield made
    finally:
        for agent in made:
            agent.close()


def _knows_both(agent: LoneAgent) -> bool:
    return agent.statuses() == dict.fromkeys(Pair._fields, "alive")
