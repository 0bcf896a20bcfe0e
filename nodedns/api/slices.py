"""``Slices`` and ``Slowly``: values that are too long to be made at one go.

The agent has one thread, on which gossip must answer within a fraction of a second. A list of
tens of thousands of items takes longer to be shaped and encoded than that, so it is made slice by
slice, and whoever sends it lets others have a turn after each. What is listed never changes
meanwhile: views are snapshots.

Does not encode, and does not wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeAlias, TypeVar

import attrs

from nodedns.api.context import Json
from nodedns.api.filters import Predicate, kept

__all__ = ["SLICE_ITEMS", "Shown", "Slices", "Slowly", "sliced"]

SLICE_ITEMS = 64
"""Items of one slice; ours: one to three milliseconds of work."""

_Item = TypeVar("_Item")


@attrs.frozen
class Slices:
    """A list, to be taken once.

    Attributes:
        parts: Its stretches in order, some of them empty.
    """

    parts: Iterator[Sequence[Json]]


@attrs.frozen
class Slowly:
    """Any value, to be taken once.

    Attributes:
        steps: None so often as it is not made yet, and then the value.
    """

    steps: Iterator[Json]


Shown: TypeAlias = "Json | Slices | Slowly"
"""What an answer shows."""


def sliced(
    items: Iterable[_Item | None], shape: Callable[[_Item], Mapping[str, Json]], wanted: Predicate | None = None
) -> Slices:
    """Return what is shown of ``items``.

    Args:
        items: None stands for nothing, and for the work that it took to find that.
        shape: Of one item.
        wanted: Tells which of them are shown; None for all.
    """

    def parts() -> Iterator[Sequence[Json]]:
        left = iter(items)
        while some := list(islice(left, SLICE_ITEMS)):
            yield kept((shape(item) for item in some if item is not None), wanted)

    return Slices(parts())
