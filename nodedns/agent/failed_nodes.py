"""``FailedNodes``: members that failed are hidden from DNS once a grace is over.

Strategy: each failure is noted when it is heard of, with the moment at which it is to show.
The grace is the same for all, so those moments are in the order in which they
were noted, and only the first is waited for. Who comes back, leaves or is forgotten is
struck off; the table itself shows a member again whose status changes.

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
from nodedns.table.changes import Change, MemberHidden

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
        # Both hold listed members only. The soonest comes first.
        self._hide_at: dict[NodeName, float] = {}
        self._hidden: set[NodeName] = set()
        self._noted = trio.Event()

    def note(self, member: SerfMember, now: float, *, is_forgotten: bool = False) -> None:
        """Take what a member is as of now, or that it is no longer listed."""
        if self._grace_s is None:
            return
        name = member.name
        if is_forgotten or member.status is not MemberStatus.FAILED:
            self._hide_at.pop(name, None)
            self._hidden.discard(name)
        elif name not in self._hide_at and name not in self._hidden:
            self._hide_at[name] = now + self._grace_s
            self._noted.set()

    async def run(self) -> None:
        """Hide whoever is due, for ever; return at once where nobody is to be hidden."""
        while self._grace_s is not None:
            if self._hide_at:
                await trio.sleep_until(next(iter(self._hide_at.values())))
                self._hide_due(trio.current_time())
            else:
                self._noted = trio.Event()
                await self._noted.wait()

    def _hide_due(self, now: float) -> None:
        due = list(islice(takewhile(lambda name: self._hide_at[name] <= now, self._hide_at), MAX_HIDDEN_AT_ONCE))
        for name in due:
            del self._hide_at[name]
            self._hidden.add(name)
            _LOG.info("DNS no longer answers for a node that has failed", name=name)
        if due:
            self._apply([MemberHidden(name) for name in due])
