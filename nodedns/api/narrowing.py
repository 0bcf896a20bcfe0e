"""``Narrowing``: which items of a list a client asks for, and in which order.

``node-meta=key:value`` and ``tag=`` may be repeated, and all must match; ``near=NODE`` lists the nearest first;
``filter=`` is tried last, on what is shown. Tags match in any letter case, as in DNS. ``peer=`` leaves nothing, since
nothing is imported from any peer.

Source: Consul agent/http.go (parseMetaFilter, parseSource), agent/consul/state/catalog.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar, cast

import attrs

from nodedns.api.context import ApiContext, Json
from nodedns.api.filter_fields import Fields
from nodedns.api.filters import Predicate, filter_of
from nodedns.api.nearness import nearest_first
from nodedns.api.request import Request
from nodedns.api.slices import Slices, sliced
from nodedns.model.names import fold
from nodedns.table.node_row import NodeRow
from nodedns.table.service_rows import Instance

__all__ = ["Narrowing"]

_Item = TypeVar("_Item")


@attrs.frozen
class Narrowing:
    """What a request says of the items it wants.

    Attributes:
        meta: Pairs that the meta of an item's node has.
        near: The node from which distances count; empty for the order of names.
        tags: Folded tags that an instance has.
        wanted: Fits what is shown of an item; None if all are wanted.
        is_of_peer: Whether only what a peer exports is asked for.
    """

    meta: Mapping[str, str]
    near: str
    tags: tuple[str, ...]
    wanted: Predicate | None
    is_of_peer: bool = False

    @classmethod
    def of(cls, request: Request, fields: Fields) -> Narrowing:
        """Read the parameters of ``request``.

        Args:
            request: May have each of the parameters or none.
            fields: What ``filter`` may look at.

        Raises:
            ApiError: 500, the filter is none.
        """
        parameters = request.parameters
        pairs = (text.partition(":") for text in parameters.every("node-meta"))
        return cls(
            meta={key: value for key, _, value in pairs},
            near=parameters.first("near"),
            tags=tuple(map(fold, parameters.every("tag"))),
            wanted=filter_of(request, fields),
            is_of_peer=bool(parameters.first("peer")),
        )

    def has_node(self, row: NodeRow) -> bool:
        """Whether the meta of a node is as asked for."""
        return not self.is_of_peer and self.meta.items() <= row.meta.items()

    def has_instance(self, instance: Instance) -> bool:
        """Whether the node and the tags of an instance are as asked for."""
        if not self.has_node(instance.row):
            return False
        return not self.tags or set(self.tags) <= set(map(fold, instance.service.tags))

    def shapes(
        self,
        items: Iterable[_Item | None],
        ctx: ApiContext,
        node_of: Callable[[_Item], str],
        shape: Callable[[_Item], Mapping[str, Json]],
    ) -> Slices:
        """Return what is shown of ``items``, in the order asked for, those that the filter keeps; see ``sliced``."""
        if self.is_of_peer:
            items = ()
        # mypy takes None for an item here.
        listed: Iterator[_Item | None] = nearest_first(items, self.near, ctx, cast("Callable[[object], str]", node_of))
        return sliced(listed, shape, self.wanted)
