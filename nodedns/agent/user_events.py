"""``EventBook``: the user events that this agent saw last, those who wait for the next, and firing one.

Strategy: each user event that Serf delivers is read as Consul's or as a plain one. If its
filters let it through to us it goes to the end of a list that is bounded in
events and in bytes, published in one assignment; then every waiter is woken. What cannot
be read, or has filters that cost too much, is dropped and counted.

Nothing is coalesced: the list is a history, in which each event stays to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from nodedns.api.actions import FireEvent, FirePlainEvent
from nodedns.api.context import RecentEvents
from nodedns.errors import ApiError, GossipWireError, TooBig
from nodedns.gossip.events import Dropped
from nodedns.model.fired_event import FiredEvent
from nodedns.serf.events import SerfEvent, UserEventReceived
from nodedns.serf.filter_budget import FilterBudget, FilterTooCostly
from nodedns.serf.fired_events import (
    FilteredService,
    check_filters,
    decode_fired_event_untrusted,
    encode_fired_event,
    is_meant_for,
    plain_event,
)
from nodedns.serf.regex import BadPattern
from nodedns.serf.serf import Serf

__all__ = ["EventBook"]

MAX_EVENTS = 256
"""Events kept (Consul's userEventBufferSize)."""
MAX_BYTES = 1024 * 1024
"""Names, payloads and filters kept; ours, room for 256 of eight times the size that Serf's agents send."""


class EventBook:
    """Recent user events of one agent.

    Args:
        serf: Sends events.
        wake: Called after every command to ``serf``.
        node_name: What node filters are matched with.
        drop: Told of an event that cannot be read.
        services: Returns what service filters are matched with, as of now.
    """

    def __init__(
        self,
        serf: Serf,
        wake: Callable[[], None],
        node_name: str,
        drop: Callable[[Dropped], None],
        services: Callable[[], Iterable[FilteredService]] = tuple,
    ) -> None:
        self._serf = serf
        self._wake = wake
        self._node_name = node_name
        self._drop = drop
        self._services = services
        self._budget = FilterBudget()
        self._bytes = 0
        self._changed = trio.Event()
        self.recent = RecentEvents()
        """The events now."""

    def note(self, event: SerfEvent) -> None:
        """Take a user event; any other event is nothing to us."""
        if not isinstance(event, UserEventReceived):
            return
        try:
            fired = decode_fired_event_untrusted(event)
            if fired is not None and is_meant_for(fired, self._node_name, self._services(), self._may_spend):
                self._add(fired)
        except GossipWireError as problem:
            self._drop(Dropped("bad-consul-event", None, str(problem)))
        except BadPattern as problem:
            self._drop(Dropped("bad-event-filter", None, str(problem)))
        except FilterTooCostly as problem:
            self._drop(Dropped("event-filter-too-costly", None, str(problem)))

    async def wait_changed(self, seen: int) -> None:
        """Return once more than ``seen`` events were seen, at once if they were."""
        while self.recent.seen <= seen:
            await self._changed.wait()

    def fire(self, action: FireEvent | FirePlainEvent) -> FiredEvent:
        """Send an event to everyone, ourselves included, and return it.

        Raises:
            ApiError: A filter is no regular expression, or the event is too large for gossip.
        """
        try:
            if isinstance(action, FirePlainEvent):
                return self._fire_plain(action)
            check_filters(action.event)
            self._send(*encode_fired_event(action.event), can_coalesce=False)
        except BadPattern as problem:
            raise ApiError(500, str(problem)) from None
        except TooBig as problem:
            raise ApiError(413, f"{problem}, name and all that goes with it included") from None
        return action.event

    def _fire_plain(self, action: FirePlainEvent) -> FiredEvent:
        if action.name.startswith("consul:"):
            raise ApiError(400, "The names of plain events cannot begin with 'consul:'; those are Consul's own")
        ltime = self._send(action.name, action.payload, can_coalesce=action.can_coalesce)
        return plain_event(UserEventReceived(ltime, action.name, action.payload, action.can_coalesce))

    def _send(self, name: str, payload: bytes, *, can_coalesce: bool) -> int:
        ltime = self._serf.user_event(name, payload, trio.current_time(), coalesce=can_coalesce)
        self._wake()
        return ltime

    def _may_spend(self, steps: int) -> bool:
        return self._budget.spend(steps, trio.current_time())

    def _add(self, event: FiredEvent) -> None:
        events = [*self.recent.events, event]
        self._bytes += _size(event)
        while len(events) > MAX_EVENTS or self._bytes > MAX_BYTES:
            self._bytes -= _size(events.pop(0))
        self.recent = RecentEvents(tuple(events), self.recent.seen + 1)
        self._changed.set()
        self._changed = trio.Event()


def _size(event: FiredEvent) -> int:
    texts = (event.name, event.node_filter, event.service_filter, event.tag_filter)
    return len(event.payload) + sum(map(len, texts))
