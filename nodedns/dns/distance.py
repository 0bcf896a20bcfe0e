"""``DistanceOf``: how far nodes are from the answering agent, as estimated round trips.

The agent knows them by network coordinates and tells this room. The asker's own distance is not
known, so an order by them is for those who ask an agent near them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["DistanceOf", "nowhere"]

DistanceOf = Callable[[str], float]
"""Returns the round trip in seconds from this node to the one of a name; infinite where it is not known."""


def nowhere(_: str) -> float:
    """Return the distance of any node where none is known."""
    return math.inf
