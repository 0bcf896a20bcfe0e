from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodedns.gossip.events import Dropped
from nodedns.gossip.slices import SLICE_US, complete
from nodedns.model.address import Address
from nodedns.serf.broadcasts import Broadcasts
from nodedns.serf.events import SerfEvent, UserEventReceived
from nodedns.serf.lamport import MAX_LTIME, LamportClock
from nodedns.serf.messages import EventSlot, SlotEvent, UserEvent, encode_message
from nodedns.serf.params import SerfParams
from nodedns.serf.user_events import (
    DELIVER_US,
    EVENT_OVERHEAD_BYTES,
    MAX_BUFFER_BYTES,
    MAX_EVENT_BYTES,
    EventBuffer,
    EventVerdict,
    UserEvents,
)

SOURCE = Address(bytes([10, 0, 0, 9]), 7946)


def test_event_is_new_once() -> None:
    buffer = EventBuffer(slots=8, max_per_slot=4)
    assert buffer.offer(1, "deploy", b"", 2) is EventVerdict.NEW
    assert buffer.offer(1, "deploy", b"", 2) is EventVerdict.SEEN


def test_events_of_one_time_differ_by_name_and_payload() -> None:
    buffer = EventBuffer(slots=8, max_per_slot=4)
    buffer.offer(1, "deploy", b"1", 2)
    assert buffer.offer(1, "deploy", b"2", 2) is EventVerdict.NEW
    assert buffer.offer(1, "restart", b"1", 2) is EventVerdict.NEW


def test_event_further_back_than_the_buffer_is_old() -> None:
    buffer = EventBuffer(slots=8, max_per_slot=4)
    assert buffer.offer(92, "e", b"", 100) is EventVerdict.NEW
    assert buffer.offer(91, "e", b"", 100) is EventVerdict.OLD


def test_events_at_the_end_of_time_do_not_displace_each_other() -> None:
    buffer = EventBuffer(slots=8, max_per_slot=4)
    assert buffer.offer(MAX_LTIME, "e", b"", MAX_LTIME) is EventVerdict.NEW
    assert buffer.offer(MAX_LTIME - 8, "e", b"", MAX_LTIME) is EventVerdict.OLD
    assert buffer.offer(MAX_LTIME, "e", b"", MAX_LTIME) is EventVerdict.SEEN


def test_event_before_the_minimum_time_is_old() -> None:
    buffer = EventBuffer(slots=8, max_per_slot=4)
    buffer.min_time = 3
    assert buffer.offer(2, "e", b"", 4) is EventVerdict.OLD
    assert buffer.offer(3, "e", b"", 4) is EventVerdict.NEW


def test_one_time_holds_a_bounded_number_of_events() -> None:
    buffer = EventBuffer(slots=8, max_per_slot=2)
    verdicts = [buffer.offer(1, "e", b"%d" % number, 2) for number in range(3)]
    assert verdicts == [EventVerdict.NEW, EventVerdict.NEW, EventVerdict.BUFFER_FULL]


def test_oversized_event_is_refused() -> None:
    buffer = EventBuffer(slots=8, max_per_slot=2)
    assert buffer.offer(1, "e", bytes(MAX_EVENT_BYTES), 2) is EventVerdict.TOO_BIG


def test_buffer_holds_a_bounded_number_of_bytes_and_frees_them_with_their_slot() -> None:
    buffer = EventBuffer(slots=8, max_per_slot=100_000)
    size = 7 * 1024
    for number in range(MAX_BUFFER_BYTES // (size + EVENT_OVERHEAD_BYTES)):
        assert buffer.offer(1, "e", b"%08d" % number + bytes(size - 9), 2) is EventVerdict.NEW
    assert buffer.offer(2, "e", bytes(size), 3) is EventVerdict.BUFFER_FULL
    assert buffer.offer(9, "e", bytes(size), 10) is EventVerdict.NEW


def test_buffer_holds_a_bounded_number_of_empty_events() -> None:
    buffer = EventBuffer(slots=512, max_per_slot=64)
    verdicts = [buffer.offer(ltime, str(name), b"", ltime + 1) for ltime in range(1, 513) for name in range(64)]
    assert 4000 < verdicts.count(EventVerdict.NEW) < MAX_BUFFER_BYTES / EVENT_OVERHEAD_BYTES


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab"), st.binary(max_size=1)), max_size=60))
def test_no_event_is_delivered_twice_and_none_in_reach_is_lost(offers: list[tuple[int, str, bytes]]) -> None:
    slots = 8
    buffer = EventBuffer(slots, max_per_slot=1000)
    clock = LamportClock()
    delivered: set[tuple[int, str, bytes]] = set()
    for ltime, name, payload in offers:
        clock.witness(ltime)
        verdict = buffer.offer(ltime, name, payload, clock.time)
        in_reach = clock.time <= slots or ltime >= clock.time - slots
        if not in_reach:
            assert verdict is EventVerdict.OLD
        elif (ltime, name, payload) in delivered:
            # A slot is only lost to an event one whole buffer later, which puts this one out of reach.
            assert verdict is EventVerdict.SEEN
        else:
            assert verdict is EventVerdict.NEW
            delivered.add((ltime, name, payload))


class Bench:
    def __init__(self) -> None:
        self.clock = LamportClock()
        self.broadcasts = Broadcasts(4, 100, 1000)
        self.told: list[SerfEvent] = []
        self.events = UserEvents(SerfParams(), self.clock, self.broadcasts, self.told.append)


def test_event_heard_is_delivered_and_its_bytes_passed_on() -> None:
    bench = Bench()
    event = UserEvent(4, "deploy", b"v1", coalesce=True)
    message = encode_message(event) + b"trailing"
    bench.events.receive(event, message, SOURCE)
    bench.events.receive(event, message, SOURCE)
    assert bench.told == [UserEventReceived(4, "deploy", b"v1", can_coalesce=True)]
    assert bench.broadcasts.events.take(3, 1000, 5) == [message]
    assert bench.clock.time == 5


def test_old_event_is_counted_and_not_passed_on() -> None:
    bench = Bench()
    bench.events.raise_min_time(5)
    event = UserEvent(4, "deploy")
    bench.events.receive(event, encode_message(event), SOURCE)
    assert bench.told == [Dropped("event-too-old", SOURCE)]
    assert len(bench.broadcasts.events) == 0


def test_minimum_time_never_falls() -> None:
    bench = Bench()
    bench.events.raise_min_time(5)
    bench.events.raise_min_time(2)
    complete(bench.events.merge([EventSlot(4, (SlotEvent("deploy"),))]), 0.0)
    assert bench.told == [Dropped("event-too-old", None)]


def test_each_event_sent_has_its_own_time() -> None:
    bench = Bench()
    bench.events.send("one", b"", coalesce=False)
    bench.events.send("two", b"", coalesce=False)
    assert [event.ltime for event in bench.told if isinstance(event, UserEventReceived)] == [1, 2]


def test_push_pull_delivers_no_more_events_than_the_buffer_holds() -> None:
    told: list[SerfEvent] = []
    params = SerfParams(event_buffer_slots=4, max_events_per_slot=2)
    events = UserEvents(params, LamportClock(), Broadcasts(4, 100, 1000), told.append)
    complete(events.merge([EventSlot(ltime, (SlotEvent("e"),)) for ltime in range(1, 100)]), 0.0)
    assert [UserEventReceived] * 8 + [Dropped] == list(map(type, told))


def test_events_of_a_push_pull_are_delivered_in_slices() -> None:
    bench = Bench()
    steps = bench.events.merge([EventSlot(ltime, (SlotEvent("e"),)) for ltime in range(1, 1000)])
    spent_us = next(steps)
    while spent_us < SLICE_US:
        spent_us += steps.send(0.0)
    assert SLICE_US / DELIVER_US == len(bench.told)


def test_buffer_travels_with_its_empty_slots() -> None:
    bench = Bench()
    bench.events.send("one", b"x", coalesce=False)
    slots = bench.events.slots()
    assert len(slots) == 512
    assert [slot for slot in slots if slot is not None] == [EventSlot(1, (SlotEvent("one", b"x"),))]
