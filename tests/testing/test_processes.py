"""Waiting for what a real program does: what decides that it did not come."""

from __future__ import annotations

import pytest

from nodedns.testing.processes import Stopwatch, fastest_s, poll

SHORT_S = 0.02


def spin(seconds: float) -> None:
    watch = Stopwatch()
    while watch.elapsed_s < seconds:
        pass


def test_answer_to_what_was_asked_before_the_deadline_does_not_decide() -> None:
    answers = iter(["", "there"])

    def slow() -> str:
        spin(2 * SHORT_S)
        return next(answers)

    assert "there" == poll(slow, "it", deadline_s=SHORT_S)


def test_what_is_not_there_after_the_deadline_is_told_with_the_last_answer() -> None:
    with pytest.raises(AssertionError, match=r"not within 0.02 s: it; last answer \[\]"):
        poll(list, "it", deadline_s=SHORT_S)


def test_change_that_was_held_up_once_is_made_again_and_one_that_was_not_is_not() -> None:
    delays = iter([2 * SHORT_S, 0.0, 0.0])

    assert fastest_s(lambda: spin(next(delays)), SHORT_S) < SHORT_S
    assert 0.0 == next(delays)


def test_change_that_is_always_slow_is_told_with_its_best_time() -> None:
    delays = [2 * SHORT_S] * 3

    assert fastest_s(lambda: spin(delays.pop()), SHORT_S, tries=3) >= 2 * SHORT_S
    assert [] == delays
