"""``LiveTable``: the node table of a running agent, with those who wait for it to change.

One synchronous step from a change to a new view: whoever reads next sees it,
and every waiter is woken.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        self._metrics = metrics
        self._changed = trio.Event()

    @property
    def view(self) -> TableView:
        """The table now."""
        return self._table.view

    def apply(self, changes: Sequence[Change]) -> None:
        """Apply changes and wake whoever waits, if they had an effect."""
        before = self._table.view.index
        view = self._table.apply(changes)
        if view.index == before:
            return
        self._metrics.set(TABLE_INDEX, view.index)
        self._metrics.set(TABLE_NODES, len(view.nodes()))
        counts = dict.fromkeys(MemberStatus, 0)
        for member in view.members():
            counts[member.status] += 1
        for status, count in counts.items():
            self._metrics.set(SERF_MEMBERS, count, status=status.word)
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
