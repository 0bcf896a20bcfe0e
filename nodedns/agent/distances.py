"""``Distances``: how far nodes are from this one, as DNS orders instances by, standing still for a while.

Coordinates move with each probe. Answers are kept packed, and are to be what they would be if they were
made anew; so a distance once told stays until the index of the coordinates moves, which is every few
seconds, and whoever kept answers is told then. What is remembered until then is of nodes in the
table, at most one number for each.

What is on this very node is nearest, whatever its coordinate says of its own way.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from nodedns.agent.coordinates import LiveCoordinates
from nodedns.model.names import fold

__all__ = ["Distances"]


class Distances:
    """Round trips from this node.

    Args:
        coordinates: What they are estimated from.
        local_name: This node.
        clock: Monotonic seconds.
    """

    def __init__(self, coordinates: LiveCoordinates, local_name: str, clock: Callable[[], float]) -> None:
        self._coordinates = coordinates
        self._local_name = local_name
        self._clock = clock
        self._index: int | None = None
        self._told: dict[str, float] = {}

    def to(self, name: str) -> float:
        """Return the round trip to a node in seconds; infinite where it is not known, or coordinates are off."""
        told = self._told.get(name)
        if told is None:
            told = self._told[name] = self._now_to(name)
        return told

    def have_moved(self) -> bool:
        """Take the coordinates of now, if their index is another; return whether it is."""
        known = self._coordinates.known(self._clock())
        index = known.index if known is not None else None
        if index == self._index:
            return False
        self._index = index
        self._told.clear()
        return True

    def _now_to(self, name: str) -> float:
        known = self._coordinates.known(self._clock())
        if known is None:
            return math.inf
        if fold(name) == fold(self._local_name):
            return 0.0
        here, there = known.of(self._local_name), known.of(name)
        return math.inf if here is None or there is None else here.distance_s(there)
