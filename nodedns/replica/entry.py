"""``Entry``: one thing replicated, a node, a service or a check, as one agent wrote it at one time.

Of two entries of one key the one with the higher (version, origin) wins, whoever
hears them in whatever order. An entry without a value is a tombstone: the thing
is to be gone.

An origin is one run of an agent: its node ID and a number that is new with each
start. What it writes is a stream in the order of versions.
"""

from __future__ import annotations

import enum
from typing import NewType

import attrs

from nodedns.model.check import Check
from nodedns.model.names import NodeName, fold
from nodedns.model.service import Service
from nodedns.table.changes import (
    CheckDeregistered,
    CheckRegistered,
    ExternalNode,
    NodeDeregistered,
    NodeRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)

__all__ = [
    "NODE_ID_BYTES",
    "ORIGIN_BYTES",
    "Entry",
    "Key",
    "Kind",
    "Origin",
    "Registration",
    "Value",
    "change_of",
    "new_origin",
    "target_of",
]

NODE_ID_BYTES = 16
ORIGIN_BYTES = NODE_ID_BYTES + 8

Origin = NewType("Origin", bytes)
"""Node ID and run, 24 bytes."""

Value = ExternalNode | Service | Check
Registration = (
    NodeRegistered | NodeDeregistered | ServiceRegistered | ServiceDeregistered | CheckRegistered | CheckDeregistered
)
"""What can be written, and what comes out."""


class Kind(enum.IntEnum):
    """What an entry is about, with its numbers on the wire."""

    NODE = 0
    SERVICE = 1
    CHECK = 2

    # Every look-up of a key hashes its kind, which enum's own way takes longer for than all else of the look-up.
    __hash__ = int.__hash__


Key = tuple[Kind, str, str]
"""Kind, the node's name folded, and the ID on that node; empty for the node itself."""


def new_origin(node_id: bytes, wall_ms: int, salt: int) -> Origin:
    """Return the origin of a run.

    Args:
        node_id: 16 bytes.
        wall_ms: When it starts.
        salt: 16 random bits, for two starts in one millisecond of clocks that went back.
    """
    return Origin(node_id + ((wall_ms << 16 | salt) % 2**64).to_bytes(8, "big"))


@attrs.frozen(eq=False)
class Entry:
    """One write; the same object wherever it is held.

    Attributes:
        key: What it is about.
        node: The node's name as the writer spelled it.
        version: When it was written, see ``HybridClock``.
        origin: Who wrote it.
        value: None: a tombstone.
        excess: What of the value that was written is beyond a limit, so that it counts as a tombstone; else empty.
    """

    key: Key
    node: NodeName
    version: int
    origin: Origin
    value: Value | None
    excess: str = ""

    def is_newer_than(self, other: Entry) -> bool:
        """Whether this one wins."""
        return (self.version, self.origin) > (other.version, other.origin)


def target_of(change: Registration) -> tuple[Key, NodeName, Value | None]:
    """Return what a change writes: key, node as spelled, and value."""
    match change:
        case NodeRegistered(node=node):
            return (Kind.NODE, fold(node.name), ""), node.name, node
        case NodeDeregistered(name=name):
            return (Kind.NODE, fold(name), ""), name, None
        case ServiceRegistered(node=name, service=service):
            return (Kind.SERVICE, fold(name), service.id), name, service
        case ServiceDeregistered(node=name, service_id=service_id):
            return (Kind.SERVICE, fold(name), service_id), name, None
        case CheckRegistered(node=name, check=check):
            return (Kind.CHECK, fold(name), check.id), name, check
        case CheckDeregistered(node=name, check_id=check_id):
            return (Kind.CHECK, fold(name), check_id), name, None


def change_of(entry: Entry) -> Registration:
    """Return the change that has the table be as ``entry`` says."""
    kind, _, item_id = entry.key
    match entry.value:
        case ExternalNode() as node:
            return NodeRegistered(node)
        case Service() as service:
            return ServiceRegistered(entry.node, service)
        case Check() as check:
            return CheckRegistered(entry.node, check)
        case None:
            if kind is Kind.NODE:
                return NodeDeregistered(entry.node)
            if kind is Kind.SERVICE:
                return ServiceDeregistered(entry.node, item_id)
            return CheckDeregistered(entry.node, item_id)
