"""The Lifeguard experiment in small: who is blamed while some members of a pool do nothing."""

from __future__ import annotations

import attrs
import pytest

from nodedns.gossip.params import LAN
from nodedns.testing.anomalies import Anomalies, AnomalyKind, run_anomalies, run_failures
from nodedns.testing.faults import detection_bounds_s

PLAIN = attrs.evolve(LAN, awareness_max_multiplier=1, suspicion_max_timeout_mult=1, buddy_system=False)
PLAN = Anomalies(members=32, concurrent=3, duration_s=16.0, interval_s=0.064, lasting_s=33.0)


def test_plain_swim_lets_those_who_hear_nothing_fail_the_healthy_everywhere() -> None:
    counts = run_anomalies(PLAIN, PLAN)
    assert counts.at_healthy > 500
    assert counts.false_positives > counts.at_healthy
    assert counts.about_anomalous >= 3 * 29


def test_lifeguard_spares_the_healthy_and_still_finds_those_who_are_silent() -> None:
    counts = run_anomalies(LAN, PLAN)
    assert 0 == counts.false_positives
    assert counts.about_anomalous >= 3 * 29


@pytest.mark.parametrize("params", [PLAIN, LAN], ids=["plain", "lifeguard"])
def test_stopped_process_blames_nobody_when_it_goes_on(params: object) -> None:
    assert isinstance(params, type(LAN))
    assert 0 == run_anomalies(params, attrs.evolve(PLAN, kind=AnomalyKind.PROCESS)).false_positives


def test_pool_without_anomalies_blames_nobody_and_counts_its_traffic() -> None:
    counts = run_anomalies(PLAIN, attrs.evolve(PLAN, concurrent=0, duration_s=10.0, lasting_s=10.0))
    assert (0, 0, 0) == (counts.false_positives, counts.at_healthy, counts.about_anomalous)
    # A ping and an ack a second, each about 40 bytes.
    assert 2.0 == pytest.approx(counts.datagrams / counts.member_seconds, rel=0.05)
    assert 20 < counts.sent_bytes / counts.datagrams < 80


def test_plan_replays() -> None:
    plan = attrs.evolve(PLAN, lasting_s=16.0)
    assert run_anomalies(PLAIN, plan) == run_anomalies(PLAIN, plan)
    assert run_anomalies(PLAIN, plan) != run_anomalies(PLAIN, attrs.evolve(plan, seed=2))


def test_killed_members_are_timed_from_their_kill_to_the_first_and_the_last_who_know() -> None:
    shortest_s, longest_s = detection_bounds_s(LAN, 32)
    found = run_failures(LAN, members=32, failing=2)
    assert 2 == len(found)
    for detection in found:
        assert detection.first_s is not None
        assert detection.all_s is not None
        assert shortest_s < detection.first_s <= detection.all_s < longest_s


def test_impatience_finds_nothing() -> None:
    (found,) = run_failures(LAN, members=8, failing=1, patience_s=1.0)
    assert (None, None) == (found.first_s, found.all_s)
