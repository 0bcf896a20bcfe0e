"""``LoneAgent``: one real ``nodedns agent`` on a loopback address of its own, with a data directory of its own.

Strategy: the whole of 127.0.0.0/8 is this machine, so an agent gets an address
and keeps the usual ports. ``free_hosts`` picks a network at random and
passes over addresses on which something listens, so that test runs at the same
time keep apart.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom

from nodedns.model.member import MemberStatus
from nodedns.testing.dig import DigAnswer
from nodedns.testing.processes import DEADLINE_S, Finished, Process, nodedns_program, run_program

__all__ = [
    "DNS_PORT",
    "GOSSIP_PORT",
    "HTTP_PORT",
    "MEMBERS",
    "LoneAgent",
    "ask_http",
    "free_hosts",
    "free_port",
    "lone_agent",
    "members_of",
]

GOSSIP_PORT = 8301
DNS_PORT = 8600
HTTP_PORT = 8500
MEMBERS = "/v1/agent/members"


def free_hosts(*ports: int) -> Iterator[str]:
    """Yield loopback addresses of one network on which nothing listens on these ports."""
    chance = SystemRandom()
    network = f"127.{chance.randrange(1, 255)}.{chance.randrange(256)}"
    for last in range(1, 255):
        host = f"{network}.{last}"
        if all(_is_free(host, port) for port in ports):
            yield host


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on which nothing listens, of UDP and TCP, for programs that know no other address of ours."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.socket() as streams:
            datagrams.bind((host, 0))
            port: int = datagrams.getsockname()[1]
            try:
                streams.bind((host, port))
            except OSError:
                continue
            return port


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def ask_http(host: str, method: str, path: str, body: object = None) -> tuple[int, str]:
    """Make an HTTP request of the agent at ``host``, whose port is the usual one; return status and text."""
    connection = http.client.HTTPConnection(host, HTTP_PORT, timeout=DEADLINE_S)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def members_of(text: str) -> dict[str, str]:
    """Return the members by name, with their status in words, of what an agent lists over HTTP; none of nothing."""
    return {row["Name"]: MemberStatus(row["Status"]).word for row in json.loads(text or "[]")}


class LoneAgent:
    """An agent that is started, asked and stopped; starting again finds its directory again.

    Args:
        name: Its node name.
        host: Its address.
        folder: For its data directory.
    """

    def __init__(self, name: str, host: str, folder: Path) -> None:
        self.name = name
        self.host = host
        self.data = folder / "data"
        self._started: list[Process] = []

    @property
    def process(self) -> Process:
        """The one started last."""
        return self._started[-1]

    def argv(self, *more: str) -> list[str | Path]:
        """Return the command line; of a flag given twice, the last counts."""
        own = [f"-node={self.name}", f"-bind={self.host}", f"-client={self.host}", f"-data-dir={self.data}"]
        return [nodedns_program(), "agent", "-server", "-bootstrap", *own, *more]

    def start(self, *more: str) -> Process:
        """Start it with further flags, and wait until it runs."""
        self._started.append(Process(self.argv(*more)))
        self.process.wait_line("nodedns agent running!")
        return self.process

    def refuse(self, *more: str) -> Finished:
        """Start it with flags with which it will not run."""
        return run_program(self.argv(*more))

    def command(self, name: str, *arguments: str) -> Finished:
        """Run another ``nodedns`` command against it."""
        return run_program([nodedns_program(), name, f"-http-addr={self.host}:{HTTP_PORT}", *arguments])

    def register(self, *nodes: Mapping[str, object]) -> None:
        """Register nodes or services over HTTP, each as ``PUT /v1/catalog/register`` takes it."""
        for node in nodes:
            answer = self.http("PUT", "/v1/catalog/register", node)
            if answer != (200, "true"):
                raise AssertionError(f"{node} is not registered: {answer}")

    def statuses(self) -> dict[str, str]:
        """Return the members by name, with their status in words."""
        return members_of(self.http("GET", MEMBERS)[1])

    def figures(self) -> dict[str, str]:
        """Return what ``nodedns info`` prints, as ``group.name``."""
        figures: dict[str, str] = {}
        group = ""
        for line in self.command("info").out.splitlines():
            name, _, value = line.strip().partition(" = ")
            if line.startswith("\t"):
                figures[f"{group}.{name}"] = value
            else:
                group = line.rstrip(":")
        return figures

    def dig(self, *arguments: str) -> DigAnswer:
        """Ask it with ``dig``."""
        return DigAnswer.of_text(run_program(["dig", f"@{self.host}", "-p", str(DNS_PORT), *arguments]).out)

    def http(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Make an HTTP request; return status and text."""
        return ask_http(self.host, method, path, body)

    def close(self) -> None:
        """End it, as often as it was started."""
        for process in self._started:
            process.kill()


@contextmanager
def lone_agent(folder: Path, name: str = "lone", *, dns_port: int = DNS_PORT) -> Iterator[LoneAgent]:
    """Yield an agent that is not started yet, where these ports are free; at the end it is killed."""
    agent = LoneAgent(name, next(free_hosts(GOSSIP_PORT, dns_port, HTTP_PORT)), folder)
    try:
        yield agent
    finally:
        agent.close()
