"""``FakeRunner``: runs checks that take virtual time and say what they were told to say.

A check is known by what it would run or ask (``target_of``), so that a test tells the fake
what a program or a server would do, and gives both the same definition.
"""

from __future__ import annotations

import attrs
import trio

from nodedns.checks.kinds import HttpKind, OsServiceKind, RunKind, ScriptKind
from nodedns.checks.outcome import Outcome, OutputTail
from nodedns.model.check import CheckStatus
from nodedns.model.durations import format_duration

__all__ = ["Behaviour", "FakeRunner", "target_of"]


@attrs.frozen
class Behaviour:
    """What a program or server does.

    Attributes:
        outcome: What is said of it in the end.
        takes_s: After how many seconds.
        error: Raised instead, for what no runner should do.
    """

    outcome: Outcome = attrs.field(factory=lambda: Outcome(CheckStatus.PASSING))
    takes_s: float = 0.0
    error: Exception | None = None


def target_of(kind: RunKind) -> str:
    """Return the program, URL, unit or address of a check."""
    match kind:
        case ScriptKind(args=args):
            return args[0]
        case HttpKind(url=url):
            return url
        case OsServiceKind(name=name):
            return name
        case other:
            return other.target


class FakeRunner:
    """``CheckRunner`` without programs and sockets.

    Attributes:
        behaviours: By target; what is not in it passes at once. Free to be changed at any time.
        refusals: By target, why it cannot be run.
        began: When each run began, in seconds since the fake was made, and at what.
        running: Targets of runs under way.
        most_running: How many there were at once.
    """

    def __init__(self) -> None:
        self._made_at = trio.current_time()
        self.behaviours: dict[str, Behaviour] = {}
        self.refusals: dict[str, str] = {}
        self.began: list[tuple[float, str]] = []
        self.running: list[str] = []
        self.most_running = 0

    def refusal(self, kind: RunKind) -> str:
        """Return what the test said."""
        return self.refusals.get(target_of(kind), "")

    async def run(self, kind: RunKind, timeout_s: float, limit_bytes: int) -> Outcome:
        """Do what the target does, in virtual time."""
        target = target_of(kind)
        behaviour = self.behaviours.get(target, Behaviour())
        self.began.append((trio.current_time() - self._made_at, target))
        self.running.append(target)
        self.most_running = max(self.most_running, len(self.running))
        try:
            with trio.move_on_after(timeout_s):
                await trio.sleep(behaviour.takes_s)
                if behaviour.error is not None:
                    raise behaviour.error
                return Outcome(behaviour.outcome.status, _tail(behaviour.outcome.output, limit_bytes))
            return Outcome(CheckStatus.CRITICAL, f"Timed out ({format_duration(timeout_s)}) running check")
        finally:
            self.running.remove(target)


def _tail(output: str, limit_bytes: int) -> str:
    tail = OutputTail(limit_bytes)
    tail.add(output.encode())
    return tail.text()
