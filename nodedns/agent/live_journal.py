"""``LiveJournal``: the journal of a running agent, with its clocks.

Events come without their time, so this is where they get it; a chronicle for
the HTTP API, which knows no Serf, is made here; and where probes point to blocked
UDP, the check that tells the direction is begun here.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from nodedns.api.context import Chronicle
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.events import SerfEvent
from nodedns.serf.journal import Journal
from nodedns.serf.serf import Serf
from nodedns.serf.udp_watch import UdpWatch

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
        self._udp_watch = UdpWatch(serf.check_udp, self._member_at)

    def note(self, event: SerfEvent) -> None:
        """Take an event that happened now; the driver drains what follows from it."""
        now = trio.current_time()
        self._journal.note(event, now)
        self._udp_watch.note(event, now)

    def _member_at(self, address: Address) -> NodeName | None:
        found = (member.name for member in self._serf.members() if member.address.same_endpoint(address))
        return next(found, None)

    def chronicle(self) -> Chronicle:
        """Return what may be read of it, as of now."""
        return Chronicle(
            now=trio.current_time(),
            wall_now=self._wall_clock(),
            history=self._journal.history,
            latest=self._journal.latest,
            health_score=self._serf.swim.health_score,
        )
