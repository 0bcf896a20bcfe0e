"""``Process``: a real program that a test talks to: started, its output read line by line, stopped for certain.

Strategy: a thread collects what the program prints, so that waiting for a line
is waiting on a condition and not a sleep. What shows nowhere but in an answer
to a question is asked for again and again by ``poll``, the one place here that
pauses. Everything has a deadline; a missed one fails with all that the
program printed. A program dies with the test run that started it.

It does not know what the programs are; ``require_program`` finds them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import attrs

__all__ = [
    "DEADLINE_S",
    "Finished",
    "Process",
    "Stopwatch",
    "fastest_s",
    "nodedns_program",
    "poll",
    "run_program",
    "running",
]

DEADLINE_S = 60.0
"""How long anything may take that should take no time, on a machine that is busy with other tests.

Gossip hands a message to random members and in a small pool passes one of them by in about one case in a hundred;
memberlist's and our push/pull, every 30 s, then mends it. So no wait may be shorter than that.
"""
POLL_S = 0.05
STOP_S = 5.0
MAX_SHOWN_CHARS = 6_000

T = TypeVar("T")


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()  # noqa: TID251 - real programs live in real time

    @property
    def elapsed_s(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self._started  # noqa: TID251 - as above


def poll(probe: Callable[[], T | None], what: str, *, deadline_s: float = DEADLINE_S) -> T:
    """Ask again and again until the answer is true, and return it.

    What was asked before the deadline may be answered late, so only an answer to what was asked after it decides.

    Args:
        probe: Asked; an empty answer means not yet.
        what: What is waited for, for the failure's text.
        deadline_s: After so long it is asked once more.

    Raises:
        AssertionError: It did not come about; the text has the last answer.
    """
    watch = Stopwatch()
    while True:
        is_last = watch.elapsed_s > deadline_s
        answer = probe()
        if answer:
            return answer
        if is_last:
            raise AssertionError(f"not within {deadline_s:g} s: {what}; last answer {answer!r}")
        time.sleep(POLL_S)  # noqa: TID251 - see the module's docstring


def fastest_s(change: Callable[[], None], enough_s: float, tries: int = 5) -> float:
    """Return how many seconds a change took that is made a few times at most, until it took no more than enough.

    A machine that is busy with others may hold up a change, or a few, but not each time.

    Args:
        change: Makes it and waits for what comes of it.
        enough_s: When it is not made again.
        tries: How often it is made at most.
    """
    took_s: list[float] = []
    while len(took_s) < tries and min(took_s, default=inf) >= enough_s:
        watch = Stopwatch()
        change()
        took_s.append(watch.elapsed_s)
    return min(took_s)


def nodedns_program() -> Path:
    """Return the installed ``nodedns`` command of the Python that runs the tests."""
    return Path(sys.executable).with_name("nodedns")


@attrs.frozen
class Finished:
    """What a program that has ended left behind.

    Attributes:
        code: Its exit code.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
    """

    code: int
    out: str
    err: str


def run_program(
    argv: Sequence[str | Path],
    *,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Finished:
    """Run a program to its end.

    Args:
        argv: The program and its arguments.
        stdin: What it reads.
        environment: Variables set in addition to our own.
        deadline_s: Longest run.

    Raises:
        AssertionError: It did not end in time.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the tests' own command lines
            _bound_to_us(argv),
            input=stdin,
            env=_environment(environment),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        shown = " ".join(map(str, argv))
        raise AssertionError(f"{shown} did not end within {deadline_s:g} s: {late.stdout!r} {late.stderr!r}") from None
    return Finished(done.returncode, done.stdout, done.stderr)


class Process:
    """A running program; both of its outputs are read into one text.

    A context manager: at its end the program is gone.

    Args:
        argv: The program and its arguments.
        environment: Variables set in addition to our own.
    """

    def __init__(self, argv: Sequence[str | Path], *, environment: Mapping[str, str] | None = None) -> None:
        self._name = " ".join(map(str, argv))
        self._process = subprocess.Popen(  # noqa: S603 - the tests' own command lines
            _bound_to_us(argv),
            env=_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._is_drained = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """Everything that it printed so far."""
        with self._changed:
            return "".join(self._lines)

    def lines(self, pattern: str = "") -> list[str]:
        """Return the lines so far in which a regular expression is found."""
        with self._changed:
            return [line.rstrip("\n") for line in self._lines if re.search(pattern, line)]

    def wait_line(self, pattern: str, *, deadline_s: float = DEADLINE_S, count: int = 1) -> str:
        """Return the ``count``-th line in which a regular expression is found, once it is there.

        Raises:
            AssertionError: It did not come in time, or the program ended without it.
        """
        watch = Stopwatch()
        with self._changed:
            while True:
                found = [line for line in self._lines if re.search(pattern, line)]
                if len(found) >= count:
                    return found[count - 1].rstrip("\n")
                left_s = deadline_s - watch.elapsed_s
                if self._is_drained or left_s <= 0:
                    why = "ended" if self._is_drained else f"waited {deadline_s:g} s"
                    raise AssertionError(f"{why} without line {count} of {pattern!r}: {self._shown()}")
                self._changed.wait(left_s)

    def send(self, signum: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(signum)

    def wait_exit(self, *, deadline_s: float = DEADLINE_S) -> int:
        """Return its exit code once it has ended; minus the signal's number if one killed it.

        Raises:
            AssertionError: It did not end in time.
        """
        try:
            code = self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {deadline_s:g} s: {self._shown()}") from None
        self._reader.join(STOP_S)
        return code

    def kill(self) -> None:
        """End it without a chance to say goodbye; doing so twice does nothing."""
        if self.is_running:
            self._process.kill()
        # One that is writing to a busy disk ends when that is done.
        self._process.wait(DEADLINE_S)
        self._reader.join(STOP_S)
        if self._process.stdout:
            self._process.stdout.close()

    def resident_bytes(self) -> int:
        """Return the memory that it occupies."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"has ended: {self._shown()}")

    def _shown(self) -> str:
        return f"{self._name}\n{''.join(self._lines)[-MAX_SHOWN_CHARS:]}"

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._is_drained = True
            self._changed.notify_all()


@contextmanager
def running(
    argv: Sequence[str | Path], ready: str, *, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Yield a program that has printed a line in which ``ready`` is found; it is killed at the end."""
    with Process(argv, environment=environment) as process:
        process.wait_line(ready)
        yield process


def _bound_to_us(argv: Sequence[str | Path]) -> list[str | Path]:
    """Have the kernel kill the program when the thread that starts it is gone, however that happens."""
    setpriv = shutil.which("setpriv", path=f"{os.environ.get('PATH', '')}:/usr/bin")
    return [setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else list(argv)


def _environment(added: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONSUL_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **(added or {})}
