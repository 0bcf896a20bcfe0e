"""The rumour queue: how often, in which order, and how many."""

from __future__ import annotations

import pytest

from nodedns.replica.entry import Origin
from nodedns.replica.rumours import RumourQueue, times_to_tell

ORIGIN = Origin(bytes(24))


def queue_of(*raws: bytes, max_rumours: int = 100) -> RumourQueue:
    queue = RumourQueue(4, max_rumours)
    for number, raw in enumerate(raws):
        queue.queue(ORIGIN, number, raw)
    return queue


@pytest.mark.parametrize(("peers", "times"), [(0, 1), (1, 4), (9, 4), (10, 8), (199, 12)])
def test_times_grow_with_the_digits_of_the_peers(peers: int, times: int) -> None:
    assert times == times_to_tell(4, peers)


def test_a_rumour_is_told_until_enough_were_told() -> None:
    queue = queue_of(b"one")
    assert [[b"one"], [b"one"], []] == [queue.take(100, 3, 5) for _ in range(3)]
    assert 0 == len(queue)


def test_told_least_goes_first_and_then_what_came_first() -> None:
    queue = queue_of(b"old")
    queue.take(100, 1, 5)
    queue.queue(ORIGIN, 10, b"new")
    queue.queue(ORIGIN, 11, b"newer")
    assert [b"new", b"newer", b"old"] == queue.take(100, 1, 5)


def test_no_more_is_taken_than_fits_but_one() -> None:
    queue = queue_of(b"x" * 60, b"y" * 60)
    assert [b"x" * 60] == queue.take(100, 1, 5)
    assert [b"y" * 60] == queue.take(10, 1, 5)


def test_hearing_it_counts_as_telling_it() -> None:
    queue = queue_of(b"one")
    for _ in range(4):
        queue.heard(ORIGIN, 0)
    assert [] == queue.take(100, 1, 5)
    assert 0 == len(queue)


def test_what_was_heard_once_goes_behind_what_was_not() -> None:
    queue = queue_of(b"one", b"two")
    queue.heard(ORIGIN, 0)
    assert [b"two"] == queue.take(3, 1, 5)
    assert [b"one", b"two"] == queue.take(100, 1, 5)


def test_what_was_told_enough_for_fewer_peers_is_let_go() -> None:
    queue = queue_of(b"one")
    queue.take(100, 5, 50)
    assert [] == queue.take(100, 1, 5)
    assert 0 == len(queue)


def test_past_the_limit_those_told_most_are_dropped_and_counted() -> None:
    queue = queue_of(b"one", b"two", max_rumours=2)
    queue.take(3, 1, 5)
    queue.queue(ORIGIN, 2, b"three")
    assert [b"two", b"three"] == queue.take(100, 1, 5)
    assert 1 == queue.dropped


def test_those_told_most_are_dropped_past_so_many_bytes() -> None:
    queue = RumourQueue(4, 100, max_bytes=100)
    for number in range(3):
        queue.queue(ORIGIN, number, bytes((number,)) * 40)
    assert (2, 1) == (len(queue), queue.dropped)
    assert [bytes((number,)) * 40 for number in range(2)] == queue.take(100, 1, 5)
    queue.queue(ORIGIN, 9, b"z" * 100)
    assert [b"z" * 100] == queue.take(100, 3, 5)
    assert (1, 3) == (len(queue), queue.dropped)
