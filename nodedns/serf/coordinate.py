"""``Vivaldi``: how our network coordinate moves, and how a coordinate travels.

Strategy: Vivaldi, as Serf runs it. Every acked probe brings the peer's
coordinate and a round-trip time; the coordinate moves as if a spring of that
length joined the two. On top come a height (the access link), an adjustment
(the mean of recent errors), a median over each peer's last three round trips,
and a pull toward the origin that keeps the whole cluster from drifting away.
The order of the floating-point operations is kept, so that results equal
Serf's to the last bit.

Units are seconds. A ping's ack carries the coordinate as 0x01 and a map.

What it doesn't do: decide which acks count (only direct ones within the probe
timeout do). Source: Dabek et al., "Vivaldi", SIGCOMM 2004; Ledlie et al.,
"Network Coordinates in the Wild", NSDI 2007; Serf's constants, and a trace
recorded from Serf's rules.
"""

from __future__ import annotations

from random import Random

import attrs

from nodedns.errors import GossipWireError
from nodedns.gossip.kinds import FLOAT, ListOf, wire
from nodedns.gossip.wire import decode_body_untrusted, encode_body
from nodedns.model.coordinate import (
    DIMENSIONS,
    ERROR_MAX,
    HEIGHT_MIN_S,
    ORIGIN,
    Coordinate,
    length_of,
    sum_in_order,
)

__all__ = [
    "CoordinateBody",
    "Vivaldi",
    "VivaldiStatistics",
    "decode_ping_payload_untrusted",
    "encode_ping_payload",
]

ERROR_GAIN = 0.25  # the paper's c_e
FORCE_GAIN = 0.25  # the paper's c_c
ADJUSTMENT_WINDOW = 20  # samples
LATENCY_SAMPLES = 3  # per peer; the median of them is used
GRAVITY_RHO = 150.0
ZERO_THRESHOLD = 1e-6
RTT_MAX_S = 10.0  # Serf refuses longer ones
MAX_PEERS = 131_072  # GossipParams.max_members: round trips are kept for members only

PING_VERSION = 1


@attrs.frozen
class CoordinateBody:
    """A coordinate as the wire has it; the fields are ``Coordinate``'s."""

    vec: tuple[float, ...] = attrs.field(metadata=wire("Vec", ListOf(FLOAT, DIMENSIONS)))
    error: float = attrs.field(default=ERROR_MAX, metadata=wire("Error", FLOAT))
    adjustment: float = attrs.field(default=0.0, metadata=wire("Adjustment", FLOAT))
    height: float = attrs.field(default=HEIGHT_MIN_S, metadata=wire("Height", FLOAT))


def encode_ping_payload(coordinate: Coordinate) -> bytes:
    """Return what an ack carries: version byte and map."""
    body = CoordinateBody(coordinate.vec, coordinate.error, coordinate.adjustment, coordinate.height)
    return bytes([PING_VERSION]) + encode_body(body)


def decode_ping_payload_untrusted(payload: bytes) -> Coordinate | None:
    """Return the coordinate in an ack's payload, or None where the peer sent none.

    Raises:
        GossipWireError: Another version, a bad map, not eight components, or one that isn't finite.
    """
    if not payload:
        return None
    if payload[0] != PING_VERSION:
        raise GossipWireError("ping payload", 0, f"version {payload[0]}, not {PING_VERSION}")
    body = decode_body_untrusted(CoordinateBody, payload[1:], "ping payload")
    coordinate = Coordinate(body.vec, body.error, body.adjustment, body.height)
    if not coordinate.is_valid:
        raise GossipWireError("ping payload", 1, "not a coordinate of eight finite components")
    return coordinate


@attrs.frozen
class VivaldiStatistics:
    """A snapshot.

    Attributes:
        resets: How often the coordinate went wrong and was started afresh.
        peers: For how many members round trips are kept.
    """

    resets: int
    peers: int


class Vivaldi:
    """Our own coordinate, and what moves it.

    Args:
        rng: Draws a direction when two members stand on one spot.
        start: Where to begin.
        max_peers: For how many members round trips are kept.
    """

    __slots__ = ("_adjustments", "_max_peers", "_next_adjustment", "_peers", "_resets", "_rng", "coordinate")

    def __init__(self, rng: Random, start: Coordinate = ORIGIN, max_peers: int = MAX_PEERS) -> None:
        self._rng = rng
        self._max_peers = max_peers
        self.coordinate = start
        self._adjustments = [0.0] * ADJUSTMENT_WINDOW
        self._next_adjustment = 0
        self._peers: dict[str, tuple[float, ...]] = {}
        self._resets = 0

    def statistics(self) -> VivaldiStatistics:
        """Return how often the coordinate was reset, and for how many peers round trips are kept."""
        return VivaldiStatistics(self._resets, len(self._peers))

    def forget(self, peer: str) -> None:
        """Drop the round trips kept for a member that is gone."""
        self._peers.pop(peer, None)

    def update(self, peer: str, other: Coordinate, rtt_s: float) -> bool:
        """Move our coordinate by one observation.

        Args:
            peer: Whom it is about.
            other: The peer's coordinate.
            rtt_s: Round trip in seconds, 0 to 10.

        Returns:
            Whether it was used; False for an invalid coordinate or round trip.
        """
        if not other.is_valid or not 0.0 <= rtt_s <= RTT_MAX_S:
            return False
        median_s = self._median_latency(peer, rtt_s)
        me = self._pulled_to(self.coordinate, other, median_s)
        me = self._adjusted(me, other, median_s)
        me = self._pulled_to_origin(me)
        if not me.is_valid:
            self._resets += 1
            me = ORIGIN
        self.coordinate = me
        return True

    def _median_latency(self, peer: str, rtt_s: float) -> float:
        samples = self._peers.get(peer, ())
        if not samples and len(self._peers) >= self._max_peers:
            return rtt_s
        samples = self._peers[peer] = (*samples, rtt_s)[-LATENCY_SAMPLES:]
        return sorted(samples)[len(samples) // 2]

    def _pulled_to(self, me: Coordinate, other: Coordinate, rtt_s: float) -> Coordinate:
        distance_s = me.distance_s(other)
        rtt_s = max(rtt_s, ZERO_THRESHOLD)
        wrongness = abs(distance_s - rtt_s) / rtt_s
        weight = me.error / max(me.error + other.error, ZERO_THRESHOLD)
        error = ERROR_GAIN * weight * wrongness + me.error * (1.0 - ERROR_GAIN * weight)
        me = attrs.evolve(me, error=min(error, ERROR_MAX))
        return self._forced(me, FORCE_GAIN * weight * (rtt_s - distance_s), other)

    def _adjusted(self, me: Coordinate, other: Coordinate, rtt_s: float) -> Coordinate:
        self._adjustments[self._next_adjustment] = rtt_s - me.raw_distance_s(other)
        self._next_adjustment = (self._next_adjustment + 1) % ADJUSTMENT_WINDOW
        # Half the mean: each of the two members contributes its own adjustment.
        return attrs.evolve(me, adjustment=sum_in_order(self._adjustments) / (2.0 * ADJUSTMENT_WINDOW))

    def _pulled_to_origin(self, me: Coordinate) -> Coordinate:
        stretch = ORIGIN.distance_s(me) / GRAVITY_RHO
        return self._forced(me, -1.0 * (stretch * stretch), ORIGIN)

    def _forced(self, me: Coordinate, force: float, other: Coordinate) -> Coordinate:
        """Return ``me`` pushed away from ``other`` by ``force`` seconds."""
        unit, magnitude = self._direction(me.vec, other.vec)
        height = me.height
        if magnitude > ZERO_THRESHOLD:
            height = max((me.height + other.height) * force / magnitude + me.height, HEIGHT_MIN_S)
        vec = tuple([mine + component * force for mine, component in zip(me.vec, unit, strict=True)])
        return attrs.evolve(me, vec=vec, height=height)

    def _direction(self, to: tuple[float, ...], start: tuple[float, ...]) -> tuple[list[float], float]:
        """Return the unit vector and the distance from ``start`` to ``to``; any direction where they are one."""
        difference = [a - b for a, b in zip(to, start, strict=True)]
        magnitude = length_of(difference)
        if magnitude > ZERO_THRESHOLD:
            return _scaled(difference, 1.0 / magnitude), magnitude
        chance = [self._rng.random() - 0.5 for _ in to]
        length = length_of(chance)
        if length > ZERO_THRESHOLD:
            return _scaled(chance, 1.0 / length), 0.0
        return [1.0] + [0.0] * (DIMENSIONS - 1), 0.0


def _scaled(vec: list[float], factor: float) -> list[float]:
    return [component * factor for component in vec]
