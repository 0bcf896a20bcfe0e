from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodedns.serf.lamport import MAX_LTIME, LamportClock

LTIMES = st.integers(0, MAX_LTIME)


def test_clock_starts_at_one() -> None:
    assert LamportClock().time == 1


def test_increment_returns_the_new_time() -> None:
    assert LamportClock().increment() == 2


def test_clock_moves_past_what_it_witnesses() -> None:
    clock = LamportClock()
    clock.witness(41)
    assert clock.time == 42


def test_clock_moves_past_its_own_time_when_it_witnesses_that() -> None:
    clock = LamportClock()
    clock.witness(1)
    assert clock.time == 2


@given(st.lists(LTIMES))
def test_clock_is_past_everything_witnessed_and_never_falls(ltimes: list[int]) -> None:
    clock = LamportClock()
    for ltime in ltimes:
        before = clock.time
        clock.witness(ltime)
        assert clock.time >= before
        assert clock.time > ltime or ltime == MAX_LTIME
        assert clock.time <= MAX_LTIME


def test_clock_stays_at_the_top_instead_of_wrapping() -> None:
    clock = LamportClock()
    clock.witness(MAX_LTIME)
    assert clock.increment() == MAX_LTIME
