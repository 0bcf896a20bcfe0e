"""``SshPair``: two hosts, an agent on each, ``sshd`` on the second, and somebody who types on the first.

Strategy: the hosts of ``testing/hosts.py`` with everything that ``ssh`` and resolvers read in ``/etc`` and ``~``
of their own, so that nothing of the machine's configuration is seen or changed. A resolver runs on the first host
as Debian configures it, with one file that says whom to ask about the rest of the world, and what ``nodedns
resolver-config`` printed; nothing else is written for it. The rest of the world is one name, served on the second host.

Questions of ``ssh`` are answered with ``yes``. Needs root and Debian's packages, which ``PROGRAMS`` names.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from nodedns.testing.first_cluster import FAST_GOSSIP, RUNNING
from nodedns.testing.hosts import Host, Private, host_pair
from nodedns.testing.processes import DEADLINE_S, Finished, Process, nodedns_program, poll, run_program
from nodedns.testing.programs import require_program

__all__ = ["NAMES", "ONE", "OUTSIDE", "PROGRAMS", "TWO", "SshPair", "require_ssh_programs", "ssh_pair"]

ONE, TWO = "172.20.20.10", "172.20.20.11"
NAMES = ("agent-one", "agent-two")
OUTSIDE = ("www.example.com", "192.0.2.80")
"""A name that is not the agents', and its address."""
PROGRAMS: Mapping[str, str] = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "rsync": "rsync",
    "ansible": "ansible-core",
    "dnsmasq": "dnsmasq-base",
    "unbound": "unbound",
    "named": "bind9",
    "dig": "bind9-dnsutils",
}
"""What is needed, with its Debian package."""

HOME = Path("~root").expanduser()
PRIVATE: Private = {
    "/tmp": ("nodedns",),  # noqa: S108 - in a mount namespace of its own
    "/etc": (
        *("nodedns.d", "hosts", "resolv.conf", "nsswitch.conf", "gai.conf", "ssh"),
        *("dnsmasq.conf", "dnsmasq.d", "unbound", "bind", "ansible"),
    ),
    "/run": ("sshd", "named", "nscd", "unbound.ctl"),
    str(HOME): (".ssh", ".ansible", ".ansible.cfg"),
}
SETUP = """
mkdir -p /etc/ssh /etc/nodedns.d /etc/dnsmasq.d /run/sshd /run/named && mkdir -m 700 ~root/.ssh &&
printf '127.0.0.1 localhost\\n::1 localhost\\n' >/etc/hosts &&
echo 'hosts: files dns' >/etc/nsswitch.conf && : >/etc/ssh/ssh_config &&
mount -t tmpfs tmpfs /var/cache/bind && mount -t tmpfs tmpfs /var/lib/unbound &&
cp /usr/share/dns/root.key /var/lib/unbound/ && chown -R unbound /var/lib/unbound
"""
ASKPASS = """#!/bin/sh
printf '%syes\\n' "$1" >&2
echo yes
"""
SSHD_CONFIG = "StrictModes no\nUsePAM no\nPidFile none\nSubsystem sftp internal-sftp\n"
AGENT_FLAGS = ("-data-dir=/tmp/nodedns", "-config-dir=/etc/nodedns.d")


@attrs.frozen
class _Resolver:
    """One program between the C library and the agent.

    Attributes:
        argv: Runs it in the foreground.
        site: A file of its user's, and what is in it.
        copied: Its directory with Debian's configuration, which is copied; empty for none.
    """

    argv: Sequence[str]
    site: tuple[str, str]
    copied: str = ""


_RESOLVERS: Mapping[str, _Resolver] = {
    "dnsmasq": _Resolver(
        ("dnsmasq", "-k", "-7", "/etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new"),
        ("/etc/dnsmasq.d/site.conf", f"user=root\npid-file=\nno-resolv\nserver={TWO}\n"),
    ),
    "unbound": _Resolver(
        ("unbound", "-d"),
        ("/etc/unbound/unbound.conf.d/site.conf", "server:\n    use-syslog: no\n    num-threads: 1\n"),
        "/etc/unbound",
    ),
    "bind": _Resolver(("named", "-g", "-n", "1"), ("/etc/bind/site.conf", ""), "/etc/bind"),
}


def require_ssh_programs() -> None:
    """End the calling test where one of ``PROGRAMS`` is missing."""
    for program, package in PROGRAMS.items():
        require_program(program, package=package)


class SshPair:
    """The two hosts.

    Args:
        hosts: On one cable.
        undo: What is started is ended with it.
    """

    def __init__(self, hosts: Sequence[Host], undo: ExitStack) -> None:
        self.one, self.two = hosts
        self._undo = undo
        self._agents: dict[str, Process] = {}
        self._agent_flags: dict[str, tuple[str, ...]] = {}
        self._sshd: Process | None = None
        for host in hosts:
            host.check("sh", "-c", SETUP)
            host.path("/etc/nodedns.d/fast.hcl").write_text(FAST_GOSSIP, encoding="ascii")
        self._make_keys()

    def _make_keys(self) -> None:
        # What Debian makes, but with an RSA key that is made sooner.
        for kind, *flags in (("rsa", "-b", "2048"), ("ecdsa",), ("ed25519",)):
            self.two.check("ssh-keygen", "-q", "-t", kind, *flags, "-N", "", "-f", f"/etc/ssh/ssh_host_{kind}_key")
        self.one.check("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", HOME / ".ssh/id_ed25519")
        shutil.copyfile(self.one.path(f"{HOME}/.ssh/id_ed25519.pub"), self.two.path(f"{HOME}/.ssh/authorized_keys"))
        self.two.path("/etc/ssh/sshd_config").write_text(SSHD_CONFIG, encoding="ascii")
        askpass = self.one.path("/tmp/askpass")  # noqa: S108 - in a mount namespace of its own
        askpass.write_text(ASKPASS, encoding="ascii")
        askpass.chmod(0o755)

    # --- the second host -------------------------------------------------------------

    def start_sshd(self, *flags: str) -> None:
        """Start ``sshd`` on the second host, instead of the one that runs there."""
        if self._sshd is not None:
            self._sshd.kill()
        program = require_program("sshd", package=PROGRAMS["sshd"])
        self._sshd = self._undo.enter_context(self.two.start(program, "-D", "-e", *flags))
        # The socket for IPv4 is told of last, that for IPv6 where there is no IPv4.
        self._sshd.wait_line("Server listening on 0.0.0.0")

    def start_world(self) -> None:
        """Serve ``OUTSIDE`` on the second host's first address; every other name is missing."""
        name, address = OUTSIDE
        flags = (
            "-k",
            "-C",
            "/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--user=root",
            "--pid-file=",
            "--bind-interfaces",
            "--log-facility=-",
        )
        world = (f"--listen-address={TWO}", "--except-interface=lo", f"--address=/{name}/{address}", "--address=/#/")
        self._undo.enter_context(self.two.start("dnsmasq", *flags, *world)).wait_line("started, version")

    # --- agents ----------------------------------------------------------------------

    def start_agent(self, name: str, *flags: str) -> None:
        """Start an agent, or one with other flags instead of the one that runs; both may then know each other."""
        host = self.one if name == NAMES[0] else self.two
        if name in self._agents:
            self._agents[name].kill()
        started = host.start(nodedns_program(), "agent", f"-node={name}", *AGENT_FLAGS, *flags)
        self._agents[name] = self._undo.enter_context(started)
        self._agent_flags[name] = flags
        self._agents[name].wait_line(RUNNING)

    def agent(self, name: str) -> Process:
        """Return the agent that was last started under a name."""
        return self._agents[name]

    def flags_of(self, name: str) -> tuple[str, ...]:
        """Return the flags with which that agent was started."""
        return self._agent_flags[name]

    def wait_status(self, name: str, status: str) -> None:
        """Wait until the first host's agent has a member in this state."""
        poll(lambda: self._status(name) == status, f"{name} is {status} to {NAMES[0]}")

    def _status(self, name: str) -> str:
        rows = [line.split() for line in self.one.nodedns("members").out.splitlines()]
        return next((row[2] for row in rows if row[0] == name), "")

    def serve_dns_on(self, *flags: str) -> None:
        """Have the first host's agent run with these flags beyond those that it was first started with."""
        first = tuple(flag for flag in self._agent_flags[NAMES[0]] if not flag.startswith(("-dns-port", "-recursor")))
        if (*first, *flags) != self._agent_flags[NAMES[0]]:
            self.start_agent(NAMES[0], *first, *flags)
            self.wait_status(NAMES[1], "alive")

    # --- the first host --------------------------------------------------------------

    def type(self, command: str, *, deadline_s: float = DEADLINE_S) -> Finished:
        """Run a line of shell on the first host as its user does, who says yes to what ``ssh`` asks.

        Both outputs are in ``out``, in the order in which they came.
        """
        environment = {
            "HOME": str(HOME),
            "LANG": "C.UTF-8",
            "PATH": f"{nodedns_program().parent}:/usr/sbin:/usr/bin:/sbin:/bin:{os.environ.get('PATH', '')}",
            "SSH_ASKPASS": "/tmp/askpass",  # noqa: S108 - in a mount namespace of its own
            "SSH_ASKPASS_REQUIRE": "force",
            # It would keep a connection open behind our back for a minute.
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no",
        }
        argv = self.one.argv("sh", "-c", f"cd && exec 2>&1; {command}")
        return run_program(argv, environment=environment, deadline_s=deadline_s)

    def forget_hosts(self) -> None:
        """Have ``ssh`` know no host, and have no configuration of its own."""
        for name in ("known_hosts", "known_hosts.old", "config"):
            self.one.path(f"{HOME}/.ssh/{name}").unlink(missing_ok=True)

    def configure_ssh(self, text: str) -> None:
        """Put a text into ``~/.ssh/config``."""
        self.one.path(f"{HOME}/.ssh/config").write_text(text, encoding="ascii")

    @contextmanager
    def resolver(self, command: str) -> Iterator[None]:
        """Have the first host resolve names by what a ``nodedns resolver-config`` command prints."""
        printed = self.type(command.replace("resolver-config", "resolver-config -format=json"))
        if printed.code != 0:
            raise AssertionError(f"{command}: {printed}")
        recipe = json.loads(printed.out)
        program = _RESOLVERS.get(recipe["Tool"])
        with ExitStack() as undo:
            if program is not None and program.copied:
                undo.callback(shutil.rmtree, self.one.path(program.copied))
                shutil.copytree(program.copied, self.one.path(program.copied), symlinks=True)
            if program is not None:
                self._write(*program.site)
            for file in recipe["Files"]:
                self._write(file["Path"], file["Text"])
            for edit in recipe["Edits"]:
                self._edit(edit["Path"], edit["Place"], edit["Text"])
            if program is not None:
                # The first of the commands only looks; the others are for systemd.
                self.one.check(*recipe["Commands"][0])
                undo.enter_context(self.one.start(*program.argv))
            yield

    def _write(self, path: str, text: str) -> None:
        self.one.path(path).write_text(text, encoding="ascii")

    def _edit(self, path: str, place: str, text: str) -> None:
        file = self.one.path(path)
        before = file.read_text(encoding="ascii") if file.exists() else ""
        for beginning, edited in _PLACES.items():
            if place.startswith(beginning):
                file.write_text(edited(before, text), encoding="ascii")
                return
        raise AssertionError(f"where is {place!r} in {path}?")


_PLACES: Mapping[str, Callable[[str, str], str]] = {
    "instead of the nameserver lines": lambda _before, text: text,
    "within options { }": lambda before, text: before.rstrip().removesuffix("};") + text + "};\n",
    "at the end": lambda before, text: before + text,
}


@contextmanager
def ssh_pair() -> Iterator[SshPair]:
    """Yield the two hosts with their keys, nothing running; whatever is started there ends with it."""
    with host_pair((ONE, TWO), NAMES, PRIVATE) as hosts, ExitStack() as undo:
        yield SshPair(hosts, undo)
