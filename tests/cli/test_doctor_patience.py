"""Doing many things at once within a time."""

from __future__ import annotations

import threading

import pytest

from nodedns.cli.doctor.patience import LEAST_S, Patience, at_once


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_step_gets_what_is_left_and_never_nothing() -> None:
    clock = Clock()
    patience = Patience(clock, 5.0)

    assert (2.0, 5.0) == (patience.at_most(2.0), patience.at_most(9.0))
    clock.now += 4.0
    assert 1.0 == patience.at_most(2.0)
    clock.now += 4.0
    assert (0.0, LEAST_S) == (patience.left_s, patience.at_most(2.0))


def test_results_come_in_the_order_of_the_jobs() -> None:
    second_is_done = threading.Event()

    def first() -> int:
        second_is_done.wait(10)
        return 1

    def second() -> int:
        second_is_done.set()
        return 2

    assert [("a", 1), ("b", 2)] == list(at_once({"a": first, "b": second}, Patience(Clock(), 10.0), 10.0).items())


def test_who_is_late_is_left_behind() -> None:
    end = threading.Event()

    def hang() -> int:
        end.wait(10)
        return 1

    found = at_once({"late": hang, "quick": lambda: 2}, Patience(Clock(), 0.1), 10.0)
    end.set()

    assert {"quick": 2} == found


def test_a_fault_of_ours_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        at_once({"bad": lambda: 1 // 0}, Patience(Clock(), 10.0), 10.0)
