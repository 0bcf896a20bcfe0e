"""``LiveCoordinates``: the coordinates of a running agent, with an index, and those who wait for them to change.

Each probe moves our own coordinate and brings another's, every second or so. A
watcher does not want the whole list each time, so the index moves at most once in
a period, and only if something has changed. What is read is always the newest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from nodedns.api.context import KnownCoordinates
from nodedns.model.coordinate import Coordinate

__all__ = ["CoordinateSource", "LiveCoordinates"]

PERIOD_S = 5.0
"""How often the index may move: as often as Consul's servers take in a batch (CoordinateUpdatePeriod)."""


class CoordinateSource(Protocol):
    """Who keeps them: ``serf.serf.Serf``."""

    @property
    def coordinate(self) -> Coordinate | None:
        """Our own; None where coordinates are turned off."""
        ...

    @property
    def coordinates_version(self) -> int:
        """Rises with every change to any of them."""
        ...

    def coordinate_of(self, name: str) -> Coordinate | None:
        """Return the one of a member, or None."""
        ...


class LiveCoordinates:
    """The coordinates that the Serf layer keeps, with an index.

    Args:
        source: Keeps them.
        nodes_index: Rises when a node comes or goes, for the list of coordinates is one of nodes.
        first_index: At the start; the wall clock's seconds make indexes rise over restarts.
    """

    def __init__(self, source: CoordinateSource, nodes_index: Callable[[], int], first_index: int) -> None:
        self._source = source
        self._nodes_index = nodes_index
        self._index = first_index
        self._version = (source.coordinates_version, nodes_index())
        self._moves_at = 0.0

    def known(self, now: float) -> KnownCoordinates | None:
        """Return them with the index at ``now``; None where they are turned off. May move the index."""
        if self._source.coordinate is None:
            return None
        return KnownCoordinates(self._index_at(now), self._source.coordinate_of)

    async def wait_changed(self, index: int) -> None:
        """Return once the index is above ``index``, at once if it is."""
        while self._index_at(trio.current_time()) <= index:  # noqa: ASYNC110 - nobody is to be woken more often
            await trio.sleep(PERIOD_S)

    def _index_at(self, now: float) -> int:
        version = (self._source.coordinates_version, self._nodes_index())
        if version != self._version and now >= self._moves_at:
            self._version = version
            self._moves_at = now + PERIOD_S
            self._index += 1
        return self._index
