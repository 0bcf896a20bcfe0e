"""What checks cost the agent that runs them: how late it answers, acks too, and how much it computes.

    python -m bench.checks
    python -m bench.checks --checks 500 --interval 10 --seconds 30 --ballast-mib 300

A process with the checker also answers datagrams, as an agent answers acks and DNS; another
one asks it every two milliseconds and says how long answers took. Once without checks, once with
script checks as the agent runs them, and once with those started by ``trio.run_process``
instead, which is how they would be run without ``nodedns/net/spawn.py``. The ballast is memory
that the process holds, since that is what makes starting others dear.

Then a whole agent, with no checks and with these in a file of its configuration: every two milliseconds it gets,
by turns, a gossip ping and a DNS question for its own name. The longest ack decides whether others
suspect it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import attrs
import dns.message
import trio

from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.kinds import RunKind, ScriptKind
from nodedns.checks.outcome import Outcome
from nodedns.gossip.messages import Ack, Ping
from nodedns.gossip.wire import decode_packet_untrusted, encode_message
from nodedns.model.check import CheckStatus
from nodedns.net.check_runner import RealRunner
from nodedns.net.checker import Checker, CheckRunner
from nodedns.observe.metrics import Metrics
from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, LoneAgent, lone_agent

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


@attrs.frozen
class Question:
    """A datagram to be answered.

    Attributes:
        host: To whom.
        port: Of theirs.
        data: It.
    """

    host: str
    port: int
    data: bytes


def ask(questions: Sequence[Question], seconds: float) -> list[list[float]]:
    """Ask by turns; return how long each answer took, by question. What did not come within a second counts as one."""
    took: list[list[float]] = [[] for _ in questions]
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        for number, question in enumerate(questions):
            took[number].append(answered(question))
            time.sleep(ASK_EVERY_S)
    return took


def answered(question: Question) -> float:
    """Return how long the answer took."""
    # A socket each: an answer that comes too late is no answer to the next question.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((question.host, question.port))
        sock.settimeout(1.0)
        began = time.perf_counter()
        try:
            sock.send(question.data)
            sock.recv(2048)
        except OSError:
            pass
        return time.perf_counter() - began


def measure(way: str, chosen: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "bench.checks", "--serve", way, "--checks", str(chosen.checks)]
    command += ["--interval", str(chosen.interval), "--seconds", str(chosen.seconds)]
    command += ["--ballast-mib", str(chosen.ballast_mib)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        if server.stdout is None:
            raise SystemExit("no output")
        (took,) = ask([Question("127.0.0.1", int(server.stdout.readline()), b"ping")], chosen.seconds - 1)
        cpu_s, runs, passing = server.stdout.readline().split()
    percent = 100 * float(cpu_s) / chosen.seconds
    rate = int(runs) / chosen.seconds
    print(f"{way:12s} runs/s {rate:6.1f} (passing {passing}/{runs})  cpu {percent:5.1f} %  answer {told(took)}")


def told(took: Sequence[float]) -> str:
    marks = statistics.quantiles(took, n=1000, method="inclusive")
    return (
        f"ms: median {marks[499] * 1e3:.2f}  99 % {marks[989] * 1e3:.2f}  "
        f"99.9 % {marks[998] * 1e3:.2f}  longest {max(took) * 1e3:.1f}"
    )


def measure_agent(checks: int, chosen: argparse.Namespace) -> None:
    """Measure a whole agent that runs so many checks."""
    with tempfile.TemporaryDirectory() as folder, lone_agent(Path(folder) / "data") as agent:
        given = [
            {"id": f"c{number}", "name": f"c{number}", "args": SCRIPT, "interval": f"{chosen.interval}s"}
            for number in range(checks)
        ]
        file = Path(folder) / "checks.json"
        file.write_text(json.dumps({"checks": given}), encoding="utf-8")
        agent.start("-enable-script-checks", f"-config-file={file}")
        name = dns.message.make_query(f"{agent.name}.node.consul", "A")
        questions = [
            Question(agent.host, GOSSIP_PORT, encode_message(Ping(1, agent.name))),
            Question(agent.host, DNS_PORT, name.to_wire()),
        ]
        need_answers(questions)
        ask(questions, chosen.interval)  # every check runs once
        before, runs = cpu_s(agent), checks_run(agent)
        acks, answers = ask(questions, chosen.seconds)
        percent = 100 * (cpu_s(agent) - before) / chosen.seconds
        rate = (checks_run(agent) - runs) / chosen.seconds
    print(f"agent, {checks:3} checks  runs/s {rate:5.1f}  cpu {percent:5.1f} %  ack {told(acks)};  DNS {told(answers)}")


def need_answers(questions: Sequence[Question]) -> None:
    """End this if what is timed would not be an ack and an address."""
    replies = []
    for question in questions:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5.0)
            sock.sendto(question.data, (question.host, question.port))
            replies.append(sock.recv(2048))
    packet, reply = replies
    if not any(isinstance(message, Ack) for message in decode_packet_untrusted(packet, lambda *_: None)):
        raise SystemExit("the agent does not ack")
    if not dns.message.from_wire(reply).answer:
        raise SystemExit("the agent does not know its own name")


def cpu_s(agent: LoneAgent) -> float:
    fields = Path(f"/proc/{agent.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def checks_run(agent: LoneAgent) -> float:
    _, text = agent.http("GET", "/v1/agent/metrics?format=prometheus")
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("nodedns_checks_run_total{"))


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
        for checks in (0, chosen.checks):
            measure_agent(checks, chosen)


if __name__ == "__main__":
    main()
