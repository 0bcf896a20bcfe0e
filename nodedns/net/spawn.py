"""``Spawner``: starts a program in a process group of its own, without stopping this process for it.

Strategy: Python's own ways to start a program hold its interpreter lock until the program has
begun: a stall of the whole agent for as long as a busy machine takes to schedule the child, or
for ever where the program lies on a file server that is gone. ``posix_spawn`` called through
ctypes lets go of the lock, and is called in a thread of its own, so that gossip and DNS go on
meanwhile. It neither copies page tables nor runs Python in the child.

The child gets ``/dev/null`` as its input, one pipe as output and errors, no other file of the
agent's, the agent's environment, default signals and a process group of its own. ``Child``
keeps it from becoming a zombie: whoever leaves it has killed what is left of the group and
has reaped the child.

Source: posix_spawn(3), pidfd_open(2); glibc's posix_spawn_file_actions_addclosefrom_np where
there is one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import attrs
import trio

__all__ = ["Child", "Spawner"]

MAX_SPAWNS_AT_ONCE = 4
"""Threads that start programs; ours: starting one takes about a millisecond of one core."""
KILL_WAIT_S = 5.0
"""How long a killed program is waited for; one that hangs in the kernel may take longer, and is left to itself."""
MAX_LOST = 1024
"""Programs that were killed and have not died that are remembered, to be reaped when they have."""

_ACTIONS_BYTES = 512  # glibc's posix_spawn_file_actions_t has 80, musl's 80
_ATTRIBUTES_BYTES = 1024  # glibc's posix_spawnattr_t has 336, musl's 336
_SIGNALS_BYTES = 128  # sigset_t of both
_FIRST_OTHER_FD = 3
_SETPGROUP, _SETSIGDEF, _SETSIGMASK = 0x02, 0x04, 0x08

_LIBC = ctypes.CDLL(None)
_CLOSE_FROM = getattr(_LIBC, "posix_spawn_file_actions_addclosefrom_np", None)


@attrs.define(eq=False)
class _Birth:
    """One start, which may be given up while a thread is in the middle of it."""

    args: Sequence[str]
    output: int
    _lock: threading.Lock = attrs.field(factory=threading.Lock)
    _has_begun: bool = False
    _is_unwanted: bool = False
    _pid: int = 0

    def run(self) -> int:
        """Start the program and return its process ID; called in a thread. Raises ``OSError``."""
        with self._lock:
            self._has_begun = True
            if self._is_unwanted:
                return 0
        try:
            pid = _posix_spawn(self.args, self.output)
        finally:
            os.close(self.output)
        with self._lock:
            self._pid = pid
            is_unwanted = self._is_unwanted
        if is_unwanted:
            _kill(pid)
            os.waitpid(pid, 0)
        return pid

    def give_up(self, lost: _Lost) -> None:
        """Have whatever is started not live; called in trio's thread."""
        with self._lock:
            self._is_unwanted = True
            pid = self._pid
            if not self._has_begun:
                os.close(self.output)
        if pid:
            _kill(pid)
            lost.add(pid)


class _Lost:
    """Killed programs that nobody waits for any more."""

    def __init__(self) -> None:
        self._pids: list[int] = []

    def add(self, pid: int) -> None:
        """Remember one that may still be dying."""
        self._pids = [*self._pids[-MAX_LOST:], pid]
        self.reap()

    def reap(self) -> None:
        """Reap those that have died since."""
        self._pids = [pid for pid in self._pids if not _is_reaped(pid)]


class Child:
    """A program that runs, as an async context: left, it is dead and reaped, with its children in the group.

    Attributes:
        pid: Its process ID, and that of its group.
        output: The end of the pipe to read its output from.
    """

    def __init__(self, pid: int, output: trio.lowlevel.FdStream, lost: _Lost) -> None:
        self.pid = pid
        self._lost = lost
        self.output = output
        self._status: int | None = None
        self._pidfd = os.pidfd_open(pid)

    def kill(self) -> None:
        """Kill it and its children; without effect on what is dead."""
        if self._status is None:
            _kill(self.pid)

    async def wait(self) -> int:
        """Wait for its end.

        Returns:
            Its exit code, or the negative number of the signal that ended it.
        """
        if self._status is None:
            await trio.lowlevel.wait_readable(self._pidfd)
            _, status = os.waitpid(self.pid, 0)  # noqa: ASYNC222 - it has ended, so this takes no time
            self._status = os.waitstatus_to_exitcode(status)
        return self._status

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._status is None:
                self.kill()
                with trio.move_on_after(KILL_WAIT_S, shield=True):
                    await self.wait()
        finally:
            if self._status is None:
                self._lost.add(self.pid)
            os.close(self._pidfd)
            await trio.aclose_forcefully(self.output)


class Spawner:
    """Starts programs."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(MAX_SPAWNS_AT_ONCE)
        self._lost = _Lost()

    async def spawn(self, args: Sequence[str]) -> Child:
        """Start a program; use what is returned with ``async with``, at once.

        Args:
            args: The program, looked for in ``PATH`` where it has no slash, and its arguments.

        Raises:
            OSError: It cannot be started.
        """
        self._lost.reap()
        reading, writing = os.pipe()
        output = trio.lowlevel.FdStream(reading)
        birth = _Birth(args, writing)
        try:
            pid = await trio.to_thread.run_sync(birth.run, limiter=self._limiter, abandon_on_cancel=True)
        except BaseException:
            birth.give_up(self._lost)
            await trio.aclose_forcefully(output)
            raise
        try:
            return Child(pid, output, self._lost)
        except OSError:  # no file is free to watch it with
            birth.give_up(self._lost)
            await trio.aclose_forcefully(output)
            raise


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # what runs as another user cannot be killed
        os.killpg(pid, signal.SIGKILL)


def _is_reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _posix_spawn(args: Sequence[str], output: int) -> int:
    """Return the process ID. Raises ``OSError``."""
    words = [os.fsencode(arg) for arg in args]
    argv = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    variables = [name + b"=" + value for name, value in os.environb.items()]
    envp = (ctypes.c_char_p * (len(variables) + 1))(*variables, None)
    pid = ctypes.c_int(0)
    actions = ctypes.create_string_buffer(_ACTIONS_BYTES)
    attributes = ctypes.create_string_buffer(_ATTRIBUTES_BYTES)
    _check(_LIBC.posix_spawn_file_actions_init(actions), words[0])
    _check(_LIBC.posix_spawnattr_init(attributes), words[0])
    try:
        _set_files(actions, output, words[0])
        _set_attributes(attributes, words[0])
        _check(_LIBC.posix_spawnp(ctypes.byref(pid), words[0], actions, attributes, argv, envp), words[0])
    finally:
        _LIBC.posix_spawnattr_destroy(attributes)
        _LIBC.posix_spawn_file_actions_destroy(actions)
    return pid.value


def _set_files(actions: ctypes.Array[ctypes.c_char], output: int, program: bytes) -> None:
    _check(_LIBC.posix_spawn_file_actions_addopen(actions, 0, b"/dev/null", os.O_RDONLY, 0), program)
    for number in (1, 2):
        _check(_LIBC.posix_spawn_file_actions_adddup2(actions, output, number), program)
    if _CLOSE_FROM is not None:  # Python's own files close by themselves; this is for those the agent was started with
        _check(_CLOSE_FROM(actions, _FIRST_OTHER_FD), program)


def _set_attributes(attributes: ctypes.Array[ctypes.c_char], program: bytes) -> None:
    none, ignored = ctypes.create_string_buffer(_SIGNALS_BYTES), ctypes.create_string_buffer(_SIGNALS_BYTES)
    for signals in (none, ignored):
        _LIBC.sigemptyset(signals)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and what it starts would too
        _LIBC.sigaddset(ignored, int(number))
    _check(_LIBC.posix_spawnattr_setsigmask(attributes, none), program)
    _check(_LIBC.posix_spawnattr_setsigdefault(attributes, ignored), program)
    _check(_LIBC.posix_spawnattr_setpgroup(attributes, 0), program)
    _check(_LIBC.posix_spawnattr_setflags(attributes, ctypes.c_short(_SETPGROUP | _SETSIGDEF | _SETSIGMASK)), program)


def _check(number: int, program: bytes) -> None:
    if number:
        raise OSError(number, os.strerror(number), os.fsdecode(program))
