"""Suspicion times, against the table of bounds that memberlist's formula gives."""

from __future__ import annotations

import pytest

from nodedns.gossip.params import LAN, LOCAL, WAN, GossipParams
from nodedns.gossip.suspicion import Suspicion, remaining_s, suspicion_bounds


@pytest.mark.parametrize(
    ("params", "size", "expected"),
    [
        (LAN, 1, (4.0, 24.0, 0)),
        (LAN, 3, (4.0, 24.0, 0)),
        (LAN, 4, (4.0, 24.0, 2)),
        (LAN, 10, (4.0, 24.0, 2)),
        (LAN, 100, (8.0, 48.0, 2)),
        (LAN, 1000, (12.0, 72.0, 2)),
        (WAN, 5, (30.0, 180.0, 0)),
        (WAN, 6, (30.0, 180.0, 4)),
        (LOCAL, 2, (3.0, 18.0, 0)),
        (LOCAL, 3, (3.0, 18.0, 1)),
    ],
)
def test_bounds_follow_the_size_of_the_list(
    params: GossipParams, size: int, expected: tuple[float, float, int]
) -> None:
    assert expected == suspicion_bounds(params, size)


@pytest.mark.parametrize(
    ("confirmations", "k", "expected"),
    [(0, 2, 24.0), (1, 2, 11.381), (2, 2, 4.0)],
)
def test_confirmations_shorten_lan_suspicion(confirmations: int, k: int, expected: float) -> None:
    assert expected == pytest.approx(remaining_s(confirmations, k, 0.0, 4.0, 24.0))


@pytest.mark.parametrize(("confirmations", "expected"), [(1, 115.4), (2, 77.6), (3, 50.8), (4, 30.0)])
def test_confirmations_shorten_wan_suspicion(confirmations: int, expected: float) -> None:
    assert expected == pytest.approx(remaining_s(confirmations, 4, 0.0, 30.0, 180.0), abs=0.05)


def test_first_accuser_is_no_confirmation() -> None:
    suspicion = Suspicion("a", 4.0, 24.0, 2, now=100.0)
    assert suspicion.confirm("a", 101.0) is False
    assert suspicion.deadline == 124.0


def test_each_new_accuser_counts_once_and_only_k_of_them() -> None:
    suspicion = Suspicion("a", 4.0, 24.0, 2, now=0.0)
    assert [suspicion.confirm(name, 1.0) for name in ("b", "b", "c", "d")] == [True, False, True, False]
    assert suspicion.deadline == 4.0


def test_confirmation_after_the_shortened_time_means_now() -> None:
    suspicion = Suspicion("a", 4.0, 24.0, 2, now=0.0)
    suspicion.confirm("b", 20.0)
    assert suspicion.deadline == 20.0


def test_nobody_can_confirm_in_a_small_cluster() -> None:
    suspicion = Suspicion("a", 4.0, 24.0, 0, now=0.0)
    assert suspicion.deadline == 4.0
    assert suspicion.confirm("b", 1.0) is False
