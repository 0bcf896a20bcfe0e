"""What results mean over time: thresholds, when a check is due, and when a service is given up.

Source: Consul's StatusHandler, CheckTTL and reaper (agent/checks, agent/agent.go), and its
delays: the first run after a random part of the interval, the next one an interval after the
last has ended.
"""

from __future__ import annotations

from random import Random

from nodedns.checks.definition import CheckDefinition
from nodedns.checks.outcome import Outcome
from nodedns.model.check import CheckStatus

__all__ = ["REAP_EVERY_S", "CriticalSince", "Thresholds", "expired_output", "first_delay_s"]

REAP_EVERY_S = 30.0
"""Between two looks at which services have been critical for too long (Consul)."""
EXPIRED = "TTL expired"


def first_delay_s(definition: CheckDefinition, rng: Random) -> float:
    """Draw when a check is first run, in [0, interval), so that those of one file do not run at once."""
    return rng.random() * definition.run_interval_s


def expired_output(last: str) -> str:
    """Return what a check says whose TTL has passed, given what was said of it last."""
    if not last or last.startswith(EXPIRED):
        return last or EXPIRED
    return f"{EXPIRED} (last output before timeout follows): {last}"


class Thresholds:
    """Counts results in a row, and lets a status change only when there are enough.

    Args:
        definition: How many it takes.
    """

    __slots__ = ("_definition", "_failures", "_successes")

    def __init__(self, definition: CheckDefinition) -> None:
        self._definition = definition
        self._successes = 0
        self._failures = 0

    def apply(self, outcome: Outcome) -> Outcome | None:
        """Return what the check says after a run; None if it goes on saying what it said."""
        wanted = self._definition
        if outcome.status is not CheckStatus.CRITICAL:
            self._successes += 1
            self._failures = 0
            return outcome if self._successes >= wanted.success_before_passing else None
        self._failures += 1
        self._successes = 0
        if self._failures >= wanted.failures_before_critical:
            return outcome
        before_warning = wanted.failures_before_warning or wanted.failures_before_critical
        return Outcome(CheckStatus.WARNING, outcome.output) if self._failures >= before_warning else None


class CriticalSince:
    """Remembers since when checks are critical whose service goes for it."""

    __slots__ = ("_due_at",)

    def __init__(self) -> None:
        self._due_at: dict[str, float] = {}  # by ID, of checks that are critical now; as many as there are checks

    def note(self, definition: CheckDefinition, status: CheckStatus, now: float) -> None:
        """Take what a check says."""
        if status is not CheckStatus.CRITICAL or definition.reap_after_s is None:
            self.forget(definition.id)
        else:
            self._due_at.setdefault(definition.id, now + definition.reap_after_s)

    def forget(self, check_id: str) -> None:
        """The check is gone, or is well."""
        self._due_at.pop(check_id, None)

    def overdue(self, now: float) -> list[str]:
        """Return the IDs of checks that have been critical for too long, longest first."""
        return [check_id for check_id, due_at in sorted(self._due_at.items(), key=lambda due: due[1]) if due_at < now]
