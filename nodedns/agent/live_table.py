"""``LiveTable``: the node table of a running agent, with those who wait for it to change.

One synchronous step from a change to a new view: whoever reads next sees it,
and every waiter is woken. A change that nobody looks for waits for a few more, because
a new view costs the same for one as for many: of thousands of
members that come at once, each would else be paid for by all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import trio

from nodedns.model.check import Check
from nodedns.model.member import MemberStatus
from nodedns.model.service import Service
from nodedns.observe.metrics import SERF_MEMBERS, TABLE_INDEX, TABLE_NODES, Metrics
from nodedns.table.changes import Change
from nodedns.table.node_row import RowChange
from nodedns.table.node_table import NodeTable
from nodedns.table.service_rows import ServiceChange
from nodedns.table.view import TableView

__all__ = ["LiveTable", "Watcher"]

Watcher = Callable[[Sequence[RowChange], Sequence[ServiceChange]], None]
"""Gets what changed in the table."""

MAX_WAITING_CHANGES = 32  # ours: two to three milliseconds of work for whoever looks next


class LiveTable:
    """A node table that tells when it changes.

    Args:
        table: The table; written to through this object only.
        metrics: Gauges of its size and index.
    """

    def __init__(self, table: NodeTable, metrics: Metrics) -> None:
        self._table = table
        self._waiting: list[Change] = []
        self._changed = trio.Event()
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

    def _count(self, status: MemberStatus) -> int:
        return sum(member.status is status for member in self.view.members())

    def note(self, change: Change) -> None:
        """Take a change that shows as soon as somebody looks, and wake whoever waits."""
        self._waiting.append(change)
        if len(self._waiting) >= MAX_WAITING_CHANGES:
            self.apply(())
        else:
            self._wake()

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply changes, after those that are waiting, and wake whoever waits, if they had an effect."""
        waiting, self._waiting = self._waiting, []
        before = self._table.view.index
        if self._table.apply([*waiting, *changes]).index != before:
            for watcher in self._watchers:
                watcher(self._table.row_changes, self._table.service_changes)
            self._wake()

    def watch(self, watcher: Watcher) -> None:
        """Have ``watcher`` called with the rows and services that changed, before anyone reads the new view."""
        self._watchers.append(watcher)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def registered(self, name: str) -> tuple[tuple[Service, ...], tuple[Check, ...]]:
        """Return the services and checks kept for a node by ID, those of a node without a row included."""
        if self._waiting:
            self.apply(())
        return self._table.registered(name)

    async def wait_changed(self, index: int) -> None:
        """Return once the table's index is above ``index``, at once if it is."""
        while self.view.index <= index:
            await self._changed.wait()

    async def wait_member(self, name: str) -> None:
        """Return once the member of exactly this name is alive."""
        while True:
            view = self.view
            member = view.member(name)
            if member is not None and member.status is MemberStatus.ALIVE:
                return
            await self.wait_changed(view.index)
