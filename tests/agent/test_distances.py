"""How far nodes are from a running agent, and when that changes."""

from __future__ import annotations

import math

import pytest

from nodedns.agent.coordinates import PERIOD_S, LiveCoordinates
from nodedns.agent.distances import Distances
from nodedns.testing.coordinates import PlacedNodes


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_distance_is_the_estimated_round_trip_and_none_to_the_own_node() -> None:
    nodes = PlacedNodes(Me=0.0, near=0.001, far=0.2)
    distances = Distances(LiveCoordinates(nodes, lambda: 0, 1), "Me", Clock())
    assert 0.00102 == pytest.approx(distances.to("near"))
    assert 0.20002 == pytest.approx(distances.to("far"))
    assert (0.0, 0.0, math.inf) == (distances.to("Me"), distances.to("me"), distances.to("external"))


def test_nothing_is_near_where_coordinates_are_turned_off() -> None:
    nodes = PlacedNodes(me=0.0, near=0.001)
    nodes.coordinate = None
    distances = Distances(LiveCoordinates(nodes, lambda: 0, 1), "me", Clock())
    assert (math.inf, math.inf) == (distances.to("me"), distances.to("near"))
    assert not distances.have_moved()


def test_nothing_is_near_before_the_own_place_is_known() -> None:
    distances = Distances(LiveCoordinates(PlacedNodes(near=0.001), lambda: 0, 1), "me", Clock())
    assert math.inf == distances.to("near")


def test_distances_stand_still_until_the_index_moves() -> None:
    nodes, clock = PlacedNodes(me=0.0, other=0.1), Clock()
    distances = Distances(LiveCoordinates(nodes, lambda: 0, 1), "me", clock)
    assert distances.have_moved()
    first = distances.to("other")
    nodes.place("other", 0.2)
    assert distances.have_moved()
    second = distances.to("other")
    nodes.place("other", 0.3)
    clock.now = PERIOD_S - 0.1
    assert (False, second) == (distances.have_moved(), distances.to("other"))
    clock.now = PERIOD_S
    assert distances.have_moved()
    assert first < second < distances.to("other")
