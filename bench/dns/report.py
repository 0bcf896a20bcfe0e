"""What the samples come to: a table for each workload, the ratios, and whether each figure to reach is reached.

A ratio is taken within each round, where both servers were measured a moment
apart, and the median of the rounds is shown: another program that takes the CPU
for a while then spoils a round, not the result. Beside it stands the ratio of the
least figures of both, which are those of the rounds that were disturbed least.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from bench.dns.servers import ECHO, NODEDNS
from bench.dns.workloads import APART, TOGETHER, Samples

__all__ = ["NSD", "Goal", "cell", "goals", "middle", "ratio", "tables"]

NSD, UNBOUND = "nsd", "unbound"
MISSING = "not measured"
ALMOST_ALL = 95
"""Of the 100 changes a second that are tried."""


@attrs.frozen
class Goal:
    """A figure to reach.

    Attributes:
        what: Which, for a reader.
        reach: The bar, in words.
        measured: What was measured, in words.
        is_met: None where it was not measured.
    """

    what: str
    reach: str
    measured: str
    is_met: bool | None


def _values(samples: Samples, workload: str, server: str, figure: str) -> list[float]:
    return [sample[figure] for sample in samples.get(workload, {}).get(server, [])]


def middle(samples: Samples, workload: str, server: str, figure: str) -> float | None:
    """Return the median of the rounds; None where there was none."""
    values = _values(samples, workload, server, figure)
    return statistics.median(values) if values else None


def ratio(samples: Samples, workload: str, server: str, to: str, figure: str) -> float | None:
    """Return the median of the rounds' ratios of one server to another; None where either was not measured."""
    pairs = zip(_values(samples, workload, server, figure), _values(samples, workload, to, figure), strict=False)
    ratios = [ours / theirs if theirs else math.inf for ours, theirs in pairs]
    return statistics.median(ratios) if ratios else None


def cell(value: float | None, pattern: str) -> str:
    """Return the figure formatted; a dash where there is none."""
    return "-" if value is None else format(value, pattern)


def _flood_table(samples: Samples, workload: str) -> list[str]:
    rows = [
        f"{'':<12}{'qps':>9}{'least':>9}{'most':>9}{'CPU us':>9}{'least':>8}{'latency us':>12}"
        f"{'CPU/NSD':>9}{'CPU/loop':>10}{'qps/NSD':>9}{'lost':>7}{'client':>9}{'others':>8}"
    ]
    for server in samples[workload]:
        qps, cpu = (_values(samples, workload, server, figure) for figure in ("qps", "cpu_us"))
        rows.append(
            f"{server:<12}{statistics.median(qps):>9,.0f}{min(qps):>9,.0f}{max(qps):>9,.0f}"
            f"{statistics.median(cpu):>9.2f}{min(cpu):>8.2f}"
            f"{cell(middle(samples, workload, server, 'latency_us'), ',.0f'):>12}"
            f"{cell(ratio(samples, workload, server, NSD, 'cpu_us'), '.2f'):>9}"
            f"{cell(ratio(samples, workload, server, ECHO, 'cpu_us'), '.2f'):>10}"
            f"{cell(ratio(samples, workload, server, NSD, 'qps'), '.2f'):>9}"
            f"{sum(_values(samples, workload, server, 'lost')):>7,.0f}"
            f"{cell(middle(samples, workload, server, 'driver_share'), '.0%'):>9}"
            f"{cell(middle(samples, workload, server, 'others_share'), '.0%'):>8}"
        )
    return rows


def _flight_table(samples: Samples, workload: str) -> list[str]:
    head = f"{'':<12}{'median us':>11}{'least':>8}{'90th':>9}{'99th':>9}{'/NSD':>8}{'/loop':>8}{'lost':>7}"
    return [head, *(_flight_row(samples, workload, server) for server in samples[workload])]


def _flight_row(samples: Samples, workload: str, server: str) -> str:
    return (
        f"{server:<12}{cell(middle(samples, workload, server, 'median_us'), '.1f'):>11}"
        f"{min(_values(samples, workload, server, 'median_us')):>8.1f}"
        f"{cell(middle(samples, workload, server, 'p90_us'), '.1f'):>9}"
        f"{cell(middle(samples, workload, server, 'p99_us'), '.1f'):>9}"
        f"{cell(ratio(samples, workload, server, NSD, 'median_us'), '.2f'):>8}"
        f"{cell(ratio(samples, workload, server, ECHO, 'median_us'), '.2f'):>8}"
        f"{sum(_values(samples, workload, server, 'lost')):>7,.0f}"
    )


def tables(samples: Samples) -> str:
    """Return one table for each workload that was run."""
    lines: list[str] = []
    for workload in samples:
        table = _flight_table if workload in (APART, TOGETHER) else _flood_table
        lines += ["", workload, *table(samples, workload)]
    return "\n".join(lines)


def _at_most(samples: Samples, of: tuple[str, str, str], bar: float, what: str, reach: str) -> Goal:
    workload, to, figure = of
    goal = _goal(what, reach, ratio(samples, workload, NODEDNS, to, figure), lambda value: value <= bar)
    if goal.is_met is None:
        return goal
    ours, theirs = (min(_values(samples, workload, server, figure)) for server in (NODEDNS, to))
    return attrs.evolve(goal, measured=f"{goal.measured}; least to least {ours / theirs:.2f}")


def _at_least(samples: Samples, of: tuple[str, str], bar: float, what: str, reach: str) -> Goal:
    workload, to = of
    return _goal(what, reach, ratio(samples, workload, NODEDNS, to, "qps"), lambda value: value >= bar)


def _goal(what: str, reach: str, found: float | None, is_met: Callable[[float], bool]) -> Goal:
    if found is None:
        return Goal(what, reach, MISSING, None)
    return Goal(what, reach, f"{found:.2f}", is_met(found))


def goals(samples: Samples, facts: Mapping[str, Any]) -> list[Goal]:
    """Return all figures to reach, measured or not."""
    quiet = ratio(samples, "changes", "changing", "quiet", "qps")
    quiet_cpu = ratio(samples, "changes", "changing", "quiet", "cpu_us")
    http = ratio(samples, "registrations", "changing", "quiet", "qps")
    together = ratio(samples, TOGETHER, NODEDNS, ECHO, "median_us")
    ports = ratio(samples, "ports", NODEDNS, NSD, "cpu_us")
    large = ratio(samples, "many", "10,000", "1,000", "cpu_us")
    return [
        _at_most(samples, ("hot", NSD, "cpu_us"), 1.0, "CPU a query, 1,000 hot names", "<= 1 x NSD's"),
        _at_most(samples, ("hot", ECHO, "cpu_us"), 1.3, "CPU a query, 1,000 hot names", "<= 1.3 x the C loop's"),
        _at_least(samples, ("hot", NSD), 1.0, "queries a second, 1,000 hot names", ">= 1 x NSD's"),
        Goal("CPU a query, hot names from 1,000 ports", "no bar: x NSD's", cell(ports, ".2f"), None),
        _at_most(samples, ("missing", NSD, "cpu_us"), 1.3, "CPU a query, missing names", "<= 1.3 x NSD's"),
        _at_most(samples, (APART, ECHO, "median_us"), 1.5, "one in flight, a CPU for each", "<= 1.5 x the C loop's"),
        Goal("one in flight, one CPU for both", "no bar: x the C loop's", cell(together, ".2f"), None),
        _changes_goal(quiet, quiet_cpu),
        _registrations_goal(http, facts),
        _goal("CPU a query, 10,000 nodes", "<= 1.1 x with 1,000", large, lambda value: value <= 1.1),
        _shown_goal(facts),
        _pool_goal(facts),
        _at_least(samples, ("tcp-pipelined", UNBOUND), 1.0, "TCP, one connection pipelined, qps", ">= 1 x unbound's"),
        _at_least(samples, ("tcp-connection", UNBOUND), 0.5, "TCP, a connection a query, qps", ">= 0.5 x unbound's"),
    ]


def _changes_goal(found: float | None, cpu: float | None) -> Goal:
    goal = _goal("qps while 100 nodes change a second", ">= 0.8 x quiet", found, lambda value: value >= 0.8)
    return attrs.evolve(goal, measured=f"{goal.measured}; CPU a query {cpu:.2f} x") if cpu else goal


def _registrations_goal(found: float | None, facts: Mapping[str, Any]) -> Goal:
    what, reach = "qps while 100 a second are registered", ">= 0.8 x quiet"
    if found is None:
        return Goal(what, reach, MISSING, None)
    made = facts["registrations"]["rate"]
    return Goal(what, reach, f"{found:.2f} at {made:.0f} a second", found >= 0.8 and made >= ALMOST_ALL)


def _shown_goal(facts: Mapping[str, Any]) -> Goal:
    what, reach = "a change shown in DNS, 10,000 nodes", "<= 10 ms"
    shown = facts.get("shown")
    if shown is None:
        return Goal(what, reach, MISSING, None)
    longest = shown["after_reply_longest_ms"]
    text = f"{shown['after_reply_median_ms']:.2f} ms after the reply, longest {longest:.2f}"
    text += (
        f"; {shown['after_request_median_ms']:.1f} after the request, longest {shown['after_request_longest_ms']:.1f}"
    )
    return Goal(what, reach, text, longest <= 10.0)


def _pool_goal(facts: Mapping[str, Any]) -> Goal:
    what, reach = "saturation in a pool of five", "nobody suspected, no push/pull failed"
    pool = facts.get("pool")
    if pool is None:
        return Goal(what, reach, MISSING, None)
    bad, failed = len(pool["bad_news"]), pool["push_pulls_failed"]
    text = f"{pool['seconds']:.0f} s: {bad} bad news, {failed} push/pulls failed"
    return Goal(what, reach, text, not bad and not failed)
