"""``FailedNodes``: members that failed are hidden from DNS once a grace is over.

Strategy: each failure is noted when it is heard of. The grace is the same for all, so
they come due in the order in which they were noted, and only the first is waited
for. Who comes back, leaves or is forgotten is struck off; the table itself shows a
member again whose status changes. With another grace, those who were hidden too
soon by it are shown.

A member that this agent first hears of as failed fails at that moment. Nothing
is kept over a restart: the grace begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, takewhile

import trio

from nodedns.model.member import MemberStatus, SerfMember
from nodedns.model.names import NodeName
from nodedns.observe.logs import logger
from nodedns.table.changes import Change, MemberHidden, MemberShown

__all__ = ["MAX_HIDDEN_AT_ONCE", "FailedNodes"]

MAX_HIDDEN_AT_ONCE = 256  # ours: a slice of work between two checkpoints, some milliseconds

_LOG = logger("agent")


class FailedNodes:
    """Waits out the grace of failed members.

    Args:
        grace_s: For how long a failed member is still answered for; None: for as long as it is listed.
        apply: Changes the table.
    """

    def __init__(self, grace_s: float | None, apply: Callable[[Sequence[Change]], None]) -> None:
        self._grace_s = grace_s
        self._apply = apply
        # When each failed; listed members only. Who failed first comes first.
        self._shown: dict[NodeName, float] = {}
        self._hidden: dict[NodeName, float] = {}
        self._noted = trio.Event()

    def note(self, member: SerfMember, now: float, *, is_forgotten: bool = False) -> None:
        """Take what a member is as of now, or that it is no longer listed."""
        name = member.name
        if is_forgotten or member.status is not MemberStatus.FAILED:
            self._shown.pop(name, None)
            self._hidden.pop(name, None)
        elif name not in self._shown and name not in self._hidden:
            self._shown[name] = now
            self._noted.set()

    def update(self, grace_s: float | None, now: float) -> None:
        """Take another grace; it counts from each member's failure, not from now."""
        if grace_s == self._grace_s:
            return
        self._grace_s = grace_s
        early = [name for name, failed_at in self._hidden.items() if grace_s is None or now < failed_at + grace_s]
        if early:
            back = {name: self._hidden.pop(name) for name in early}
            # Who was hidden failed before all that are shown.
            self._shown = {**back, **self._shown}
            self._apply([MemberShown(name) for name in early])
        self._noted.set()

    async def run(self) -> None:
        """Hide whoever is due, for ever."""
        while True:
            self._noted = trio.Event()
            if self._grace_s is not None and self._shown:
                with trio.move_on_at(next(iter(self._shown.values())) + self._grace_s):
                    await self._noted.wait()
                self._hide_due(trio.current_time())
            else:
                await self._noted.wait()

    def _hide_due(self, now: float) -> None:
        grace_s = self._grace_s
        if grace_s is None:
            return
        # The same sum as is slept for: another would round otherwise, and nobody would ever be due.
        over = takewhile(lambda name: self._shown[name] + grace_s <= now, self._shown)
        due = list(islice(over, MAX_HIDDEN_AT_ONCE))
        for name in due:
            self._hidden[name] = self._shown.pop(name)
            _LOG.info("DNS no longer answers for a node that has failed", name=name)
        if due:
            self._apply([MemberHidden(name) for name in due])
