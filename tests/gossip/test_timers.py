"""Timers fire in the order of their deadlines, then of their setting."""

from __future__ import annotations

from nodedns.gossip.timers import SWEEP_ABOVE_ENTRIES, TimerHeap


def test_timers_fire_earliest_first_and_ties_in_the_order_set() -> None:
    heap = TimerHeap()
    fired: list[str] = []
    for deadline, name in [(2.0, "c"), (1.0, "a"), (1.0, "b"), (3.0, "d")]:
        heap.set(deadline, lambda _now, name=name: fired.append(name))  # type: ignore[misc]
    heap.fire(2.5)
    assert fired == ["a", "b", "c"]
    assert heap.next_deadline() == 3.0


def test_cancelled_timer_never_fires_and_is_no_deadline() -> None:
    heap = TimerHeap()
    fired: list[float] = []
    timer = heap.set(1.0, fired.append)
    timer.cancel()
    timer.cancel()
    assert heap.next_deadline() is None
    heap.fire(9.0)
    assert fired == []
    assert len(heap) == 0


def test_action_may_set_a_timer_that_is_already_due() -> None:
    heap = TimerHeap()
    fired: list[str] = []

    def set_another(now: float) -> None:
        heap.set(now, lambda _now: fired.append("second"))

    heap.set(1.0, set_another)
    heap.fire(1.0)
    assert fired == ["second"]


def test_flood_of_cancelled_timers_does_not_grow_the_heap() -> None:
    heap = TimerHeap()
    for _ in range(100 * SWEEP_ABOVE_ENTRIES):
        heap.set(1e9, lambda _now: None).cancel()
    assert len(heap._entries) <= 2 * SWEEP_ABOVE_ENTRIES + 2


def test_cancelling_many_from_within_an_action_keeps_the_others() -> None:
    heap = TimerHeap()
    fired: list[str] = []
    doomed = [heap.set(2.0, lambda _now: fired.append("doomed")) for _ in range(4 * SWEEP_ABOVE_ENTRIES)]

    def cancel_all(_now: float) -> None:
        for timer in doomed:
            timer.cancel()

    heap.set(1.0, cancel_all)
    heap.set(2.0, lambda _now: fired.append("kept"))
    heap.fire(2.0)
    assert fired == ["kept"]
