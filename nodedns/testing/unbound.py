"""``unbound``: a real resolver before our agents, told as its manual says to ask them for some zones.

It answers from what they say and from nothing else: no root hints, no network.
It listens on a loopback address of its own; its configuration is returned to
nobody but written where the test can look at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodedns.testing.dig import DigAnswer
from nodedns.testing.loopback import free_hosts
from nodedns.testing.processes import Process, run_program

__all__ = ["RESOLVER_PORT", "STRICTEST", "Unbound", "unbound"]

RESOLVER_PORT = 8653

STRICTEST = """\
    qname-minimisation: yes
    qname-minimisation-strict: yes
    harden-below-nxdomain: yes
    harden-referral-path: yes
    use-caps-for-id: yes
    aggressive-nsec: yes
"""
"""Lines of the ``server`` clause that make it believe nothing that an RFC does not let it."""

_SERVER = """\
server:
    interface: {host}
    port: {port}
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    num-threads: 1
    do-not-query-localhost: no
    root-hints: ""
    trust-anchor-file: ""
"""


class Unbound:
    """A running resolver.

    Args:
        host: Its address.
    """

    def __init__(self, host: str) -> None:
        self._host = host

    def dig(self, *arguments: str) -> DigAnswer:
        """Ask it with ``dig``."""
        return DigAnswer.of_text(run_program(["dig", f"@{self._host}", "-p", str(RESOLVER_PORT), *arguments]).out)


@contextmanager
def unbound(program: Path, folder: Path, server: str, zones: str) -> Iterator[Unbound]:
    """Run a resolver with more lines in its ``server`` clause, and with clauses for zones; yield it once it answers."""
    host = next(free_hosts(RESOLVER_PORT))
    settings = folder / "unbound.conf"
    own = _SERVER.format(host=host, port=RESOLVER_PORT, folder=folder)
    settings.write_text(f"{own}{server}\n{zones}\n", encoding="utf-8")
    with Process([program, "-d", "-c", settings]) as process:
        process.wait_line("start of service")
        yield Unbound(host)
