"""DNS over TCP: nodedns beside unbound, NSD, Knot, BIND and PowerDNS, pipelined and with a connection for each query.

    python -m bench.dns_tcp
    python -m bench.dns_tcp --servers nodedns unbound --seconds 3 --rounds 5

All servers run at the same time on one CPU, the client on the other, and they
are asked by turns, as in ``bench.dns``, whose servers and names these are. Two
clients, because dnsperf is not always as fast as what it measures:

* dnsperf with one connection and 100, and 1,000, queries under way. It leaves Nagle's
  algorithm on, so a server that answers one by one waits for its acknowledgements.
* ``dns/tcp.c`` with one connection and as many under way, without Nagle's algorithm; and
  with 10 and with 50 connections at once, each for one query.

unbound is given as many connections as it is asked over. ``--write`` keeps the table that
``docs/performance.rst`` shows.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.dns.load import dial, flood, need_dnsperf
from bench.dns.machine import machine, versions
from bench.dns.processes import need_two_cpus
from bench.dns.report import ratio
from bench.dns.servers import NODEDNS, Missing, Server
from bench.dns.workloads import Bench, Samples, record, starting

__all__ = ["main"]

SERVERS = (NODEDNS, "unbound", "nsd", "knot", "bind", "powerdns")
UNBOUND = "unbound"
OUTSTANDING = (100, 1_000)
CONNECTIONS = (10, 50)
KEPT = Path(__file__).parent.parent / "docs" / "figures" / "dns-over-tcp.csv"
HEAD = ("", "server", "a second", "CPU a query, µs", "latency, µs", "a second / unbound's", "CPU / unbound's")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.dns_tcp", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of one sample (default 3)")
    parser.add_argument("--rounds", type=int, default=5, help="samples of each server in each workload (default 5)")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), metavar="SERVER")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {KEPT.name}")
    return parser.parse_args()


def measure(bench: Bench, servers: Sequence[Server]) -> None:
    """Take one sample of each server in each workload."""
    program = bench.program("tcp.c")
    for count in OUTSTANDING:
        for server in servers:
            taken = flood(server, bench.hot, bench.seconds, ("-m", "tcp"), clients=1, outstanding=count)
            record(bench, f"dnsperf {count}", server.name, taken)
        for server in servers:
            taken = dial(server, program, bench.wires, bench.seconds, ("pipelined", str(count)))
            record(bench, f"pipelined {count}", server.name, taken)
    for count in CONNECTIONS:
        for server in servers:
            taken = dial(server, program, bench.wires, bench.seconds, ("fresh", str(count)))
            record(bench, f"fresh {count}", server.name, taken)


def rows(samples: Samples) -> list[list[str]]:
    """Return a row for each workload and server: medians of the rounds, and of their ratios to unbound."""
    made: list[list[str]] = []
    for workload, by_server in samples.items():
        for server, taken in by_server.items():
            qps, cpu_us, latency_us = (
                statistics.median(sample[figure] for sample in taken) for figure in ("qps", "cpu_us", "latency_us")
            )
            ratios = [ratio(samples, workload, server, UNBOUND, figure) for figure in ("qps", "cpu_us")]
            figures = [f"{qps:,.0f}", f"{cpu_us:.1f}", f"{latency_us:,.0f}"]
            made.append([workload, server, *figures, *("-" if found is None else f"{found:.2f}" for found in ratios)])
    return made


def main() -> None:
    chosen = options()
    need_two_cpus()
    need_dnsperf()
    with tempfile.TemporaryDirectory(prefix="bench-dns-tcp-") as directory:
        bench = Bench(Path(directory), chosen.seconds, chosen.rounds, chosen.servers)
        try:
            with starting(bench, chosen.servers) as servers:
                for turn in range(chosen.rounds):
                    print(f"round {turn + 1} of {chosen.rounds}", flush=True)
                    measure(bench, servers)
        except Missing as reason:
            raise SystemExit(str(reason)) from reason
    print()
    print(", ".join(f"{key} {value}" for key, value in {**machine(), **versions(chosen.servers)}.items()))
    for name, reason in bench.absent.items():
        print(f"WITHOUT {name}: {reason}")
    made = rows(bench.samples)
    for row in (HEAD, *made):
        print("{:<16}{:<10}{:>12}{:>17}{:>13}{:>22}{:>17}".format(*row))
    if chosen.write:
        with KEPT.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerows((HEAD, *made))


if __name__ == "__main__":
    main()
