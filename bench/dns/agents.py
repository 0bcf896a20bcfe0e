"""The workloads of nodedns alone: while nodes change, with many nodes, and in a pool that is kept busy."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from bench.dns.changer import Catalog
from bench.dns.load import flood
from bench.dns.names import ASKED, ORIGIN, address_of, host_name, query, write_questions
from bench.dns.processes import CLIENT_CPU, SERVER_CPU, pinned
from bench.dns.puppeteer import Puppeteer
from bench.dns.servers import AGENT_DNS_PORT, AGENT_GOSSIP_PORT, AGENT_HTTP_PORT, Server, agent
from bench.dns.workloads import Bench, record
from nodedns.model.address import Address
from nodedns.testing.loopback import free_hosts

__all__ = ["ALONE"]

CHANGES_A_SECOND = 100
PUPPETS = 200
SETTLE_S = 1.0
"""Until the last copies of the last change are through."""
MANY = 10_000
SHOWN_CHANGES = 100
SHOWN_DEADLINE_S = 5.0
POOL = 5
POOL_DEADLINE_S = 60.0
ROOT = Path(__file__).parent.parent.parent
BAD_NEWS = {"suspected", "confirmed", "dead", "failed", "accused"}


@contextmanager
def _changing(server: Server, seconds: float, figures: list[dict[str, Any]]) -> Iterator[None]:
    """Have another process change nodes for ``seconds``; its figures are added at the end."""
    command = [
        sys.executable, "-m", "bench.dns.changer", server.host, str(AGENT_HTTP_PORT), str(CHANGES_A_SECOND),
        f"{seconds:g}",
    ]  # fmt: skip
    with subprocess.Popen(pinned(CLIENT_CPU, command), stdout=subprocess.PIPE, text=True, cwd=ROOT) as changer:
        try:
            yield
            said, _ = changer.communicate(timeout=seconds + SHOWN_DEADLINE_S)
        finally:
            changer.kill()
    if changer.returncode:
        raise SystemExit("nodes could not be changed")
    figures.append(json.loads(said))


def changes(bench: Bench) -> None:
    """The same agent quiet and while nodes change, by turns; one node in five that are asked for is among them."""
    host = next(free_hosts(AGENT_DNS_PORT, AGENT_HTTP_PORT, AGENT_GOSSIP_PORT))
    with Puppeteer(PUPPETS, Address.from_text(host, AGENT_GOSSIP_PORT)) as members:
        join = f"-retry-join={members.join}"
        with agent(bench.fresh("agent"), ASKED, join, host=host) as server:
            _wait(lambda: _alive(server) == PUPPETS + 1, "the agent did not join")
            asked = [f"{name}.node.{ORIGIN}" for name in members.names()]
            asked += [host_name(number) for number in range(ASKED - PUPPETS)]
            questions = write_questions(bench.folder / "changing", sorted(asked))
            for _ in range(bench.rounds):
                record(bench, "changes", "quiet", flood(server, questions, bench.seconds))
                before, begun, members.rate = members.changes, time.monotonic(), float(CHANGES_A_SECOND)
                record(bench, "changes", "changing", flood(server, questions, bench.seconds))
                made = (members.changes - before) / (time.monotonic() - begun)
                members.rate = 0.0
                bench.facts.setdefault("changes_a_second", []).append(made)
                time.sleep(SETTLE_S)
            alive = _alive(server)
    if alive != PUPPETS + 1:
        raise SystemExit(f"of {PUPPETS + 1} members {alive} are alive after the changes")


def registrations(bench: Bench) -> None:
    """The same agent quiet and while nodes are registered and deregistered over HTTP, by turns."""
    figures: list[dict[str, Any]] = []
    with agent(bench.fresh("agent"), ASKED) as server:
        for _ in range(bench.rounds):
            record(bench, "registrations", "quiet", flood(server, bench.hot, bench.seconds))
            with _changing(server, bench.seconds, figures):
                record(bench, "registrations", "changing", flood(server, bench.hot, bench.seconds))
    bench.facts["registrations"] = {
        "rate": statistics.median(one["rate"] for one in figures),
        "median_ms": statistics.median(one["median_ms"] for one in figures),
        "longest_ms": max(one["longest_ms"] for one in figures),
    }
    print(f"  changes made: {bench.facts['registrations']}", flush=True)


def many(bench: Bench) -> None:
    """Two agents that are asked for the same names, one of which holds ten times as many."""
    with agent(bench.fresh("agent"), ASKED) as small, agent(bench.fresh("agent"), MANY) as large:
        for _ in range(bench.rounds):
            for label, server in ((f"{ASKED:,}", small), (f"{MANY:,}", large)):
                record(bench, "many", label, flood(server, bench.hot, bench.seconds))
        bench.facts["shown"] = _shown(large)
        bench.facts["resident_mib"] = {
            f"{ASKED:,}": small.process.resident_mib(),
            f"{MANY:,}": large.process.resident_mib(),
        }
    print(f"  changes shown in DNS: {bench.facts['shown']}", flush=True)


def _shown(server: Server) -> dict[str, float]:
    """Return the milliseconds from the reply to a registration to the first DNS answer with the new address."""
    catalog = Catalog(server.host, AGENT_HTTP_PORT)
    after_reply: list[float] = []
    after_request: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(SHOWN_DEADLINE_S)
        sock.connect((server.host, AGENT_DNS_PORT))
        for number in range(0, MANY, MANY // SHOWN_CHANGES):
            address = address_of(MANY + number)
            # Asked before too, so that an answer which is kept has to go.
            _answer(sock, number)
            requested = time.perf_counter()
            catalog.register(host_name(number), address)
            replied = time.perf_counter()
            while _answer(sock, number) != address:
                if time.perf_counter() > replied + SHOWN_DEADLINE_S:
                    raise SystemExit(f"{host_name(number)} is registered at {address}, and DNS does not say so")
            shown = time.perf_counter()
            after_reply.append(1e3 * (shown - replied))
            after_request.append(1e3 * (shown - requested))
    return {
        "after_reply_median_ms": statistics.median(after_reply),
        "after_reply_longest_ms": max(after_reply),
        "after_request_median_ms": statistics.median(after_request),
        "after_request_longest_ms": max(after_request),
    }


def _answer(sock: socket.socket, number: int) -> str:
    sock.send(query(host_name(number)))
    return socket.inet_ntoa(sock.recv(4096)[-4:])


# --- a pool ------------------------------------------------------------------------------------


def pool(bench: Bench) -> None:
    """Five agents; one answers as fast as it can, while the others go on probing it and each other."""
    hosts = list(islice(free_hosts(AGENT_DNS_PORT, AGENT_HTTP_PORT, AGENT_GOSSIP_PORT), POOL))
    join = f"-retry-join={hosts[0]}:{AGENT_GOSSIP_PORT}"
    with ExitStack() as stack:
        members: list[Server] = []
        for number, host in enumerate(hosts):
            cpus: str | int = f"{SERVER_CPU},{CLIENT_CPU}" if number else SERVER_CPU
            flags = [join] if number else []
            names = 0 if number else ASKED
            running = agent(bench.fresh("agent"), names, *flags, node=f"member-{number}", host=host, cpus=cpus)
            members.append(stack.enter_context(running))
        _wait(lambda: all(_alive(member) == POOL for member in members), "the agents did not find each other")
        before = [_failed_push_pulls(member) for member in members]
        begun = time.monotonic()
        taken = flood(members[0], bench.hot, bench.saturation_s)
        record(bench, "pool", "saturated", taken)
        spent = time.monotonic() - begun + 1.0
        bench.facts["pool"] = {
            "seconds": bench.saturation_s,
            "bad_news": [
                f"{members[0].name} at {member.host}: {entry['Name']} {entry['What']}: {entry['Text']}"
                for member in members
                for entry in _get(member, "/v1/agent/why?last=1000")
                if entry["What"] in BAD_NEWS and entry["SecondsAgo"] <= spent
            ],
            "push_pulls_failed": sum(map(_failed_push_pulls, members)) - sum(before),
            "alive": [_alive(member) for member in members],
            "warnings": [line for member in members for line in member.process.lines() if "WARN" in line][:20],
        }
    print(f"  the pool: {bench.facts['pool']}", flush=True)


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    deadline_s = time.monotonic() + POOL_DEADLINE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise SystemExit(otherwise)
        time.sleep(0.1)


def _get(server: Server, path: str) -> Any:  # noqa: ANN401 - JSON
    with urllib.request.urlopen(f"http://{server.host}:{AGENT_HTTP_PORT}{path}", timeout=10) as answer:
        return json.load(answer)


def _alive(server: Server) -> int:
    try:
        return sum(1 for member in _get(server, "/v1/agent/members") if member["Status"] == 1)
    except OSError:
        return 0


def _failed_push_pulls(server: Server) -> int:
    return int(_get(server, "/v1/agent/self")["Stats"]["dropped"].get("gossip_push-pull-failed", 0))


ALONE: dict[str, Callable[[Bench], None]] = {
    "changes": changes,
    "registrations": registrations,
    "many": many,
    "pool": pool,
}
