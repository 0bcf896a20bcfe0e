"""``near=``: lists ordered by distance from a node, the nearest first.

Distances are estimated round trips between network coordinates. What has no
coordinate comes last; equals keep their order. Where the node itself has none, or
coordinates are turned off, the order stays as it is: there is no distance to order by.

Source: Consul agent/consul/rtt.go; for ``_agent`` agent/http.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import TypeVar

from nodedns.api.context import ApiContext

__all__ = ["OWN_NODE", "nearest_first"]

OWN_NODE = "_agent"
"""In ``near``: the node of the agent that is asked."""

_Item = TypeVar("_Item")


def nearest_first(
    items: Iterable[_Item | None], near: str, ctx: ApiContext, node_of: Callable[[_Item], str]
) -> Iterator[_Item | None]:
    """Yield ``items`` by their distance from the node ``near``, and None for each while it is measured.

    Args:
        items: What to order; None among them is nothing.
        near: A node's name in any letter case, or ``_agent``; empty: no order is asked for.
        ctx: Has the coordinates.
        node_of: Returns the name of the node that an item is on.
    """
    if not near or ctx.coordinates is None:
        yield from items
        return
    row = ctx.view.node(ctx.view.local_name if near == OWN_NODE else near)
    known = ctx.coordinates.of
    start = None if row is None else known(row.name)
    if start is None:
        yield from items
        return

    def distance_s(item: _Item) -> float:
        there = known(node_of(item))
        return math.inf if there is None else start.distance_s(there)

    measured: list[tuple[float, _Item]] = []
    for item in items:
        if item is not None:
            measured.append((distance_s(item), item))
        yield None
    measured.sort(key=itemgetter(0))
    yield from map(itemgetter(1), measured)
