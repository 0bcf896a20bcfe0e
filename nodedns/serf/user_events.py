"""``EventBuffer`` and ``UserEvents``: each user event is delivered once, and passed on once.

The buffer remembers the events of the last 512 Lamport times, slot by Lamport
time modulo its size; an event older than that, older than ``min_time``, or
already in its slot is dropped. The buffer also travels in push/pulls, so that a
joiner hears of recent events.

Ours, not Serf's: a bound on the events at one Lamport time, on an event's size
and on the bytes held in all. An event beyond a bound is dropped and counted.

Source: Serf's handleUserEvent (gossip-protocol 4.6, 4.7).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

import attrs

from nodedns.errors import TooBig
from nodedns.gossip.events import Dropped
from nodedns.gossip.slices import Steps
from nodedns.model.address import Address
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.events import SerfEvent, UserEventReceived
from nodedns.serf.lamport import MAX_LTIME, LamportClock
from nodedns.serf.messages import EventSlot, SlotEvent, UserEvent, encode_message
from nodedns.serf.params import SerfParams

__all__ = ["EventBuffer", "EventVerdict", "UserEvents"]

MAX_EVENT_BYTES = 9 * 1024  # Serf's ceiling on UserEventSizeLimit
MAX_BUFFER_BYTES = 4 * 1024 * 1024  # a fifth of what one push/pull may carry
EVENT_OVERHEAD_BYTES = 1024  # counted besides name and payload: empty ones take memory and time too, in each push/pull
OLD_EVENT_US = 6.0
DELIVER_US = 100.0  # up to its line in the log and its place in the list of events


class EventVerdict(enum.Enum):
    """What became of an event offered to the buffer."""

    NEW = "new"
    SEEN = "seen"
    OLD = "event-too-old"
    TOO_BIG = "event-too-big"
    BUFFER_FULL = "event-buffer-full"


@attrs.define
class _Slot:
    ltime: int
    events: list[tuple[str, bytes]]
    size_bytes: int = 0


class EventBuffer:
    """The user events of recent Lamport times.

    Args:
        slots: How many Lamport times are remembered.
        max_per_slot: How many events at one Lamport time.
    """

    __slots__ = ("_bytes", "_max_per_slot", "_slots", "min_time")

    def __init__(self, slots: int, max_per_slot: int) -> None:
        self._slots: list[_Slot | None] = [None] * slots
        self._max_per_slot = max_per_slot
        self._bytes = 0
        self.min_time = 0
        """Events of an earlier Lamport time are dropped."""

    def offer(self, ltime: int, name: str, payload: bytes, clock_time: int) -> EventVerdict:
        """Remember an event unless it is old, seen or beyond a bound; say which.

        Args:
            ltime: Its Lamport time.
            name: Its name.
            payload: Its payload.
            clock_time: The event clock, which has witnessed ``ltime``.
        """
        slots = len(self._slots)
        # At its end the clock can't be past what it has witnessed; two times of one slot must not both be news.
        horizon = clock_time + (clock_time >= MAX_LTIME) - slots
        if ltime < self.min_time or (clock_time > slots and ltime < horizon):
            return EventVerdict.OLD
        size = len(name) + len(payload)
        if size > MAX_EVENT_BYTES:
            return EventVerdict.TOO_BIG
        slot = self._slots[ltime % slots]
        if slot is None or slot.ltime != ltime:
            self._bytes -= 0 if slot is None else slot.size_bytes
            slot = self._slots[ltime % slots] = _Slot(ltime, [])
        elif (name, payload) in slot.events:
            return EventVerdict.SEEN
        size += EVENT_OVERHEAD_BYTES
        if len(slot.events) >= self._max_per_slot or self._bytes + size > MAX_BUFFER_BYTES:
            return EventVerdict.BUFFER_FULL
        slot.events.append((name, payload))
        slot.size_bytes += size
        self._bytes += size
        return EventVerdict.NEW

    def to_wire(self) -> tuple[EventSlot | None, ...]:
        """Return the slots as a push/pull carries them, None for those never used."""
        return tuple(
            None
            if slot is None
            else EventSlot(slot.ltime, tuple(SlotEvent(name, payload) for name, payload in slot.events))
            for slot in self._slots
        )


class UserEvents:
    """User events in and out.

    Args:
        params: Buffer sizes and limits.
        clock: The event clock.
        broadcasts: Where events are queued.
        emit: Takes the events to deliver.
    """

    def __init__(
        self, params: SerfParams, clock: LamportClock, broadcasts: Broadcasts, emit: Callable[[SerfEvent], None]
    ) -> None:
        self._params = params
        self._clock = clock
        self._broadcasts = broadcasts
        self._emit = emit
        self._buffer = EventBuffer(params.event_buffer_slots, params.max_events_per_slot)

    def raise_min_time(self, ltime: int) -> None:
        """Ignore events of a Lamport time before ``ltime`` from now on."""
        self._buffer.min_time = max(self._buffer.min_time, ltime)

    def slots(self) -> Sequence[EventSlot | None]:
        """Return the buffer as a push/pull carries it."""
        return self._buffer.to_wire()

    def send(self, name: str, payload: bytes, *, coalesce: bool) -> int:
        """Deliver a user event here and queue it for everyone; return its Lamport time.

        Raises:
            TooBig: It exceeds ``user_event_limit_bytes``, alone or encoded.
        """
        limit = min(self._params.user_event_limit_bytes, MAX_EVENT_BYTES)
        event = UserEvent(ltime=self._clock.time, name=name, payload=payload, coalesce=coalesce)
        message = encode_message(event)
        size = max(len(name.encode("utf-8", "surrogateescape")) + len(payload), len(message))
        if size > limit:
            raise TooBig("user event", size, limit)
        self._clock.increment()
        if self._deliver(event, None):
            self._broadcasts.queue_event(message)
        return event.ltime

    def receive(self, event: UserEvent, message: bytes, source: Address) -> None:
        """Deliver an event heard by gossip, and pass its very bytes on, unless it was seen."""
        if not self._clock.witness(event.ltime):
            self._emit(Dropped("time-too-far", source))
        elif self._deliver(event, source):
            self._broadcasts.queue_event(message)

    def merge(self, slots: Sequence[EventSlot | None]) -> Steps[None]:
        """Deliver what a push/pull brought, as far as the buffer could have held it; nothing of it is passed on."""
        left = self._params.event_buffer_slots * self._params.max_events_per_slot
        for slot in slots:
            if slot is None or not slot.events:
                continue
            if not self._clock.witness(slot.ltime):
                self._emit(Dropped("time-too-far", None))
                yield OLD_EVENT_US
                continue
            for event in slot.events:
                # A push/pull does not say whether an event may coalesce, so it may not.
                is_new = self._deliver(UserEvent(slot.ltime, event.name, event.payload, coalesce=False), None)
                left -= is_new
                if left <= 0:
                    self._emit(Dropped("too-many-events", None))
                    return
                yield DELIVER_US if is_new else OLD_EVENT_US

    def _deliver(self, event: UserEvent, source: Address | None) -> bool:
        verdict = self._buffer.offer(event.ltime, event.name, event.payload, self._clock.time)
        if verdict is EventVerdict.NEW:
            self._emit(UserEventReceived(event.ltime, event.name, event.payload, event.coalesce))
            return True
        if verdict is not EventVerdict.SEEN:
            self._emit(Dropped(verdict.value, source))
        return False
