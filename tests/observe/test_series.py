"""One series: what is added is there, buckets are Prometheus's, extremes begin anew."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.observe.series import Level, Spread, Tally

BOUNDS = (0.001, 0.01, 0.1)


def test_a_tally_adds_up_what_is_added_and_what_is_set_directly() -> None:
    tally = Tally()

    tally.add()
    tally.add(4)
    tally.count += 10

    assert tally.count == 15


def test_a_part_counts_in_every_tally_that_includes_it() -> None:
    whole, other, part = Tally(), Tally(), Tally()
    whole.include(part)
    other.include(part)

    part.count += 3
    whole.add(2)

    assert (whole.total(), other.total()) == (5, 3)


def test_a_tally_never_falls() -> None:
    with pytest.raises(ValueError, match="not by -1"):
        Tally().add(-1)


def test_a_level_moves_both_ways() -> None:
    level = Level()

    level.add(3)
    level.add(-2)

    assert level.now() == 1


def test_a_level_that_is_read_asks_each_time() -> None:
    values = iter([7, 8])
    level = Level()

    level.set_by(lambda: next(values))

    assert (level.now(), level.now()) == (7, 8)


@pytest.mark.parametrize(
    ("value", "bucket"), [(0, 0), (0.001, 0), (0.0011, 1), (0.01, 1), (0.1, 2), (0.11, 3), (99, 3)]
)
def test_a_value_on_the_bound_belongs_to_its_bucket(value: float, bucket: int) -> None:
    spread = Spread(BOUNDS)

    spread.observe(value)

    assert [int(number == bucket) for number in range(4)] == spread.counts


def test_buckets_are_shown_with_all_that_lie_below() -> None:
    spread = Spread(BOUNDS)

    for value in (0.0005, 0.05, 0.06, 5):
        spread.observe(value)

    assert spread.cumulative() == [(0.001, 1), (0.01, 1), (0.1, 3), (math.inf, 4)]


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 50)), max_size=20))
def test_many_at_once_are_the_same_as_one_after_the_other(values: list[tuple[float, int]]) -> None:
    at_once, singly = Spread(BOUNDS), Spread(BOUNDS)

    for value, times in values:
        at_once.observe_many(value, times)
        for _ in range(times):
            singly.observe(value)

    assert singly.counts == at_once.counts
    assert (singly.low, singly.high, singly.count) == (at_once.low, at_once.high, at_once.count)
    assert singly.sum == pytest.approx(at_once.sum)
    assert singly.squares == pytest.approx(at_once.squares)


def test_extremes_begin_anew_and_the_rest_stays() -> None:
    spread = Spread(BOUNDS)
    spread.observe(5)

    spread.forget_extremes()
    spread.observe(2)

    assert (spread.low, spread.high, spread.count) == (2, 2, 2)
