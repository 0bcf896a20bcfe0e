"""``CheckKeeper``: what an agent asks of whatever runs its checks, and what it is told in return.

``nodedns/net/checker.py`` has the one that runs them; tests have one that runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
import trio

from nodedns.checks.definition import CheckDefinition
from nodedns.checks.outcome import Outcome, RememberedState
from nodedns.model.check import CheckStatus
from nodedns.net.checker import Report

__all__ = ["CheckKeeper", "Hearing"]


class CheckKeeper(Protocol):
    """What runs checks; ``nodedns/net/checker.py`` has one."""

    def refusal(self, definition: CheckDefinition) -> str:
        """Return why a check cannot be run here; empty if it can."""
        ...

    def start(self, definition: CheckDefinition, remembered: RememberedState | None = None) -> Outcome:
        """Run a check from now on, and return what it says at first. Raises ``DefinitionError``: it cannot be run."""
        ...

    def stop(self, check_id: str) -> None:
        """Run a check no more."""
        ...

    def update_ttl(self, check_id: str, status: CheckStatus, output: str) -> bool:
        """Take what a TTL check is told; return whether there is one of this ID."""
        ...

    def state(self, check_id: str) -> RememberedState | None:
        """Return what a check says; None for an unknown one."""
        ...

    def services_changed(self) -> None:
        """Look anew at what depends on other services."""
        ...

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run checks until cancelled, those started before too."""
        ...


@attrs.frozen
class Hearing:
    """What a checker tells.

    Attributes:
        report: A check's ID, what it says from now on, and in words.
        on_overdue: The ID of a check that was critical for so long that its service is to go.
    """

    report: Report
    on_overdue: Callable[[str], None]
