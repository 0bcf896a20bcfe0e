"""``Pinned``: a program on one CPU, its whole tree's CPU time, and its certain end.

The CPU time is read from ``/proc``: user and system time of the process, its
threads and all its descendants, which is what a server with helpers costs. The
kernel tells it in hundredths of a second, a quarter of a percent of a run of 4 s.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

__all__ = ["CLIENT_CPU", "SERVER_CPU", "Pinned", "busy_cpu_s", "need_two_cpus", "pinned"]

SERVER_CPU, CLIENT_CPU = 0, 1
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
STOP_S = 10.0
SHOWN_BYTES = 2_000


def need_two_cpus() -> None:
    allowed = os.sched_getaffinity(0)
    if not {SERVER_CPU, CLIENT_CPU} <= allowed:
        raise SystemExit(
            f"the bench takes CPU {SERVER_CPU} for servers and {CLIENT_CPU} for clients; there is {allowed}"
        )


def pinned(cpus: str | int, argv: Sequence[str | Path]) -> list[str]:
    """Return the command line that runs ``argv`` on ``cpus`` only, and dies with whoever starts it."""
    setpriv = shutil.which("setpriv")
    bound = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    return [*bound, "taskset", "-c", str(cpus), *map(str, argv)]


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                children[int(_stat(int(entry.name))[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children[pid])
    return found


def busy_cpu_s() -> float:
    """Return the seconds that all CPUs of the machine have been busy since it started, stolen time included."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, interrupts, soft, stolen = map(int, fields[:8])
    return (user + nice + system + interrupts + soft + stolen) / TICKS_A_SECOND


class Pinned:
    """A program on given CPUs; at the end of the ``with`` it and its descendants are gone.

    Args:
        argv: The program.
        log: Where both of its outputs go.
        cpus: As ``taskset -c`` takes them.
        environment: All of its variables; None for ours.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        log: Path,
        cpus: str | int = SERVER_CPU,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                pinned(cpus, argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=log.parent,
            )

    def __enter__(self) -> Pinned:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in _tree(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(STOP_S)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        """Return the end of what it printed."""
        return self._log.read_bytes()[-SHOWN_BYTES:].decode("utf-8", "replace")

    def lines(self) -> list[str]:
        return self._log.read_text(encoding="utf-8", errors="replace").splitlines()

    def cpu_s(self) -> float:
        """Return user and system time of the tree so far, ended children that were waited for included."""
        total = 0
        for pid in _tree(self._process.pid):
            with suppress(OSError):
                total += sum(map(int, _stat(pid)[11:15]))
        return total / TICKS_A_SECOND

    def resident_mib(self) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise SystemExit(f"process {self.pid} is gone: {self.said()}")

    def wait_until(self, deadline_s: float) -> bool:
        """Sleep a moment; return False once it ended or ``deadline_s`` (monotonic) is over."""
        time.sleep(0.05)
        return self.is_running and time.monotonic() < deadline_s
