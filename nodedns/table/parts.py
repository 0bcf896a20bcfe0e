"""``Part``: what of the table somebody looks at, so that he is woken when that changes and not before.

Strategy: after a change the parts that it touched are named, from what the table knows of its own steps; whoever
waits looks up his own among them. A part may be named though nothing of it shows differently; it is never left out.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

import attrs

from nodedns.model.names import fold
from nodedns.table.service_rows import ServiceChange
from nodedns.table.view import TableView

__all__ = [
    "CHECKS",
    "INSTANCES",
    "NODES",
    "SERVICES",
    "WHOLE",
    "Part",
    "PartKind",
    "changed_parts",
    "node_part",
    "service_part",
]


class PartKind(enum.Enum):
    """Kinds of parts."""

    WHOLE = "whole"
    NODES = "nodes"
    NODE = "node"
    SERVICES = "services"
    INSTANCES = "instances"
    SERVICE = "service"
    CHECKS = "checks"


@attrs.frozen
class Part:
    """A part of the table.

    Attributes:
        kind: Which.
        folded: The folded name of the node or service; empty for the other kinds.
    """

    kind: PartKind
    folded: str = ""


WHOLE = Part(PartKind.WHOLE)
"""Everything."""
NODES = Part(PartKind.NODES)
"""What the catalog shows of every node."""
SERVICES = Part(PartKind.SERVICES)
"""Which services there are, and their tags."""
INSTANCES = Part(PartKind.INSTANCES)
"""What the catalog shows of every instance and its node."""
CHECKS = Part(PartKind.CHECKS)
"""Every check."""


def node_part(name: str) -> Part:
    """Return the part of one node: its row, its services, its checks."""
    return Part(PartKind.NODE, fold(name))


def service_part(name: str) -> Part:
    """Return the part of one service: its instances, their nodes and checks."""
    return Part(PartKind.SERVICE, fold(name))


def changed_parts(
    before: TableView, after: TableView, touched: Iterable[str], changes: Sequence[ServiceChange]
) -> list[Part]:
    """Return each part that differs, or may differ, between two views.

    Args:
        before: The earlier view.
        after: The later view.
        touched: Folded names of the nodes whose row or registrations changed.
        changes: The services that changed.
    """
    indexes = (
        (WHOLE, before.index, after.index),
        (NODES, before.catalog_index, after.catalog_index),
        (SERVICES, before.services_index, after.services_index),
        (INSTANCES, before.registered_index, after.registered_index),
        (CHECKS, before.checks_index, after.checks_index),
    )
    parts = [part for part, was, is_now in indexes if was != is_now]
    parts += [Part(PartKind.NODE, folded) for folded in touched]
    parts += [Part(PartKind.SERVICE, change.folded) for change in changes]
    return parts
