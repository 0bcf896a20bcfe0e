"""Many replicators: everybody knows everything, no registration is lost, none is resurrected."""

from __future__ import annotations

import pytest

from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.replica.params import ReplicaParams
from nodedns.table.changes import CheckRegistered, ServiceDeregistered, ServiceRegistered
from nodedns.testing.replica_pool import Link, ReplicaAgent, ReplicaPool

SERVICES = 5
CLOSE_TO_NOTHING = 100  # bytes a second of each agent at rest: one fingerprint, with its headers
LOSSY = Link(loss=0.1, duplicate_share=0.05, late_share=0.1)


def service(agent: ReplicaAgent, number: int, port: int = 80) -> ServiceRegistered:
    return ServiceRegistered(agent.name, Service(id=f"s{number}", name=f"s{number}", port=port))


def started(size: int, params: ReplicaParams | None = None, link: Link | None = None) -> ReplicaPool:
    """A pool in which every agent registers its services when it starts."""
    pool = ReplicaPool(size, "replication", params, link)
    pool.start()
    for agent in pool.agents:
        agent.write(*[service(agent, number) for number in range(SERVICES)])
    return pool


def know(pool: ReplicaPool, entries: int) -> bool:
    return all(len(agent.table) == entries for agent in pool.agents if agent.is_running)


def test_two_hundred_agents_with_five_services_each_know_all_within_seconds() -> None:
    pool = started(200)
    assert pool.run_until(lambda: know(pool, 200 * SERVICES), 5.0) < 5.0
    assert pool.has_converged
    pool.run(5.0)
    before = pool.sent_bytes
    pool.run(20.0)
    assert (pool.sent_bytes - before) / 20.0 / 200 < CLOSE_TO_NOTHING


def test_one_write_is_known_to_fifty_within_a_second_at_ten_percent_loss() -> None:
    pool = started(50, link=LOSSY)
    assert pool.run_until(lambda: know(pool, 50 * SERVICES), 20.0) < 20.0
    pool.run(5.0)
    pool.agents[7].write(service(pool.agents[7], 99))
    assert pool.run_until(lambda: know(pool, 50 * SERVICES + 1), 2.0) < 1.0


def test_a_fresh_agent_among_fifty_is_complete_within_a_second() -> None:
    pool = started(50)
    assert pool.run_until(lambda: know(pool, 50 * SERVICES), 5.0) < 5.0
    pool.agents[9].kill(lost_records=len(pool.agents[9].disk))
    pool.agents[9].start()
    pool.introduce()
    assert pool.run_until(lambda: know(pool, 50 * SERVICES), 5.0) < 1.0


@pytest.mark.parametrize(
    ("size", "away_s"),
    [
        (40, 20.0),
        (40, 400.0),
        pytest.param(200, 20.0, marks=pytest.mark.slow),
        pytest.param(200, 400.0, marks=pytest.mark.slow),
    ],
)
def test_a_partition_heals_whatever_was_written_and_deleted_on_both_sides(size: int, away_s: float) -> None:
    params = ReplicaParams(tombstone_s=120.0, collect_s=10.0)
    pool = started(size, params, LOSSY)
    assert pool.run_until(lambda: know(pool, size * SERVICES), 20.0) < 20.0
    left, right = pool.agents[: size // 2], pool.agents[size // 2 :]
    pool.part(left, right)
    for agent in pool.agents:
        agent.write(ServiceDeregistered(agent.name, "s0"), service(agent, 1, 8080), service(agent, SERVICES))
    left[0].write(ServiceDeregistered(right[0].name, "s2"))
    right[1].write(CheckRegistered(left[1].name, Check("c", "c", CheckStatus.CRITICAL)))
    pool.run(away_s)
    pool.heal()
    assert pool.run_until(lambda: pool.has_converged, 30.0) < 30.0
    expected = {
        (1, str(agent.name), f"s{number}"): 8080 if number == 1 else 80
        for agent in pool.agents
        for number in range(1, SERVICES + 1)
    }
    del expected[1, str(right[0].name), "s2"]
    for agent in pool.agents:
        ports = {key: value.port for key, value in agent.table.items() if isinstance(value, Service)}
        assert expected == ports
        assert (2, str(left[1].name), "c") in agent.table


def test_agents_killed_in_turn_lose_nothing_that_was_on_disk() -> None:
    pool = started(20, link=LOSSY)
    for number, agent in enumerate(pool.agents):
        agent.write(service(agent, 100 + number))
        agent.kill()
        pool.introduce()
        pool.run(0.3)
        agent.start()
        pool.introduce()
    assert pool.run_until(lambda: know(pool, 20 * SERVICES + 20), 20.0) < 20.0
    assert pool.has_converged


@pytest.mark.slow
def test_twenty_agents_to_which_twenty_five_thousand_services_are_registered_one_by_one_know_all() -> None:
    pool = ReplicaPool(20, "large")
    pool.start()
    for number in range(25_000):
        agent = pool.agents[number % 20]
        agent.write(ServiceRegistered(NodeName(f"x{number % 5000}"), Service(id=f"s{number}", name=f"s{number % 97}")))
        if number % 50 == 0:
            pool.run(0.1)
    assert pool.run_until(lambda: know(pool, 25_000), 30.0) < 30.0
    assert pool.has_converged


def test_the_same_seed_makes_the_same_run() -> None:
    def trace() -> tuple[object, ...]:
        pool = started(10, link=LOSSY)
        pool.run(10.0)
        return (pool.engine.actions, sorted(pool.sent.items()), [a.replicator.fingerprint for a in pool.agents])

    assert trace() == trace()
