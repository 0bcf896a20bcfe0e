"""Who listens where on this host, from ``/proc``.

Strategy: ``/proc/net`` lists the sockets of this network namespace to everybody; whose each is shows in
``/proc/PID/fd``, which only its user and root may read. So a port's holder may remain without a name.

Reads only. Source: proc(5), Linux net/ipv4/tcp_ipv4.c and udp.c for the columns.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

__all__ = ["Listener", "Listeners", "is_own_address", "may_bind", "parse_sockets"]

TCP_LISTEN = "0A"
UDP_UNCONNECTED = "07"
BIND_SERVICE_BIT = 10  # CAP_NET_BIND_SERVICE
DEFAULT_FIRST_FREE_PORT = 1024
MAX_COMM_CHARS = 64


@attrs.frozen
class Listener:
    """A socket that takes what comes.

    Attributes:
        host: The address it is bound to, ``0.0.0.0`` or ``::`` for any.
        port: The port.
        inode: Its number.
    """

    host: str
    port: int
    inode: str


def parse_sockets(table: str, protocol: str) -> list[Listener]:
    """Return the listeners in a file such as ``/proc/net/tcp6``.

    Args:
        table: Its text.
        protocol: ``tcp`` or ``udp``.
    """
    wanted = TCP_LISTEN if protocol == "tcp" else UDP_UNCONNECTED
    found = []
    for line in table.splitlines()[1:]:
        cells = line.split()
        if len(cells) > 9 and cells[3] == wanted:
            address, _, port = cells[1].partition(":")
            found.append(Listener(_address(address), int(port, 16), cells[9]))
    return found


def _address(digits: str) -> str:
    """Return the address of words in the machine's byte order."""
    packed = bytes.fromhex(digits)
    if sys.byteorder == "little":
        packed = b"".join(packed[at : at + 4][::-1] for at in range(0, len(packed), 4))
    ip = ipaddress.ip_address(packed)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


class Listeners:
    """All listeners at one moment.

    Args:
        proc: Where procfs is.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._by_protocol = {protocol: list(self._read(protocol)) for protocol in ("udp", "tcp")}
        self._programs: dict[str, str] | None = None

    def at(self, host: str, port: int, protocol: str) -> Listener | None:
        """Return who gets what is sent to ``host``, or would keep another from listening there."""
        here = [listener for listener in self._by_protocol[protocol] if listener.port == port]
        exact = [listener for listener in here if listener.host == host]
        wide = [listener for listener in here if _overlap(listener.host, host)]
        return next(iter([*exact, *wide]), None)

    def program(self, listener: Listener) -> str:
        """Return its program, as ``name (pid 123)``; empty if we may not see it."""
        if self._programs is None:
            self._programs = dict(_owners(self._proc))
        return self._programs.get(listener.inode, "")

    def _read(self, protocol: str) -> Iterator[Listener]:
        for name in (protocol, f"{protocol}6"):
            try:
                yield from parse_sockets((self._proc / "net" / name).read_text(encoding="ascii"), protocol)
            except OSError:
                continue


def _overlap(one: str, other: str) -> bool:
    return any(host in {"0.0.0.0", "::"} for host in (one, other))  # noqa: S104 - read, not bound


def _owners(proc: Path) -> Iterable[tuple[str, str]]:
    for process in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            entries = list((process / "fd").iterdir())
            name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()[:MAX_COMM_CHARS]
        except OSError:
            continue
        for link in map(_target, entries):
            if link.startswith("socket:["):
                yield link.removeprefix("socket:[").removesuffix("]"), f"{name} (pid {process.name})"


def _target(entry: Path) -> str:
    try:
        return entry.readlink().name
    except OSError:  # closed meanwhile
        return ""


def is_own_address(host: str) -> bool:
    """Whether an address is one of this host's; a socket is bound to it for a moment, to any free port."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind(address)
    except OSError:
        return False
    return True


def may_bind(port: int, proc: Path = Path("/proc")) -> bool:
    """Whether this process may listen on a port, as far as its number goes."""
    try:
        first_free = int((proc / "sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii"))
    except (OSError, ValueError):
        first_free = DEFAULT_FIRST_FREE_PORT
    if port >= first_free:
        return True
    try:
        status = (proc / "self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> BIND_SERVICE_BIT & 1)
