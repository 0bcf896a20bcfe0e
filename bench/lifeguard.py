"""The Lifeguard experiment: who is declared failed while some members of a pool cannot send or receive.

Run ``python bench/lifeguard.py``; it takes about eight minutes of one core (``--jobs`` spreads it),
prints what it measures, and writes ``docs/figures/lifeguard*``, which ``docs/lifeguard.rst`` shows.
With another grid than its own, or other settings, it only prints.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs
from charts import Chart, line_chart

from nodedns.gossip.params import LAN, GossipParams
from nodedns.testing.anomalies import Anomalies, AnomalyCounts, AnomalyKind, Detection, run_anomalies, run_failures

# The paper's suspicion: alpha = 5 times the logarithm, beta = 6, and 3 confirmations to shorten it fully.
ALPHA = 5
PLAIN = attrs.evolve(
    LAN, suspicion_mult=ALPHA, awareness_max_multiplier=1, suspicion_max_timeout_mult=1, buddy_system=False
)
CONFIGURATIONS: dict[str, GossipParams] = {
    "SWIM": PLAIN,
    "LHA-Probe": attrs.evolve(PLAIN, awareness_max_multiplier=LAN.awareness_max_multiplier),
    "LHA-Suspicion": attrs.evolve(PLAIN, suspicion_max_timeout_mult=LAN.suspicion_max_timeout_mult),
    "Buddy System": attrs.evolve(PLAIN, buddy_system=True),
    "Lifeguard": attrs.evolve(LAN, suspicion_mult=ALPHA),
}
CONCURRENT = 4
DURATIONS_S = (8.192, 16.384, 32.768)
INTERVALS_S = (0.064, 4.096)
FAILING, FAILURE_SEEDS = 4, 5
REACH = 50
FIGURES = Path(__file__).parent.parent / "docs" / "figures"

Run = tuple[str, Anomalies]


def counted(run: Run) -> tuple[str, Anomalies, AnomalyCounts, float]:
    name, plan = run
    begun = time.process_time()
    counts = run_anomalies(CONFIGURATIONS[name], plan)
    return name, plan, counts, time.process_time() - begun


def failed(run: tuple[str, int]) -> tuple[str, Sequence[Detection]]:
    name, seed = run
    return name, run_failures(CONFIGURATIONS[name], members=128, failing=FAILING, seed=f"failures/{seed}")


def grid(
    kind: AnomalyKind,
    names: Iterable[str],
    concurrent: int = CONCURRENT,
    durations_s: Sequence[float] = DURATIONS_S,
    intervals_s: Sequence[float] = INTERVALS_S,
) -> list[Run]:
    return [
        (name, Anomalies(concurrent=concurrent, duration_s=duration_s, interval_s=interval_s, kind=kind))
        for duration_s, interval_s in itertools.product(durations_s, intervals_s)
        for name in names
    ]


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def summary(
    done: Sequence[tuple[str, Anomalies, AnomalyCounts, float]], failures: dict[str, list[Detection]]
) -> list[list[str]]:
    """Return one row a configuration, over the whole grid."""
    of = {name: [counts for other, _, counts, _ in done if other == name] for name in failures}
    base = sum(counts.false_positives for counts in of.get("SWIM", ()))
    base_healthy = sum(counts.at_healthy for counts in of.get("SWIM", ()))
    rows = []
    for name, runs in of.items():
        wrong, healthy = sum(run.false_positives for run in runs), sum(run.at_healthy for run in runs)
        seconds = sum(run.member_seconds for run in runs)
        first = [found.first_s for found in failures[name] if found.first_s is not None]
        everybody = [found.all_s for found in failures[name] if found.all_s is not None]
        rows.append(
            [
                name,
                f"{wrong:,}",
                percent(wrong, base),
                f"{healthy:,}",
                percent(healthy, base_healthy),
                f"{statistics.median(first):.1f} ({max(first):.1f})",
                f"{statistics.median(everybody):.1f} ({max(everybody):.1f})",
                f"{sum(run.datagrams for run in runs) / seconds:.1f}",
                f"{sum(run.sent_bytes for run in runs) / seconds:,.0f}",
            ]
        )
    return rows


HEADINGS = [
    "Settings", "False positives", "of SWIM's", "at healthy members", "of SWIM's", "First detection, s",
    "Known to all, s", "Datagrams", "Bytes",
]  # fmt: skip


def points(done: Sequence[tuple[str, Anomalies, AnomalyCounts, float]]) -> list[list[str]]:
    """Return one row a point of the grid: SWIM's and Lifeguard's false positives."""
    found = {(name, attrs.astuple(plan)): counts for name, plan, counts, _ in done}
    rows = []
    for _, plan in (run for run in grid(AnomalyKind.MESSAGES, ["SWIM"])):
        pair = [found[name, attrs.astuple(plan)] for name in ("SWIM", "Lifeguard")]
        figures = [f"{value:,}" for counts in pair for value in (counts.false_positives, counts.at_healthy)]
        rows.append([str(plan.concurrent), f"{plan.duration_s:g}", f"{plan.interval_s:g}", *figures])
    return rows


POINT_HEADINGS = [
    "Anomalous", "for, s", "every other, s", "SWIM", "at healthy", "Lifeguard", "at healthy ones",
]  # fmt: skip


def write(name: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with (FIGURES / name).open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([headings, *rows])


def chart(done: Sequence[tuple[str, Anomalies, AnomalyCounts, float]]) -> str:
    lines: dict[str, list[float | None]] = {
        name: [
            sum(run.false_positives for other, plan, run, _ in done if other == name and plan.duration_s == duration_s)
            for duration_s in DURATIONS_S
        ]
        for name in CONFIGURATIONS
    }
    return line_chart(
        Chart(
            title="False positives of 128 members, by how long an anomaly lasts",
            x_label=f"duration of each anomaly, seconds ({CONCURRENT} anomalous members, both intervals)",
            y_label="false positives",
            steps=[f"{duration_s:g}" for duration_s in DURATIONS_S],
            lines=lines,
            y_ticks=[0, 10, 100, 1_000, 10_000, 100_000],
            is_logarithmic=True,
        )
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--jobs", type=int, default=1, help="processes at once")
    options.add_argument("--process", action="store_true", help="stop whole processes instead; writes no figures")
    options.add_argument("--concurrent", type=int, default=CONCURRENT, help="anomalous members")
    options.add_argument("--durations", type=float, nargs="+", default=list(DURATIONS_S), help="of anomalies, seconds")
    options.add_argument("--intervals", type=float, nargs="+", default=list(INTERVALS_S), help="between them, seconds")
    options.add_argument("--settings", nargs="+", choices=list(CONFIGURATIONS), default=list(CONFIGURATIONS))
    chosen = options.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, {sys.platform}")
    names: list[str] = chosen.settings
    kind = AnomalyKind.PROCESS if chosen.process else AnomalyKind.MESSAGES
    runs = grid(kind, names, chosen.concurrent, chosen.durations, chosen.intervals)
    done = []
    with multiprocessing.Pool(chosen.jobs) as pool:
        for name, plan, counts, spent_s in pool.imap(counted, runs):
            done.append((name, plan, counts, spent_s))
            print(
                f"{plan.concurrent:3} anomalous {plan.duration_s:6.3f} s every other {plan.interval_s:5.3f} s "
                f"{name:14} {counts.false_positives:7,} false positives, {counts.at_healthy:7,} at healthy members "
                f"{counts.datagrams / counts.member_seconds:.1f} datagrams and "
                f"{counts.sent_bytes / counts.member_seconds:,.0f} bytes a member-second ({spent_s:.0f} s of CPU)",
                flush=True,
            )
        failures: dict[str, list[Detection]] = {name: [] for name in names}
        for name, found in pool.imap(failed, list(itertools.product(names, range(FAILURE_SEEDS)))):
            failures[name] += found
    rows = summary(done, failures)
    for row in [HEADINGS, *rows]:
        print(" | ".join(row))
    plain, lifeguard = (
        sum(counts.false_positives for other, _, counts, _ in done if other == name) for name in ("SWIM", "Lifeguard")
    )
    times = f"{plain / lifeguard:,.0f} times fewer" if lifeguard else "none at all"
    print(f"false positives with Lifeguard's settings: {times} than {plain:,} (reach: {REACH} times fewer)")
    print(f"{sum(spent_s for *_, spent_s in done):.0f} s of CPU")
    if runs == grid(AnomalyKind.MESSAGES, CONFIGURATIONS):
        FIGURES.mkdir(exist_ok=True)
        write("lifeguard.csv", HEADINGS, rows)
        write("lifeguard-points.csv", POINT_HEADINGS, points(done))
        (FIGURES / "lifeguard.svg").write_text(chart(done))


if __name__ == "__main__":
    main()
