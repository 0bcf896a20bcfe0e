"""``LogFollowers``: whoever reads the log besides the stream that it goes to, each at a level of its own.

Strategy: a follower has a bounded queue of lines. What does not fit is counted, and told in a line of its own
behind those that did: a follower that does not keep up loses lines, never the agent time. While somebody follows at
a finer level than the agent's, such lines are made, for followers only.

Lines may be written by any thread. A follower is woken by the thread that it follows in alone, so a line of another
one waits for the next.

Source: Consul's monitor (512 lines, dropped when full; agent/log-monitor).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nodedns.observe.logs import LEVELS, JsonFormatter, LineFormatter, also_make

__all__ = ["MAX_FOLLOWERS", "MAX_QUEUED_LINES", "LogFollower", "LogFollowers"]

MAX_FOLLOWERS = 16
"""At once; each costs the time of its lines."""
MAX_QUEUED_LINES = 512
"""For one follower (Consul's buffer)."""


class LogFollower:
    """One reader's queue.

    Args:
        level: Lines of this and above.
        as_json: One JSON object a line.
        wake: Called when there is something to take, from the thread that this was made in.
    """

    def __init__(self, level: int, wake: Callable[[], None], *, as_json: bool) -> None:
        self.level = level
        self.dropped = 0
        """Lines that did not fit, in all."""
        self._wake = wake
        self._formatter = JsonFormatter() if as_json else LineFormatter()
        self._lines: deque[bytes] = deque()
        self._untold = 0
        self._thread = threading.get_ident()

    def note(self, record: logging.LogRecord) -> None:
        """Queue a line, or count it."""
        if len(self._lines) >= MAX_QUEUED_LINES:
            self.dropped += 1
            self._untold += 1
            return
        self._lines.append(self._formatter.format(record).encode("utf-8", "replace") + b"\n")
        if threading.get_ident() == self._thread:
            self._wake()

    def take(self) -> bytes:
        """Return what is queued, and behind it how many lines were dropped since; empty if there is nothing."""
        lines: list[bytes] = []
        while self._lines:
            lines.append(self._lines.popleft())
        if self._untold:
            text = f"{self._untold} log lines dropped: the reader is too slow"
            told = logging.LogRecord("nodedns.http", logging.WARNING, "", 0, text, None, None)
            self._untold = 0
            lines.append(self._formatter.format(told).encode() + b"\n")
        return b"".join(lines)


class LogFollowers:
    """All who follow the log of this process."""

    def __init__(self) -> None:
        self._followers: dict[LogFollower, None] = {}
        self._handler = _Handler(self._note)

    def __len__(self) -> int:
        return len(self._followers)

    @contextmanager
    def following(self, level: str, wake: Callable[[], None], *, as_json: bool) -> Iterator[LogFollower | None]:
        """Follow inside of the block; None where there are too many followers.

        Args:
            level: A key of ``LEVELS``, in any letter case.
            wake: As ``LogFollower`` has it.
            as_json: Likewise.
        """
        if len(self._followers) >= MAX_FOLLOWERS:
            yield None
            return
        follower = LogFollower(LEVELS[level.lower()], wake, as_json=as_json)
        self._followers[follower] = None
        self._listen()
        try:
            yield follower
        finally:
            del self._followers[follower]
            self._listen()

    def _listen(self) -> None:
        levels = [follower.level for follower in self._followers]
        also_make(min(levels) if levels else None, self._handler)

    def _note(self, record: logging.LogRecord) -> None:
        for follower in tuple(self._followers):
            if record.levelno >= follower.level:
                follower.note(record)


class _Handler(logging.Handler):
    """Hands records on."""

    def __init__(self, note: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one on."""
        self._note(record)
