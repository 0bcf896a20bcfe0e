"""Real resolvers before an agent, set up with what ``nodedns resolver-config`` printed and nothing else of the agent.

Strategy: ``printed`` runs the command and puts its files where they were said to go, below a folder of the test.
Each ``*_setup`` starts one program whose own configuration says only where it listens, where its files are, whom
it asks about everything else and what it believes in; the printed lines are put where the command says.

All of them validate, beginning with the key of a ``SignedRoot``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import attrs

from nodedns.testing.dig import DigAnswer
from nodedns.testing.loopback import DNS_PORT, free_hosts, free_port
from nodedns.testing.processes import Process, nodedns_program, poll, run_program
from nodedns.testing.programs import require_program
from nodedns.testing.signed_root import SignedRoot

__all__ = [
    "SETUPS",
    "Elsewhere",
    "Printed",
    "Resolver",
    "printed",
]

PORT = 8653
LOCALHOST = "127.0.0.1"


@attrs.frozen
class Elsewhere:
    """All of the DNS that is not the agent's.

    Attributes:
        host: Answers on ``DNS_PORT``.
        root: What it serves.
    """

    host: str
    root: SignedRoot


@attrs.frozen
class Printed:
    """What the command printed.

    Attributes:
        files: Texts by path; they are there already.
        edits: Texts to put into files, by the file's name.
    """

    files: Mapping[Path, str]
    edits: Mapping[str, str]

    @property
    def file(self) -> Path:
        """The only file."""
        (path,) = self.files
        return path

    def folder_of(self, name: str) -> Path:
        """Return the folder of that name in which a file was put."""
        return next(path.parent for path in self.files if path.parent.name == name)


class Resolver:
    """A running one.

    Args:
        host: Its address.
        port: And port.
    """

    def __init__(self, host: str, port: int = PORT) -> None:
        self._host = host
        self._port = port

    def dig(self, *arguments: str) -> DigAnswer:
        """Ask it with ``dig``."""
        done = run_program(["dig", f"@{self._host}", "-p", str(self._port), "+timeout=5", "+tries=2", *arguments])
        return DigAnswer.of_text(done.out)


Setup = Callable[[Path, Printed, Elsewhere], AbstractContextManager[Resolver]]


def printed(folder: Path, tool: str, *flags: str) -> Printed:
    """Run ``nodedns resolver-config`` for a tool whose drop-in directory is ``folder``, and write the files."""
    done = run_program([nodedns_program(), "resolver-config", "-format=json", f"-dir={folder}", *flags, tool])
    if done.code != 0:
        raise AssertionError(f"{tool}: {done}")
    recipe = json.loads(done.out)
    files = {Path(each["Path"]): each["Text"] for each in recipe["Files"]}
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Printed(files, {Path(each["Path"]).name: each["Text"] for each in recipe["Edits"]})


@contextmanager
def _started(resolver: Resolver, *argv: str | Path) -> Iterator[Resolver]:
    with Process(argv) as process:
        try:
            poll(lambda: not process.is_running or resolver.dig("www.example", "A").status, "the resolver answers")
        except AssertionError as error:
            raise AssertionError(f"{error}; {argv} printed: {process.output}") from None
        if not process.is_running:
            raise AssertionError(f"{argv} ended: {process.output}")
        yield resolver


def _host() -> str:
    return next(free_hosts(PORT))


@contextmanager
def unbound_setup(folder: Path, made: Printed, elsewhere: Elsewhere) -> Iterator[Resolver]:
    """Run unbound, once its own checker is content."""
    program = require_program("unbound", package="unbound")
    checker = require_program("unbound-checkconf", package="unbound")
    host, config = _host(), folder / "unbound.conf"
    config.write_text(
        f"""\
server:
    interface: {host}
    port: {PORT}
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    num-threads: 1
    root-hints: ""
    trust-anchor: ". DS {elsewhere.root.ds}"
    private-address: 10.0.0.0/8
forward-zone:
    name: "."
    forward-addr: {elsewhere.host}@{DNS_PORT}
include-toplevel: "{made.file}"
""",
        encoding="ascii",
    )
    _check(checker, config)
    with _started(Resolver(host), program, "-d", "-c", config) as resolver:
        yield resolver


@contextmanager
def bind_setup(folder: Path, made: Printed, elsewhere: Elsewhere) -> Iterator[Resolver]:
    """Run named, once its own checker is content."""
    program = require_program("named", package="bind9")
    checker = require_program("named-checkconf", package="bind9-utils")
    # It listens on addresses that an interface has, and the loopback interface has one of its many.
    port, config = free_port(LOCALHOST), folder / "named.conf"
    flags, protocol, algorithm, *key = elsewhere.root.key.split()
    config.write_text(
        f"""\
options {{
    directory "{folder}";
    listen-on port {port} {{ {LOCALHOST}; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile "{folder}/session.key";
    forwarders {{ {elsewhere.host} port {DNS_PORT}; }};
    forward only;
    dnssec-validation yes;
    {made.edits["named.conf.options"]}
}};
trust-anchors {{ "." static-key {flags} {protocol} {algorithm} "{"".join(key)}"; }};
controls {{ }};
{made.edits["named.conf.local"]}
""",
        encoding="ascii",
    )
    _check(checker, config)
    with _started(Resolver(LOCALHOST, port), program, "-g", "-n", "1", "-c", config) as resolver:
        yield resolver


@contextmanager
def dnsmasq_setup(folder: Path, made: Printed, elsewhere: Elsewhere) -> Iterator[Resolver]:
    """Run dnsmasq, as careful as it can be told to be, once its own checker is content."""
    program = require_program("dnsmasq", package="dnsmasq-base")
    host, config = _host(), folder / "dnsmasq.conf"
    tag, algorithm, digest_type, *digest = elsewhere.root.ds.split()
    config.write_text(
        f"""\
listen-address={host}
bind-interfaces
port={PORT}
no-resolv
no-hosts
user=root
pid-file=
server={elsewhere.host}#{DNS_PORT}
bogus-priv
domain-needed
stop-dns-rebind
dnssec
trust-anchor=.,{tag},{algorithm},{digest_type},{"".join(digest)}
conf-dir={made.file.parent},*.conf
""",
        encoding="ascii",
    )
    _check(program, "--test", "-C", config)
    with _started(Resolver(host), program, "-k", "-C", config) as resolver:
        yield resolver


@contextmanager
def knot_resolver_setup(folder: Path, made: Printed, elsewhere: Elsewhere) -> Iterator[Resolver]:
    """Run kresd of version 5."""
    program = require_program("kresd", package="knot-resolver")
    host, config, work = _host(), folder / "own-kresd.conf", folder / "kresd"
    work.mkdir()
    config.write_text(
        f"""\
net.listen('{host}', {PORT}, {{ kind = 'dns' }})
cache.size = 10 * MB
modules = {{ 'hints > iterate' }}
trust_anchors.remove('.')
trust_anchors.add('. DS {elsewhere.root.ds}')
{made.edits["kresd.conf"]}
policy.add(policy.all(policy.FORWARD({{'{elsewhere.host}@{DNS_PORT}'}})))
""",
        encoding="ascii",
    )
    with _started(Resolver(host), program, "-n", "-c", config, work) as resolver:
        yield resolver


@contextmanager
def pdns_recursor_setup(folder: Path, made: Printed, elsewhere: Elsewhere) -> Iterator[Resolver]:
    """Run pdns_recursor of version 4."""
    program = require_program("pdns_recursor", package="pdns-recursor")
    host, lua = _host(), folder / "recursor.lua"
    lua.write_text(f'clearTA(".")\naddTA(".", "{elsewhere.root.ds}")\n{made.edits["recursor.lua"]}', encoding="ascii")
    (folder / "recursor.conf").write_text(
        f"""\
local-address={host}
local-port={PORT}
socket-dir={folder}
include-dir={made.folder_of("recursor.d")}
forward-zones-recurse=.={elsewhere.host}:{DNS_PORT}
lua-config-file={lua}
dnssec=validate
daemon=no
threads=1
security-poll-suffix=
hint-file=no
""",
        encoding="ascii",
    )
    with _started(Resolver(host), program, f"--config-dir={folder}") as resolver:
        yield resolver


def _check(*argv: str | Path) -> None:
    done = run_program(argv)
    if done.code != 0:
        raise AssertionError(f"{argv}: {done}")


SETUPS: Mapping[str, Setup] = {
    "bind": bind_setup,
    "dnsmasq": dnsmasq_setup,
    "knot-resolver": knot_resolver_setup,
    "pdns-recursor": pdns_recursor_setup,
    "unbound": unbound_setup,
}
"""How each tool is run, by its name."""
