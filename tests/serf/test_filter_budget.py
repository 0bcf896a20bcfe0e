from __future__ import annotations

from nodedns.serf.filter_budget import MAX_STEPS, STEPS_A_SECOND, FilterBudget


def test_what_is_left_can_be_spent_once() -> None:
    budget = FilterBudget()
    assert [True, True, False] == [budget.spend(steps, 1.0) for steps in (MAX_STEPS - 1, 1, 1)]


def test_budget_fills_at_its_rate() -> None:
    budget = FilterBudget()
    budget.spend(MAX_STEPS, 1.0)
    assert not budget.spend(STEPS_A_SECOND // 2 + 1, 1.5)
    assert budget.spend(STEPS_A_SECOND // 2, 1.5)


def test_budget_does_not_pile_up() -> None:
    budget = FilterBudget()
    budget.spend(MAX_STEPS, 1.0)
    assert not budget.spend(MAX_STEPS + 1, 1_000_000.0)
    assert budget.spend(MAX_STEPS, 1_000_000.0)


def test_what_was_refused_costs_nothing() -> None:
    budget = FilterBudget()
    assert not budget.spend(MAX_STEPS + 1, 1.0)
    assert budget.spend(MAX_STEPS, 1.0)
