"""``Machine``: this machine once more, booted by systemd, for a test that installs a package and starts its services.

Strategy: the root file system is laid under a temporary one (overlayfs), so that what is there can be used and nothing
is changed. In namespaces of its own, network and process IDs among them, systemd runs as the first process and starts
no more than ``TARGET``. When the holder is killed, everything goes with it.

Needs root, util-linux and a kernel that allows all that; where it does not, the test is skipped and says so. The
kernel is the machine's own, and so is the processor's time.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from nodedns.testing.processes import DEADLINE_S, Finished, poll, run_program
from nodedns.testing.programs import require_program

__all__ = ["Machine", "booted_machine"]

ADDRESS = "10.203.0.1"
TARGET = "nodedns-test.target"
DEVICES = "null zero full random urandom tty"
SYSTEMD = Path("/lib/systemd/systemd")

BOOT = f"""
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs dev
for device in {DEVICES}; do touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
rm -f usr/sbin/policy-rc.d
printf '[Unit]\\nRequires=sysinit.target\\nAfter=sysinit.target\\nAllowIsolate=yes\\n' >etc/systemd/system/{TARGET}
ip link add eth0 type veth peer name eth1
ip link set eth1 up
ip address add {ADDRESS}/24 dev eth0
ip link set eth0 up
mkdir .old
pivot_root . .old
umount -l .old
container=nodedns exec {SYSTEMD} --system --unit={TARGET} --log-target=journal
"""


class Machine:
    """A booted machine.

    Args:
        folder: An empty directory, for its root.
    """

    address = ADDRESS
    """Its address on a network of its own."""

    def __init__(self, folder: Path) -> None:
        spaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup"]
        sh, unshare = require_program("sh", package="dash"), require_program("unshare", package="util-linux")
        setpriv = require_program("setpriv", package="util-linux")
        self._holder = subprocess.Popen(  # noqa: S603 - a fixed script
            [setpriv, "--pdeathsig", "KILL", unshare, *spaces, "--kill-child=KILL", sh, "-c", BOOT, "sh", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_booted(self) -> None:
        """Return once it has come up. Raises ``AssertionError`` with the reason why it does not."""
        poll(lambda: not self._is_alive() or self._is_up(), "systemd is up")
        if not self._is_alive():
            raise AssertionError(self._holder.stderr.read().strip() if self._holder.stderr else "")

    def _is_alive(self) -> bool:
        return self._holder.poll() is None

    def _is_up(self) -> bool:
        return bool(self._first()) and self.run("systemctl", "is-active", TARGET).out == "active\n"

    def _first(self) -> str:
        """Return the process that is the first one inside; empty as long as there is none."""
        holder = self._holder.pid
        with suppress(OSError):
            return Path(f"/proc/{holder}/task/{holder}/children").read_text(encoding="ascii").strip()
        return ""

    def run(self, *command: str | Path, deadline_s: float = DEADLINE_S) -> Finished:
        """Run a program inside to its end."""
        nsenter = require_program("nsenter", package="util-linux")
        return run_program([nsenter, "--target", self._first(), "--all", "--", *command], deadline_s=deadline_s)

    def check(self, *command: str | Path, deadline_s: float = DEADLINE_S) -> str:
        """Run a program inside that must succeed; return what it printed, without blanks around it."""
        done = self.run(*command, deadline_s=deadline_s)
        if done.code != 0:
            log = self.run("journalctl", "--no-pager", "--lines=40").out
            raise AssertionError(f"{' '.join(map(str, command))}: {done}\n{log}")
        return done.out.strip()

    def show(self, unit: str, *names: str) -> list[str]:
        """Return what systemd says of a unit, property by property."""
        return [self.check("systemctl", "show", "--value", f"--property={name}", unit) for name in names]

    def path(self, inside: str) -> Path:
        """Return where we see one of its paths."""
        return Path(f"/proc/{self._first()}/root{inside}")

    def close(self) -> None:
        """Switch it off."""
        self._holder.kill()
        self._holder.wait(DEADLINE_S)
        if self._holder.stderr:
            self._holder.stderr.close()


@contextmanager
def booted_machine() -> Iterator[Machine]:
    """Yield a machine, or skip the calling test where the kernel does not allow one."""
    require_program("systemctl", package="systemd")
    folder = Path(tempfile.mkdtemp(prefix="nodedns-machine-", dir="/var/tmp"))
    machine = Machine(folder)
    try:
        try:
            machine.wait_booted()
        except AssertionError as reason:
            pytest.skip(f"systemd cannot be booted here, so its unit was not run: {reason}")
        yield machine
    finally:
        machine.close()
        shutil.rmtree(folder, ignore_errors=True)
