"""``FakeChecker``: a checker that runs nothing, and tells what a test says.

It keeps TTLs only so far as to report what they are told.
"""

from __future__ import annotations

import trio

from nodedns.agent.check_keeper import Hearing
from nodedns.checks.definition import CheckDefinition
from nodedns.checks.outcome import Outcome, RememberedState
from nodedns.errors import DefinitionError
from nodedns.model.check import CheckStatus

__all__ = ["FakeChecker"]


class FakeChecker:
    """Remembers what it was asked to run.

    Args:
        hearing: Whom it tells.

    Attributes:
        running: What runs now, by ID.
        remembered: What each was started with.
        starts: IDs in the order they were started.
        refused: Types that cannot be run.
    """

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing
        self._said: dict[str, RememberedState] = {}
        self.running: dict[str, CheckDefinition] = {}
        self.remembered: dict[str, RememberedState | None] = {}
        self.starts: list[str] = []
        self.refused: set[str] = set()
        self.looks = 0

    def refusal(self, definition: CheckDefinition) -> str:
        """Return why one of ``refused`` cannot be run."""
        return f"no {definition.type} here" if definition.type in self.refused else ""

    def start(self, definition: CheckDefinition, remembered: RememberedState | None = None) -> Outcome:
        """Remember that a check is to run."""
        if self.refusal(definition):
            raise DefinitionError(self.refusal(definition))
        if self.running.get(definition.id) != definition:
            self.starts.append(definition.id)
            self.running[definition.id] = definition
            self.remembered[definition.id] = remembered
            self._said[definition.id] = remembered or RememberedState(definition.status)
        said = self._said[definition.id]
        return Outcome(said.status, said.output)

    def stop(self, check_id: str) -> None:
        """Forget it."""
        self.running.pop(check_id, None)
        self._said.pop(check_id, None)

    def update_ttl(self, check_id: str, status: CheckStatus, output: str) -> bool:
        """Report it at once."""
        if check_id in self.running:
            self.say(check_id, status, output)
        return check_id in self.running

    def state(self, check_id: str) -> RememberedState | None:
        """Return what was said last."""
        return self._said.get(check_id)

    def services_changed(self) -> None:
        """Count it."""
        self.looks += 1

    def say(self, check_id: str, status: CheckStatus, output: str = "") -> None:
        """Have a check come to a result; the same as before is not told."""
        said = RememberedState(status, output)
        if self._said.get(check_id) != said:
            self._said[check_id] = said
            self._hearing.report(check_id, status, output)

    def give_up(self, check_id: str) -> None:
        """Have a check be critical for too long."""
        self._hearing.on_overdue(check_id)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do nothing until cancelled."""
        task_status.started()
        await trio.sleep_forever()
