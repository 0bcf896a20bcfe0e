"""What one real agent costs in a large pool: resident memory and CPU, next to Debian's ``serf``.

    python bench/pool.py --members 1000 5000

A pool of puppets (``nodedns.testing.puppets``) is played on loopback addresses
by this process; the agent is a process of its own. It joins, is left to settle,
and is then watched at rest and while members change. ``--serf`` runs
``serf agent`` in the same pool beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodedns.model.address import Address
from nodedns.testing.chance import seeded_random
from nodedns.testing.puppets import PuppetPool

AGENT = Address.from_text("127.9.9.9", 28301)
PUPPET_NETWORK = "127.40"
PUPPET_PORT = 27946
MEMORY_REACH_MIB = {1000: 80, 5000: 130}
CPU_REACH_PERCENT = {1000: 3.0}
JOIN_DEADLINE_S = 120.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"process {pid} is gone")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


@contextmanager
def nodedns(join: str) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryDirectory() as directory:
        command = [
            sys.executable, "-m", "nodedns", "agent", "-node=real", f"-bind={AGENT.host}", f"-client={AGENT.host}",
            f"-serf-lan-port={AGENT.port}", "-dns-port=28600", "-http-port=28500", f"-data-dir={directory}",
            "-log-level=WARN", f"-retry-join={join}",
        ]  # fmt: skip
        with running(command) as process:
            yield process


@contextmanager
def serf(join: str) -> Iterator[subprocess.Popen[bytes]]:
    program = shutil.which("serf")
    if program is None:
        raise SystemExit("serf is not installed: apt-get install serf")
    command = [
        program, "agent", "-node=real", f"-bind={AGENT}", f"-rpc-addr={AGENT.host}:27373", "-log-level=err",
        f"-retry-join={join}",
    ]  # fmt: skip
    with running(command) as process:
        yield process


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Watch:
    """Plays the pool for one agent and reads the agent's figures."""

    def __init__(self, pool: PuppetPool, pid: int) -> None:
        self.pool = pool
        self.pid = pid

    def play(self, seconds: float, change_every_s: float = 0.0) -> float:
        """Return the agent's CPU in percent of a core over ``seconds``."""
        begun_s, begun = cpu_s(self.pid), time.monotonic()
        changes_at = begun
        while (now := time.monotonic()) < begun + seconds:
            self.pool.ping_agent(AGENT)
            if change_every_s and now >= changes_at:
                self.pool.update_one(now)
                changes_at += change_every_s
            self.pool.serve(time.monotonic, now + 1.0)
        return 100 * (cpu_s(self.pid) - begun_s) / (time.monotonic() - begun)

    def wait_joined(self) -> float:
        begun = time.monotonic()
        while not self.pool.push_pulls_answered:
            self.pool.serve(time.monotonic, time.monotonic() + 0.05)
            if time.monotonic() - begun > JOIN_DEADLINE_S:
                raise SystemExit("the agent did not join")
        return time.monotonic() - begun


def members_seen(program: str) -> int:
    """How many members the agent itself lists as alive."""
    if program == "serf":
        listed = subprocess.check_output(["serf", "members", f"-rpc-addr={AGENT.host}:27373", "-status=alive"])
        return len(listed.splitlines())
    with urllib.request.urlopen(f"http://{AGENT.host}:28500/v1/agent/members") as answer:
        return sum(1 for member in json.load(answer) if member["Status"] == 1)


def measure(program: str, members: int, seconds: float) -> None:
    with PuppetPool(members, PUPPET_NETWORK, PUPPET_PORT, seeded_random("puppets")) as pool:
        start = nodedns if program == "nodedns" else serf
        with start(pool.address(0)) as process:
            watch = Watch(pool, process.pid)
            watch.wait_joined()
            watch.play(20.0)
            seen = members_seen(program)
            if seen != members + 1:
                raise SystemExit(f"{program} sees {seen} members, not {members + 1}")
            at_rest = watch.play(seconds)
            rest_mib = resident_mib(process.pid)
            changing = watch.play(seconds, change_every_s=1.0)
            lost = sum(1 for seq_no in range(1, pool.pinged + 1) if seq_no not in pool.acks)
            print(
                f"{program} among {members}: {rest_mib:.0f} MiB resident{_reach(MEMORY_REACH_MIB, members, 'MiB')}, "
                f"CPU {at_rest:.2f} % of a core at rest{_reach(CPU_REACH_PERCENT, members, '%')}, "
                f"{changing:.2f} % with one member changing a second; {pool.pings_answered} pings from it, "
                f"{pool.push_pulls_answered} push/pulls, {lost} pings to it unanswered; "
                f"{resident_mib(process.pid):.0f} MiB at the end",
                flush=True,
            )


def _reach(reach: dict[int, float] | dict[int, int], members: int, unit: str) -> str:
    return f" (reach: {reach[members]:g} {unit})" if members in reach else ""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--members", type=int, nargs="+", default=[1000, 5000])
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--serf", action="store_true", help="also Debian's serf in the same pool")
    chosen = options.parse_args()
    for members in chosen.members:
        measure("nodedns", members, chosen.seconds)
        if chosen.serf:
            measure("serf", members, chosen.seconds)


if __name__ == "__main__":
    main()
