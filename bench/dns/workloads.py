"""The workloads in which servers stand beside each other: in each round all of them, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs

from bench.dns.load import Sample, dial, flood, ping
from bench.dns.names import ASKED, host_name, missing_names, write_questions, write_wires
from bench.dns.processes import CLIENT_CPU, SERVER_CPU
from bench.dns.servers import ECHO, Missing, Server, compiled, start

__all__ = ["SHARED", "Bench", "Samples", "record", "starting"]

MISSING_A_SECOND = 150_000
"""More names than any server here answers in a second."""
TOGETHER, APART = "flight-together", "flight-apart"
WITHOUT_TCP = (ECHO, "dnsmasq")
"""The loop has none, and dnsmasq closes a connection after a hundred queries."""
PIPELINED = 100

PORTS = 1_000
"""Clients of one port each, most of which wait for nothing."""

Samples = dict[str, dict[str, list[dict[str, Any]]]]
"""By workload, then by server: what was measured in each round."""


@attrs.define
class Bench:
    """What a run goes by and what it has found so far.

    Attributes:
        folder: For everything that is written meanwhile.
        seconds: Of one sample.
        rounds: Samples of each server in each workload.
        names: The names of the servers to compare.
        samples: What was measured.
        facts: What is not a sample: by workload, single figures.
        absent: Servers that take no part, with the reason in words.
        replies: Bytes of each server's replies.
        saturation_s: How long a pool is kept busy.
    """

    folder: Path
    seconds: float
    rounds: int
    names: Sequence[str]
    saturation_s: float = 60.0
    samples: Samples = attrs.field(factory=dict)
    facts: dict[str, Any] = attrs.field(factory=dict)
    absent: dict[str, str] = attrs.field(factory=dict)
    replies: dict[str, dict[str, int]] = attrs.field(factory=dict)

    @property
    def hot(self) -> Path:
        """Questions for the names that every server holds."""
        path = self.folder / "hot"
        return path if path.exists() else write_questions(path, map(host_name, range(ASKED)))

    @property
    def wires(self) -> Path:
        """The same as the bench's own clients read them."""
        path = self.folder / "wires"
        return path if path.exists() else write_wires(path, [host_name(number) for number in range(ASKED)])

    def program(self, source: str) -> Path:
        """A client of the bench's own, made when it is wanted first."""
        path = self.folder / source.removesuffix(".c")
        return path if path.exists() else compiled(source, self.folder)

    def fresh(self, kind: str) -> Path:
        """Make an empty folder."""
        number = sum(1 for _ in self.folder.glob(f"{kind}-*"))
        path = self.folder / f"{kind}-{number}"
        path.mkdir()
        return path


def record(bench: Bench, workload: str, server: str, taken: Any) -> None:  # noqa: ANN401 - any attrs value
    bench.samples.setdefault(workload, {}).setdefault(server, []).append(attrs.asdict(taken))
    if isinstance(taken, Sample):
        text = f"{taken.qps:9,.0f} qps {taken.cpu_us:7.2f} us CPU a query {taken.latency_us:8.0f} us latency"
        text += f"  (server {taken.server_share:.0%}, client {taken.driver_share:.0%}, others {taken.others_share:.0%})"
    else:
        text = f"{taken.median_us:9.1f} us median {taken.p99_us:9.1f} us 99th"
    print(f"  {workload:<16} {server:<14} {text}", flush=True)


@contextmanager
def starting(bench: Bench, names: Sequence[str]) -> Iterator[list[Server]]:
    """Yield those servers that run and answer as wanted; the others are noted in ``bench.absent``."""
    with ExitStack() as stack:
        running: list[Server] = []
        for name in names:
            try:
                server = stack.enter_context(start(name, bench.fresh("server"), ASKED))
                bench.replies[name] = server.check()
                running.append(server)
            except Missing as reason:
                bench.absent[name] = str(reason)
                print(f"  WITHOUT {name}: {reason}", flush=True)
        yield running


def hot(bench: Bench, servers: Sequence[Server], _turn: int) -> None:
    for server in servers:
        record(bench, "hot", server.name, flood(server, bench.hot, bench.seconds))


def ports(bench: Bench, servers: Sequence[Server], _turn: int) -> None:
    for server in servers:
        record(bench, "ports", server.name, flood(server, bench.hot, bench.seconds, clients=PORTS))


def missing(bench: Bench, servers: Sequence[Server], turn: int) -> None:
    count = int(bench.seconds * MISSING_A_SECOND)
    questions = write_questions(bench.folder / "missing", missing_names(count, f"missing/{turn}"))
    for server in servers:
        record(bench, "missing", server.name, flood(server, questions, bench.seconds))
    questions.unlink()


def flight(bench: Bench, servers: Sequence[Server], _turn: int) -> None:
    program = bench.program("ping.c")
    for server in servers:
        for workload, cpu in ((TOGETHER, SERVER_CPU), (APART, CLIENT_CPU)):
            record(bench, workload, server.name, ping(server, program, bench.wires, bench.seconds / 2, cpu))


def tcp(bench: Bench, servers: Sequence[Server], _turn: int) -> None:
    program = bench.program("dial.c")
    for server in servers:
        if server.name in WITHOUT_TCP:
            continue
        pipelined = flood(server, bench.hot, bench.seconds, ("-m", "tcp"), clients=1, outstanding=PIPELINED)
        record(bench, "tcp-pipelined", server.name, pipelined)
        record(bench, "tcp-connection", server.name, dial(server, program, bench.wires, bench.seconds))


SHARED: dict[str, Callable[[Bench, Sequence[Server], int], None]] = {
    "hot": hot,
    "ports": ports,
    "missing": missing,
    "flight": flight,
    "tcp": tcp,
}
"""Each measures all servers once; ``turn`` is the number of the round."""
