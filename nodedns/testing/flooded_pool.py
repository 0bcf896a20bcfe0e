"""``FloodedPool``: real agents on loopback, one of them under a flood of DNS datagrams, and what that does to them.

Strategy: the flood is a program of its own, ``dns_flood``, from an address of its
own. While it runs, the flooded agent is asked with ``dig`` again and again, as a
client would. Memory is read before and after, once a first short flood has
filled whatever is kept on purpose; suspicions are counted in the logs of all agents.

Loopback is exempt from rate limits, so every query gets the whole work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from nodedns.testing.dns_flood import Flooded, flood_argv
from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.processes import DEADLINE_S, Process, poll

__all__ = ["FloodReport", "FloodedPool", "flooded_pool"]

WARM_S = 1.0
TRIES = 15
"""Of a client whose queries are lost where the flood fills the socket's buffer; most, on a machine that is slow."""
FAULTS = "Traceback|answering failed|[Uu]nhandled"
SUSPICIONS = "member is suspected|suspect is declared dead"


@attrs.frozen
class FloodReport:
    """What a flood came to.

    Attributes:
        flooded: What was sent and what came back.
        resident_before: Memory of the flooded agent in bytes.
        resident_after: The same when it was over.
        asked: Times that ``dig`` asked for a name meanwhile.
        answered: How many of these were answered rightly.
        suspicions: Lines of any agent's log that tell of a suspected or a dead member.
        faults: Lines of the flooded agent's log that tell of a fault.
        statuses: Members as each agent sees them in the end: names with their status, sorted.
    """

    flooded: Flooded
    resident_before: int
    resident_after: int
    asked: int
    answered: int
    suspicions: list[str]
    faults: list[str]
    statuses: list[list[str]]

    @property
    def growth(self) -> int:
        """By how many bytes the flooded agent has grown."""
        return self.resident_after - self.resident_before


class FloodedPool:
    """A pool of agents that know each other; the first is the one that is flooded.

    Args:
        agents: Running and joined.
        source: Where the flood comes from.
    """

    def __init__(self, agents: list[LoneAgent], source: str) -> None:
        self.agents = agents
        self._source = source

    @property
    def target(self) -> LoneAgent:
        """The agent that is flooded."""
        return self.agents[0]

    def flood(self, kind: str, seconds: float, per_second: int) -> FloodReport:
        """Flood, and ask meanwhile; arguments as ``dns_flood`` has them."""
        self._run(kind, WARM_S, per_second)
        before = self.target.process.resident_bytes()
        already = [len(agent.process.lines(SUSPICIONS)) for agent in self.agents]
        flooded, asked, answered = self._run(kind, seconds, per_second)
        return FloodReport(
            flooded,
            before,
            self.target.process.resident_bytes(),
            asked,
            answered,
            [
                line
                for agent, count in zip(self.agents, already, strict=True)
                for line in agent.process.lines(SUSPICIONS)[count:]
            ],
            self.target.process.lines(FAULTS),
            [sorted(f"{name} {status}" for name, status in agent.statuses().items()) for agent in self.agents],
        )

    def _asked(self) -> list[str]:
        return self.target.dig(f"+tries={TRIES}", "+timeout=1", f"{self.target.name}.node.consul").data

    def _run(self, kind: str, seconds: float, per_second: int) -> tuple[Flooded, int, int]:
        argv = flood_argv(self.target.host, DNS_PORT, kind, source=self._source, seconds=seconds, per_second=per_second)
        asked = answered = 0
        with Process(argv) as process:
            while process.is_running:
                asked += 1
                answered += [self.target.host] == self._asked()
            process.wait_exit(deadline_s=DEADLINE_S)
            return Flooded.of_text(process.output), asked, answered


@contextmanager
def flooded_pool(folder: Path, size: int = 3) -> Iterator[FloodedPool]:
    """Run ``size`` agents until each sees all alive; yield them; they are killed at the end."""
    hosts = free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT)
    with ExitStack() as undo:
        agents: list[LoneAgent] = []
        for number in range(size):
            agent = LoneAgent(f"agent-{number}", next(hosts), folder / str(number))
            undo.callback(agent.close)
            agent.start()
            if agents:
                agent.command("join", agents[0].host)
            agents.append(agent)
        for agent in agents:
            poll(lambda agent=agent: list(agent.statuses().values()) == ["alive"] * size, "all are alive")  # type: ignore[misc]
        yield FloodedPool(agents, next(hosts))
