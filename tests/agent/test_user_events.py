"""The book of recent events on a real Serf core: what is kept, for how long, and who is woken."""

from __future__ import annotations

from random import Random

import attrs
import pytest
import trio
import trio.testing

from nodedns.agent.user_events import MAX_BYTES, MAX_EVENTS, EventBook
from nodedns.api.actions import FireEvent, FirePlainEvent
from nodedns.errors import ApiError
from nodedns.gossip.events import Dropped
from nodedns.gossip.params import LOCAL
from nodedns.model.address import Address
from nodedns.model.fired_event import FiredEvent
from nodedns.model.names import NodeName
from nodedns.serf.events import UserEventReceived
from nodedns.serf.fired_events import FilteredService, encode_fired_event
from nodedns.serf.params import SerfParams
from nodedns.serf.serf import Serf

ID = "b54fe110-7af5-cafc-d1fb-afc8ba432b1c"


class Reader:
    """A book, its core, and what it dropped."""

    def __init__(self, *services: FilteredService) -> None:
        address = Address(bytes([10, 0, 0, 1]), 7946)
        self.serf = Serf(SerfParams(), LOCAL, NodeName("web-1"), address, {}, Random(1), Random(2).randbytes)
        self.dropped: list[Dropped] = []
        self.book = EventBook(self.serf, self.drain, "web-1", self.dropped.append, lambda: services)

    def drain(self) -> None:
        while (event := self.serf.next_event()) is not None:
            self.book.note(event)

    def hear(self, name: str, payload: bytes = b"", ltime: int = 1) -> None:
        self.book.note(UserEventReceived(ltime, name, payload, can_coalesce=False))

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.book.recent.events]

    @property
    def reasons(self) -> list[str]:
        return [drop.reason for drop in self.dropped]


def consul_event(**filters: str) -> FiredEvent:
    return FiredEvent(event_id=ID, name="deploy", payload=b"1.2", **filters)  # type: ignore[arg-type]  # texts only


async def test_event_of_ours_is_in_our_own_book() -> None:
    reader = Reader()
    fired = reader.book.fire(FireEvent(consul_event()))
    assert fired == consul_event()
    (kept,) = reader.book.recent.events
    assert (ID, "deploy", b"1.2", 1) == (kept.event_id, kept.name, kept.payload, kept.version)


async def test_plain_event_has_the_id_in_the_answer_that_it_has_in_the_book() -> None:
    reader = Reader()
    fired = reader.book.fire(FirePlainEvent("deploy", b"x", can_coalesce=True))
    assert (fired,) == reader.book.recent.events


async def test_repeated_plain_events_are_all_kept() -> None:
    reader = Reader()
    for _ in range(3):
        reader.book.fire(FirePlainEvent("deploy", b"x", can_coalesce=True))
    assert 3 == len({event.event_id for event in reader.book.recent.events})


async def test_event_for_other_nodes_is_passed_on_and_not_kept() -> None:
    reader = Reader()
    reader.book.fire(FireEvent(consul_event(node_filter="^db-")))
    assert ([], 1) == (reader.names, reader.serf.statistics().event_queue)


async def test_services_are_asked_when_the_event_comes() -> None:
    asks_for_web = consul_event(service_filter="^web$", tag_filter="v1")
    for services, names in (((), []), ((FilteredService("web", ("v1",)),), ["deploy"])):
        reader = Reader(*services)
        reader.hear(*encode_fired_event(asks_for_web))
        assert names == reader.names


async def test_filter_that_cannot_be_read_drops_the_event_and_counts_it() -> None:
    reader = Reader()
    reader.hear(*encode_fired_event(consul_event(node_filter="(")))
    reader.hear("consul:event:x", b"\xc1")
    assert ([], ["bad-event-filter", "bad-consul-event"]) == (reader.names, reader.reasons)


@pytest.mark.parametrize(
    ("action", "status", "text"),
    [
        (FireEvent(consul_event(node_filter="(")), 500, "Invalid node filter: missing )"),
        (FireEvent(attrs.evolve(consul_event(), payload=bytes(450))), 413, "user event is 5"),
        (FirePlainEvent("x" * 513, b"", can_coalesce=True), 413, "user event is 5"),
        (FirePlainEvent("consul:event:x", b"", can_coalesce=True), 400, "The names of plain events cannot begin with"),
    ],
)
async def test_what_cannot_be_sent_is_said(action: FireEvent | FirePlainEvent, status: int, text: str) -> None:
    reader = Reader()
    with pytest.raises(ApiError) as caught:
        reader.book.fire(action)
    assert status == caught.value.status
    assert caught.value.message.startswith(text)
    assert [] == reader.names


async def test_largest_plain_event_fits() -> None:
    reader = Reader()
    reader.book.fire(FirePlainEvent("deploy", bytes(460), can_coalesce=True))
    assert ["deploy"] == reader.names


async def test_book_keeps_the_last_events() -> None:
    reader = Reader()
    for number in range(MAX_EVENTS + 10):
        reader.hear(f"e{number}")
    assert (MAX_EVENTS, "e10", f"e{MAX_EVENTS + 9}") == (len(reader.names), reader.names[0], reader.names[-1])


async def test_book_is_bounded_in_bytes() -> None:
    reader = Reader()
    for number in range(MAX_EVENTS):
        reader.hear(f"{number:04}", bytes(9_000), ltime=number)
    assert MAX_BYTES // 9_004 == len(reader.names)
    assert "0255" == reader.names[-1]


async def test_waiter_is_woken_by_an_event_long_after_the_book_is_full() -> None:
    reader = Reader()
    for number in range(2 * MAX_EVENTS):
        reader.hear(f"e{number}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.book.wait_changed, reader.book.recent.seen)
        await trio.testing.wait_all_tasks_blocked()
        reader.hear("consul:new-leader")
        await trio.testing.wait_all_tasks_blocked()
        assert 1 == len(nursery.child_tasks)
        reader.hear("one-more")


async def test_waiter_for_what_has_come_does_not_wait() -> None:
    reader = Reader()
    reader.hear("deploy")
    with trio.fail_after(1):
        await reader.book.wait_changed(0)


async def test_flood_of_costly_filters_is_dropped_and_plain_events_still_come(
    autojump_clock: trio.testing.MockClock,
) -> None:
    reader = Reader()
    costly = encode_fired_event(consul_event(node_filter="(((a{10}){10}){3})"))
    for ltime in range(100):
        reader.hear(*costly, ltime)
    assert {"event-filter-too-costly"} == set(reader.reasons)
    assert 60 < len(reader.dropped) < 100
    reader.hear("deploy")
    await trio.sleep(1)
    reader.hear(*encode_fired_event(consul_event(node_filter="^web-")))
    assert ["deploy", "deploy"] == reader.names
