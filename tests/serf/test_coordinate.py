from __future__ import annotations

import math
from contextlib import suppress
from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import GossipWireError
from nodedns.model.coordinate import DIMENSIONS, ERROR_MAX, HEIGHT_MIN_S, ORIGIN, Coordinate
from nodedns.serf.coordinate import CoordinateBody, Vivaldi, decode_ping_payload_untrusted, encode_ping_payload
from nodedns.testing.wire_strategies import odd_bodies_of

finite = st.floats(allow_nan=False, allow_infinity=False)
coordinates = st.builds(Coordinate, st.tuples(*[finite] * DIMENSIONS), finite, finite, finite)
rtts = st.floats(0.0, 10.0)


def at(*vec: float) -> Coordinate:
    return Coordinate((*vec, *[0.0] * (DIMENSIONS - len(vec))))


# --- payload -----------------------------------------------------------------


@given(coordinates)
def test_coordinate_survives_a_round_trip(position: Coordinate) -> None:
    assert position == decode_ping_payload_untrusted(encode_ping_payload(position))


@given(odd_bodies_of(CoordinateBody) | st.binary(max_size=80), st.sampled_from([b"\x01", b""]))
def test_any_payload_gives_a_valid_coordinate_or_a_wire_error(body: bytes, version: bytes) -> None:
    with suppress(GossipWireError):
        position = decode_ping_payload_untrusted(version + body)
        assert position is None or position.is_valid


def test_empty_payload_is_no_coordinate() -> None:
    assert decode_ping_payload_untrusted(b"") is None


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x02" + encode_ping_payload(ORIGIN)[1:], "version 2"),
        (b"\x01", "bad MessagePack"),
        (b"\x01\x80", "not a coordinate"),
        (encode_ping_payload(Coordinate((0.0,) * 7)), "not a coordinate"),
        (encode_ping_payload(Coordinate((0.0,) * 9)), "Vec: 9 elements"),
        (encode_ping_payload(at(math.nan)), "not a coordinate"),
        (encode_ping_payload(attrs.evolve(ORIGIN, height=math.inf)), "not a coordinate"),
    ],
)
def test_bad_payload_says_why(payload: bytes, reason: str) -> None:
    with pytest.raises(GossipWireError) as raised:
        decode_ping_payload_untrusted(payload)
    assert reason in raised.value.reason


# --- update ------------------------------------------------------------------


@pytest.mark.parametrize("rtt_s", [-1e-9, 10.001, math.nan, math.inf])
def test_impossible_round_trip_is_not_used(rtt_s: float) -> None:
    vivaldi = Vivaldi(Random(1))
    assert not vivaldi.update("peer", ORIGIN, rtt_s)
    assert (ORIGIN, 0) == (vivaldi.coordinate, vivaldi.statistics().peers)


def test_invalid_coordinate_is_not_used() -> None:
    vivaldi = Vivaldi(Random(1))
    assert not vivaldi.update("peer", Coordinate(()), 0.1)
    assert ORIGIN == vivaldi.coordinate


@given(st.lists(st.tuples(st.sampled_from("abc"), coordinates, rtts), max_size=20))
def test_coordinate_stays_valid_whatever_peers_claim(observations: list[tuple[str, Coordinate, float]]) -> None:
    vivaldi = Vivaldi(Random(1))
    for peer, other, rtt_s in observations:
        assert vivaldi.update(peer, other, rtt_s)
        assert vivaldi.coordinate.is_valid
        assert vivaldi.coordinate.error <= ERROR_MAX
        assert vivaldi.coordinate.height >= HEIGHT_MIN_S


def test_coordinate_that_goes_wrong_starts_afresh() -> None:
    vivaldi = Vivaldi(Random(1))
    assert vivaldi.update("peer", at(1e308, 1e308), 0.1)
    assert (ORIGIN, 1) == (vivaldi.coordinate, vivaldi.statistics().resets)


def test_two_members_on_one_spot_are_pushed_apart_in_a_direction_of_chance() -> None:
    positions = []
    for seed in (1, 1, 2):
        vivaldi = Vivaldi(Random(seed))
        vivaldi.update("peer", ORIGIN, 0.1)
        positions.append(vivaldi.coordinate)
    assert positions[0] == positions[1]
    assert positions[0] != positions[2]
    assert 0.01 < positions[0].distance_s(ORIGIN) < 0.1


class NoChance(Random):
    """Draws the one value that gives no direction."""

    def random(self) -> float:
        return 0.5


def test_chance_that_gives_no_direction_is_replaced_by_the_first_axis() -> None:
    vivaldi = Vivaldi(NoChance())
    vivaldi.update("peer", ORIGIN, 0.1)
    assert vivaldi.coordinate.vec[0] > 0.0
    assert (0.0,) * (DIMENSIONS - 1) == vivaldi.coordinate.vec[1:]


def test_median_of_three_round_trips_keeps_an_outlier_out() -> None:
    calm, disturbed = Vivaldi(Random(1), at(0.01)), Vivaldi(Random(1), at(0.01))
    peer = at(0.0, 0.02)
    for rtt_s in (0.03, 0.03, 0.03):
        calm.update("peer", peer, rtt_s)
    for rtt_s in (0.03, 0.03, 9.0):
        disturbed.update("peer", peer, rtt_s)
    assert calm.coordinate == disturbed.coordinate


def test_forgotten_peer_starts_with_no_round_trips() -> None:
    vivaldi = Vivaldi(Random(1))
    vivaldi.update("a", at(0.1), 0.1)
    vivaldi.update("b", at(0.1), 0.1)
    assert 2 == vivaldi.statistics().peers
    vivaldi.forget("a")
    vivaldi.forget("a")
    assert 1 == vivaldi.statistics().peers


def test_round_trips_are_kept_for_so_many_peers_and_used_for_all() -> None:
    vivaldi = Vivaldi(Random(1), max_peers=1)
    assert vivaldi.update("a", at(0.1), 0.1)
    before = vivaldi.coordinate
    assert vivaldi.update("b", at(0.1), 0.1)
    assert before != vivaldi.coordinate
    assert 1 == vivaldi.statistics().peers


def test_two_members_learn_the_round_trip_between_them() -> None:
    one, other = Vivaldi(Random(1)), Vivaldi(Random(2))
    for _ in range(100):
        one.update("other", other.coordinate, 0.05)
        other.update("one", one.coordinate, 0.05)
    assert one.coordinate.distance_s(other.coordinate) == pytest.approx(0.05, rel=0.05)
    assert one.coordinate.error < 0.1
