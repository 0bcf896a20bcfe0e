"""The broadcast queue: order, replacement, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.gossip.broadcast import BroadcastQueue, retransmit_limit


@pytest.mark.parametrize(
    ("mult", "members", "expected"),
    [(4, 1, 4), (4, 9, 4), (4, 10, 8), (4, 99, 8), (4, 100, 12), (4, 999, 12), (2, 5, 2), (2, 50, 4), (2, 500, 6)],
)
def test_retransmit_limit_follows_the_cluster_size(mult: int, members: int, expected: int) -> None:
    assert expected == retransmit_limit(mult, members)


def test_fewest_transmissions_go_first_then_longest_then_newest() -> None:
    queue = BroadcastQueue(4, 100)
    queue.queue("sent", b"x" * 30)
    queue.take(2, 40, 5)
    queue.queue("short-old", b"a" * 10)
    queue.queue("short-new", b"b" * 10)
    queue.queue("long", b"c" * 20)
    assert queue.take(2, 1000, 5) == [b"c" * 20, b"b" * 10, b"a" * 10, b"x" * 30]


def test_longest_that_fits_is_taken_when_a_longer_does_not() -> None:
    queue = BroadcastQueue(4, 100)
    queue.queue("long", b"l" * 50)
    queue.queue("mid", b"m" * 20)
    queue.queue("small", b"s" * 5)
    assert queue.take(2, 30, 5) == [b"m" * 20, b"s" * 5]


def test_newer_message_replaces_the_older_of_its_subject_and_tells_its_owner() -> None:
    queue = BroadcastQueue(4, 100)
    told: list[str] = []
    queue.queue("n1", b"old", lambda: told.append("old"))
    queue.queue("n1", b"new", lambda: told.append("new"))
    assert told == ["old"]
    assert queue.take(2, 100, 5) == [b"new"]


def test_messages_without_a_subject_never_replace_each_other() -> None:
    queue = BroadcastQueue(4, 100)
    queue.queue(None, b"one")
    queue.queue(None, b"two")
    assert sorted(queue.take(2, 100, 5)) == [b"one", b"two"]


def test_message_is_dropped_at_its_limit_and_its_owner_told_once() -> None:
    queue = BroadcastQueue(4, 100)
    told: list[str] = []
    queue.queue("n1", b"m", lambda: told.append("done"))
    assert [queue.take(2, 100, 5) for _ in range(5)] == [[b"m"]] * 4 + [[]]
    assert told == ["done"]


def test_queue_over_its_bound_drops_the_most_transmitted() -> None:
    queue = BroadcastQueue(4, 2)
    queue.queue("a", b"a")
    queue.take(2, 100, 5)
    queue.queue("b", b"b")
    queue.queue("c", b"c")
    assert sorted(queue.take(2, 100, 5)) == [b"b", b"c"]


@given(
    sizes=st.lists(st.integers(1, 60), max_size=30),
    limits=st.lists(st.integers(0, 120), max_size=20),
    members=st.integers(1, 200),
)
def test_every_message_goes_out_to_its_limit_and_no_packet_overflows(
    sizes: list[int], limits: list[int], members: int
) -> None:
    queue = BroadcastQueue(3, 1000)
    finished: list[int] = []
    for index, size in enumerate(sizes):
        queue.queue(None, bytes([index]) * size, lambda index=index: finished.append(index))  # type: ignore[misc]
    sent = [0] * len(sizes)
    for limit in [*limits, *[200] * (len(sizes) * retransmit_limit(3, members))]:
        batch = queue.take(2, limit, members)
        assert sum(len(message) + 2 for message in batch) <= limit
        for message in batch:
            sent[message[0]] += 1
    assert [retransmit_limit(3, members)] * len(sizes) == sent
    assert sorted(finished) == list(range(len(sizes)))
    assert len(queue) == 0
