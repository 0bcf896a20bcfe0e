"""Two hundred members, on every change: killed, paused, leaving, parted, on a network as bad as it may be.

The thousand of every night play the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nodedns.gossip.params import LAN
from nodedns.model.member import MemberStatus
from nodedns.testing.builders import names_of, serf_members
from nodedns.testing.faults import TOLERATED_LOSS, detection_bounds_s
from nodedns.testing.invariants import Invariants
from nodedns.testing.network import Conditions
from nodedns.testing.runners import engine_cluster
from nodedns.testing.scenario import (
    Agreed,
    Cut,
    Expect,
    Heal,
    Kill,
    Leave,
    Operation,
    Pause,
    Restart,
    Resume,
    Scenario,
    Seen,
    Wait,
    play,
)
from nodedns.testing.warm import start_warm

FAILED, LEFT = MemberStatus.FAILED, MemberStatus.LEFT
BAD = Conditions(loss=TOLERATED_LOSS, slow_share=0.05, duplicate_share=0.05, reorder_share=0.1)
SIZES = [200, pytest.param(1000, marks=pytest.mark.slow)]


def run(size: int, operations: Sequence[Operation], conditions: Conditions | None = None, seed: int = 1) -> None:
    engine, cluster = engine_cluster(serf_members(), seed, conditions, traced=False)
    invariants = Invariants(cluster)
    start_warm(cluster, names_of("n", range(size)))
    scenario = Scenario(seed=seed, operations=operations, conditions=conditions)
    for until in play(scenario, cluster, invariants, print):
        engine.run_until(until)


@pytest.mark.parametrize("size", SIZES)
def test_nobody_who_is_well_is_failed_while_others_die_pause_and_leave_and_a_tenth_is_lost(size: int) -> None:
    names = names_of("n", range(size))
    killed, paused, leaving = names[10:14], names[20:24], names[30]
    longest_s = detection_bounds_s(LAN, size)[1]
    run(
        size,
        (
            Wait(2),
            Kill(killed),
            *map(Pause, paused),
            Leave(leaving),
            Wait(7),
            *map(Resume, paused),
            *(Expect(Seen(name, (FAILED,)), longest_s) for name in killed),
            Restart(killed[0], names[0]),
            Expect(Agreed(), 60),
        ),
        BAD,
    )


@pytest.mark.parametrize("size", SIZES)
def test_parted_pool_finds_together_again_and_all_views_agree(size: int) -> None:
    names = names_of("n", range(size))
    few, many = names[: size // 10], names[size // 10 :]
    run(size, (Cut(few, many), Wait(25), Heal(), Expect(Agreed(), 300)))
