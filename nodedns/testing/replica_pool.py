"""``ReplicaPool``: many replicators in virtual time, on a network with every fault.

What gossip does is left out: who the peers are is told by the pool, at once and
truly. Datagrams are lost, doubled and overtaken; streams arrive whole or, across a partition,
not at all. Each agent has a disk that may lose its tail or all of it, a clock that
may be wrong, and a table that is fed by the changes alone.

Source: house rules on simulations; ``engine.py`` has the clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import attrs

from nodedns.model.names import NodeName
from nodedns.replica.entry import Key, Origin, Registration, Value, target_of
from nodedns.replica.messages import Outgoing
from nodedns.replica.params import ReplicaParams
from nodedns.replica.replicator import Replicator
from nodedns.testing.chance import seeded_random
from nodedns.testing.engine import Engine

__all__ = ["Link", "ReplicaAgent", "ReplicaPool"]

WALL_MS = 1_800_000_000_000  # the wall clock at the start; January 2027
DATAGRAM_OVERHEAD_BYTES = 28  # IPv4 and UDP
STREAM_OVERHEAD_BYTES = 400  # seven segments of 52 bytes to open, ask and close, and some


@attrs.frozen(kw_only=True)
class Link:
    """How the network treats messages; shares are 0..1, times seconds."""

    delay_s: float = 0.001
    jitter_s: float = 0.001
    loss: float = 0.0
    duplicate_share: float = 0.0
    late_share: float = 0.0
    """Share of datagrams that others overtake."""
    late_s: float = 0.05


class ReplicaAgent:
    """One agent: a replicator while it runs, a disk, and a table fed by changes.

    Args:
        pool: Where it lives.
        name: Its node's name.
        number: From 0.
    """

    def __init__(self, pool: ReplicaPool, name: NodeName, number: int) -> None:
        self.name = name
        self.disk: list[bytes] = []
        self.table: dict[Key, Value] = {}
        self.clock_error_ms = 0
        self._pool = pool
        self._number = number
        self._runs = 0
        self._timer_at = float("inf")
        self._replicator: Replicator | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and not killed since."""
        return self._replicator is not None

    @property
    def replicator(self) -> Replicator:
        """The running replicator."""
        if self._replicator is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._replicator

    @property
    def wall_ms(self) -> int:
        """What its wall clock shows."""
        return WALL_MS + round(self._pool.engine.now * 1000) + self.clock_error_ms

    def start(self) -> None:
        """Start from what is on disk."""
        self._runs += 1
        rng = seeded_random(f"{self._pool.seed}/{self.name}/{self._runs}")
        replicator = Replicator(self._pool.params, self._number.to_bytes(16, "big"), rng)
        for record in self.disk:
            replicator.restore(record)
        self._replicator = replicator
        self.table.clear()
        self._timer_at = float("inf")
        replicator.start(self._pool.engine.now, self.wall_ms)
        self.settle()

    def kill(self, *, lost_records: int = 0) -> None:
        """Stop at once; the last so many records did not reach the disk."""
        self._replicator = None
        if lost_records:
            del self.disk[-lost_records:]

    def known_lines(self) -> dict[Origin, int]:
        """How far it knows each origin, or will once it is started."""
        if self._replicator is not None:
            return self._replicator.lines()
        scratch = Replicator(self._pool.params, bytes(16), seeded_random("scratch"))
        for record in self.disk:
            scratch.restore(record)
        return scratch.lines()

    def compact(self) -> None:
        """Write the disk anew."""
        self.disk[:] = self.replicator.snapshot_records()

    def write(self, *changes: Registration) -> None:
        """Register or deregister here."""
        self.replicator.write(changes, self._pool.engine.now, self.wall_ms)
        self.settle()

    def receive(self, payload: bytes, source: NodeName) -> None:
        """Take a message, if running."""
        if self._replicator is not None:
            self._replicator.receive(payload, source, self._pool.engine.now, self.wall_ms)
            self.settle()

    def settle(self) -> None:
        """Drain: records, changes, messages, and plan the timer."""
        replicator = self.replicator
        self.disk += replicator.take_records()
        for change in replicator.take_changes():
            key, _, value = target_of(change)
            if value is None:
                del self.table[key]  # a change is told only of what was there
            else:
                self.table[key] = value
        for message in replicator.messages_to_send():
            self._pool.carry(self.name, message)
        deadline = replicator.next_deadline()
        if deadline is not None and deadline < self._timer_at:
            self._timer_at = deadline
            self._pool.engine.call_at(deadline, self._timer_due, deadline, self._runs)

    def _timer_due(self, deadline: float, run: int) -> None:
        if deadline != self._timer_at or run != self._runs or self._replicator is None:
            return
        self._timer_at = float("inf")
        self._replicator.handle_timer(self._pool.engine.now, self.wall_ms)
        self.settle()


class ReplicaPool:
    """Agents ``n0``, ``n1`` and so on.

    Args:
        size: How many.
        seed: Everything by chance follows from it.
        params: Of every replicator.
        link: The network.
    """

    def __init__(self, size: int, seed: str, params: ReplicaParams | None = None, link: Link | None = None) -> None:
        self.engine = Engine()
        self.seed = seed
        self.params = params or ReplicaParams()
        self.link = link or Link()
        self.sent: Counter[str] = Counter()
        self.agents = [ReplicaAgent(self, NodeName(f"n{number}"), number) for number in range(size)]
        self._by_name = {agent.name: agent for agent in self.agents}
        self._sides: dict[NodeName, int] = {}
        self._rng = seeded_random(f"{seed}/network")

    def start(self) -> None:
        """Start all agents, and have them know each other."""
        for agent in self.agents:
            agent.start()
        self.introduce()

    def introduce(self) -> None:
        """Tell every running agent who else runs on its side."""
        now = self.engine.now
        running = [agent for agent in self.agents if agent.is_running]
        for agent in running:
            agent.replicator.set_peers(
                [peer.name for peer in running if peer is not agent and self._can_reach(agent.name, peer.name)], now
            )
            agent.settle()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.engine.run_until(self.engine.now + seconds)

    def run_until(self, condition: Callable[[], bool], limit_s: float, step_s: float = 0.1) -> float:
        """Let time pass until ``condition``; returns the seconds it took, infinity past the limit."""
        begun = self.engine.now
        while not condition():
            if self.engine.now - begun >= limit_s:
                return float("inf")
            self.run(step_s)
        return self.engine.now - begun

    def part(self, *sides: Sequence[ReplicaAgent]) -> None:
        """Cut the network into sides; who is on none is alone with all others that are on none."""
        self._sides = {agent.name: number for number, side in enumerate(sides, 1) for agent in side}
        self.introduce()

    def heal(self) -> None:
        """Put the network together again."""
        self.part()

    @property
    def has_converged(self) -> bool:
        """Whether all that run know the same."""
        return len({agent.replicator.fingerprint for agent in self.agents if agent.is_running}) <= 1

    @property
    def sent_bytes(self) -> int:
        """Bytes sent so far by all, with those of IP, UDP and TCP, without encryption."""
        return self.sent["datagram bytes"] + self.sent["stream bytes"]

    def carry(self, source: NodeName, message: Outgoing) -> None:
        """Take a message to its peer, or not."""
        link, rng = self.link, self._rng
        kind, overhead = (
            ("datagram", DATAGRAM_OVERHEAD_BYTES) if message.is_datagram else ("stream", STREAM_OVERHEAD_BYTES)
        )
        self.sent[kind] += 1
        self.sent[f"{kind} bytes"] += len(message.payload) + overhead
        copies = 1
        if message.is_datagram:
            copies = 0 if rng.random() < link.loss else 2 if rng.random() < link.duplicate_share else 1
        for _ in range(copies):
            delay = link.delay_s + rng.random() * link.jitter_s
            if message.is_datagram and rng.random() < link.late_share:
                delay += link.late_s
            self.engine.call_at(self.engine.now + delay, self._deliver, source, message)

    def _deliver(self, source: NodeName, message: Outgoing) -> None:
        if self._can_reach(source, message.peer):
            self._by_name[message.peer].receive(message.payload, source)

    def _can_reach(self, one: NodeName, other: NodeName) -> bool:
        return self._sides.get(one, 0) == self._sides.get(other, 0)
