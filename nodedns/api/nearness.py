"""``near=``: lists ordered by distance from a node, the nearest first.

Distances are estimated round trips between network coordinates. What has no
coordinate comes last; equals keep their order. Where the node itself has none, or
coordinates are turned off, the order stays as it is: there is no distance to order by.

Source: Consul agent/consul/rtt.go; for ``_agent`` agent/http.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

from nodedns.api.context import ApiContext

__all__ = ["OWN_NODE", "nearest_first"]

OWN_NODE = "_agent"
"""In ``near``: the node of the agent that is asked."""

_Item = TypeVar("_Item")


def nearest_first(
    items: Iterable[_Item], near: str, ctx: ApiContext, node_of: Callable[[_Item], str]
) -> tuple[_Item, ...]:
    """Return ``items`` by their distance from the node ``near``.

    Args:
        items: What to order.
        near: A node's name in any letter case, or ``_agent``; empty: no order is asked for.
        ctx: Has the coordinates.
        node_of: Returns the name of the node that an item is on.
    """
    listed = tuple(items)
    if not near or ctx.coordinates is None:
        return listed
    row = ctx.view.node(ctx.view.local_name if near == OWN_NODE else near)
    known = ctx.coordinates.of
    start = None if row is None else known(row.name)
    if start is None:
        return listed

    def distance_s(item: _Item) -> float:
        there = known(node_of(item))
        return math.inf if there is None else start.distance_s(there)

    return tuple(sorted(listed, key=distance_s))
