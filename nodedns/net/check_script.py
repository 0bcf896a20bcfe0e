"""Checks that run a program: scripts, and units of systemd.

A script's exit code is what it says: 0 passes, 1 warns, anything else, a signal and a time-out
are critical. It ends when it has exited and nobody holds its output any more, so a child that
it leaves behind with the output in its hands counts as the script; at the time-out the whole
process group is killed.

Source: Consul's CheckMonitor (agent/checks) for the texts; systemctl(1), ``is-active``.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import trio

from nodedns.checks.kinds import OsServiceKind, ScriptKind
from nodedns.checks.outcome import Outcome, OutputTail
from nodedns.model.check import CheckStatus
from nodedns.model.durations import format_duration
from nodedns.net.spawn import Child, Spawner

__all__ = ["SYSTEMD_IN_CHARGE", "ProgramChecks"]

READ_BYTES = 65_536
"""At once; what a pipe holds (pipe(7))."""
SYSTEMD_IN_CHARGE = Path("/run/systemd/system")
"""There where systemd is in charge (sd_booted(3))."""

_STATUS_OF_CODE = {0: CheckStatus.PASSING, 1: CheckStatus.WARNING}
_STATUS_OF_UNIT = {
    "active": CheckStatus.PASSING,
    "reloading": CheckStatus.PASSING,
    "refreshing": CheckStatus.PASSING,
    "activating": CheckStatus.WARNING,
}


class ProgramChecks:
    """Runs programs and says what their exit codes mean.

    Args:
        systemd: A directory that is there where systemd is in charge.
    """

    def __init__(self, systemd: Path = SYSTEMD_IN_CHARGE) -> None:
        self._spawner = Spawner()
        self._systemd = systemd

    async def run_script(self, kind: ScriptKind, timeout_s: float, limit_bytes: int) -> Outcome:
        """Run a script check once."""
        tail = OutputTail(limit_bytes)
        try:
            code = await self._run(kind.args, timeout_s, tail)
        except OSError as error:
            return Outcome(CheckStatus.CRITICAL, _start_failure(kind.args[0], error))
        if code is None:
            said = tail.text()
            late = f"Timed out ({format_duration(timeout_s)}) running check"
            return Outcome(CheckStatus.CRITICAL, f"{late}\n\n{said}" if said else late)
        return Outcome(_STATUS_OF_CODE.get(code, CheckStatus.CRITICAL), tail.text())

    def os_service_refusal(self) -> str:
        """Return why units of the service manager cannot be checked here; empty if they can."""
        if self._systemd.is_dir() and shutil.which("systemctl"):
            return ""
        return "os_service checks ask systemd, which is not in charge of this machine"

    async def run_os_service(self, kind: OsServiceKind, timeout_s: float, limit_bytes: int) -> Outcome:
        """Ask systemd about a unit once."""
        tail = OutputTail(limit_bytes)
        try:
            code = await self._run(("systemctl", "is-active", "--", kind.name), timeout_s, tail)
        except OSError as error:
            return Outcome(CheckStatus.CRITICAL, _start_failure("systemctl", error))
        if code is None:
            return Outcome(CheckStatus.CRITICAL, f"Timed out ({format_duration(timeout_s)}) running check")
        state = tail.text().strip()
        status = _STATUS_OF_UNIT.get(state, CheckStatus.CRITICAL)
        if status is CheckStatus.PASSING:
            return Outcome(status, f'Service "{kind.name}" is healthy')
        return Outcome(status, f'Service "{kind.name}" is not healthy: {state or f"systemctl exited with {code}"}')

    async def _run(self, args: Sequence[str], timeout_s: float, tail: OutputTail) -> int | None:
        """Return the exit code, negative for a signal; None for a time-out. Raises ``OSError``."""
        with trio.move_on_after(timeout_s):
            async with await self._spawner.spawn(args) as child:
                await _read_to_end(child, tail)
                return await child.wait()
        return None


async def _read_to_end(child: Child, tail: OutputTail) -> None:
    while True:
        data = await child.output.receive_some(READ_BYTES)
        if not data:
            return
        tail.add(data)


def _start_failure(program: str, error: OSError) -> str:
    if error.errno == errno.ENOENT and "/" not in program:
        return f'exec: "{program}": executable file not found in $PATH'
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"fork/exec {program}: {reason}"
