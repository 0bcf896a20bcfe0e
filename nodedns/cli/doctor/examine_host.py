"""``examine_host``: how this host looks names up, by its files, its C library and the servers that it asks.

The C library is asked as ``ssh`` does, so whatever stands in nsswitch.conf, /etc/hosts or behind a stub takes part.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from nodedns.cli.doctor.examine_servers import Plan, examine_server
from nodedns.cli.doctor.facts import HostFacts, Lookup, Reply, ResolvedFacts, ServerFacts, Subject
from nodedns.cli.doctor.host_files import (
    DEFAULT_SOURCES,
    ResolvConf,
    host_sources,
    read_resolv_conf,
    read_resolved_conf,
)
from nodedns.cli.doctor.listening import Listeners
from nodedns.cli.doctor.patience import Patience, at_once

__all__ = ["examine_host"]

LOOKUP_S = 15.0
"""glibc waits 5 s for a nameserver and asks each twice; with a longer wait a person has given up too."""
DNS_PORT = 53
MAX_UPSTREAMS = 4
MAX_FILE_BYTES = 256 * 1024
ROOT = Path("/")
NSSWITCH = "etc/nsswitch.conf"
RESOLV_CONF = "etc/resolv.conf"
RESOLVED_UPSTREAMS = "run/systemd/resolve/resolv.conf"
RESOLVED_STUBS = ("127.0.0.53", "127.0.0.54")
RESOLVED_FILES = (
    ("usr/lib/systemd/resolved.conf.d", "*.conf"),
    ("etc/systemd", "resolved.conf"),
    ("run/systemd/resolved.conf.d", "*.conf"),
    ("etc/systemd/resolved.conf.d", "*.conf"),
    ("etc/systemd/dns-delegate.d", "*.dns-delegate"),
)

Answer = ServerFacts | Lookup


def examine_host(
    subject: Subject, plan: Plan, listeners: Listeners, patience: Patience, *, root: Path = ROOT
) -> HostFacts:
    """Ask the C library and each of its servers, all at once.

    Args:
        subject: What to look up.
        plan: What to ask the servers.
        listeners: Who listens where on this host.
        patience: Bounds it.
        root: Where the files are.
    """
    unreadable: list[str] = []
    sources = host_sources(_read(root / NSSWITCH, unreadable, f"hosts: {' '.join(DEFAULT_SOURCES)}"))
    conf = read_resolv_conf(_read(root / RESOLV_CONF, unreadable, ""))
    upstreams = _resolved_upstreams(root, conf, sources)
    jobs: dict[tuple[str, str], Callable[[], Answer]] = {("look up", subject.name): partial(look_up, subject.name)}
    if subject.short:
        jobs["look up", subject.short] = partial(look_up, subject.short)
    for host in dict.fromkeys((*conf.nameservers, *(upstreams or ()))):
        jobs["ask", host] = partial(examine_server, host, DNS_PORT, plan, listeners, patience)
    answers = at_once(jobs, patience, LOOKUP_S)
    return HostFacts(
        sources=sources,
        search=conf.search,
        nameservers=tuple(_servers(answers, conf.nameservers)),
        unreadable=tuple(unreadable),
        writer=conf.writer,
        resolved=None if upstreams is None else _resolved(root, tuple(_servers(answers, upstreams))),
        system=_lookup(answers, subject.name),
        short=_lookup(answers, subject.short),
    )


def look_up(name: str) -> Lookup:
    """Ask the C library for the addresses of a name; takes as long as that takes."""
    try:
        # As bytes: as text, Python would have its own opinion of what may be in a name.
        found = socket.getaddrinfo(name.encode("utf-8", "surrogateescape"), None, type=socket.SOCK_STREAM)
    except OSError as error:
        return Lookup(error=(error.strerror or str(error)).lower())
    return Lookup(addresses=tuple(sorted({str(address[0]) for *_, address in found})))


def _servers(answers: dict[tuple[str, str], Answer], hosts: Iterable[str]) -> Iterable[ServerFacts]:
    for host in hosts:
        answer = answers.get(("ask", host))
        late = Reply(error="no answer in time")
        yield answer if isinstance(answer, ServerFacts) else ServerFacts(host=host, udp=late, tcp=late)


def _lookup(answers: dict[tuple[str, str], Answer], name: str) -> Lookup | None:
    answer = answers.get(("look up", name))
    return answer if isinstance(answer, Lookup) else None


def _resolved_upstreams(root: Path, conf: ResolvConf, sources: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return whom systemd-resolved asks; None where names do not go by way of it."""
    is_used = "resolve" in sources or any(host in RESOLVED_STUBS for host in conf.nameservers)
    if not is_used or not (root / RESOLVED_UPSTREAMS).is_file():
        return None
    upstreams = read_resolv_conf(_read(root / RESOLVED_UPSTREAMS, [], "")).named
    return tuple(host for host in upstreams if host not in conf.nameservers)[:MAX_UPSTREAMS]


def _resolved(root: Path, upstreams: tuple[ServerFacts, ...]) -> ResolvedFacts:
    files = [path for folder, pattern in RESOLVED_FILES for path in sorted((root / folder).glob(pattern))]
    told = read_resolved_conf([_read(path, [], "") for path in files])
    return ResolvedFacts(routes=told.routes, servers=told.servers, upstreams=upstreams)


def _read(path: Path, unreadable: list[str], missing: str) -> str:
    try:
        with path.open("rb") as opened:
            return opened.read(MAX_FILE_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return missing
    except OSError as error:
        unreadable.append(f"{path}: {(error.strerror or str(error)).lower()}")
        return missing
