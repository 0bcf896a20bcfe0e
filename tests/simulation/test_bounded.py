"""What a pool keeps does not grow with what happened to it."""

from __future__ import annotations

import gc
import tracemalloc

from nodedns.testing.builders import names_of, serf_members
from nodedns.testing.invariants import Invariants
from nodedns.testing.network import Conditions
from nodedns.testing.runners import engine_cluster
from nodedns.testing.scenario import Converged, Expect, Kill, Operation, Pause, Restart, Resume, Scenario, Wait, play
from nodedns.testing.warm import start_warm

NAMES = names_of("n", range(10))
BAD = Conditions(loss=0.1, duplicate_share=0.1, reorder_share=0.1)
CYCLE: tuple[Operation, ...] = (
    Kill(NAMES[3:4]),
    Pause(NAMES[5]),
    Wait(20),
    Resume(NAMES[5]),
    Restart(NAMES[3], NAMES[0]),
    Expect(Converged(), 120),
)
WARMING_UP, MEASURED = 5, 5


def kept_after_cycles() -> list[int]:
    """Return the bytes in use after some cycles, and after as many more."""
    engine, cluster = engine_cluster(serf_members(), 1, BAD, traced=False)
    invariants = Invariants(cluster)
    start_warm(cluster, NAMES)
    kept: list[int] = []
    for cycles in (WARMING_UP, MEASURED):
        for until in play(Scenario(seed=1, operations=CYCLE * cycles), cluster, invariants, lambda _: None):
            engine.run_until(until)
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
    return kept


def test_memory_of_a_pool_does_not_grow_with_its_failures() -> None:
    tracemalloc.start()
    try:
        before, after = kept_after_cycles()
    finally:
        tracemalloc.stop()
    assert after < 1.1 * before
