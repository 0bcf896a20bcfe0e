"""How long one change takes to be known to 99.99 % of members, beside the formula that Serf publishes.

Run ``python bench/convergence.py``; some minutes of one core and about half a gigabyte, nearly all of both for
10,000 members (``--sizes 100 1000`` leaves them out). It prints a table and writes ``docs/figures/convergence*``.

The formula is the logistic curve of the convergence simulator on Serf's web site, read off at whole gossip
intervals.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import platform
import statistics
import sys
import time
from pathlib import Path

import attrs
from charts import Chart, line_chart

from nodedns.gossip.events import GossipEvent, NodeUpdated
from nodedns.gossip.params import LAN
from nodedns.testing.network import Conditions
from nodedns.testing.shared_tables import SharedPool

# By gossip alone: a push/pull could only help, and within these seconds few happen.
GOSSIP_ONLY = attrs.evolve(LAN, push_pull_interval_s=0.0)
SHARE = 0.9999
SIZES = (100, 1_000, 10_000)
RUNS = {
    (100, 0.0): 50,
    (1_000, 0.0): 20,
    (10_000, 0.0): 5,
    (100, 0.25): 50,
}
LOSSES = (0.0, 0.25)
BEFORE_S, PATIENCE_S, STEP_S = 1.5, 10.0, 0.1
FIGURES = Path(__file__).parent.parent / "docs" / "figures"


def formula_s(size: int, loss: float) -> float:
    """Return the seconds that Serf's formula gives until 99.99 % of members know."""
    each_round = LAN.gossip_nodes * (1 - loss) / 2
    rounds = math.ceil(math.log((size + 1) / (1 / SHARE - 1)) / each_round)
    return rounds * LAN.gossip_interval_s


def spread_s(size: int, seed: int, loss: float) -> float:
    """Return the seconds from a member's update until 99.99 % of members know; inf: never."""
    known: dict[int, float] = {}

    def listen(when: float, number: int, event: GossipEvent) -> None:
        if isinstance(event, NodeUpdated):
            known.setdefault(number, when)

    pool = SharedPool(GOSSIP_ONLY, size, f"{seed}/{loss}", listen, Conditions(loss=loss))
    pool.engine.run_until(BEFORE_S)
    # Another origin each time, and another phase of its tickers.
    pool.update(seed % size, b"changed")
    wanted = math.ceil(SHARE * size)
    while len(known) < wanted and pool.engine.now < BEFORE_S + PATIENCE_S:
        pool.engine.run_until(pool.engine.now + STEP_S)
    return sorted(known.values())[wanted - 1] - BEFORE_S if len(known) >= wanted else math.inf


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    chosen = options.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, {sys.platform}")
    measured: dict[tuple[int, float], list[float]] = {}
    for (size, loss), runs in RUNS.items():
        if size not in chosen.sizes:
            continue
        begun = time.process_time()
        times = measured[size, loss] = [spread_s(size, seed, loss) for seed in range(runs)]
        print(
            f"{size:6,} members, {loss:.0%} lost: median {statistics.median(times):.2f} s, longest {longest(times)} s "
            f"of {runs} (formula: {formula_s(size, loss):.1f} s); {time.process_time() - begun:.0f} s of CPU",
            flush=True,
        )
    if set(chosen.sizes) == set(SIZES):
        _write(measured)


def longest(times: list[float]) -> str:
    """Say the longest, and how many runs left somebody out, whom the next push/pull would have told."""
    within = [one for one in times if one < math.inf]
    missed = len(times) - len(within)
    return f"{max(within):.2f}" + (f" (and {missed} not by gossip alone)" if missed else "")


def _write(measured: dict[tuple[int, float], list[float]]) -> None:
    FIGURES.mkdir(exist_ok=True)
    with (FIGURES / "convergence.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["Members", "Lost", "Serf's formula, s", "Median, s", "Longest, s", "Runs"])
        for loss, size in itertools.product(LOSSES, SIZES):
            times = measured.get((size, loss))
            figures = (
                [f"{statistics.median(times):.2f}", longest(times), str(len(times))] if times else ["not run", "", ""]
            )
            rows.writerow([f"{size:,}", f"{loss:.0%}", f"{formula_s(size, loss):.1f}", *figures])
    lines: dict[str, list[float | None]] = {
        "formula, none lost": [formula_s(size, 0.0) for size in SIZES],
        "longest, none lost": [max(measured[size, 0.0]) for size in SIZES],
        "median, none lost": [statistics.median(measured[size, 0.0]) for size in SIZES],
        "formula, a quarter lost": [formula_s(size, 0.25) for size in SIZES],
        "median, a quarter lost": [
            statistics.median(measured[size, 0.25]) if (size, 0.25) in measured else None for size in SIZES
        ],
    }
    chart = Chart(
        title="One change, known to 99.99 % of members",
        x_label="members",
        y_label="seconds",
        steps=[f"{size:,}" for size in SIZES],
        lines=lines,
        y_ticks=[0, 1, 2, 3, 4],
    )
    (FIGURES / "convergence.svg").write_text(line_chart(chart))


if __name__ == "__main__":
    main()
