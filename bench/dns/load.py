"""One run of dnsperf, or of a client of the bench, against one server, and what both sides cost meanwhile."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from bench.dns.processes import CLIENT_CPU, busy_cpu_s, pinned
from bench.dns.servers import Server

__all__ = ["Ping", "Sample", "dial", "flood", "need_dnsperf", "ping"]

CLIENTS, OUTSTANDING = 8, 160
"""In flight. Linux's usual receive buffer holds 195 small queries, and not every server asks for a larger one."""
GRACE_S = 30.0

_FIGURES = {
    "completed": r"Queries completed:\s+(\d+)",
    "lost": r"Queries lost:\s+(\d+)",
    "qps": r"Queries per second:\s+([\d.]+)",
    "latency_s": r"Average Latency \(s\):\s+([\d.]+)",
}


@attrs.frozen
class Sample:
    """One run of a client that asks as fast as answers come.

    Attributes:
        qps: Queries answered a second.
        cpu_us: User and system time of the server over the queries answered.
        latency_us: The average, with as many queries in flight as the client has.
        lost: Queries without an answer.
        codes: How many answers of each response code.
        server_share: Of its CPU; the server had time left where it is below 1.
        driver_share: Likewise of the client, which is the limit where it is near 1.
        others_share: What anything else took of all CPUs together, in CPUs.
    """

    qps: float
    cpu_us: float
    latency_us: float
    lost: int
    codes: dict[str, int]
    server_share: float
    driver_share: float
    others_share: float


@attrs.frozen
class Ping:
    """One run with one query in flight; times in microseconds."""

    count: int
    lost: int
    min_us: float
    median_us: float
    p90_us: float
    p99_us: float


def need_dnsperf() -> None:
    if shutil.which("dnsperf") is None:
        raise SystemExit("dnsperf is not installed: apt-get install dnsperf")


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def flood(
    server: Server,
    questions: Path,
    seconds: float,
    more: Sequence[str] = (),
    *,
    clients: int = CLIENTS,
    outstanding: int = OUTSTANDING,
) -> Sample:
    """Have dnsperf ask as fast as answers come, for ``seconds``; ``more`` are further flags of it."""
    command = [
        "dnsperf", "-s", server.host, "-p", str(server.port), "-d", questions, "-l", f"{seconds:g}",
        "-c", str(clients), "-q", str(outstanding), "-t", "2", *more,
    ]  # fmt: skip
    return _sample(server, command, seconds, _dnsperf_figures)


def dial(server: Server, program: Path, wires: Path, seconds: float, more: Sequence[str] = ()) -> Sample:
    """Ask over TCP for ``seconds`` with a client of the bench's own: ``dial.c``, or with ``more`` ``tcp.c``."""
    return _sample(server, [program, server.host, str(server.port), wires, f"{seconds:g}", *more], seconds, json.loads)


def _sample(
    server: Server, command: Sequence[str | Path], seconds: float, read: Callable[[str], dict[str, float]]
) -> Sample:
    cpu_s, driver_s, busy_s, begun = server.process.cpu_s(), _children_cpu_s(), busy_cpu_s(), time.monotonic()
    done = subprocess.run(
        pinned(CLIENT_CPU, command), capture_output=True, text=True, timeout=seconds + GRACE_S, check=False
    )
    took_s = time.monotonic() - begun
    cpu_s, driver_s = server.process.cpu_s() - cpu_s, _children_cpu_s() - driver_s
    others_s = busy_cpu_s() - busy_s - cpu_s - driver_s
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stdout[-800:]}{done.stderr[-800:]}")
    figures = read(done.stdout)
    if not figures["completed"]:
        raise SystemExit(f"{server.name} answered nothing: {done.stdout[-800:]} {server.process.said()}")
    return Sample(
        qps=figures["qps"],
        cpu_us=1e6 * cpu_s / figures["completed"],
        latency_us=1e6 * figures["latency_s"],
        lost=int(figures["lost"]),
        codes={code: int(count) for code, count in re.findall(r"([A-Z]+) (\d+) \([\d.]+%\)", done.stdout)},
        server_share=cpu_s / took_s,
        driver_share=driver_s / took_s,
        others_share=max(0.0, others_s / took_s),
    )


def _dnsperf_figures(said: str) -> dict[str, float]:
    found = {name: re.search(pattern, said) for name, pattern in _FIGURES.items()}
    lacking = [name for name, match in found.items() if match is None]
    if lacking:
        raise SystemExit(f"dnsperf does not say {', '.join(lacking)}: {said[-800:]}")
    return {name: float(match[1]) for name, match in found.items() if match}


def ping(server: Server, program: Path, wires: Path, seconds: float, cpus: str | int = CLIENT_CPU) -> Ping:
    """Ask one query at a time for ``seconds`` from ``cpus``."""
    command = [program, server.host, str(server.port), wires, f"{seconds:g}"]
    done = subprocess.run(pinned(cpus, command), capture_output=True, text=True, timeout=seconds + GRACE_S, check=False)
    if done.returncode:
        raise SystemExit(f"{server.name}: {done.stderr}")
    return Ping(**json.loads(done.stdout))
