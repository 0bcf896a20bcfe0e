"""A seed replays: to the same trace in this process, and in another with another hash seed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nodedns.model.names import NodeName
from nodedns.testing.builders import names_of, serf_members
from nodedns.testing.network import Conditions
from nodedns.testing.runners import Outcome, run_on_engine, run_on_trio
from nodedns.testing.scenario import Converged, Cut, Expect, Heal, Kill, Leave, Loss, Restart, Scenario, Start, Wait
from nodedns.testing.strategies import repeatable

NAMES = names_of("n", range(8))


def eventful(seed: int, names: tuple[NodeName, ...] = NAMES) -> Scenario:
    return Scenario(
        seed=seed,
        operations=(
            Start(names),
            Wait(5),
            Kill(names[:1]),
            Loss(0.2),
            Leave(names[1]),
            Wait(10),
            Cut(names[2:4], names[4:]),
            Wait(20),
            Heal(),
            Restart(names[0], join=names[2]),
            Wait(30),
        ),
        conditions=Conditions(duplicate_share=0.05, reorder_share=0.05),
    )


def on_engine(seed: int) -> Outcome:
    return run_on_engine(eventful(seed), serf_members())


def test_engine_replays_a_seed() -> None:
    first, second = on_engine(7), on_engine(7)
    assert first == second
    assert first.trace_entries > 500


def test_engine_does_something_else_with_another_seed() -> None:
    assert on_engine(7).trace != on_engine(8).trace


def test_trio_replays_a_seed_in_an_example() -> None:
    def run() -> Outcome:
        return run_on_trio(eventful(7), serf_members())

    first, second = repeatable(run), repeatable(run)
    assert first == second
    assert first.trace_entries > 500


@pytest.mark.parametrize("runner", ["run_on_engine(eventful(7), serf_members())", "repeatable(on_trio)"])
def test_seed_replays_in_another_process_with_another_hash_seed(runner: str) -> None:
    program = (
        "import runpy, sys\n"
        f"found = runpy.run_path({__file__!r})\n"
        "globals().update(found)\n"
        "def on_trio():\n"
        "    return run_on_trio(eventful(7), serf_members(), say=lambda line: None)\n"
        f"print(({runner}).trace, file=sys.stderr)\n"
    )
    traces = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        traces.add(done.stderr.split()[-1])
    assert 1 == len(traces)


@pytest.mark.parametrize("seed", range(4))
def test_both_runners_end_with_the_same_views(seed: int) -> None:
    names = NAMES[:6]
    scenario = Scenario(
        seed=seed,
        operations=(
            Start(names),
            Expect(Converged(), 70),
            Leave(names[1]),
            Wait(15),
            Kill((names[2],)),
            Wait(60),
            Restart(names[1], join=names[0]),
            Expect(Converged(), 70),
        ),
    )
    on_the_engine = run_on_engine(scenario, serf_members())
    under_trio = repeatable(lambda: run_on_trio(scenario, serf_members()))
    assert on_the_engine.views == under_trio.views
    assert 5 == len(under_trio.views)
