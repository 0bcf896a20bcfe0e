"""The plot of the documentation: CPU a query of each server, for names that exist and for names that do not."""

from __future__ import annotations

from pathlib import Path

from bench.charts import Bars, bar_chart
from bench.dns.report import middle
from bench.dns.workloads import Samples

__all__ = ["draw"]

GROUPS = {"hot": "1,000 hot names", "missing": "names that do not exist"}


def draw(samples: Samples, path: Path) -> None:
    """Write the plot; nothing where the workloads of the plot were not run."""
    shown = [workload for workload in GROUPS if workload in samples]
    if not shown:
        return
    servers = sorted(samples[shown[0]], key=lambda server: middle(samples, shown[0], server, "cpu_us") or 0.0)
    bars = Bars(
        title="CPU time a query of each server, shorter is better",
        x_label="microseconds of user and system time, median of the rounds",
        rows=servers,
        groups={GROUPS[each]: [middle(samples, each, server, "cpu_us") for server in servers] for each in shown},
    )
    path.write_text(bar_chart(bars), encoding="utf-8")
