"""What checks cost the agent that runs them: how late its loop answers, and how much it computes.

    python -m bench.checks
    python -m bench.checks --checks 500 --interval 10 --seconds 30 --ballast-mib 300

A process with the checker also answers datagrams, as an agent answers acks and DNS; another
one asks it every two milliseconds and says how long answers took. Once without checks, once with
script checks as the agent runs them, and once with those started by ``trio.run_process``
instead, which is how they would be run without ``nodedns/net/spawn.py``. The ballast is memory
that the process holds, since that is what makes starting others dear.
"""

from __future__ import annotations

import argparse
import resource
import socket
import statistics
import subprocess
import sys
import time
from random import Random

import trio

from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.kinds import RunKind, ScriptKind
from nodedns.checks.outcome import Outcome
from nodedns.model.check import CheckStatus
from nodedns.net.check_runner import RealRunner
from nodedns.net.checker import Checker, CheckRunner
from nodedns.observe.metrics import Metrics

WAYS = ("none", "spawn", "run_process")
ASK_EVERY_S = 0.002
SCRIPT = ["/bin/sh", "-c", "echo fine; exit 0"]


class PlainRunner:
    """Script checks by trio's own means."""

    def refusal(self, kind: RunKind) -> str:
        return ""

    async def run(self, kind: RunKind, timeout_s: float, limit_bytes: int) -> Outcome:
        args = kind.args if isinstance(kind, ScriptKind) else ()
        done = await trio.run_process(args, capture_stdout=True, stderr=subprocess.STDOUT, check=False)
        return Outcome(CheckStatus.PASSING if done.returncode == 0 else CheckStatus.CRITICAL, done.stdout.decode())


async def serve(way: str, checks: int, interval_s: float, seconds: float) -> None:
    """Answer datagrams, and run checks beside it."""
    runner: CheckRunner = PlainRunner() if way == "run_process" else RealRunner()
    metrics = Metrics()
    checker = Checker(
        runner=runner,
        report=lambda check_id, status, output: None,
        on_overdue=lambda check_id: None,
        node_services=lambda name: None,
        rng=Random(1),  # noqa: S311 - spreads checks
        metrics=metrics,
    )
    sock = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    await sock.bind(("127.0.0.1", 0))
    for number in range(0 if way == "none" else checks):
        given = {"name": f"c{number}", "args": SCRIPT, "interval": f"{interval_s}s"}
        checker.start(decode_check_untrusted(given))
    async with trio.open_nursery() as nursery:
        await nursery.start(checker.run)
        print(sock.getsockname()[1], flush=True)
        before = resource.getrusage(resource.RUSAGE_SELF)
        with trio.move_on_after(seconds):
            while True:
                data, source = await sock.recvfrom(2048)
                await sock.sendto(data, source)
        nursery.cancel_scope.cancel()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    runs = sum(metrics.value("nodedns_checks_run_total", type="script", status=status.value) for status in CheckStatus)
    print(cpu_s, int(runs), int(metrics.value("nodedns_checks_run_total", type="script", status="passing")))


def ask(port: int, seconds: float) -> list[float]:
    """Return how long each answer took; what did not come within a second counts as one."""
    took: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(1.0)
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            began = time.perf_counter()
            try:
                sock.send(b"ping")
                sock.recv(100)
            except OSError:
                pass
            took.append(time.perf_counter() - began)
            time.sleep(ASK_EVERY_S)
    return took


def measure(way: str, chosen: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "bench.checks", "--serve", way, "--checks", str(chosen.checks)]
    command += ["--interval", str(chosen.interval), "--seconds", str(chosen.seconds)]
    command += ["--ballast-mib", str(chosen.ballast_mib)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None:
            raise SystemExit("no output")
        took = ask(int(server.stdout.readline()), chosen.seconds - 1)
        cpu_s, runs, passing = server.stdout.readline().split()
    marks = statistics.quantiles(took, n=1000, method="inclusive")
    percent = 100 * float(cpu_s) / chosen.seconds
    print(
        f"{way:12s} runs/s {int(runs) / chosen.seconds:6.1f} (passing {passing}/{runs})  cpu {percent:5.1f} %  "
        f"answer ms: median {marks[499] * 1e3:.2f}  99 % {marks[989] * 1e3:.2f}  "
        f"99.9 % {marks[998] * 1e3:.2f}  longest {max(took) * 1e3:.1f}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--checks", type=int, default=500)
    options.add_argument("--interval", type=float, default=10.0, help="seconds")
    options.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    options.add_argument("--ballast-mib", type=int, default=300, help="memory that the process holds")
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--serve", choices=WAYS, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.serve:
        ballast = bytearray(chosen.ballast_mib * 2**20)
        ballast[:: resource.getpagesize()] = b"x" * len(ballast[:: resource.getpagesize()])
        trio.run(serve, chosen.serve, chosen.checks, chosen.interval, chosen.seconds)
        return
    for _ in range(chosen.rounds):
        for way in WAYS:
            measure(way, chosen)


if __name__ == "__main__":
    main()
