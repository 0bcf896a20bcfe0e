from __future__ import annotations

from nodedns.serf.broadcasts import Broadcasts


def broadcasts(min_depth: int = 8) -> Broadcasts:
    return Broadcasts(retransmit_mult=4, min_depth=min_depth, max_message_bytes=100)


def test_intents_go_before_queries_and_queries_before_events() -> None:
    queues = broadcasts()
    queues.queue_event(b"event")
    queues.queue_query(b"query")
    queues.queue_intent(b"intent")
    assert queues.take(3, 1000, 3) == [b"intent", b"query", b"event"]


def test_batch_keeps_to_its_room_across_the_queues() -> None:
    queues = broadcasts()
    queues.queue_event(b"event")
    queues.queue_query(b"query")
    queues.queue_intent(b"intent")
    assert queues.take(3, 17, 3) == [b"intent", b"query"]


def test_equal_messages_do_not_replace_each_other() -> None:
    queues = broadcasts()
    queues.queue_intent(b"intent")
    queues.queue_intent(b"intent")
    assert len(queues.intents) == 2


def test_message_that_fits_no_packet_is_not_queued() -> None:
    queues = broadcasts()
    queues.queue_event(b"x" * 101)
    assert len(queues.events) == 0


def test_intent_that_fits_no_packet_counts_as_sent() -> None:
    told: list[str] = []
    broadcasts().queue_intent(b"x" * 101, lambda: told.append("sent"))
    assert told == ["sent"]


def test_depth_check_cuts_to_the_larger_of_floor_and_twice_the_members() -> None:
    queues = broadcasts(min_depth=4)
    for number in range(8):
        queues.queue_event(b"%d" % number)
    queues.check_depth(3)
    assert len(queues.events) == 6
    queues.check_depth(1)
    assert len(queues.events) == 4


def test_queue_never_exceeds_twice_its_floor() -> None:
    queues = broadcasts(min_depth=4)
    for number in range(100):
        queues.queue_query(b"%d" % number)
    assert len(queues.queries) == 8
