from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.coordinate import DIMENSIONS, ORIGIN, Coordinate

finite = st.floats(allow_nan=False, allow_infinity=False)
coordinates = st.builds(Coordinate, st.tuples(*[finite] * DIMENSIONS), finite, finite, finite)


def at(*vec: float) -> Coordinate:
    return Coordinate((*vec, *[0.0] * (DIMENSIONS - len(vec))))


def test_distance_is_between_vectors_with_both_heights_on_top() -> None:
    assert pytest.approx(5.00002, abs=2e-9) == at(3.0).distance_s(at(0.0, 4.0))


def test_adjustments_count_unless_they_make_the_distance_negative() -> None:
    near = attrs.evolve(at(0.01), adjustment=-0.004)
    assert pytest.approx(0.00602, abs=2e-9) == near.distance_s(ORIGIN)
    assert pytest.approx(0.01002, abs=2e-9) == attrs.evolve(near, adjustment=-1.0).distance_s(ORIGIN)


def test_distance_is_in_whole_nanoseconds() -> None:
    assert 0.000020001 == at(1.9e-9).distance_s(ORIGIN)


near_ones = st.floats(-1.0, 1.0)
near_coordinates = st.builds(Coordinate, st.tuples(*[near_ones] * DIMENSIONS), near_ones, st.just(0.0), near_ones)


@given(near_coordinates, near_coordinates)
def test_distance_is_the_same_both_ways(one: Coordinate, other: Coordinate) -> None:
    assert pytest.approx(one.distance_s(other), abs=2e-9) == other.distance_s(one)


@given(coordinates, coordinates)
def test_distance_between_any_coordinates_is_a_number_or_infinite(one: Coordinate, other: Coordinate) -> None:
    assert isinstance(one.distance_s(other), float)


@pytest.mark.parametrize("bad", [Coordinate((0.0,) * 7), at(math.nan), attrs.evolve(ORIGIN, height=math.inf)])
def test_coordinate_has_eight_finite_components(bad: Coordinate) -> None:
    assert ORIGIN.is_valid
    assert not bad.is_valid
