"""``MixedPool``: ``nodedns`` and Debian's ``serf`` in one pool, each a real process on a loopback address of its own.

Strategy: every member gets a loopback address and keeps the usual ports. Data
directories lie below one temporary folder. Both programs keep their LAN
timings: the local profile sends a piece of news to two members only, which in a
pool of six often leaves somebody out until the next push/pull.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from nodedns.testing.dig import DigAnswer
from nodedns.testing.loopback import DNS_PORT, HTTP_PORT, MEMBERS, ask_http, free_hosts, members_of
from nodedns.testing.processes import DEADLINE_S, Finished, Process, nodedns_program, poll, run_program

__all__ = [
    "ASKINGS",
    "GOSSIP_PORT",
    "STATUS_S",
    "Member",
    "MixedPool",
    "NodednsMember",
    "SerfMember",
    "ask_until",
    "is_of_an_end",
    "mixed_pool",
]

GOSSIP_PORT = 7946
RPC_PORT = 7373
STATUS_S = 75.0  # who missed a piece of news waits for the next push/pull, every 30 s, and perhaps for one more
ASKINGS = 5  # gossip misses a member about once in a hundred queries, real agents' too; never five times running

T = TypeVar("T")

COMPLAINT = re.compile(
    r"\[ERR\]|\[WARN\].*(decod|unknown|unmarshal|invalid|unexpected|fail.* to (parse|receive)|not understood)",
    re.IGNORECASE,
)
CONFLICT = re.compile("conflict", re.IGNORECASE)  # two agents of one name: it is right to complain
# Who tried to reach a member that a test had just killed has nothing against anybody's messages.
UNREACHED = re.compile(r"failed: dial tcp .*: connect: connection refused")
# Serf's own command had what it wanted and closed before an answer, an ack or an event; no member sent anything.
HUNG_UP = re.compile(r"agent\.ipc: Failed to stream ")
# A member that a test has ended may have been in the middle of an exchange.
BROKEN_OFF = re.compile(r"connection reset by peer|broken pipe|EOF|i/o timeout")


class NodednsMember:
    """A ``nodedns agent``.

    Args:
        name: Its node name.
        host: Its address.
        process: The program.
    """

    def __init__(self, name: str, host: str, process: Process) -> None:
        self.name = name
        self.host = host
        self.process = process

    @property
    def gossip_address(self) -> str:
        """Where it gossips, for a join."""
        return f"{self.host}:{GOSSIP_PORT}"

    def command(self, *arguments: str, deadline_s: float = DEADLINE_S) -> Finished:
        """Run another ``nodedns`` command against it."""
        name, *rest = arguments
        api = f"-http-addr={self.host}:{HTTP_PORT}"
        return run_program([nodedns_program(), name, api, *rest], deadline_s=deadline_s)

    def join(self, address: str) -> None:
        """Join through an address."""
        done = self.command("join", address)
        if done.code != 0:
            raise AssertionError(f"{self.name} cannot join {address}: {done}")

    def statuses(self) -> dict[str, str]:
        """Return everybody's status, as it sees it."""
        return members_of(self.http("GET", MEMBERS)[1])

    def tags(self) -> dict[str, dict[str, str]]:
        """Return everybody's tags, as it sees them."""
        return {row["Name"]: row["Tags"] for row in json.loads(self.http("GET", MEMBERS)[1])}

    def dig(self, *arguments: str) -> DigAnswer:
        """Ask it with ``dig``."""
        return DigAnswer.of_text(run_program(["dig", f"@{self.host}", "-p", str(DNS_PORT), *arguments]).out)

    def http(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Make an HTTP request; return status and text."""
        return ask_http(self.host, method, path, body)


class SerfMember:
    """A ``serf agent``.

    Args:
        name: Its node name.
        host: Its address.
        process: The program.
        program: ``serf``.
    """

    def __init__(self, name: str, host: str, process: Process, program: Path) -> None:
        self.name = name
        self.host = host
        self.process = process
        self._program = program

    @property
    def gossip_address(self) -> str:
        """Where it gossips, for a join."""
        return f"{self.host}:{GOSSIP_PORT}"

    def command(self, *arguments: str, deadline_s: float = DEADLINE_S) -> Finished:
        """Run another ``serf`` command against it."""
        name, *rest = arguments
        return run_program(
            [self._program, name, f"-rpc-addr={self.host}:{RPC_PORT}", *rest],
            deadline_s=deadline_s,
        )

    def join(self, address: str) -> None:
        """Join through an address."""
        done = self.command("join", address)
        if done.code != 0:
            raise AssertionError(f"{self.name} cannot join {address}: {done}")

    def statuses(self) -> dict[str, str]:
        """Return everybody's status, as it sees it."""
        return {row["name"]: row["status"] for row in self._members()}

    def tags(self) -> dict[str, dict[str, str]]:
        """Return everybody's tags, as it sees them."""
        return {row["name"]: row["tags"] for row in self._members()}

    def complaints(self) -> list[str]:
        """Return the lines of its log that hold something against what it received."""
        of_tests = (CONFLICT, UNREACHED, HUNG_UP)
        return [
            line
            for line in self.process.lines()
            if COMPLAINT.search(line) and not any(known.search(line) for known in of_tests)
        ]

    def _members(self) -> list[dict[str, Any]]:
        listed = self.command("members", "-format=json").out
        return list(json.loads(listed)["members"]) if listed else []


Member = NodednsMember | SerfMember
"""Either."""


class MixedPool:
    """Starts members, and waits until they agree.

    Args:
        serf: The program.
        folder: For data directories and snapshots.
    """

    def __init__(self, serf: Path, folder: Path) -> None:
        self._serf = serf
        self.folder = folder
        self._hosts = free_hosts(GOSSIP_PORT, RPC_PORT, DNS_PORT, HTTP_PORT)
        self._members: list[Member] = []

    def start_nodedns(
        self, name: str, *flags: str, host: str = "", config: str = "", join: Member | None = None
    ) -> NodednsMember:
        """Start a ``nodedns`` agent.

        Args:
            name: Its node name; the same name finds the same data directory again.
            flags: Further flags.
            host: Its address; by default one of its own.
            config: Further configuration in HCL.
            join: Whom to join.
        """
        host = host or next(self._hosts)
        folder = self.folder / f"nodedns-{host}"
        folder.mkdir(exist_ok=True)
        (folder / "agent.hcl").write_text(config, encoding="utf-8")
        process = Process(
            [
                nodedns_program(), "agent", f"-node={name}", f"-bind={host}", f"-client={host}",
                f"-serf-lan-port={GOSSIP_PORT}", f"-dns-port={DNS_PORT}", f"-http-port={HTTP_PORT}",
                f"-data-dir={folder / 'data'}", f"-config-file={folder / 'agent.hcl'}", "-log-level=debug", *flags,
            ]
        )  # fmt: skip
        member = NodednsMember(name, host, process)
        self._members.append(member)
        process.wait_line("nodedns agent running!")
        if join:
            member.join(join.gossip_address)
        return member

    def start_serf(self, name: str, *flags: str, host: str = "", join: Member | None = None) -> SerfMember:
        """Start a ``serf`` agent.

        Args:
            name: Its node name.
            flags: Further flags.
            host: Its address; by default one of its own.
            join: Whom to join.
        """
        host = host or next(self._hosts)
        process = Process(
            [
                self._serf, "agent", f"-node={name}", f"-bind={host}:{GOSSIP_PORT}", f"-rpc-addr={host}:{RPC_PORT}",
                "-log-level=debug", *flags,
            ]
        )  # fmt: skip
        member = SerfMember(name, host, process, self._serf)
        self._members.append(member)
        process.wait_line("agent: Serf agent starting")
        poll(lambda: member.command("members").code == 0, f"{name} answers")
        if join:
            member.join(join.gossip_address)
        return member

    def wait_status(self, name: str, status: str, *observers: Member) -> None:
        """Wait until each of these sees a member so; ``""`` for not at all."""
        for observer in observers:
            try:
                poll(partial(_sees, observer, name, status), f"{name} {status}", deadline_s=STATUS_S)
            except AssertionError as late:
                raise AssertionError(f"{late}; log of {observer.name}:\n{observer.process.output[-4000:]}") from None

    def wait_remembered(self, member: NodednsMember, name: str) -> None:
        """Wait until an agent's snapshot tells of another member."""
        snapshot = self.folder / f"nodedns-{member.host}" / "data" / "serf" / "local.snapshot"
        poll(
            lambda: snapshot.is_file() and f"alive: {name} " in snapshot.read_text(encoding="utf-8"),
            f"{name} in the snapshot of {member.name}",
        )

    def keyring_of(self, member: NodednsMember) -> Path:
        """Return where a ``nodedns`` agent keeps its gossip keys."""
        return self.folder / f"nodedns-{member.host}" / "data" / "serf" / "local.keyring"

    def wait_all_alive(self, members: Sequence[Member]) -> None:
        """Wait until each of these sees all of these alive."""
        wanted = {member.name: "alive" for member in members}
        for observer in members:
            poll(partial(_sees_all, observer, wanted), f"{observer.name} sees {wanted}", deadline_s=STATUS_S)

    def complaints(self) -> list[str]:
        """Return what any ``serf`` of the pool holds against what it received."""
        ended = [(each.name, each.host) for each in self._members if not each.process.is_running]
        lines = [line for member in self._members if isinstance(member, SerfMember) for line in member.complaints()]
        return [line for line in lines if not is_of_an_end(line, ended)]

    def close(self) -> None:
        """End every member."""
        for member in self._members:
            member.process.kill()


def ask_until(ask: Callable[[], T], wanted: T) -> T:
    """Ask by a query until the answer is ``wanted``, a few times at most; return the last answer."""
    for _ in range(ASKINGS):
        answer = ask()
        if answer == wanted:
            break
    return answer


def is_of_an_end(line: str, ended: Iterable[tuple[str, str]]) -> bool:
    """Whether a line tells of an exchange with a member that broke off because the member ended.

    Args:
        line: Of a log of ``serf``.
        ended: Names and addresses of the members that a test has ended.
    """
    return BROKEN_OFF.search(line) is not None and any(
        f" {name} " in line or f"{host}:" in line for name, host in ended
    )


@contextmanager
def mixed_pool(serf: Path, folder: Path) -> Iterator[MixedPool]:
    """Yield an empty pool; whoever is in it at the end is killed."""
    pool = MixedPool(serf, folder)
    try:
        yield pool
    finally:
        pool.close()


def _sees(observer: Member, name: str, status: str) -> bool:
    return observer.statuses().get(name, "") == status


def _sees_all(observer: Member, wanted: dict[str, str]) -> bool:
    return wanted.items() <= observer.statuses().items()
