"""Outages from which a pool must come back by itself, on both runners: nobody here is told to join again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodedns.gossip.params import LAN
from nodedns.model.member import MemberStatus
from nodedns.serf.params import SerfParams
from nodedns.serf.rejoining import LONGEST_PAUSE_S, NEWS_S, SEEK_EVERY_S
from nodedns.testing.builders import Build, names_of, serf_members
from nodedns.testing.faults import detection_bounds_s
from nodedns.testing.runners import Outcome, run_on_engine, run_on_trio
from nodedns.testing.scenario import (
    Converged,
    Cut,
    Expect,
    Heal,
    Kill,
    Leave,
    Operation,
    Restart,
    Scenario,
    Seen,
    Start,
    Wait,
)
from nodedns.testing.strategies import repeatable

ALIVE, LEFT, FAILED = MemberStatus.ALIVE, MemberStatus.LEFT, MemberStatus.FAILED
ONE, TWO, THREE, FOUR, FIVE = FIVE_NAMES = names_of("n", range(1, 6))
JOINED = (Start(FIVE_NAMES), Expect(Converged(), 3.0), Wait(1.0))
DETECTED_S = detection_bounds_s(LAN, 5)[1]
SETTLED_S = 5.0
"""From the first contact until everybody has heard of everybody, in a small pool."""
HEALED_S = LONGEST_PAUSE_S + LAN.tcp_timeout_s + NEWS_S + SETTLED_S
"""A lone agent's longest pause, a dial into the silence just before the end of it, and two islands' meeting."""
RECONNECTED_S = SerfParams().reconnect_interval_s + SETTLED_S
"""The smaller half tries once every reconnect interval, for certain."""

Play = Callable[..., Outcome]


@pytest.fixture(params=[run_on_engine, run_on_trio], ids=["engine", "trio"])
def play(request: pytest.FixtureRequest) -> Play:
    runner: Callable[..., Outcome] = request.param

    def play(*operations: Operation, build: Build | None = None, seed: int = 1) -> Outcome:
        scenario = Scenario(seed=seed, operations=operations)
        return repeatable(lambda: runner(scenario, build or serf_members()))

    return play


def restart(*names: str) -> tuple[Operation, ...]:
    return tuple(Restart(name) for name in names)


def isolate(names: tuple[str, ...]) -> tuple[Operation, ...]:
    return tuple(Cut((name,), names[number + 1 :]) for number, name in enumerate(names[:-1]))


# --- everybody killed -------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [FIVE_NAMES, FIVE_NAMES[::-1]], ids=["same order", "reversed"])
def test_pool_killed_at_once_is_whole_seconds_after_the_restart(play: Play, order: tuple[str, ...]) -> None:
    play(*JOINED, Kill(FIVE_NAMES), Wait(60), *restart(*order), Expect(Converged(), SETTLED_S))


def test_second_agent_to_start_finds_the_first_at_once(play: Play) -> None:
    play(
        *JOINED,
        Kill(FIVE_NAMES),
        Restart(ONE),
        Wait(600),
        Restart(TWO),
        Expect(Converged(), SETTLED_S),
        Wait(600),
        *restart(THREE, FOUR, FIVE),
        Expect(Converged(), SETTLED_S),
    )


def test_two_agents_killed_at_once_find_each_other_again(play: Play) -> None:
    both = (ONE, TWO)
    play(Start(both), Expect(Converged(), 3), Wait(1), Kill(both), Wait(60), *restart(*both), Expect(Converged(), 3))


def test_agents_that_saw_each_other_fail_find_each_other_after_a_restart(play: Play) -> None:
    play(
        *JOINED,
        Kill((ONE, TWO, THREE, FOUR)),
        *(Expect(Seen(name, (FAILED,), by=(FIVE,)), 4 * DETECTED_S) for name in (ONE, TWO, THREE, FOUR)),
        Wait(1),
        Kill((FIVE,)),
        # It was the last one: everybody it knows, it knows as failed; and those who could be asked are gone.
        Restart(FIVE),
        Wait(300),
        Restart(ONE),
        Expect(Converged(), SETTLED_S),
    )


def test_last_one_standing_is_found_by_the_one_that_it_saw_fail(play: Play) -> None:
    both = (ONE, TWO)
    play(
        Start(both),
        Expect(Converged(), 3),
        Wait(1),
        Cut((ONE,), (TWO,)),
        Expect(Seen(TWO, (FAILED,), by=(ONE,)), 60),
        Expect(Seen(ONE, (FAILED,), by=(TWO,)), 60),
        Wait(2),
        Kill(both),
        Heal(),
        *restart(*both),
        Expect(Converged(), SETTLED_S),
    )


def test_network_that_comes_up_after_the_agents_is_no_hindrance(play: Play) -> None:
    play(
        *JOINED,
        Kill(FIVE_NAMES),
        *isolate(FIVE_NAMES),
        *restart(*FIVE_NAMES),
        Wait(300),
        Heal(),
        Expect(Converged(), HEALED_S),
    )


def test_one_that_comes_back_at_another_address_finds_the_others(play: Play) -> None:
    play(
        *JOINED,
        Kill(FIVE_NAMES),
        *restart(ONE, TWO, THREE, FOUR),
        Expect(Converged(), SETTLED_S),
        Restart(FIVE, is_moved=True),
        Expect(Converged(), SETTLED_S),
    )


def test_moved_one_of_two_finds_the_other_that_seeks_it_in_vain(play: Play) -> None:
    both = (ONE, TWO)
    play(
        Start(both),
        Expect(Converged(), 3),
        Wait(1),
        Kill(both),
        Restart(ONE),
        Wait(300),
        Restart(TWO, is_moved=True),
        Expect(Converged(), SETTLED_S),
    )


def test_one_that_remembers_finds_all_that_remember_nobody(play: Play) -> None:
    blank = tuple(Restart(name, is_blank=True) for name in FIVE_NAMES[1:])
    sought_s = NEWS_S + 4 * SEEK_EVERY_S
    play(*JOINED, Kill(FIVE_NAMES), Wait(60), *blank, Restart(ONE), Expect(Converged(), sought_s + SETTLED_S))


def test_member_killed_a_moment_after_its_join_comes_back(play: Play) -> None:
    play(Start((ONE,)), Wait(5), Start((TWO,), join=ONE), Wait(0.1), Kill((TWO,)), Restart(TWO), Expect(Converged(), 5))


# --- partitions -------------------------------------------------------------------------------------


def test_all_parted_from_all_are_one_pool_again_within_the_bound(play: Play) -> None:
    play(*JOINED, *isolate(FIVE_NAMES), Wait(300), Heal(), Expect(Converged(), HEALED_S))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("smaller", [1, 2])
def test_two_halves_are_one_pool_again_within_the_bound(play: Play, smaller: int, seed: int) -> None:
    here, there = FIVE_NAMES[:smaller], FIVE_NAMES[smaller:]
    within_s = HEALED_S if smaller == 1 else RECONNECTED_S
    play(*JOINED, Cut(here, there), Wait(120 + 7 * seed), Heal(), Expect(Converged(), within_s), seed=seed)


def test_halves_that_were_both_restarted_apart_are_one_pool_again(play: Play) -> None:
    here, there = FIVE_NAMES[:2], FIVE_NAMES[2:]
    play(
        *JOINED,
        Kill(FIVE_NAMES),
        Cut(here, there),
        *restart(*FIVE_NAMES),
        Wait(300),
        Heal(),
        Expect(Converged(), HEALED_S),
    )


def test_lone_agents_find_each_other_even_after_the_time_at_which_the_failed_are_forgotten(play: Play) -> None:
    short = serf_members(serf_params=SerfParams(reconnect_timeout_s=60.0))
    play(
        *JOINED,
        *isolate(FIVE_NAMES),
        Wait(900),
        Expect(Seen(TWO, (MemberStatus.NONE,), by=(ONE,)), 0),
        Heal(),
        Expect(Converged(), HEALED_S),
        build=short,
    )


# --- who left stays away ------------------------------------------------------------------------------


def test_who_left_does_not_come_back_and_is_not_sought(play: Play) -> None:
    both = (ONE, TWO)
    play(
        Start(both),
        Expect(Converged(), 3),
        Wait(1),
        Leave(TWO),
        Wait(15),
        Kill((ONE,)),
        *restart(*both),
        Wait(120),
        Expect(Seen(TWO, (MemberStatus.NONE,), by=(ONE,)), 0),
        Expect(Seen(ONE, (MemberStatus.NONE,), by=(TWO,)), 0),
    )


def test_who_left_comes_back_if_that_is_wanted(play: Play) -> None:
    rejoining = serf_members(serf_params=SerfParams(rejoin_after_leave=True))
    both = (ONE, TWO)
    play(
        Start(both),
        Expect(Converged(), 3),
        Wait(1),
        Leave(TWO),
        Wait(15),
        Kill((ONE,)),
        Restart(TWO),
        Wait(120),
        Restart(ONE),
        Expect(Converged(), LONGEST_PAUSE_S + SETTLED_S),
        build=rejoining,
    )
