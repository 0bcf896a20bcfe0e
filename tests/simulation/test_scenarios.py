"""What a cluster does, played on both runners: the engine, and trio with the real driver."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodedns.gossip.params import LAN, LOCAL
from nodedns.model.member import MemberStatus
from nodedns.testing.builders import Build, names_of, serf_members, swim_members
from nodedns.testing.faults import detection_bounds_s
from nodedns.testing.network import Conditions
from nodedns.testing.runners import Outcome, run_on_engine, run_on_trio
from nodedns.testing.scenario import (
    Converged,
    Cut,
    Expect,
    ExpectationFailed,
    Heal,
    Kill,
    Leave,
    Loss,
    Operation,
    Pause,
    Restart,
    Resume,
    Scenario,
    Seen,
    Slow,
    Start,
    Wait,
)
from nodedns.testing.strategies import repeatable

ALIVE, LEFT, FAILED = MemberStatus.ALIVE, MemberStatus.LEFT, MemberStatus.FAILED
ONE, TWO, THREE, FOUR, FIVE = FIVE_NAMES = names_of("n", range(1, 6))
JOINED = (Start(FIVE_NAMES), Expect(Converged(), 3.0))

Play = Callable[..., Outcome]


@pytest.fixture(params=[run_on_engine, run_on_trio], ids=["engine", "trio"])
def runner(request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    found: Callable[..., Outcome] = request.param
    return found


@pytest.fixture
def play(runner: Callable[..., Outcome]) -> Play:
    def play(*operations: Operation, build: Build | None = None, seed: int = 1, loss: float = 0.0) -> Outcome:
        scenario = Scenario(seed=seed, operations=operations, conditions=Conditions(loss=loss))
        return repeatable(lambda: runner(scenario, build or serf_members()))

    return play


@pytest.mark.parametrize(
    "build",
    [swim_members(), serf_members(), serf_members(compression=True)],
    ids=["swim", "serf", "compressed"],
)
def test_members_that_join_one_all_see_each_other(play: Play, build: Build) -> None:
    outcome = play(*JOINED, build=build)
    assert [dict.fromkeys(FIVE_NAMES, ALIVE)] * 5 == list(outcome.views.values())


@pytest.mark.parametrize("build", [swim_members(), serf_members()], ids=["swim", "serf"])
def test_quiet_cluster_stays_as_it_is(play: Play, build: Build) -> None:
    play(*JOINED, Wait(60), Expect(Converged(), 0), build=build)


@pytest.mark.parametrize("build", [swim_members(), serf_members()], ids=["swim", "serf"])
def test_member_that_leaves_is_left_everywhere(play: Play, build: Build) -> None:
    play(*JOINED, Leave(TWO), Expect(Seen(TWO, (LEFT,)), 10), build=build)


@pytest.mark.parametrize("build", [swim_members(), serf_members()], ids=["swim", "serf"])
def test_killed_member_is_failed_everywhere_within_the_bounds(play: Play, build: Build) -> None:
    shortest_s, longest_s = detection_bounds_s(LAN, 5)
    play(
        *JOINED,
        Wait(5),
        Kill((THREE,)),
        Wait(shortest_s - 0.1),
        Expect(Seen(THREE, (ALIVE,)), 0),
        Expect(Seen(THREE, (FAILED,)), longest_s - shortest_s),
        build=build,
    )


@pytest.mark.parametrize("seed", range(3))
def test_one_of_three_killed_is_failed_within_the_suspicion_bounds(play: Play, seed: int) -> None:
    names = (ONE, TWO, THREE)
    shortest_s, longest_s = detection_bounds_s(LAN, 3)
    play(
        Start(names),
        Expect(Converged(), 3),
        Kill((THREE,)),
        Wait(shortest_s - 0.1),
        Expect(Seen(THREE, (ALIVE,)), 0),
        Expect(Seen(THREE, (FAILED,)), longest_s),
        seed=seed,
    )


def test_last_one_left_sees_the_others_failed(play: Play) -> None:
    others = FIVE_NAMES[1:]
    play(*JOINED, Kill(others), *(Expect(Seen(name, (FAILED,)), 120) for name in others), Wait(5))


def test_killed_member_comes_back_by_its_snapshot(play: Play) -> None:
    play(
        *JOINED,
        Wait(2),
        Kill((THREE,)),
        Expect(Seen(THREE, (FAILED,)), 60),
        Restart(THREE),
        Expect(Converged(), 5),
        Expect(Seen(THREE, (ALIVE,)), 0),
    )


def test_member_restarted_before_it_is_missed_is_never_failed(play: Play) -> None:
    play(*JOINED, Wait(2), Kill((THREE,)), Restart(THREE), Expect(Converged(), 5), Wait(40), Expect(Converged(), 0))


def test_member_that_left_does_not_come_back_by_itself(play: Play) -> None:
    play(*JOINED, Wait(1), Leave(TWO), Wait(15), Restart(TWO), Wait(10), Expect(Seen(TWO, (LEFT,), by=(ONE, THREE)), 0))


def test_member_that_left_can_join_again(play: Play) -> None:
    play(*JOINED, Wait(1), Leave(TWO), Wait(15), Restart(TWO, join=ONE), Expect(Converged(), 5))


def test_parted_halves_fail_each_other_and_find_together_again(play: Play) -> None:
    here, there = FIVE_NAMES[:2], FIVE_NAMES[2:]
    play(
        *JOINED,
        Cut(here, there),
        *(Expect(Seen(name, (FAILED,), by=there), 90) for name in here),
        *(Expect(Seen(name, (FAILED,), by=here), 90) for name in there),
        Heal(),
        Expect(Converged(), 600),
        Wait(30),
        Expect(Converged(), 0),
    )


def test_member_that_cannot_be_heard_is_failed_and_comes_back(play: Play) -> None:
    others = (TWO, THREE, FOUR, FIVE)
    play(
        *JOINED,
        Cut((ONE,), others, one_way=True),
        Expect(Seen(ONE, (FAILED,), by=others), 90),
        Heal(),
        Expect(Converged(), 600),
    )


def test_link_cut_between_two_is_bridged_by_the_others(play: Play) -> None:
    play(*JOINED, Cut((ONE,), (TWO,)), Wait(60), Expect(Converged(), 0))


def test_paused_member_refutes_when_it_goes_on(play: Play) -> None:
    play(*JOINED, Pause(TWO), Wait(3), Resume(TWO), Wait(40), Expect(Converged(), 0), Expect(Seen(TWO, (ALIVE,)), 0))


def test_member_paused_for_long_is_failed_and_comes_back(play: Play) -> None:
    play(
        *JOINED,
        Pause(TWO),
        Expect(Seen(TWO, (FAILED,)), 60),
        Resume(TWO),
        Expect(Converged(), 600),
    )


def test_slow_member_stays_a_member(play: Play) -> None:
    play(*JOINED, Slow(TWO, 0.2), Wait(60), Expect(Converged(), 0))


@pytest.mark.parametrize("seed", range(3))
def test_loss_of_a_fifth_fails_nobody(play: Play, seed: int) -> None:
    play(*JOINED, Loss(0.2), Wait(60), Expect(Converged(), 0), seed=seed)


def test_loss_of_two_fifths_is_survived(play: Play) -> None:
    play(*JOINED, Loss(0.4), Wait(60), Heal(), Expect(Converged(), 60), Wait(60), Expect(Converged(), 0))


def test_joining_works_under_loss(play: Play) -> None:
    play(Start(FIVE_NAMES), Expect(Converged(), 60), loss=0.3)


def test_local_profile_detects_sooner(play: Play) -> None:
    longest_s = detection_bounds_s(LOCAL, 5)[1]
    assert longest_s < detection_bounds_s(LAN, 5)[1]
    play(*JOINED, Kill((TWO,)), Expect(Seen(TWO, (FAILED,)), longest_s), build=serf_members(LOCAL))


def test_expectation_that_does_not_come_about_is_told(play: Play) -> None:
    with pytest.raises(ExpectationFailed, match=r"at 3\.\d+ s: n001 sees n002 as alive") as caught:
        play(*JOINED, Expect(Seen(TWO, (FAILED,)), 3))
    assert any(note.startswith("seed 1, operation 2: Expect(condition=Seen(") for note in caught.value.__notes__)
