"""``Vital``: a sign by which to tell a task that has nothing to do from one that does nothing.

Strategy: a task counts its turns, and can say whether something waits for it now: a datagram
in its socket, a deadline that is over. Something that waits at two looks in a row, between which the task has not
taken one turn, waits for a task that hangs. A task that rests is well however long it does.

How far apart the looks are is up to the caller: longer than a turn may take.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence

import attrs

__all__ = ["StallWatch", "Vital", "is_readable"]


@attrs.frozen
class Vital:
    """One task.

    Attributes:
        name: For people.
        turns: How many turns it has taken; any number that rises with each.
        is_due: Whether something waits for it now.
    """

    name: str
    turns: Callable[[], int]
    is_due: Callable[[], bool]


class StallWatch:
    """Looks at some tasks again and again.

    Args:
        vitals: The tasks.
    """

    def __init__(self, vitals: Sequence[Vital]) -> None:
        self._vitals = tuple(vitals)
        self._turns_when_due: list[int | None] = [None] * len(self._vitals)

    def stalled(self) -> tuple[str, ...]:
        """Look once more, and return the names of those that have hung since the look before."""
        before = self._turns_when_due
        self._turns_when_due = [vital.turns() if vital.is_due() else None for vital in self._vitals]
        return tuple(
            vital.name
            for vital, was, now in zip(self._vitals, before, self._turns_when_due, strict=True)
            if was is not None and was == now
        )


def is_readable(descriptor: int) -> bool:
    """Whether something is there to be read now; False for what is closed."""
    if descriptor < 0:
        return False
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return any(events & select.POLLIN for _, events in poller.poll(0))
