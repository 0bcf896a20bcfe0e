"""``FakeChecker``: a checker that runs nothing, and reports what a test says.

It keeps TTLs only so far as to report what they are told.
"""

from __future__ import annotations

import trio

from nodedns.agent.local_services import Report
from nodedns.checks.definition import CheckDefinition
from nodedns.model.check import CheckStatus

__all__ = ["FakeChecker"]


class FakeChecker:
    """Remembers what it was asked to run.

    Args:
        report: Gets what ``say`` says.

    Attributes:
        running: What runs now, by ID: the definition, and what it said before.
        starts: IDs in the order they were started.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self.running: dict[str, tuple[CheckDefinition, CheckStatus, str, float | None]] = {}
        self.starts: list[str] = []

    def start(self, definition: CheckDefinition, status: CheckStatus, output: str, seconds_left: float | None) -> None:
        """Remember that a check is to run."""
        self.running[definition.id] = (definition, status, output, seconds_left)
        self.starts.append(definition.id)

    def stop(self, check_id: str) -> None:
        """Forget it."""
        self.running.pop(check_id, None)

    def update_ttl(self, check_id: str, status: CheckStatus, output: str) -> None:
        """Report it at once."""
        self._report(check_id, status, output)

    def say(self, check_id: str, status: CheckStatus, output: str = "") -> None:
        """Have a check come to a result."""
        self._report(check_id, status, output)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do nothing until cancelled."""
        task_status.started()
        await trio.sleep_forever()
