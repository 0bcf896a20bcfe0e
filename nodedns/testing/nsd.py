"""``nsd``: the real server, with zone files of a test's own, on a loopback address of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nodedns.testing.loopback import DNS_PORT, free_hosts
from nodedns.testing.processes import Process
from nodedns.testing.programs import require_program

__all__ = ["nsd", "nsd_server", "nsd_settings"]

_SERVER = """\
remote-control:
  control-enable: no
server:
  server-count: 1
  ip-address: {host}@{port}
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: ""
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
"""
_AS_WE_ANSWER = """\
  minimal-responses: yes
  ipv4-edns-size: 1232
"""


def nsd_server(folder: Path, host: str, port: int) -> str:
    """Return where it listens and what keeps it within a folder; lines of its ``server`` clause may follow.

    Args:
        folder: For its files.
        host: Where it is to listen.
        port: Likewise.
    """
    return _SERVER.format(host=host, port=port, folder=folder)


def nsd_settings(folder: Path, zones: Mapping[str, Iterable[str]], host: str, port: int) -> Path:
    """Write all its files; return that of its settings.

    Args:
        folder: For the files.
        zones: The lines of each zone's file, by the zone's name.
        host: Where it is to listen.
        port: Likewise.
    """
    config = [nsd_server(folder, host, port), _AS_WE_ANSWER]
    for zone, lines in zones.items():
        file = zone.strip(".") or "root"
        (folder / file).write_text("\n".join([*lines, ""]), encoding="utf-8")
        config.append(f'zone:\n  name: "{zone}"\n  zonefile: "{file}"\n')
    settings = folder / "nsd.conf"
    settings.write_text("".join(config), encoding="ascii")
    return settings


@contextmanager
def nsd(folder: Path, zones: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Run it, or skip the test where it is missing; yield its address once it answers on ``DNS_PORT``.

    Args:
        folder: For its files.
        zones: The lines of each zone's file, by the zone's name.
    """
    program, host = require_program("nsd", package="nsd"), next(free_hosts(DNS_PORT))
    settings = nsd_settings(folder, zones, host, DNS_PORT)
    with Process([program, "-d", "-c", settings]) as process:
        process.wait_line("nsd started")
        yield host
