"""``Registrations``: the one place through which nodes, services and checks are registered.

A node is written first and enters the table after, so that what was answered
with ``true`` is there after ``kill -9``, and what could not be stored never
appears.
"""

from __future__ import annotations

from collections.abc import Sequence

from nodedns.agent.live_table import LiveTable
from nodedns.agent.memory import Memory
from nodedns.errors import ApiError
from nodedns.model.names import NodeName, fold
from nodedns.table.changes import ExternalNode, NodeDeregistered, NodeRegistered, Registration

__all__ = ["Registration", "Registrations"]

MAX_EXTERNAL_NODES = 65_536
"""Registered nodes kept by one agent; ours: a /16 full of printers."""


class Registrations:
    """Registers and deregisters external nodes.

    Args:
        memory: Where they are kept; those kept already enter the table now.
        table: Where they are answered from.
    """

    def __init__(self, memory: Memory, table: LiveTable) -> None:
        self._memory = memory
        self._table = table
        self._nodes = {fold(node.name): node for node in memory.external_nodes()}
        self._coming = 0
        table.apply([NodeRegistered(node) for node in self._nodes.values()])

    async def apply(self, changes: Sequence[Registration]) -> None:
        """Have registrations be as told, in order; done when that is stored.

        Raises:
            ApiError: There are too many.
            DataDirError: They cannot be stored; what came before the one that could not be is done.
        """
        for change in changes:
            if isinstance(change, NodeRegistered):
                await self.register(change.node)
            elif isinstance(change, NodeDeregistered):
                await self.deregister(change.name)
            else:
                self.note([change])

    def note(self, changes: Sequence[Registration]) -> None:
        """Have registrations be as told, at once; they are stored soon, for what can be made anew by whoever tells."""
        self._table.apply(changes)

    async def register(self, node: ExternalNode) -> None:
        """Keep ``node``, in place of any of its name.

        Raises:
            ApiError: There are too many.
            DataDirError: It cannot be stored; nothing has changed.
        """
        key = fold(node.name)
        if key not in self._nodes and len(self._nodes) + self._coming >= MAX_EXTERNAL_NODES:
            raise ApiError(500, f"this agent keeps {MAX_EXTERNAL_NODES} registered nodes already")
        change = NodeRegistered(node)
        self._coming += 1
        try:
            await self._memory.note_external_node(change)
        finally:
            self._coming -= 1
        # What is answered changes in the order of what is written: nobody is waited for from here on.
        self._nodes[key] = node
        self._table.apply([change])

    async def deregister(self, name: NodeName) -> None:
        """Forget the node of that name; an unknown one is no error. Raises ``DataDirError``."""
        if fold(name) not in self._nodes and not self._coming:
            return
        change = NodeDeregistered(name)
        await self._memory.note_external_node(change)
        self._nodes.pop(fold(name), None)
        self._table.apply([change])
