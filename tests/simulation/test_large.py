"""Clusters of a hundred and more, on the engine: how fast news spreads, and that nothing is lost."""

from __future__ import annotations

import pytest

from nodedns.gossip.params import LAN
from nodedns.model.member import MemberStatus
from nodedns.testing.builders import Build, names_of, serf_members, swim_members
from nodedns.testing.faults import detection_bounds_s
from nodedns.testing.invariants import Invariants
from nodedns.testing.runners import engine_cluster, run_on_engine, run_on_trio
from nodedns.testing.scenario import (
    Converged,
    Cut,
    Expect,
    Heal,
    Kill,
    Leave,
    Operation,
    Scenario,
    Seen,
    Start,
    Wait,
    play,
)
from nodedns.testing.strategies import repeatable
from nodedns.testing.warm import start_warm

LEFT, FAILED = MemberStatus.LEFT, MemberStatus.FAILED
HUNDRED = names_of("n", range(100))

both = pytest.mark.parametrize("build", [swim_members(), serf_members()], ids=["swim", "serf"])


@both
def test_hundred_members_joining_at_once_all_see_each_other_within_three_seconds(build: Build) -> None:
    run_on_engine(Scenario(seed=1, operations=(Start(HUNDRED), Expect(Converged(), 3.0))), build)


@pytest.mark.parametrize("seed", range(3))
def test_one_more_is_seen_by_all_hundred_within_three_seconds(seed: int) -> None:
    engine, cluster = engine_cluster(serf_members(), seed)
    start_warm(cluster, HUNDRED[:-1])
    scenario = Scenario(seed=seed, operations=(Wait(1), Start(HUNDRED[-1:]), Expect(Converged(), 3.0)))
    for until in play(scenario, cluster, Invariants(cluster), print):
        engine.run_until(until)


def test_warm_cluster_is_one_from_the_first_moment_and_stays_so() -> None:
    engine, cluster = engine_cluster(serf_members(), seed=1)
    start_warm(cluster, HUNDRED)
    invariants = Invariants(cluster)
    assert "" == Converged().problem(cluster)
    invariants.check()
    engine.run_until(1.0)
    # Nothing but probes, their acks, and nobody's news.
    assert cluster.network.statistics().sent <= 3 * len(HUNDRED)
    engine.run_until(20.0)
    invariants.check()
    assert "" == Converged().problem(cluster)


@both
def test_killed_and_leaving_members_of_a_hundred_are_told_apart(build: Build) -> None:
    engine, cluster = engine_cluster(build, seed=1)
    start_warm(cluster, HUNDRED)
    operations: tuple[Operation, ...] = (
        Wait(1),
        Kill(HUNDRED[3:6]),
        Leave(HUNDRED[7]),
        Expect(Seen(HUNDRED[7], (LEFT,)), 60),
        *(Expect(Seen(name, (FAILED,)), detection_bounds_s(LAN, 100)[1]) for name in HUNDRED[3:6]),
    )
    for until in play(Scenario(seed=1, operations=operations), cluster, Invariants(cluster), print):
        engine.run_until(until)


@pytest.mark.slow
@both
def test_two_hundred_members_live_through_five_minutes(build: Build) -> None:
    names = names_of("n", range(200))
    operations = (
        Start(names),
        Expect(Converged(), 300),
        Kill(names[10:20]),
        Wait(60),
        Leave(names[30]),
        Wait(60),
        Cut(names[:60], names[60:]),
        Wait(40),
        Heal(),
        Wait(60),
    )
    run_on_engine(Scenario(seed=1, operations=operations), build)


@pytest.mark.slow
def test_thousand_members_at_rest_fail_nobody() -> None:
    engine, cluster = engine_cluster(serf_members(), seed=1, traced=False)
    invariants = Invariants(cluster)
    start_warm(cluster, names_of("n", range(1000)))
    engine.run_until(60.0)
    invariants.check()
    assert "" == Converged().problem(cluster)


@pytest.mark.slow
def test_thirty_members_live_under_trio() -> None:
    names = names_of("n", range(30))
    operations = (Start(names), Expect(Converged(), 70), Kill(names[3:5]), Leave(names[7]), Wait(120))
    repeatable(lambda: run_on_trio(Scenario(seed=1, operations=operations), serf_members()))
