"""``Registrations``: the one place through which nodes, services and checks are registered.

What somebody waits for is stored first and counts after, so that what was answered
with ``true`` is there after ``kill -9``, and what could not be stored never
appears. A node takes its services and checks along when it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from nodedns.agent.replication import Replication
from nodedns.model.names import NodeName
from nodedns.replica.entry import Entry, Key, Kind, target_of
from nodedns.table.changes import CheckDeregistered, NodeDeregistered, Registration, ServiceDeregistered

__all__ = ["Registration", "Registrations"]


class Registrations:
    """Registers and deregisters.

    Args:
        replication: Keeps what is registered, here and on every agent.
    """

    def __init__(self, replication: Replication) -> None:
        self._replication = replication

    async def apply(self, changes: Sequence[Registration]) -> None:
        """Have registrations be as told, in order; done when that is stored.

        What is to be gone and is not there is no error, and nothing is written for it.

        Raises:
            TooBig: One is longer than may be replicated, or there are too many.
            DataDirError: They cannot be stored; nothing has changed.
        """
        intents = self._worth_writing(changes)
        if intents:
            await self._replication.write(intents, partial(self._worth_writing, changes))

    def note(self, changes: Sequence[Registration]) -> None:
        """Have registrations be as told, at once; they are stored soon, for what can be made anew by whoever tells.

        Raises:
            TooBig: One is longer than may be replicated, or there are too many.
        """
        self._replication.ensure(self._worth_writing(changes))

    def take_name(self, name: NodeName) -> None:
        """Have no external node be registered under a name, at once; what is registered on it stays.

        Raises:
            TooBig: There is no room to say so.
        """
        self._replication.ensure([NodeDeregistered(name)])

    def _worth_writing(self, changes: Sequence[Registration]) -> list[Registration]:
        """Return the changes, a node's that goes with what is on it, without those that change nothing."""
        worth: list[Registration] = []
        written: dict[Key, None] = {}
        for change in changes:
            for each in self._with_belongings(change):
                key, _, value = target_of(each)
                # Where something is on its way to the disk, it may be just what is to be gone.
                if value is not None or key in written or self._replication.is_writing or self._replication.holds(key):
                    written[key] = None
                    worth.append(each)
        return worth

    def _with_belongings(self, change: Registration) -> Iterator[Registration]:
        if isinstance(change, NodeDeregistered):
            for entry in reversed(self._replication.entries_of(change.name)):
                if entry.key[0] is not Kind.NODE:
                    yield _removal_of(entry)
        yield change


def _removal_of(entry: Entry) -> Registration:
    kind, _, item_id = entry.key
    if kind is Kind.SERVICE:
        return ServiceDeregistered(entry.node, item_id)
    return CheckDeregistered(entry.node, item_id)
