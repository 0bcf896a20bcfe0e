"""Registrations over HTTP: how many a second one client makes, and how soon a second agent has them.

    python -m bench.registrations [--nodes 1000] [--services 5000] [--runs 3] [--large]

One client registers nodes and services one by one over one connection, each once the one before was answered.
Two agents with data directories of their own, encrypted, on loopback. Prints
a line for each figure and, with ``--json FILE``, writes them. ``--large`` also registers 5,000 nodes with
25,000 services, for the memory that they take.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import attrs

from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, free_hosts

__all__ = ["main"]

DEADLINE_S = 120.0
POLL_S = 0.002
SHOWN = 100
LARGE_NODES, LARGE_SERVICES = 5_000, 25_000
Figures = dict[str, Any]


@attrs.define
class BenchAgent:
    """A running agent, and one connection to it."""

    host: str
    process: subprocess.Popen[bytes]
    _connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - whatever JSON says
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.host, HTTP_PORT, timeout=DEADLINE_S)
        self._connection.request(method, path, None if body is None else json.dumps(body))
        response = self._connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise SystemExit(f"{method} {path}: {response.status} {text!r}")
        return json.loads(text)

    def fresh(self) -> None:
        """Have the next request open a connection: an idle one is closed by the agent after a while."""
        self._connection = None

    def is_up(self) -> bool:
        try:
            self.ask("GET", "/v1/agent/self")
        except OSError:
            self._connection = None
            return False
        return True

    def alive(self) -> int:
        return sum(member["Status"] == 1 for member in self.ask("GET", "/v1/agent/members"))

    def nodes(self) -> int:
        return len(self.ask("GET", "/v1/catalog/nodes"))

    def instances(self, service: str) -> int:
        return len(self.ask("GET", f"/v1/catalog/service/{service}"))

    def resident_mib(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise SystemExit("no VmRSS")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds_until(condition: Callable[[], bool], pause_s: float = POLL_S) -> float:
    started = time.perf_counter()
    while not condition():
        if time.perf_counter() - started > DEADLINE_S:
            raise SystemExit("it did not get there in time")
        time.sleep(pause_s)
    return time.perf_counter() - started


@contextmanager
def pair(folder: Path) -> Iterator[tuple[BenchAgent, BenchAgent]]:
    """Yield two agents that have met."""
    hosts = list(islice(free_hosts(DNS_PORT, HTTP_PORT, GOSSIP_PORT), 2))
    key = base64.b64encode(bytes(range(32))).decode()
    agents = []
    try:
        for number, host in enumerate(hosts):
            command = [
                sys.executable, "-m", "nodedns", "agent", "-server", f"-node=agent-{number}", f"-bind={host}",
                f"-client={host}", f"-data-dir={folder / str(number)}", f"-encrypt={key}", "-log-level=warn",
                f"-retry-join={hosts[0]}",
            ]  # fmt: skip
            agents.append(BenchAgent(host, subprocess.Popen(command, stdout=subprocess.DEVNULL)))
        one, two = agents
        seconds_until(lambda: one.is_up() and two.is_up())
        seconds_until(lambda: one.alive() == two.alive() == 2)
        yield one, two
    finally:
        for each in agents:
            each.process.kill()
            each.process.wait()


def node_body(number: int) -> dict[str, object]:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return {"Node": f"host-{number:05}", "Address": address, "NodeMeta": {"rack": str(number % 40), "external": "yes"}}


def service_body(number: int, nodes: int) -> dict[str, object]:
    service = {
        "ID": f"web-{number}", "Service": service_name(number), "Port": 8000 + number % 1000,
        "Tags": ["http", f"v{number % 7}"], "Meta": {"version": "1.4.2"},
    }  # fmt: skip
    return {**node_body(number % nodes), "SkipNodeUpdate": True, "Service": service}


def service_name(number: int) -> str:
    return f"web-{number % 50}"


def register(agent: BenchAgent, nodes: int, services: int) -> list[float]:
    """Register them one by one; return the seconds that each took."""
    bodies = [node_body(number) for number in range(nodes)]
    bodies += [service_body(number, nodes) for number in range(services)]
    took = []
    for body in bodies:
        started = time.perf_counter()
        agent.ask("PUT", "/v1/catalog/register", body)
        took.append(time.perf_counter() - started)
    return took


def has_all(agent: BenchAgent, nodes: int, services: int) -> bool:
    if agent.nodes() != nodes + 2:
        return False
    names = min(50, services)
    return all(agent.instances(service_name(number)) == services // names for number in range(names))


def question(name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def shown(one: BenchAgent, two: BenchAgent, number: int, *, service: bool) -> float:
    """Return the seconds from the answer to a registration on one agent to its name resolving on the other."""
    name = f"shown-{number}"
    body: dict[str, object] = {"Node": name, "Address": "10.200.0.1"}
    if service:
        body["Service"] = {"Service": name, "Port": 80}
    asked = question(f"{name}.{'service' if service else 'node'}.consul")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1.0)
        sock.connect((two.host, DNS_PORT))

        def resolves() -> bool:
            sock.send(asked)
            reply = sock.recv(4096)
            return reply[3] & 0x0F == 0 and reply[6:8] != b"\0\0"

        one.ask("PUT", "/v1/catalog/register", body)
        return seconds_until(resolves)


def one_by_one(nodes: int, services: int) -> Figures:
    with tempfile.TemporaryDirectory() as directory, pair(Path(directory)) as (one, two):
        begun, cpu = time.perf_counter(), one.cpu_s()
        took = register(one, nodes, services)
        seconds = time.perf_counter() - begun
        cpu = one.cpu_s() - cpu
        two.fresh()
        replicated = seconds_until(lambda: has_all(two, nodes, services), 0.05)
        seen = [shown(one, two, number, service=services > 0) for number in range(SHOWN)]
        return {
            "a_second": len(took) / seconds,
            "median_ms": statistics.median(took) * 1e3,
            "p99_ms": statistics.quantiles(took, n=100)[98] * 1e3,
            "longest_ms": max(took) * 1e3,
            "cpu_ms_each": cpu / len(took) * 1e3,
            "replicated_s": replicated,
            "shown_median_s": statistics.median(seen),
            "shown_longest_s": max(seen),
        }


def large() -> Figures:
    with tempfile.TemporaryDirectory() as directory, pair(Path(directory)) as (one, two):
        begun = time.perf_counter()
        register(one, LARGE_NODES, LARGE_SERVICES)
        seconds = time.perf_counter() - begun
        two.fresh()
        replicated = seconds_until(lambda: has_all(two, LARGE_NODES, LARGE_SERVICES), 0.2)
        files = sum(path.stat().st_size for path in (Path(directory) / "0").rglob("*") if path.is_file())
        return {
            "large_a_second": (LARGE_NODES + LARGE_SERVICES) / seconds,
            "large_replicated_s": replicated,
            "large_resident_mib": one.resident_mib(),
            "large_resident_other_mib": two.resident_mib(),
            "large_disk_mib": files / 2**20,
        }


def main() -> None:
    """Measure, print, and write where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--services", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="5,000 nodes and 25,000 services as well")
    parser.add_argument("--json", type=Path, help="write the figures of all runs to this file")
    options = parser.parse_args()
    runs = [one_by_one(options.nodes, options.services) for _ in range(options.runs)]
    if options.large:
        runs.append(large())
    for name in dict.fromkeys(name for run in runs for name in run):
        values = [run[name] for run in runs if name in run]
        print(f"{name:<26} {statistics.median(values):10.3f}  ({min(values):.3f} to {max(values):.3f}, {len(values)})")
    if options.json:
        options.json.write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    main()
