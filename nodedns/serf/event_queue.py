"""``EventQueue``: Serf's events on their way to the owner, past those inside who listen too.

Bounded: an owner that does not drain loses the oldest events, never memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from nodedns.gossip.events import Dropped
from nodedns.serf.events import SerfEvent

__all__ = ["EventQueue"]

MAX_EVENTS = 524_288  # a member's join and its leave, for each member of the largest push/pull, and half of it free
MAX_DROPS_WAITING = 4096  # as in ``Swim``: above it ``Dropped`` is left out, lest it displace what happened to a member


class EventQueue:
    """Events not yet taken, oldest first."""

    __slots__ = ("_events", "_listeners")

    def __init__(self) -> None:
        self._events: deque[SerfEvent] = deque(maxlen=MAX_EVENTS)
        self._listeners: list[Callable[[SerfEvent], None]] = []

    def listen(self, listener: Callable[[SerfEvent], None]) -> None:
        """Have ``listener`` see each event before it is queued; it may emit further ones."""
        self._listeners.append(listener)

    def emit(self, event: SerfEvent) -> None:
        """Queue an event."""
        if isinstance(event, Dropped) and len(self._events) >= MAX_DROPS_WAITING:
            return
        for listener in self._listeners:
            listener(event)
        self._events.append(event)

    def take(self) -> SerfEvent | None:
        """Return the oldest event, or None."""
        return self._events.popleft() if self._events else None
