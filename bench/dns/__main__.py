"""DNS servers under dnsperf: nodedns beside a C loop that only echoes, NSD, Knot, unbound, dnsmasq, BIND and PowerDNS.

    python -m bench.dns
    python -m bench.dns --servers "C loop" nodedns nsd --workloads hot missing --seconds 4 --rounds 7

All servers run at the same time on one CPU, each with one worker; dnsperf runs
on the other, and asks them by turns, so that whatever else the machine does hits
all alike. A server that is not installed is named, with its package. Ends with
the figures to reach, and whether they are. ``--write`` keeps the samples, the
tables and the plot that ``docs/performance.rst`` shows; ``--read`` measures
nothing and goes by the samples kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.dns.agents import ALONE
from bench.dns.figures import KEPT, write
from bench.dns.load import CLIENTS, OUTSTANDING, need_dnsperf
from bench.dns.machine import machine, versions
from bench.dns.processes import CLIENT_CPU, SERVER_CPU, need_two_cpus
from bench.dns.report import goals, tables
from bench.dns.servers import SERVERS, Missing
from bench.dns.workloads import SHARED, Bench, starting

__all__ = ["main"]

WORDS = {True: "reached", False: "NOT reached", None: ""}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.dns", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="of one sample (default 4)")
    parser.add_argument("--rounds", type=int, default=7, help="samples of each server in each workload (default 7)")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), metavar="SERVER")
    every = [*SHARED, *ALONE]
    parser.add_argument("--workloads", nargs="+", choices=every, default=every, metavar="WORKLOAD")
    parser.add_argument("--saturation", type=float, default=60.0, help="seconds of the pool's saturation (default 60)")
    parser.add_argument("--write", action="store_true", help=f"keep {KEPT.name}, and tables and plot beside it")
    parser.add_argument("--read", action="store_true", help="measure nothing: the tables of the samples kept")
    return parser.parse_args()


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-dns-") as directory:
        bench = Bench(Path(directory), chosen.seconds, chosen.rounds, chosen.servers, chosen.saturation)
        shared = [SHARED[name] for name in chosen.workloads if name in SHARED]
        if shared:
            with starting(bench, chosen.servers) as servers:
                for turn in range(chosen.rounds):
                    print(f"round {turn + 1} of {chosen.rounds}", flush=True)
                    for measure in shared:
                        measure(bench, servers, turn)
        for name in chosen.workloads:
            if name in ALONE:
                print(name, flush=True)
                ALONE[name](bench)
    return {
        "machine": machine(),
        "versions": versions(chosen.servers),
        "options": vars(chosen),
        "absent": bench.absent,
        "reply_bytes": bench.replies,
        "facts": bench.facts,
        "samples": bench.samples,
    }


def show(found: dict[str, Any]) -> None:
    print()
    print(", ".join(f"{key} {value}" for key, value in {**found["machine"], **found["versions"]}.items()))
    print(
        f"servers on CPU {SERVER_CPU}, dnsperf on CPU {CLIENT_CPU}, {CLIENTS} clients with {OUTSTANDING} queries in "
        f"flight; {found['options']['rounds']} rounds of {found['options']['seconds']:g} s; medians of the rounds"
    )
    print(f"bytes of a reply, hit and miss: {found['reply_bytes']}")
    for name, reason in found["absent"].items():
        print(f"WITHOUT {name}: {reason}")
    print(tables(found["samples"]))
    print()
    for goal in goals(found["samples"], found["facts"]):
        print(f"{goal.what:<42}{goal.reach:<40}{goal.measured}  {WORDS[goal.is_met]}")


def main() -> None:
    chosen = options()
    if chosen.read:
        found = json.loads(KEPT.read_text(encoding="utf-8"))
    else:
        need_two_cpus()
        if set(chosen.workloads) != {"flight"}:
            need_dnsperf()
        try:
            found = measured(chosen)
        except Missing as reason:
            raise SystemExit(str(reason)) from reason
    show(found)
    if chosen.write:
        write(found)


if __name__ == "__main__":
    sys.exit(main())
