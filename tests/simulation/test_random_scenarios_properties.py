"""Hypothesis chooses seeds, networks and faults; the invariants hold throughout, and in the end all see each other."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from nodedns.testing.builders import names_of, serf_members, swim_members
from nodedns.testing.runners import run_on_engine, run_on_trio
from nodedns.testing.scenario import Converged, Expect, Kill, Scenario, Start, Wait
from nodedns.testing.strategies import JOINED_WITHIN_S, bearable_scenarios, scenarios, seeds

QUIETLY = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@settings(QUIETLY, max_examples=40)
@given(scenarios())
def test_cluster_survives_whatever_happens_on_the_engine(scenario: Scenario) -> None:
    run_on_engine(scenario, serf_members())


@settings(QUIETLY, max_examples=15)
@given(bearable_scenarios())
def test_nobody_who_is_well_is_failed_on_a_bad_network_whatever_happens_to_others(scenario: Scenario) -> None:
    run_on_engine(scenario, serf_members())


@settings(QUIETLY, max_examples=5)
@given(scenarios(max_members=4, max_faults=3))
def test_cluster_survives_whatever_happens_under_trio(scenario: Scenario) -> None:
    run_on_trio(scenario, serf_members())


@settings(QUIETLY, max_examples=10)
@given(seeds)
def test_quiet_cluster_fails_nobody(seed: int) -> None:
    names = names_of("n", range(6))
    run_on_engine(
        Scenario(
            seed=seed, operations=(Start(names), Expect(Converged(), JOINED_WITHIN_S), Wait(60), Expect(Converged(), 0))
        ),
        swim_members(),
    )


@settings(QUIETLY, max_examples=10)
@given(seeds)
def test_killed_member_is_detected_within_the_bound(seed: int) -> None:
    names = names_of("n", range(6))
    # That it is detected is an invariant, so waiting is enough.
    run_on_engine(
        Scenario(
            seed=seed, operations=(Start(names), Expect(Converged(), JOINED_WITHIN_S), Kill(names[2:3]), Wait(80))
        ),
        swim_members(),
    )


@pytest.mark.slow
@settings(QUIETLY, max_examples=2000)
@given(scenarios(max_members=12, max_faults=12))
def test_cluster_survives_many_things(scenario: Scenario) -> None:
    run_on_engine(scenario, serf_members())


@pytest.mark.slow
@settings(QUIETLY, max_examples=1000)
@given(bearable_scenarios(max_members=20, max_faults=16))
def test_nobody_who_is_well_is_failed_in_many_pools(scenario: Scenario) -> None:
    run_on_engine(scenario, serf_members())


@pytest.mark.slow
@settings(QUIETLY, max_examples=100)
@given(scenarios(max_members=8, max_faults=8))
def test_cluster_survives_many_things_under_trio(scenario: Scenario) -> None:
    run_on_trio(scenario, serf_members())
