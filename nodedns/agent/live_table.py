"""``LiveTable``: the node table of a running agent, with those who wait for it to change.

One synchronous step from a change to a new view: whoever reads next sees it,
and whoever waits for a part that it touched is woken, nobody else. A change that nobody looks for waits for a
few more, because a new view costs the same for one as for many: of thousands of
members that come at once, each would else be paid for by all. While somebody waits for any part, it waits no longer
than to the next turn of the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import attrs
import trio

from nodedns.model.check import Check
from nodedns.model.member import MemberStatus
from nodedns.model.service import Service
from nodedns.observe.metrics import SERF_MEMBERS, TABLE_INDEX, TABLE_NODES, Metrics
from nodedns.table.changes import Change
from nodedns.table.node_row import RowChange
from nodedns.table.node_table import NodeTable
from nodedns.table.parts import WHOLE, Part, changed_parts
from nodedns.table.service_rows import ServiceChange
from nodedns.table.view import TableView

__all__ = ["LiveTable", "Watcher"]

Watcher = Callable[[Sequence[RowChange], Sequence[ServiceChange]], None]
"""Gets what changed in the table."""

MAX_WAITING_CHANGES = 32  # ours: two to three milliseconds of work for whoever looks next


@attrs.define(eq=False)
class _Bell:
    """Rung once, when a part changes; then it is no longer listed."""

    rung: trio.Event = attrs.field(factory=trio.Event)
    waiters: int = 0


class LiveTable:
    """A node table that tells when it changes.

    Args:
        table: The table; written to through this object only.
        metrics: Gauges of its size and index.
    """

    def __init__(self, table: NodeTable, metrics: Metrics) -> None:
        self._table = table
        self._waiting: list[Change] = []
        self._bells: dict[Part, _Bell] = {}
        self._watchers: list[Watcher] = []
        # Counted when somebody looks: with every change it would make a mass join quadratic.
        metrics.set_by(TABLE_INDEX, lambda: self.view.index)
        metrics.set_by(TABLE_NODES, lambda: len(self.view.nodes()))
        for status in MemberStatus:
            metrics.set_by(SERF_MEMBERS, partial(self._count, status), status=status.word)

    @property
    def view(self) -> TableView:
        """The table now."""
        if self._waiting:
            self.apply(())
        return self._table.view

    @property
    def waited_parts(self) -> int:
        """How many parts somebody waits for."""
        return len(self._bells)

    def _count(self, status: MemberStatus) -> int:
        return sum(member.status is status for member in self.view.members())

    def note(self, change: Change) -> None:
        """Take a change that shows as soon as somebody looks, and soon to whoever waits."""
        self._waiting.append(change)
        if len(self._waiting) >= MAX_WAITING_CHANGES:
            self.apply(())
        elif self._bells:
            trio.lowlevel.current_trio_token().run_sync_soon(self._take_in, idempotent=True)

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply changes, after those that are waiting, and wake whoever waits for what they had an effect on."""
        waiting, self._waiting = self._waiting, []
        before = self._table.view
        after = self._table.apply([*waiting, *changes])
        if after.index != before.index:
            for watcher in self._watchers:
                watcher(self._table.row_changes, self._table.service_changes)
            self._ring(before, after)

    def _take_in(self) -> None:
        if self._waiting:
            self.apply(())

    def watch(self, watcher: Watcher) -> None:
        """Have ``watcher`` called with the rows and services that changed, before anyone reads the new view."""
        self._watchers.append(watcher)

    def _ring(self, before: TableView, after: TableView) -> None:
        if not self._bells:
            return
        for part in changed_parts(before, after, self._table.touched_nodes, self._table.service_changes):
            bell = self._bells.pop(part, None)
            if bell is not None:
                bell.rung.set()

    def registered(self, name: str) -> tuple[tuple[Service, ...], tuple[Check, ...]]:
        """Return the services and checks kept for a node by ID, those of a node without a row included."""
        if self._waiting:
            self.apply(())
        return self._table.registered(name)

    def has_external(self, name: str) -> bool:
        """Whether an external node of this name is registered, also where a member has the name."""
        if self._waiting:
            self.apply(())
        return self._table.has_external(name)

    async def wait_changed(self, index: int, part: Part = WHOLE) -> None:
        """Return once a part of the table has changed after ``index``.

        Args:
            index: Of the view that was looked at; where the table is past it, this returns at once.
            part: What was looked at. It may be found unchanged.
        """
        if self.view.index > index:
            return
        bell = self._bells.setdefault(part, _Bell())
        bell.waiters += 1
        try:
            await bell.rung.wait()
        finally:
            bell.waiters -= 1
            # Whoever asks chooses the part, so no bell may outlive those who listen for it.
            if not bell.waiters and self._bells.get(part) is bell:
                del self._bells[part]

    async def wait_member(self, name: str) -> None:
        """Return once the member of exactly this name is alive."""
        while True:
            view = self.view
            member = view.member(name)
            if member is not None and member.status is MemberStatus.ALIVE:
                return
            await self.wait_changed(view.index)
