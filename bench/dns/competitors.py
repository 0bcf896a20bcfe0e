"""The other name servers, each set up alike: one worker, the same names, no logging, no rate limit.

Each function writes what its program reads into ``folder`` and returns the
command line, in the foreground as the current user. Answers are kept minimal
where a server would add records, so that bytes out are alike.

Not alike, and no setting makes it so: dnsmasq answers from a hosts file and sends
no SOA with a negative answer.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path

import attrs

from bench.dns.names import ORIGIN, address_of, host_name

__all__ = ["COMPETITORS", "Competitor"]

Prepare = Callable[[Path, str, int, int], list[str | Path]]
"""``prepare(folder, host, port, names)``: the command line."""


@attrs.frozen
class Competitor:
    """A server of Debian's: the program, the package that has it, and how to ask it for its version."""

    program: str
    package: str
    prepare: Prepare
    version: tuple[str, ...]


def _zone_file(folder: Path, names: int) -> Path:
    lines = [
        f"$ORIGIN {ORIGIN}.",
        "$TTL 0",
        f"@ SOA ns.{ORIGIN}. hostmaster.{ORIGIN}. 1 3600 600 86400 0",
        f"@ NS ns.{ORIGIN}.",
        "ns A 10.0.0.1",
        *(f"{host_name(number)}. A {address_of(number)}" for number in range(names)),
    ]
    path = folder / "zone"
    path.write_text("\n".join([*lines, ""]), encoding="ascii")
    return path


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="ascii")
    return path


def nsd(folder: Path, host: str, port: int, names: int) -> list[str | Path]:
    config = f"""
server:
  server-count: 1
  ip-address: {host}@{port}
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  logfile: "/dev/null"
  verbosity: 0
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  minimal-responses: yes
  hide-version: yes
remote-control:
  control-enable: no
zone:
  name: "{ORIGIN}"
  zonefile: "{_zone_file(folder, names)}"
"""
    return ["nsd", "-d", "-c", _write(folder, "nsd.conf", config)]


def knot(folder: Path, host: str, port: int, names: int) -> list[str | Path]:
    config = f"""
server:
  rundir: "{folder}"
  listen: {host}@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "{folder}"
log:
  - target: stderr
    any: critical
zone:
  - domain: {ORIGIN}
    file: "{_zone_file(folder, names)}"
"""
    return ["knotd", "-c", _write(folder, "knot.conf", config)]


def unbound(folder: Path, host: str, port: int, names: int) -> list[str | Path]:
    records = "".join(f"  local-data: '{host_name(number)}. 0 A {address_of(number)}'\n" for number in range(names))
    config = f"""
server:
  num-threads: 1
  interface: {host}
  port: {port}
  access-control: 127.0.0.0/8 allow
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  logfile: "/dev/null"
  verbosity: 0
  ip-ratelimit: 0
  incoming-num-tcp: 100
  module-config: "iterator"
  local-zone: "{ORIGIN}." static
  local-data: '{ORIGIN}. 0 SOA ns.{ORIGIN}. hostmaster.{ORIGIN}. 1 3600 600 86400 0'
{records}
remote-control:
  control-enable: no
"""
    return ["unbound", "-d", "-c", _write(folder, "unbound.conf", config)]


def dnsmasq(folder: Path, host: str, port: int, names: int) -> list[str | Path]:
    hosts = "".join(f"{address_of(number)} {host_name(number)}\n" for number in range(names))
    return [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--port={port}", f"--listen-address={host}",
        "--bind-interfaces", "--no-resolv", "--no-hosts", f"--addn-hosts={_write(folder, 'hosts', hosts)}",
        f"--local=/{ORIGIN}/", f"--user={getpass.getuser()}", "--pid-file=", "--log-facility=/dev/null",
    ]  # fmt: skip


def bind(folder: Path, host: str, port: int, names: int) -> list[str | Path]:
    config = f"""
options {{
  directory "{folder}";
  pid-file none;
  session-keyfile none;
  managed-keys-directory "{folder}";
  listen-on port {port} {{ {host}; }};
  listen-on-v6 {{ none; }};
  recursion no;
  minimal-responses yes;
  allow-query {{ any; }};
  querylog no;
  notify no;
  dnssec-validation no;
}};
controls {{ }};
logging {{ category default {{ null; }}; category queries {{ null; }}; }};
zone "{ORIGIN}" {{ type primary; file "{_zone_file(folder, names)}"; }};
"""
    return ["named", "-f", "-n", "1", "-c", _write(folder, "named.conf", config)]


def powerdns(folder: Path, host: str, port: int, names: int) -> list[str | Path]:
    zones = f'zone "{ORIGIN}" {{ type master; file "{_zone_file(folder, names)}"; }};\n'
    config = f"""
launch=bind
bind-config={_write(folder, "named.conf", zones)}
local-address={host}
local-port={port}
socket-dir={folder}
receiver-threads=1
distributor-threads=1
loglevel=0
log-dns-queries=no
"""
    _write(folder, "pdns.conf", config)
    return ["pdns_server", f"--config-dir={folder}", "--daemon=no", "--guardian=no", "--disable-syslog=yes"]


COMPETITORS: dict[str, Competitor] = {
    "nsd": Competitor("nsd", "nsd", nsd, ("nsd", "-v")),
    "knot": Competitor("knotd", "knot", knot, ("knotd", "--version")),
    "unbound": Competitor("unbound", "unbound", unbound, ("unbound", "-V")),
    "dnsmasq": Competitor("dnsmasq", "dnsmasq-base", dnsmasq, ("dnsmasq", "--version")),
    "bind": Competitor("named", "bind9", bind, ("named", "-v")),
    "powerdns": Competitor("pdns_server", "pdns-server pdns-backend-bind", powerdns, ("pdns_server", "--version")),
}
