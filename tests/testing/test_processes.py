"""Waiting for what a real program does: what decides that it did not come."""

from __future__ import annotations

import pytest

from nodedns.testing.processes import Stopwatch, poll

SHORT_S = 0.02


def test_answer_to_what_was_asked_before_the_deadline_does_not_decide() -> None:
    answers = iter(["", "there"])

    def slow() -> str:
        watch = Stopwatch()
        while watch.elapsed_s < 2 * SHORT_S:
            pass
        return next(answers)

    assert "there" == poll(slow, "it", deadline_s=SHORT_S)


def test_what_is_not_there_after_the_deadline_is_told_with_the_last_answer() -> None:
    with pytest.raises(AssertionError, match=r"not within 0.02 s: it; last answer \[\]"):
        poll(list, "it", deadline_s=SHORT_S)
