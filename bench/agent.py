"""Figures of whole agents, measured as a user would: start-up, commands, memory, joining, failure.

    python bench/agent.py

Prints one line for each figure: the median of several runs, the smallest and
the largest. Agents run on 127.0.0.1 to 127.0.0.3 with ports of their own, so
running agents are not disturbed; nothing is sent to any other address.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

DNS_PORT = 28600
HTTP_PORT = 28500
GOSSIP_PORT = 28301
POLL_S = 0.002
DEADLINE_S = 60.0
NODEDNS = [sys.executable, "-m", "nodedns"]


def query(name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def answers(host: str, name: str) -> bool:
    """Whether the agent at ``host`` has an address for ``name`` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.connect((host, DNS_PORT))
        try:
            sock.send(query(name))
            reply = sock.recv(4096)
        except OSError:
            return False
    return reply[3] & 0x0F == 0 and reply[6:8] != b"\0\0"


def seconds_until(condition: Callable[[], bool]) -> float:
    started = time.perf_counter()
    while not condition():
        if time.perf_counter() - started > DEADLINE_S:
            raise SystemExit("the agent did not get there within a minute")
        time.sleep(POLL_S)
    return time.perf_counter() - started


@contextmanager
def agent(name: str, host: str, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryDirectory() as directory:
        command = [
            *NODEDNS, "agent", f"-node={name}", f"-bind={host}", f"-client={host}", f"-data-dir={directory}",
            f"-dns-port={DNS_PORT}", f"-http-port={HTTP_PORT}", f"-serf-lan-port={GOSSIP_PORT}", *flags,
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def dev_start() -> float:
    """Seconds from ``nodedns agent -dev`` to its first DNS answer."""
    command = [
        *NODEDNS, "agent", "-dev", "-node=bench", f"-dns-port={DNS_PORT}", f"-http-port={HTTP_PORT}",
        f"-serf-lan-port={GOSSIP_PORT}",
    ]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        seconds_until(lambda: answers("127.0.0.1", "bench.node.consul"))
        return time.perf_counter() - started
    finally:
        process.kill()
        process.wait()


def seconds_of(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def members_ratio() -> tuple[float, float]:
    """Seconds of ``nodedns members``, and how many bare Python starts that is."""
    # The installed script, which is what a user runs.
    script = Path(sys.executable).with_name("nodedns")
    command = [str(script), "members", f"-http-addr=127.0.0.1:{HTTP_PORT}"]
    ours = seconds_of(command)
    return ours, ours / seconds_of([sys.executable, "-c", "pass"])


def resident_mib(process: subprocess.Popen[bytes]) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no VmRSS")


def join_seconds() -> float:
    """Seconds from ``PUT join`` on one agent to the other's name resolving on it, and the reverse."""
    with agent("one", "127.0.0.1", "-server"), agent("two", "127.0.0.2"):
        seconds_until(lambda: answers("127.0.0.1", "one.node.consul") and answers("127.0.0.2", "two.node.consul"))
        started = time.perf_counter()
        put("127.0.0.1", f"/v1/agent/join/127.0.0.2:{GOSSIP_PORT}")
        seconds_until(lambda: answers("127.0.0.1", "two.node.consul") and answers("127.0.0.2", "one.node.consul"))
        return time.perf_counter() - started


def failure_seconds() -> float:
    """Seconds from kill -9 to ``failed`` on both others, three members."""
    hosts = {"one": "127.0.0.1", "two": "127.0.0.2", "three": "127.0.0.3"}
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(agent(name, host, f"-join=127.0.0.1:{GOSSIP_PORT}"))
            for name, host in hosts.items()
        }
        seconds_until(lambda: all(answers(host, f"{name}.node.consul") for host in hosts.values() for name in hosts))
        processes["three"].send_signal(signal.SIGKILL)
        return seconds_until(lambda: all(status_of(hosts[name], "three") == 4 for name in ("one", "two")))


def put(host: str, path: str) -> None:
    connection = http.client.HTTPConnection(host, HTTP_PORT, timeout=10)
    connection.request("PUT", path)
    if connection.getresponse().status != 200:
        raise SystemExit(f"PUT {path} failed")


def status_of(host: str, name: str) -> int:
    connection = http.client.HTTPConnection(host, HTTP_PORT, timeout=10)
    connection.request("GET", "/v1/agent/members")
    members = json.loads(connection.getresponse().read())
    return next(member["Status"] for member in members if member["Name"] == name)


def report(what: str, unit: str, values: list[float], bar: str) -> None:
    middle, low, high = statistics.median(values), min(values), max(values)
    print(f"{what:<48} {middle:8.2f} {unit:<4} (of {len(values)}: {low:.2f} to {high:.2f})  wanted {bar}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each figure (default 5)")
    parser.add_argument("--quick", action="store_true", help="leave out the failure of a member (20 s a run)")
    options = parser.parse_args()
    runs = range(options.runs)
    report("agent -dev to its first DNS answer", "s", [dev_start() for _ in runs], "<= 1.5")
    with agent("one", "127.0.0.1") as process:
        seconds_until(lambda: answers("127.0.0.1", "one.node.consul"))
        members_ratio()
        pairs = [members_ratio() for _ in range(3 * options.runs)]
        report("nodedns members", "s", [seconds for seconds, _ in pairs], "")
        report("nodedns members / bare Python start", "x", [ratio for _, ratio in pairs], "<= 8")
        report("resident memory of an idle agent", "MiB", [resident_mib(process)], "<= 64")
    report("join to resolvable on both", "s", [join_seconds() for _ in runs], "<= 1")
    if not options.quick:
        report("kill -9 to failed, 3 members", "s", [failure_seconds() for _ in range(3)], "<= 4 s suspicion + probes")


if __name__ == "__main__":
    main()
