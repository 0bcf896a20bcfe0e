"""``SharedPool``: a very large pool that knows itself, whose members share the rows that nobody has changed.

Ten thousand members with tables of their own hold a hundred million rows, which no
machine of ours has room for. Here all tables point to one set of rows, and a
member gets a row of its own at its first look at it by name, which every
change begins with; so what one member learns no other one knows. Each walks
the rows in an order of its own. All else is production code.

What it does not do: members cannot join, leave or be reaped, since the shared
order cannot change; so it serves for seconds of virtual time, not for minutes.
Push/pull is left off by who uses it: it would copy whole tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from random import Random

import attrs

from nodedns.gossip.delegate import NullDelegate
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.events import GossipEvent
from nodedns.gossip.members import Listed
from nodedns.gossip.params import GossipParams
from nodedns.gossip.swim import Swim
from nodedns.model.member import Member, NodeState, Versions
from nodedns.model.names import NodeName
from nodedns.serf.serf import SERF_VERSIONS
from nodedns.testing.builders import address_number
from nodedns.testing.chance import seeded_entropy, seeded_random
from nodedns.testing.engine import Engine, EngineNode
from nodedns.testing.network import Conditions, SimNetwork

__all__ = ["SharedPool"]


class SharedPool:
    """Members on the event engine that know each other from the first moment.

    Args:
        params: Every member's; without push/pull.
        size: How many, 2 to 65,535.
        seed: Of all chance.
        on_event: Called with (time, number of the observer, event).
        conditions: The network's.

    Attributes:
        engine: Time.
        network: Between them.
        cores: The members, by number.
    """

    def __init__(
        self,
        params: GossipParams,
        size: int,
        seed: int | str,
        on_event: Callable[[float, int, GossipEvent], None],
        conditions: Conditions | None = None,
    ) -> None:
        if params.push_pull_interval_s:
            raise ValueError("members of a shared pool do not exchange whole tables: push_pull_interval_s must be 0")
        self.engine = Engine()
        self.network = SimNetwork(self.engine, seed, conditions)
        self.cores: list[Swim] = []
        self._nodes: list[EngineNode[GossipEvent]] = []
        self._on_event = on_event
        members = [
            Member(NodeName(f"n{number:05}"), address_number(number), b"", Versions(SERF_VERSIONS.packed))
            for number in range(size)
        ]
        rows = [Listed(member, NodeState.ALIVE, 1, 0.0) for member in members]
        by_name: dict[str, Listed] = {row.member.name: row for row in rows}
        for number, member in enumerate(members):
            self._start(number, member, params, f"{seed}/{number}")
            _share(self.cores[number], rows, by_name, seeded_random(seed, "order", number))

    def update(self, number: int, meta: bytes) -> None:
        """Let a member announce other metadata."""
        self.cores[number].update_meta(meta, self.engine.now)
        self._nodes[number].wake()

    def _start(self, number: int, member: Member, params: GossipParams, seed: str) -> None:
        core = Swim(params, member, NullDelegate(), seeded_random(seed), Envelope(entropy=seeded_entropy(seed)))
        node = EngineNode[GossipEvent](
            self.engine, self.network, member.address, core, lambda event: self._take(number, event)
        )
        self.cores.append(core)
        self._nodes.append(node)
        node.start()

    def _take(self, number: int, event: GossipEvent) -> None:
        self._on_event(self.engine.now, number, event)


# Production code has no reason to share a table, so there is no way in but this one.
def _share(core: Swim, rows: Sequence[Listed], by_name: dict[str, Listed], rng: Random) -> None:
    table = core._table  # noqa: SLF001
    own = next(iter(table))
    table._by_name = _CopiedOnSight(by_name, {own.member.name: own})  # type: ignore[assignment]  # noqa: SLF001
    table._order = _OwnOrder(rows, rng)  # type: ignore[assignment]  # noqa: SLF001
    table._counts[NodeState.ALIVE] = len(rows)  # noqa: SLF001
    core._queue.prune(0)  # noqa: SLF001 - everybody knows everybody


class _CopiedOnSight:
    """Rows by name: shared until looked at."""

    __slots__ = ("_own", "_shared")

    def __init__(self, shared: dict[str, Listed], own: dict[str, Listed]) -> None:
        self._shared = shared
        self._own = own

    def get(self, name: str) -> Listed | None:
        row = self._own.get(name)
        if row is None and name in self._shared:
            row = self._own[name] = attrs.evolve(self._shared[name])
        return row

    def __getitem__(self, name: str) -> Listed:
        row = self.get(name)
        if row is None:
            raise KeyError(name)
        return row

    def values(self) -> Iterator[Listed]:
        return (self._own.get(name, row) for name, row in self._shared.items())


class _OwnOrder:
    """The shared rows in an order that is this member's own: a stride that meets each row once."""

    __slots__ = ("_first", "_rows", "_stride")

    def __init__(self, rows: Sequence[Listed], rng: Random) -> None:
        self._rows = rows
        self._first = rng.randrange(len(rows))
        self._stride = rng.randrange(1, len(rows))
        while math.gcd(self._stride, len(rows)) != 1:
            self._stride = rng.randrange(1, len(rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Listed:
        return self._rows[(self._first + index * self._stride) % len(self._rows)]
