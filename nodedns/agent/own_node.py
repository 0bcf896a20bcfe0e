"""``OwnNode``: the catalog says of our own node what we say, and nothing else.

Strategy: what changes here is published at once. Besides, what stands in the catalog under our name is
compared with what should: at the start, whenever something there has changed, and every
``PERIOD_S``. So what somebody else registers under our name goes, and what somebody else
deregisters comes back. An external node that was registered under our name goes too, for else it would
show again once we have left, with our services at its address. At most one comparison each ``PAUSE_S``: two agents
that have one name must not fight faster than that.

Source: Consul agent/ae (its interval, and syncs on change).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import trio

from nodedns.agent.anti_entropy import Published, differences, overridden_tags, parcels
from nodedns.agent.live_table import LiveTable
from nodedns.agent.local_book import LocalBook
from nodedns.agent.registrations import Registration
from nodedns.errors import NodednsError
from nodedns.model.names import NodeName
from nodedns.observe.logs import logger
from nodedns.table.changes import CheckRegistered
from nodedns.table.node_row import RowChange
from nodedns.table.service_rows import NodeServices, ServiceChange

__all__ = ["Catalog", "OwnNode"]

PERIOD_S = 60.0
"""Between two comparisons where nothing is seen to change (Consul's ae interval)."""
PAUSE_S = 1.0
"""Between two comparisons at least."""
PARCEL_CHANGES = 16
"""Written in one turn where there are more at once; ours: two or three milliseconds of work."""

_LOG = logger("agent")


class Catalog(Protocol):
    """Where the catalog is written; ``Registrations`` is one."""

    def note(self, changes: Sequence[Registration]) -> None:
        """Have registrations be as told, at once."""
        ...

    def take_name(self, name: NodeName) -> None:
        """Have no external node be registered under a name; what is registered on it stays."""
        ...


class OwnNode:
    """Keeps the catalog's entries of one node true.

    Args:
        name: Our own.
        book: What is to be there.
        catalog: Written to.
        table: Read from, and watched.
        take_tags: Gets tags by service ID that the catalog says and may.
    """

    def __init__(
        self,
        name: NodeName,
        book: LocalBook,
        catalog: Catalog,
        table: LiveTable,
        take_tags: Callable[[Mapping[str, tuple[str, ...]]], None],
    ) -> None:
        self._name = name
        self._book = book
        self._catalog = catalog
        self._table = table
        self._take_tags = take_tags
        self._seen: NodeServices | None = None
        self._stirred = trio.Event()
        self._wakes_at = 0.0
        self._is_running = False
        self._parcels: deque[list[Registration]] = deque()
        self._were_sent = trio.Event()

    def publish(self, changes: Sequence[Registration]) -> None:
        """Tell the catalog of changes, of many in turns; before ``run`` they wait for it."""
        if not self._is_running or not changes:
            return
        if not self._parcels and len(changes) <= PARCEL_CHANGES:
            self._write(changes)
        else:
            self._parcels += parcels(changes, PARCEL_CHANGES)
            self._were_sent.set()

    async def _write_parcels(self) -> None:
        while True:
            await self._were_sent.wait()
            self._were_sent = trio.Event()
            while self._parcels:
                self._write(self._parcels.popleft())
                await trio.lowlevel.checkpoint()

    def _write(self, changes: Sequence[Registration]) -> None:
        """Write what the catalog takes; what it does not take now is tried again with each comparison."""
        try:
            self._catalog.note(changes)
        except NodednsError:
            for change in changes:
                self._write_one(change)

    def _write_one(self, change: Registration) -> None:
        try:
            self._catalog.note([change])
        except NodednsError as problem:
            _LOG.error("the catalog does not take a registration of this node", error=problem)

    def publish_by(self, at: float) -> None:
        """Look for outputs to publish at this time, or before."""
        if at < self._wakes_at:
            self._stirred.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Compare and put right until cancelled; started once that was done for the first time."""
        self._is_running = True
        self._table.watch(self._note_change)
        self.compare()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write_parcels)
            task_status.started()
            while True:
                self._stirred = trio.Event()
                compares_at = trio.current_time() + PERIOD_S
                await trio.sleep(PAUSE_S)
                await self._wait(compares_at)
                if self._parcels:
                    continue  # what is still to be written differs; writing it is seen, and compared after
                self.compare()

    async def _wait(self, compares_at: float) -> None:
        """Return when it is time to compare; meanwhile publish outputs when that is due."""
        while trio.current_time() < compares_at and not self._stirred.is_set():
            due = self._book.publish_due(trio.current_time())
            self.publish([CheckRegistered(self._name, self._book.checks[key]) for key in due])
            due_at = self._book.next_due_at()
            self._wakes_at = compares_at if due_at is None else min(due_at, compares_at)
            with trio.move_on_at(self._wakes_at):
                await self._stirred.wait()

    def compare(self) -> None:
        """Put right what differs, now."""
        if self._table.has_external(self._name):
            self._take_name()
        present = Published.of(*self._table.registered(self._name))
        tags = overridden_tags(self._book.published, present)
        if tags:
            self._take_tags(tags)
        changes = differences(self._name, self._book.published, present)
        if changes:
            if self._seen is not None:
                _LOG.info("catalog entries of this node are put right", changes=len(changes))
            self._write(changes)
        self._seen = self._table.view.node_services(self._name)

    def _take_name(self) -> None:
        try:
            self._catalog.take_name(self._name)
        except NodednsError as problem:
            _LOG.error("an external node keeps the name of this one", error=problem)
        else:
            _LOG.warning("an external node had the name of this one; its registration is removed", node=self._name)

    def _note_change(self, _rows: Sequence[RowChange], _services: Sequence[ServiceChange]) -> None:
        seen = self._table.view.node_services(self._name)
        if seen is not self._seen or self._table.has_external(self._name):
            self._seen = seen
            self._stirred.set()
