"""``LiveTable``: the node table of a running agent, with those who wait for it to change.

One synchronous step from a change to a new view: whoever reads next sees it,
and every waiter is woken.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import trio

from nodedns.model.member import MemberStatus
from nodedns.observe.metrics import SERF_MEMBERS, TABLE_INDEX, TABLE_NODES, Metrics
from nodedns.table.changes import Change
from nodedns.table.node_table import NodeTable
from nodedns.table.view import TableView

__all__ = ["LiveTable"]


class LiveTable:
    """A node table that tells when it changes.

    Args:
        table: The table; written to through this object only.
        metrics: Gauges of its size and index.
    """

    def __init__(self, table: NodeTable, metrics: Metrics) -> None:
        self._table = table
        self._changed = trio.Event()
        # Counted when somebody looks: with every change it would make a mass join quadratic.
        metrics.set_by(TABLE_INDEX, lambda: self.view.index)
        metrics.set_by(TABLE_NODES, lambda: len(self.view.nodes()))
        for status in MemberStatus:
            metrics.set_by(SERF_MEMBERS, partial(self._count, status), status=status.word)

    @property
    def view(self) -> TableView:
        """The table now."""
        return self._table.view

    def _count(self, status: MemberStatus) -> int:
        return sum(member.status is status for member in self.view.members())

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply changes and wake whoever waits, if they had an effect."""
        before = self._table.view.index
        if self._table.apply(changes).index != before:
            self._changed.set()
            self._changed = trio.Event()

    async def wait_changed(self, index: int) -> None:
        """Return once the table's index is above ``index``, at once if it is."""
        while self._table.view.index <= index:
            await self._changed.wait()

    async def wait_member(self, name: str) -> None:
        """Return once the member of exactly this name is alive."""
        while True:
            view = self._table.view
            member = view.member(name)
            if member is not None and member.status is MemberStatus.ALIVE:
                return
            await self.wait_changed(view.index)
