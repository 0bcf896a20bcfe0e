"""What the documentation shows of a run: the raw samples, the tables as CSV files, and the plot."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.charts import Bars, bar_chart
from bench.dns.report import NSD, cell, goals, middle, ratio
from bench.dns.servers import ECHO
from bench.dns.workloads import APART, TOGETHER, Samples

__all__ = ["FIGURES", "KEPT", "write"]

FIGURES = Path(__file__).parent.parent.parent / "docs" / "figures"
KEPT = FIGURES / "dns.json"
GROUPS = {"hot": "1,000 hot names", "missing": "names that do not exist"}
VERDICTS = {True: "reached", False: "missed", None: ""}


def write(found: Mapping[str, Any], folder: Path = FIGURES) -> None:
    """Write all of them into ``folder``; a table whose workload was not run is left as it was."""
    samples: Samples = found["samples"]
    (folder / KEPT.name).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    rows = [[goal.what, goal.reach, goal.measured, VERDICTS[goal.is_met]] for goal in goals(samples, found["facts"])]
    _csv(folder / "dns-goals.csv", ["What", "Reach", "Measured", ""], rows)
    for workload in (*GROUPS, "ports"):
        if workload in samples:
            _flood_csv(samples, workload, folder / f"dns-{workload}.csv")
    if {TOGETHER, APART} <= samples.keys():
        _flight_csv(samples, folder / "dns-flight.csv")
    if "tcp-pipelined" in samples:
        _tcp_csv(samples, folder / "dns-tcp.csv")
    if GROUPS.keys() <= samples.keys():
        (folder / "dns.svg").write_text(_plot(samples), encoding="utf-8")


def _csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(head)
        table.writerows(rows)


def _by_cpu(samples: Samples, workload: str) -> list[str]:
    return sorted(samples[workload], key=lambda server: middle(samples, workload, server, "cpu_us") or 0.0)


def _spread(samples: Samples, workload: str, server: str, figure: str, pattern: str) -> str:
    values = [sample[figure] for sample in samples[workload][server]]
    low, high = (format(value, pattern) for value in (min(values), max(values)))
    return f"{statistics.median(values):{pattern}} ({low} to {high})"


def _flood_csv(samples: Samples, workload: str, path: Path) -> None:
    head = ["", "CPU a query, µs", "to NSD", "to the C loop", "Queries a second", "to NSD", "Latency, µs"]
    _csv(
        path,
        head,
        (
            [
                server,
                _spread(samples, workload, server, "cpu_us", ".2f"),
                cell(ratio(samples, workload, server, NSD, "cpu_us"), ".2f"),
                cell(ratio(samples, workload, server, ECHO, "cpu_us"), ".2f"),
                _spread(samples, workload, server, "qps", ",.0f"),
                cell(ratio(samples, workload, server, NSD, "qps"), ".2f"),
                cell(middle(samples, workload, server, "latency_us"), ",.0f"),
            ]
            for server in _by_cpu(samples, workload)
        ),
    )


def _flight_csv(samples: Samples, path: Path) -> None:
    head = ["", "A CPU for each, µs", "to the C loop", "One CPU for both, µs", "to the C loop"]
    _csv(
        path,
        head,
        (
            [
                server,
                _spread(samples, APART, server, "median_us", ".1f"),
                cell(ratio(samples, APART, server, ECHO, "median_us"), ".2f"),
                _spread(samples, TOGETHER, server, "median_us", ".1f"),
                cell(ratio(samples, TOGETHER, server, ECHO, "median_us"), ".2f"),
            ]
            for server in samples[APART]
        ),
    )


def _tcp_csv(samples: Samples, path: Path) -> None:
    workloads = ("tcp-pipelined", "tcp-connection")
    head = ["", "Pipelined, a second", "CPU a query, µs", "A connection a query, a second", "CPU a query, µs"]
    _csv(
        path,
        head,
        (
            [
                server,
                *(
                    _spread(samples, workload, server, figure, pattern)
                    for workload in workloads
                    for figure, pattern in (("qps", ",.0f"), ("cpu_us", ".1f"))
                ),
            ]
            for server in samples[workloads[0]]
        ),
    )


def _plot(samples: Samples) -> str:
    servers = _by_cpu(samples, "hot")
    return bar_chart(
        Bars(
            title="CPU time a query of each server, shorter is better",
            x_label="microseconds of user and system time, median of the rounds",
            rows=servers,
            groups={
                name: [middle(samples, each, server, "cpu_us") for server in servers] for each, name in GROUPS.items()
            },
        )
    )
