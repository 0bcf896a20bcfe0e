"""``LiveJournal``: the journal of a running agent, with its clocks.

Events come without their time, so this is where they get it; and a chronicle for
the HTTP API, which knows no Serf, is made here.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from nodedns.api.context import Chronicle
from nodedns.model.names import NodeName
from nodedns.serf.events import SerfEvent
from nodedns.serf.journal import Journal
from nodedns.serf.serf import Serf

__all__ = ["LiveJournal"]


class LiveJournal:
    """Remembers what happened to members.

    Args:
        local_name: Our own name.
        serf: Knows our own health.
        wall_clock: Seconds since 1970.
    """

    def __init__(self, local_name: NodeName, serf: Serf, wall_clock: Callable[[], float]) -> None:
        self._serf = serf
        self._wall_clock = wall_clock
        self._journal = Journal(local_name, lambda: serf.swim.health_score)

    def note(self, event: SerfEvent) -> None:
        """Take an event that happened now."""
        self._journal.note(event, trio.current_time())

    def chronicle(self) -> Chronicle:
        """Return what may be read of it, as of now."""
        return Chronicle(
            now=trio.current_time(),
            wall_now=self._wall_clock(),
            history=self._journal.history,
            latest=self._journal.latest,
            health_score=self._serf.swim.health_score,
        )
