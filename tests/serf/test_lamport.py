from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodedns.serf.lamport import MAX_LEAP, MAX_LTIME, MIDDLE_LTIME, LamportClock

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
def test_clock_is_past_everything_credible_and_never_falls(ltimes: list[int]) -> None:
    clock = LamportClock()
    for ltime in ltimes:
        before = clock.time
        is_credible = clock.witness(ltime)
        assert clock.time >= before
        assert clock.time > ltime or ltime == MAX_LTIME or not is_credible
        assert clock.time <= MAX_LTIME


def test_last_of_all_times_is_no_news_and_leaves_room_to_go_on() -> None:
    clock = LamportClock()
    assert not clock.witness(MAX_LTIME)
    told = [clock.increment() for _ in range(3)]
    assert told == [clock.time - 2, clock.time - 1, clock.time]
    newcomer = LamportClock()
    newcomer.witness(told[0] - 1)  # as a push/pull tells it
    assert all(newcomer.witness(ltime) for ltime in told)


def test_honest_clock_that_a_lie_has_moved_far_is_caught_up_with() -> None:
    clock, moved = LamportClock(), MIDDLE_LTIME + 20 * MAX_LEAP
    heard = [clock.witness(moved + number) for number in range(40)]
    assert heard == sorted(heard)
    assert heard[-1]
    assert clock.time == moved + 40


def test_clock_stays_at_the_top_instead_of_wrapping() -> None:
    clock = LamportClock()
    clock._time = MAX_LTIME  # nobody can hear two thousand million messages in a test
    assert clock.increment() == MAX_LTIME
