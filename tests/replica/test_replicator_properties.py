"""Any writes, deaths, losses and partitions: all agents end with the newest of what was not lost for good."""

from __future__ import annotations

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.replica.entry import Entry, Key, Origin, Registration, target_of
from nodedns.replica.params import ReplicaParams
from nodedns.table.changes import (
    CheckDeregistered,
    CheckRegistered,
    ExternalNode,
    NodeDeregistered,
    NodeRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.testing.replica_pool import Link, ReplicaAgent, ReplicaPool

SIZE = 4
TOMBSTONE_S = 20.0
QUICK = ReplicaParams(tombstone_s=TOMBSTONE_S, collect_s=3.0, slice_entries=1)
NAMES = [NodeName("Camera"), NodeName("camera")]

numbers = st.integers(0, SIZE - 1)
names = st.sampled_from(NAMES)
ids = st.just("web")


def registrations(value: int) -> st.SearchStrategy[Registration]:
    """Changes to few keys, that collide; each value is written once."""
    service = Service(id="", name="s", port=value)
    return st.one_of(
        st.builds(lambda name: NodeRegistered(ExternalNode(name, "", f"10.0.{value // 250}.{value % 250}")), names),
        st.builds(NodeDeregistered, names),
        st.builds(lambda name, id_: ServiceRegistered(name, attrs.evolve(service, id=id_)), names, ids),
        st.builds(ServiceDeregistered, names, ids),
        st.builds(
            lambda name, id_: CheckRegistered(name, Check(id_, "c", CheckStatus.PASSING, output=str(value))), names, ids
        ),
        st.builds(CheckDeregistered, names, ids),
    )


class Cluster(RuleBasedStateMachine):
    """A pool beside the list of all writes that were ever made."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Entry] = []
        self.doubtful: set[int] = set()
        self.seen_by: dict[int, dict[Origin, int]] = {}
        self.values = 0

    @initialize(seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.3]))
    def begin(self, seed: int, loss: float) -> None:
        link = Link(loss=loss, duplicate_share=loss / 2, late_share=loss / 2, late_s=0.4)
        self.pool = ReplicaPool(SIZE, str(seed), QUICK, link)
        self.pool.start()

    @rule(number=numbers, data=st.data())
    def write(self, number: int, data: st.DataObject) -> None:
        agent = self.pool.agents[number]
        if agent.is_running:
            self.values += 1
            change = data.draw(registrations(self.values))
            agent.write(change)
            written = agent.replicator.entry(target_of(change)[0])
            assert written is not None
            self.writes.append(written)
            self.seen_by[id(written)] = agent.known_lines()

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, TOMBSTONE_S, 3 * TOMBSTONE_S]))
    def wait(self, seconds: float) -> None:
        self.pool.run(seconds)

    @rule(sides=st.lists(st.integers(0, 2), min_size=SIZE, max_size=SIZE))
    def part(self, sides: list[int]) -> None:
        self.pool.part(
            *([agent for agent, its in zip(self.pool.agents, sides, strict=True) if its == side] for side in (1, 2))
        )

    @rule()
    def heal(self) -> None:
        self.pool.heal()

    @rule(number=numbers, lost=st.sampled_from([0, 1, 3, 1000]))
    def kill(self, number: int, lost: int) -> None:
        agent = self.pool.agents[number]
        if agent.is_running:
            agent.kill(lost_records=min(lost, len(agent.disk)))
            self.pool.introduce()
            if lost:
                self.doubt()

    @rule(number=numbers)
    def restart(self, number: int) -> None:
        agent = self.pool.agents[number]
        if not agent.is_running:
            agent.start()
            self.pool.introduce()

    @precondition(lambda self: self.writes)
    @rule(number=numbers)
    def compact(self, number: int) -> None:
        agent = self.pool.agents[number]
        if agent.is_running:
            agent.compact()

    @rule(number=numbers, error_ms=st.sampled_from([-5_000, 0, 5_000]))
    def set_clock(self, number: int, error_ms: int) -> None:
        self.pool.agents[number].clock_error_ms = error_ms

    def doubt(self) -> None:
        """Take note of writes that nobody knows any more, as far as can be said: they may be lost."""
        digests = [agent.known_lines() for agent in self.pool.agents]
        for write in self.writes:
            if all(lines.get(write.origin, 0) < write.version for lines in digests):
                self.doubtful.add(id(write))

    @invariant()
    def table_follows_the_changes(self) -> None:
        if hasattr(self, "pool"):
            for agent in self.pool.agents:
                if agent.is_running:
                    assert agent.table == values_of(agent)

    def teardown(self) -> None:
        if not hasattr(self, "pool"):
            return
        self.pool.heal()
        for agent in self.pool.agents:
            if not agent.is_running:
                agent.start()
        self.pool.introduce()
        assert self.pool.run_until(lambda: self.pool.has_converged, 60.0) < 60.0
        assert all(values_of(agent) == values_of(self.pool.agents[0]) for agent in self.pool.agents)
        self.nothing_is_lost_or_resurrected()

    def nothing_is_lost_or_resurrected(self) -> None:
        held = {entry.key: entry for entry in self.pool.agents[0].replicator.entries()}
        for key in {write.key: None for write in self.writes}:
            writes = [write for write in self.writes if write.key == key]
            sure = max((one for one in writes if id(one) not in self.doubtful), key=stamp, default=None)
            end = held.get(key)
            if end is not None:
                assert sure is None or stamp(end) >= stamp(sure) or self.was_deleted_unseen(end, sure)
                assert stamp(end) in [stamp(one) for one in writes]
            elif sure is not None and sure.value is not None:
                assert any(one.value is None and stamp(one) > stamp(sure) for one in writes)

    def was_deleted_unseen(self, end: Entry, deletion: Entry) -> bool:
        """Whether the deletion may have been forgotten before anybody who knew of it heard of what it deletes."""
        age_ms = self.pool.agents[0].wall_ms - (deletion.version >> 16)
        is_forgotten = age_ms > TOMBSTONE_S * 1000 - 5_000
        return deletion.value is None and is_forgotten and self.seen_by[id(deletion)].get(end.origin, 0) < end.version


def stamp(entry: Entry) -> tuple[int, bytes]:
    return (entry.version, entry.origin)


def values_of(agent: ReplicaAgent) -> dict[Key, object]:
    return {entry.key: entry.value for entry in agent.replicator.entries()}


TestCluster = Cluster.TestCase
TestCluster.settings = settings(stateful_step_count=30, deadline=None)
