"""``Host``: a machine of its own for a test, as far as network and a few directories go.

Strategy: a host is three namespaces, network, mount and host name, held by a process
that reads from a pipe of ours; when the test ends, however that happens, the
pipe closes, the holder ends, and the kernel takes everything away. Nothing has a
name outside, so test runs cannot meet. Two hosts are joined by a veth pair.

``/tmp`` and ``/etc`` of a host show the machine's own entries, except for those
named in ``PRIVATE``, or by the test, which are not there; what the host makes in these directories stays its own.

Needs root, iproute2 and util-linux. It does not isolate processes or users.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nodedns.testing.processes import DEADLINE_S, Finished, Process, nodedns_program, run_program

__all__ = ["PRIVATE", "Host", "Private", "host_pair"]

Private = Mapping[str, Sequence[str]]
"""By directory, the entries that a host does not share with the machine."""

PREFIX_BITS = 24
PRIVATE: Private = {"/tmp": ("consul",), "/etc": ("consul.d",)}  # noqa: S108 - what the tutorial names

# Each entry of a shadowed directory becomes a link to the original, which stays reachable in the staging area.
SHADOW = """
shadow() {
    mkdir -p "$stage$1" && mount --rbind "$1" "$stage$1" && mount -t tmpfs -o mode=1777 tmpfs "$1" || exit 1
    for entry in "$stage$1"/* "$stage$1"/.[!.]*; do
        name=${entry##*/}
        case " $2 " in *" $name "*) continue ;; esac
        [ ! -e "$entry" ] || ln -s "$entry" "$1/$name" || exit 1
    done
}
"""


class Host:
    """A network of its own, and directories of its own.

    Args:
        name: Its host name.
        stage: An empty directory, for the mounts.
        private: What it has of its own.
    """

    def __init__(self, name: str, stage: Path, private: Private = PRIVATE) -> None:
        self.name = name
        setup = f"stage={stage}\nmount -t tmpfs tmpfs $stage || exit 1\n{SHADOW}"
        setup += "".join(f'shadow {parent} "{" ".join(names)}"\n' for parent, names in private.items())
        setup += f"hostname {name} || exit 1\n"
        setup += "ip link set lo up || exit 1\necho made\nexec cat"
        self._holder = subprocess.Popen(  # noqa: S603 - a fixed script
            [_system("unshare"), "--net", "--mount", "--uts", "--propagation", "private", _system("sh"), "-c", setup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        line = self._holder.stdout.readline() if self._holder.stdout else ""
        if line != "made\n":
            self.close()
            raise AssertionError(f"host {name} cannot be made: {line.strip()}")

    @property
    def pid(self) -> int:
        """The process that holds the namespaces."""
        return self._holder.pid

    def argv(self, *command: str | Path) -> list[str | Path]:
        """Return the command line that runs ``command`` here; the process is the command's own."""
        return [_system("nsenter"), "--target", str(self.pid), "--net", "--mount", "--uts", "--", *command]

    def run(self, *command: str | Path, deadline_s: float = DEADLINE_S) -> Finished:
        """Run a program here to its end."""
        return run_program(self.argv(*command), deadline_s=deadline_s)

    def check(self, *command: str | Path) -> str:
        """Run a program here that must succeed; return what it printed."""
        done = self.run(*command)
        if done.code != 0:
            raise AssertionError(f"{' '.join(map(str, command))} on {self.name}: {done}")
        return done.out

    def start(self, *command: str | Path) -> Process:
        """Start a program here."""
        return Process(self.argv(*command))

    def nodedns(self, *arguments: str, deadline_s: float = DEADLINE_S) -> Finished:
        """Run a ``nodedns`` command here to its end."""
        return self.run(nodedns_program(), *arguments, deadline_s=deadline_s)

    def udp_socket(self) -> socket.socket:
        """Return an IPv4 UDP socket of this host's network, for the process that calls."""
        with ThreadPoolExecutor(max_workers=1) as elsewhere:  # only a thread can be in another network than its process
            return elsewhere.submit(self._udp_socket).result()

    def _udp_socket(self) -> socket.socket:
        library = ctypes.CDLL(None, use_errno=True)
        with Path(f"/proc/{self.pid}/ns/net").open("rb") as network:
            if library.setns(network.fileno(), 0) != 0:
                raise AssertionError(f"network of host {self.name}: {os.strerror(ctypes.get_errno())}")
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def path(self, inside: str) -> Path:
        """Return where we see a path of this host."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def close(self) -> None:
        """Let go of the namespaces; they are gone once no program runs in them."""
        if self._holder.stdin:
            self._holder.stdin.close()
        self._holder.wait(DEADLINE_S)
        if self._holder.stdout:
            self._holder.stdout.close()


@contextmanager
def host_pair(
    addresses: Sequence[str], names: Sequence[str] = ("one", "two"), private: Private = PRIVATE
) -> Iterator[list[Host]]:
    """Yield two hosts on one cable, with these two addresses and names."""
    with ExitStack() as undo:
        hosts: list[Host] = []
        for name in names:
            stage = Path(tempfile.mkdtemp(prefix="nodedns-host-", dir="/var/tmp"))
            undo.callback(shutil.rmtree, stage, ignore_errors=True)
            hosts.append(Host(name, stage, private))
            undo.callback(hosts[-1].close)
        one, two = hosts
        ip = _system("ip")
        one.check(ip, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(two.pid))
        for host, address in zip(hosts, addresses, strict=True):
            host.check(ip, "address", "add", f"{address}/{PREFIX_BITS}", "dev", "eth0")
            host.check(ip, "link", "set", "eth0", "up")
        yield hosts


def _system(name: str) -> str:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") or name
