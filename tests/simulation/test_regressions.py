"""Scenarios in which something was wrong once; each replays its seed on the engine."""

from __future__ import annotations

from nodedns.testing.builders import names_of, serf_members
from nodedns.testing.network import Conditions
from nodedns.testing.runners import run_on_engine
from nodedns.testing.scenario import (
    Agreed,
    Converged,
    Cut,
    Expect,
    Heal,
    Kill,
    Leave,
    Loss,
    Operation,
    Pause,
    Restart,
    Resume,
    Scenario,
    Slow,
    Start,
    Wait,
)


def test_member_that_left_unheard_and_came_back_is_not_leaving_for_ever() -> None:
    names = names_of("m", range(10))
    operations = (
        Start(names),
        Expect(Converged(), 70),
        Slow("m000", 0.1),
        Wait(5.0),
        Loss(0.05),
        Wait(0.1),
        Loss(0.9),
        Wait(0.1),
        Slow("m000", 0.1),
        Wait(20.0),
        Leave("m004"),
        Wait(15.0),
        Wait(0.1),
        Leave("m000"),
        Wait(15.0),
        Wait(0.1),
        Loss(0.9),
        Wait(0.1),
        Heal(),
        Wait(2.0),
        Restart("m004", "m001"),
        Wait(21.0),
        Kill(("m006",)),
        Wait(15.1),
        Expect(Converged(), 600),
    )
    conditions = Conditions(slow_share=0.05, slow_factor=5.0, reorder_share=0.1)
    run_on_engine(Scenario(seed=10, operations=operations, conditions=conditions), serf_members())


def test_old_news_read_after_a_long_pause_is_put_right() -> None:
    # The paused one finds in its socket that another one failed, which was true then; all agree soon after.
    operations = (
        Start(names_of("m", range(8))),
        Expect(Converged(), 70),
        Pause("m004"),
        Wait(0.1),
        Pause("m006"),
        Wait(40.0),
        Pause("m005"),
        Wait(0.1),
        Resume("m006"),
        Wait(20.0),
        Resume("m005"),
        Wait(20.0),
        Pause("m003"),
        Wait(60.0),
        Resume("m004"),
        Resume("m003"),
        Wait(15.0),
        Expect(Agreed(), 60),
    )
    conditions = Conditions(
        slow_share=0.05, slow_factor=20.0, loss=0.08405755126186353, reorder_share=0.1, reorder_delay_s=0.02
    )
    run_on_engine(Scenario(seed=36870, operations=operations, conditions=conditions), serf_members())


def test_leave_of_an_earlier_life_that_a_sleeper_passes_on_is_refuted() -> None:
    # The sleeper's socket holds the leave of a member that all have forgotten since, and that runs again.
    operations = (
        Start(names_of("m", range(9))),
        Expect(Converged(), 70),
        Kill(("m001",)),
        Wait(0.1),
        Restart("m001", "m000"),
        Wait(5.0),
        Pause("m002"),
        Wait(0.1),
        Kill(("m007",)),
        Wait(0.1),
        Pause("m003"),
        Wait(5.0),
        Restart("m007", "m000"),
        Wait(20.0),
        Leave("m005"),
        Wait(35.0),
        Restart("m005", "m000"),
        Wait(0.1),
        Pause("m008"),
        Wait(20.0),
        Pause("m004"),
        Wait(0.1),
        Slow("m007", 0.0),
        Wait(20.0),
        Slow("m007", 0.06302493152071081),
        Wait(40.0),
        Slow("m005", 0.026216422349153362),
        Wait(1.0),
        Resume("m002"),
        Wait(5.0),
        Resume("m003"),
        Resume("m008"),
        Resume("m004"),
        Wait(15.0),
        Expect(Agreed(), 60),
    )
    conditions = Conditions(
        delay_s=0.02, slow_factor=5.0, loss=0.0025, duplicate_share=0.3, reorder_share=0.1, reorder_delay_s=0.1
    )
    run_on_engine(Scenario(seed=68344845, operations=operations, conditions=conditions), serf_members())


def test_four_of_five_that_die_at_once_are_found_one_after_the_other() -> None:
    # With no helper left to send a nack, each probe that fails stretches the next; the last one is found late.
    operations: list[Operation] = [Start(names_of("m", range(5))), Expect(Converged(), 70)]
    for name in ("m001", "m002", "m003", "m004"):
        operations += [Kill((name,)), Wait(0.1)]
    operations += [Wait(15.0), Expect(Agreed(), 120)]
    conditions = Conditions(slow_share=0.0)
    run_on_engine(Scenario(seed=1, operations=tuple(operations), conditions=conditions), serf_members())


def test_next_life_that_a_sleeper_hears_of_begins_at_one_again() -> None:
    operations = (
        Start(names_of("m", range(5))),
        Expect(Converged(), 70),
        Loss(0.9),
        Wait(5.0),
        Slow("m000", 0.1),
        Wait(0.1),
        Heal(),
        Wait(20.0),
        Kill(("m002",)),
        Wait(1.0),
        Kill(("m001",)),
        Wait(6.0),
        Restart("m001", "m000"),
        Wait(6.0),
        Cut(("m000", "m003", "m004"), ("m001", "m002")),
        Wait(1.0),
        Heal(),
        Wait(0.1),
        Loss(0.15815121804160223),
        Wait(20.0),
        Pause("m004"),
        Wait(20.0),
        Heal(),
        Wait(1.0),
        Restart("m002", "m000"),
        Wait(6.0),
        Resume("m004"),
        Wait(15.0),
        Expect(Agreed(), 120),
    )
    conditions = Conditions(delay_s=0.02, slow_share=0.05, slow_factor=5.0, reorder_share=0.1)
    run_on_engine(Scenario(seed=0, operations=operations, conditions=conditions), serf_members())
