"""How much CPU the event engine takes, and how fast news spreads in virtual time.

Run ``python bench/simulation.py``; it prints one line for each figure, with what
is to be reached where that was agreed. ``--members`` and ``--seconds`` change
the long run.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable

from nodedns.testing.builders import Build, names_of, serf_members, swim_members
from nodedns.testing.cluster import Cluster
from nodedns.testing.engine import Engine
from nodedns.testing.runners import engine_cluster, run_on_trio
from nodedns.testing.scenario import Converged, Expect, Scenario, Start, Wait
from nodedns.testing.warm import start_warm

CPU_REACH_S = 20.0
CONVERGED_REACH_S = 3.0
SPREAD_MEMBERS = 100
SPREAD_SEEDS = 10
STEP_S = 0.05
PATIENCE_S = 120.0


def cpu_s(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def cold(build: Build, members: int, seconds: float) -> str:
    """All join one at once, then the cluster runs on."""
    engine, cluster = engine_cluster(build, seed=1, traced=False)

    def work() -> None:
        names = names_of("n", range(members))
        for name in names:
            cluster.start(name, names[0])
        engine.run_until(seconds)

    return _cost(cpu_s(work), cluster)


def warm(build: Build, members: int, seconds: float) -> str:
    """All know each other from the first moment, and nothing happens."""
    engine, cluster = engine_cluster(build, seed=1, traced=False)
    filling_s = cpu_s(lambda: start_warm(cluster, names_of("n", range(members))))
    return f"{_cost(cpu_s(lambda: engine.run_until(seconds)), cluster)} (and {filling_s:.1f} s to fill the tables)"


def under_trio(members: int, seconds: float) -> str:
    scenario = Scenario(
        seed=1, operations=(Start(names_of("n", range(members))), Expect(Converged(), 70), Wait(seconds))
    )
    return f"{cpu_s(lambda: _ignore(run_on_trio(scenario, serf_members(), say=lambda _: None))):.1f} s of CPU"


def _ignore(_: object) -> None:
    pass


def _cost(spent_s: float, cluster: Cluster) -> str:
    delivered = cluster.network.statistics().delivered
    return f"{spent_s:.1f} s of CPU, {delivered} datagrams, {1e6 * spent_s / max(delivered, 1):.0f} us each"


def converged_after(engine: Engine, cluster: Cluster) -> float:
    begun = engine.now
    while Converged().problem(cluster) and engine.now - begun < PATIENCE_S:
        engine.run_until(engine.now + STEP_S)
    return engine.now - begun


def join_all_at_once(build: Build, seed: int) -> float:
    engine, cluster = engine_cluster(build, seed, traced=False)
    names = names_of("n", range(SPREAD_MEMBERS))
    for name in names:
        cluster.start(name, names[0])
    return converged_after(engine, cluster)


def join_one_more(build: Build, seed: int) -> float:
    engine, cluster = engine_cluster(build, seed, traced=False)
    names = names_of("n", range(SPREAD_MEMBERS))
    start_warm(cluster, names[:-1])
    engine.run_until(1.0)
    cluster.start(names[-1], names[0])
    return converged_after(engine, cluster)


def spread(join: Callable[[Build, int], float], build: Build) -> str:
    times = sorted(join(build, seed) for seed in range(SPREAD_SEEDS))
    return f"median {statistics.median(times):.2f} s, longest {times[-1]:.2f} s of {len(times)} seeds"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--members", type=int, default=200)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--large", action="store_true", help="also 1,000 members, which takes a minute or two")
    chosen = options.parse_args()
    size = f"{chosen.members} members, {chosen.seconds:.0f} virtual seconds"
    print(f"{platform.machine()}, Python {platform.python_version()}, {sys.platform}")
    print(f"cold join, {size}, memberlist alone: {cold(swim_members(), chosen.members, chosen.seconds)}")
    print(
        f"cold join, {size}, with Serf: {cold(serf_members(), chosen.members, chosen.seconds)} "
        f"(reach: {CPU_REACH_S:.0f} s)"
    )
    print(f"at rest, {size}, with Serf: {warm(serf_members(), chosen.members, chosen.seconds)}")
    print(f"under trio, 30 members, 60 virtual seconds, with Serf: {under_trio(30, 60.0)}")
    print(
        f"one more joins {SPREAD_MEMBERS - 1}: all see all after {spread(join_one_more, serf_members())} "
        f"(reach: {CONVERGED_REACH_S:.0f} s)"
    )
    print(f"{SPREAD_MEMBERS} join at once: all see all after {spread(join_all_at_once, serf_members())}")
    if chosen.large:
        print(f"at rest, 1000 members, 60 virtual seconds, with Serf: {warm(serf_members(), 1000, 60.0)}")


if __name__ == "__main__":
    main()
