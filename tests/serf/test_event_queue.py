from __future__ import annotations

from nodedns.gossip.events import Dropped
from nodedns.serf.event_queue import MAX_DROPS_WAITING, EventQueue
from nodedns.serf.events import RejoinTried, SerfEvent


def test_events_come_out_in_order_and_are_heard_by_those_who_listen() -> None:
    queue = EventQueue()
    heard: list[SerfEvent] = []
    queue.listen(heard.append)
    first, second = RejoinTried("a", ""), RejoinTried("b", "")
    queue.emit(first)
    queue.emit(second)
    assert [first, second] == heard
    assert [first, second, None] == [queue.take() for _ in range(3)]


def test_drops_do_not_displace_what_happened() -> None:
    queue = EventQueue()
    queue.emit(RejoinTried("a", ""))
    for _ in range(2 * MAX_DROPS_WAITING):
        queue.emit(Dropped("bad-packet", None))
    queue.emit(RejoinTried("b", ""))
    left = []
    while (event := queue.take()) is not None:
        left.append(event)
    assert [RejoinTried("a", ""), RejoinTried("b", "")] == [left[0], left[-1]]
    assert MAX_DROPS_WAITING + 1 == len(left)
