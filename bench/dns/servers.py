"""``Server``: one running name server of the bench, whichever it is, checked to give the answers that are measured."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from bench.dns.competitors import COMPETITORS
from bench.dns.names import ORIGIN, address_of, host_name, query
from bench.dns.processes import SERVER_CPU, Pinned
from nodedns.testing.loopback import free_hosts

__all__ = [
    "AGENT_DNS_PORT",
    "AGENT_HTTP_PORT",
    "ECHO",
    "NODEDNS",
    "SERVERS",
    "Missing",
    "Server",
    "agent",
    "compiled",
    "start",
]

NODEDNS, ECHO = "nodedns", "C loop"
SERVERS = (ECHO, NODEDNS, *COMPETITORS)
START_DEADLINE_S = 60.0
REPLY_S = 0.5
AGENT_DNS_PORT, AGENT_HTTP_PORT, AGENT_GOSSIP_PORT = 8600, 8500, 8301
HERE = Path(__file__).parent
NXDOMAIN = 3


class Missing(Exception):
    """A server that cannot take part, and why, in words."""


@attrs.frozen
class Server:
    """Where it listens, and its process."""

    name: str
    host: str
    port: int
    process: Pinned
    folder: Path

    def ask(self, name: str) -> bytes:
        """Return the reply to one question for an address; nothing if none came."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(REPLY_S)
            sock.connect((self.host, self.port))
            try:
                sock.send(query(name))
                return sock.recv(4096)
            except OSError:
                return b""

    def wait_answering(self, number: int) -> None:
        """Wait until it has an address for one of the names; end the bench if it never has."""
        deadline_s = time.monotonic() + START_DEADLINE_S
        while not (reply := self.ask(host_name(number))) or reply[3] & 0xF or not reply[7]:
            if not self.process.wait_until(deadline_s):
                raise Missing(f"{self.name} did not start: {self.process.said() or 'it said nothing'}")

    def check(self) -> dict[str, int]:
        """Ask for one name that is there and one that is not; return the sizes of the replies."""
        there, missing = self.ask(host_name(7)), self.ask(f"nobody.node.{ORIGIN}")
        if self.name != ECHO:
            if not there.endswith(socket.inet_aton(address_of(7))) or there[7] != 1 or there[9] or there[11]:
                raise Missing(f"{self.name} gives another answer than one address: {there.hex()}")
            if missing[3] & 0xF != NXDOMAIN:
                raise Missing(f"{self.name} does not say that a name does not exist: {missing.hex()}")
        return {"hit_bytes": len(there), "miss_bytes": len(missing)}


def compiled(source: str, folder: Path) -> Path:
    """Return the program made of a C file that lies beside this one."""
    if shutil.which("gcc") is None:
        raise Missing("gcc is not there to make it with: apt-get install gcc libc6-dev")
    program = folder / source.removesuffix(".c")
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-pthread", "-o", program, HERE / source], check=True)
    return program


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def start(name: str, folder: Path, names: int) -> Iterator[Server]:
    """Yield a server that holds ``names`` names and answers. Raises ``Missing``."""
    if name == NODEDNS:
        with agent(folder, names) as server:
            yield server
        return
    host, port = "127.0.0.1", free_port()
    command: Sequence[str | Path]
    if name == ECHO:
        command = [compiled("echo.c", folder), host, str(port)]
    else:
        wanted = COMPETITORS[name]
        if shutil.which(wanted.program) is None:
            raise Missing(f"{wanted.program} is not installed: apt-get install {wanted.package}")
        command = wanted.prepare(folder, host, port, names)
    with Pinned(command, folder / "output") as process:
        server = Server(name, host, port, process, folder)
        server.wait_answering(names - 1)
        yield server


@contextmanager
def agent(
    folder: Path,
    names: int,
    *flags: str,
    node: str = "bench",
    host: str = "",
    cpus: str | int = SERVER_CPU,
) -> Iterator[Server]:
    """Yield a ``nodedns agent`` in whose data directory ``names`` nodes without an agent are registered."""
    host = host or next(free_hosts(AGENT_DNS_PORT, AGENT_HTTP_PORT, AGENT_GOSSIP_PORT))
    data = folder / "data"
    data.mkdir()
    listed = [
        {"name": host_name(n).split(".")[0], "id": "", "address": address_of(n), "tagged_addresses": {}, "meta": {}}
        for n in range(names)
    ]
    # As an earlier release kept them: the agent takes them over when it starts.
    (data / "external-nodes.json").write_text(json.dumps({"format": 1, "nodes": listed}))
    command = [
        sys.executable, "-m", "nodedns", "agent", "-server", "-bootstrap", f"-node={node}", f"-bind={host}",
        f"-client={host}", f"-data-dir={data}", "-log-level=warn", *flags,
    ]  # fmt: skip
    with Pinned(command, folder / "output", cpus) as process:
        server = Server(NODEDNS, host, AGENT_DNS_PORT, process, folder)
        if names:
            server.wait_answering(names - 1)
        yield server
