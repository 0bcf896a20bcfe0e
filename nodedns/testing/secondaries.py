"""``Secondary``: NSD, Knot DNS, BIND or PowerDNS that copies zones, set up by nothing but what the docs print.

Strategy: ``docs/secondaries.rst`` has a recipe for each program, with sample addresses,
a sample secret and sample zones. A test puts its own in their places, adds what
the machine decides (where to listen, which folder) and what it needs for
looking on (logs, a transfer to itself), and starts the program in a
temporary folder; never as a service of the system. What a recipe lacks, the test lacks.

Source: the manuals of nsd.conf 4.6, Knot DNS 3.2, BIND 9.18 and PowerDNS 4.7, as in Debian 12.
"""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import attrs
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.rrset
import dns.xfr
import dns.zone

from nodedns.testing.loopback import free_hosts
from nodedns.testing.nsd import nsd_server
from nodedns.testing.processes import Process, poll, run_program
from nodedns.testing.programs import require_program

__all__ = [
    "KINDS",
    "SAMPLE_SECRET",
    "SECONDARY_PORT",
    "Followed",
    "Place",
    "Secondary",
    "fetched",
    "free_place",
    "record_line",
    "secondary",
]

SECONDARY_PORT = 8653
"""Where they listen, each on an address of its own; but for BIND, see ``free_place``."""

KINDS = ("nsd", "knot", "bind", "powerdns")

_SAMPLE_PRIMARIES = ("192.0.2.10", "192.0.2.11")
SAMPLE_SECRET = "c2VjcmV0cyBhcmUgbm90IGtlcHQgaW4gZG9jdW1lbnRz"  # noqa: S105 - printed in the docs
_SAMPLE_ZONES = ("consul", "10.in-addr.arpa")
_SAMPLE_DATABASE = "/var/lib/powerdns/pdns.sqlite3"
_SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
_QUERY_S = 2.0


@attrs.frozen
class Followed:
    """Whose zones are copied.

    Attributes:
        primaries: Addresses of one or two primaries; their port is the agents' own.
        secret: Of the key, in base64.
        zones: Forward zone and reverse zone, without final dots.
    """

    primaries: tuple[str, ...]
    secret: str = SAMPLE_SECRET
    zones: tuple[str, str] = _SAMPLE_ZONES


class Place(NamedTuple):
    """Where one listens."""

    host: str
    port: int


@attrs.frozen
class _Recipe:
    """How a program is run with a recipe."""

    package: str
    program: str
    prepare: Callable[[Path, Place, Mapping[str, str]], Sequence[str | Path]]
    started: str


def free_place(kind: str) -> Place:
    """Return an address and a port on which nothing listens.

    BIND listens on no other addresses than interfaces are given, so it shares one and has a port by itself.
    """
    if kind != "bind":
        return Place(next(free_hosts(SECONDARY_PORT)), SECONDARY_PORT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Place(*probe.getsockname())


class Secondary:
    """One program; started, asked, stopped and started again with what it kept.

    Args:
        kind: One of ``KINDS``.
        place: Its address and port.
        folder: For its files; does not exist yet.
        recipes: Of the docs, by caption.
        followed: Whose zones it copies.
    """

    def __init__(self, kind: str, place: Place, folder: Path, recipes: Mapping[str, str], followed: Followed) -> None:
        self.kind = kind
        self.place = place
        self._recipe = _RECIPES[kind]
        program = require_program(self._recipe.program, package=self._recipe.package)
        folder.mkdir()
        filled = {caption: _fill(text, followed, folder) for caption, text in recipes.items()}
        self._argv = [program, *self._recipe.prepare(folder, place, filled)]
        self._started: list[Process] = []

    def start(self) -> None:
        """Start it; returns once it answers."""
        self._started.append(Process(self._argv))
        self._started[-1].wait_line(self._recipe.started)

    def stop(self) -> None:
        """Kill it; doing so twice does nothing."""
        for process in self._started:
            process.kill()

    @property
    def process(self) -> Process:
        """The one started last."""
        return self._started[-1]

    def ask(self, name: str, rtype: str) -> dns.message.Message | None:
        """Return what it says over UDP; None if it says nothing."""
        query = dns.message.make_query(dns.name.from_text(name), rtype)
        try:
            return dns.query.udp(query, self.place.host, timeout=_QUERY_S, port=self.place.port)
        except (dns.exception.Timeout, OSError):
            return None

    def wait_reply(self, name: str, rtype: str) -> dns.message.Message:
        """Return what it says over UDP, however often it must be asked."""
        return poll(lambda: self.ask(name, rtype), f"{self.kind} to answer for {name}")

    def serial(self, zone: str) -> int | None:
        """Return the serial with which it serves a zone; None while it does not."""
        reply = self.ask(zone, "SOA")
        if reply is None or not reply.answer or not reply.flags & dns.flags.AA:
            return None
        return int(reply.answer[0][0].serial)

    def dump(self, zone: str) -> frozenset[str]:
        """Return every record that it has of a zone, a line each, by fetching the zone from it."""
        # NSD ends what is under way when it takes in a zone.
        return poll(lambda: fetched(*self.place, zone), f"{self.kind} to give the zone {zone}")


@contextmanager
def secondary(kind: str, folder: Path, recipes: Mapping[str, str], followed: Followed) -> Iterator[Secondary]:
    """Yield a program that runs, or end the calling test where it is missing; it is killed at the end.

    Args:
        kind: One of ``KINDS``.
        folder: Does not exist yet.
        recipes: Of the docs, by caption.
        followed: Whose zones it copies.
    """
    made = Secondary(kind, free_place(kind), folder, recipes, followed)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def fetched(host: str, port: int, zone: str, *key: str) -> frozenset[str]:
    """Return every record of a zone, a line each (``record_line``), by AXFR; none at all if that fails.

    Args:
        host: Of the server.
        port: Its port.
        zone: Its name.
        key: Further arguments of ``dig``.
    """
    argv = ["dig", f"@{host}", "-p", str(port), zone, "AXFR", "+noall", "+answer", *key]
    rows = [line.split(None, 4) for line in run_program(argv).out.splitlines() if line and not line.startswith(";")]
    is_whole = len(rows) > 1 and rows[0] == rows[-1]
    return (
        frozenset(record_line(name, ttl, kind, text) for name, ttl, _, kind, text in rows) if is_whole else frozenset()
    )


def record_line(name: str, ttl: str | int, kind: str, text: str) -> str:
    """Return one record as a line, all in lower case but for texts."""
    return f"{name.lower()} {ttl} {kind} {text if kind == 'TXT' else text.lower()}"


def _fill(recipe: str, followed: Followed, folder: Path) -> str:
    first, second = _SAMPLE_PRIMARIES
    lines = recipe.splitlines(keepends=True)
    if len(followed.primaries) == 1:
        lines = [line for line in lines if first in line or second not in line]
        lines = [re.sub(rf",? {re.escape(second)}[@:\d]*", "", line) for line in lines]
    text = "".join(lines)
    for sample, real in zip(
        (*_SAMPLE_PRIMARIES, *_SAMPLE_ZONES, SAMPLE_SECRET, _SAMPLE_DATABASE),
        (*followed.primaries, *[""] * (2 - len(followed.primaries)), *followed.zones, followed.secret, folder / "db"),
        strict=True,
    ):
        text = re.sub(rf"(?<![\w.]){re.escape(sample)}(?![\w-])", str(real), text)
    return text


# --- what each needs besides its recipe -------------------------------------------------------


def _nsd(folder: Path, place: Place, recipes: Mapping[str, str]) -> Sequence[str | Path]:
    seen = 'pattern:\n  name: "seen"\n  provide-xfr: 127.0.0.0/8 NOKEY\n\n'
    own = f"{nsd_server(folder, *place)}  verbosity: 2\n{seen}"
    used = 'include-pattern: "nodedns"'
    recipe = recipes["nsd.conf"].replace(used, f'{used}\n  include-pattern: "seen"')
    return ["-d", "-c", _written(folder / "nsd.conf", own + recipe)]


def _knot(folder: Path, place: Place, recipes: Mapping[str, str]) -> Sequence[str | Path]:
    own = f"""\
server:
  rundir: {folder}
  listen: {place.host}@{place.port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 2
database:
  storage: {folder}
log:
  - target: stdout
    any: info
template:
  - id: default
    storage: {folder}
"""
    seen = "  - id: seen\n    address: 127.0.0.0/8\n    action: transfer\n"
    recipe = recipes["knot.conf"].replace("acl:\n", f"acl:\n{seen}", 1)
    recipe = recipe.replace("    acl: nodedns\n", "    acl: [nodedns, seen]\n")
    return ["-c", _written(folder / "knot.conf", own + recipe)]


def _bind(folder: Path, place: Place, recipes: Mapping[str, str]) -> Sequence[str | Path]:
    own = f"""\
options {{
    directory "{folder}";
    pid-file none;
    session-keyfile "{folder}/session.key";
    listen-on port {place.port} {{ {place.host}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    dnssec-validation no;
    notify no;
    allow-transfer {{ 127.0.0.0/8; }};
}};
controls {{ }};

"""
    return ["-g", "-n", "1", "-c", _written(folder / "named.conf", own + recipes["named.conf"])]


def _powerdns(folder: Path, place: Place, recipes: Mapping[str, str]) -> Sequence[str | Path]:
    with closing(sqlite3.connect(folder / "db")) as database:
        database.executescript(_SCHEMA.read_text(encoding="ascii"))
    own = f"""\
local-address={place.host}
local-port={place.port}
allow-axfr-ips=127.0.0.0/8
socket-dir={folder}
setuid=
setgid=
guardian=no
daemon=no
disable-syslog=yes
loglevel=6
"""
    _written(folder / "pdns.conf", own + recipes["pdns.conf"])
    tool = require_program("pdnsutil", package="pdns-server")
    for line in recipes["pdnsutil"].splitlines():
        if line.startswith("$ pdnsutil "):
            done = run_program([tool, f"--config-dir={folder}", *line.split()[2:]])
            if done.code != 0:
                msg = f"{line}: {done.out}{done.err}"
                raise AssertionError(msg)
    return [f"--config-dir={folder}"]


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


_RECIPES: Mapping[str, _Recipe] = {
    "nsd": _Recipe("nsd", "nsd", _nsd, "nsd started"),
    "knot": _Recipe("knot", "knotd", _knot, "server started"),
    "bind": _Recipe("bind9", "named", _bind, "all zones loaded"),
    "powerdns": _Recipe("pdns-server", "pdns_server", _powerdns, "Done launching threads"),
}
