"""``PlacedNodes``: coordinates that a test gives to nodes, each by its distance from the first.

Nodes lie on a line, so the distance between two is the difference of their places, and the heights on top.
"""

from __future__ import annotations

from nodedns.model.coordinate import DIMENSIONS, Coordinate

__all__ = ["PlacedNodes"]


class PlacedNodes:
    """What an agent knows of coordinates (``nodedns.agent.coordinates.CoordinateSource``).

    Args:
        places_s: By node, where it lies, in seconds of a round trip.

    Attributes:
        coordinate: Our own.
        coordinates_version: Rises with every change.
    """

    def __init__(self, **places_s: float) -> None:
        self._places_s = places_s
        self.coordinate: Coordinate | None = _at(0.0)
        self.coordinates_version = 0

    def place(self, name: str, place_s: float) -> None:
        """Have a node lie elsewhere."""
        self._places_s[name] = place_s
        self.coordinates_version += 1

    def coordinate_of(self, name: str) -> Coordinate | None:
        """Return the one of a node; None for one without a place."""
        place_s = self._places_s.get(name)
        return None if place_s is None else _at(place_s)


def _at(place_s: float) -> Coordinate:
    return Coordinate((place_s, *(0.0,) * (DIMENSIONS - 1)))
