"""``Latency``: our network coordinate, fed by probes and carried by acks; and those of the others.

Acks bring the coordinates of the members that we probe ourselves, each as it
was at that probe; they are kept until the member is forgotten. Nobody tells us
of anybody else's. Probes go round, so in a pool of *n* all are known after
about *n* probe intervals.

Source: Serf's ping delegate and coordinate cache (gossip-protocol 4.11).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from nodedns.errors import GossipWireError
from nodedns.gossip.events import Dropped, PingCompleted
from nodedns.model.coordinate import Coordinate
from nodedns.serf.coordinate import Vivaldi, decode_ping_payload_untrusted, encode_ping_payload
from nodedns.serf.events import MemberChanged, MemberChangeKind, SerfEvent

__all__ = ["Latency"]

MAX_COORDINATES = 131_072
"""Coordinates of others kept at once: as many as there can be members (``GossipParams.max_members``)."""


class Latency:
    """Keeps our coordinate, and the last one heard from each member that we probed.

    Args:
        rng: Draws directions where two members stand on one spot.
        emit: Takes ``Dropped`` for coordinates that are none.
        local_name: Our own name.
        is_enabled: Whether coordinates are kept at all; if not, acks carry none and those that come are not read.
        max_coordinates: How many of others are kept.
    """

    def __init__(
        self,
        rng: Random,
        emit: Callable[[Dropped], None],
        local_name: str,
        *,
        is_enabled: bool = True,
        max_coordinates: int = MAX_COORDINATES,
    ) -> None:
        self._vivaldi = Vivaldi(rng)
        self._emit = emit
        self._local_name = local_name
        self._is_enabled = is_enabled
        self._max_coordinates = max_coordinates
        self._payload: bytes | None = None
        self._others: dict[str, Coordinate] = {}
        self._version = 0

    @property
    def coordinate(self) -> Coordinate | None:
        """Our coordinate; None where none is kept."""
        return self._vivaldi.coordinate if self._is_enabled else None

    @property
    def version(self) -> int:
        """Rises with every change to any coordinate kept."""
        return self._version

    @property
    def resets(self) -> int:
        """How often the coordinate went wrong and was started afresh."""
        return self._vivaldi.statistics().resets

    def coordinate_of(self, name: str) -> Coordinate | None:
        """Return the last coordinate known of a member, our own included; None where there is none."""
        return self.coordinate if name == self._local_name else self._others.get(name)

    def ack_payload(self) -> bytes:
        """Return our coordinate as an ack carries it; empty where none is kept."""
        if not self._is_enabled:
            return b""
        if self._payload is None:
            self._payload = encode_ping_payload(self._vivaldi.coordinate)
        return self._payload

    def ping_completed(self, ping: PingCompleted) -> None:
        """Learn from a probe that was acked directly and in time."""
        if not self._is_enabled:
            return
        name = ping.member.name
        try:
            coordinate = decode_ping_payload_untrusted(ping.payload)
            if coordinate is None:
                return
            used = self._vivaldi.update(name, coordinate, ping.rtt_s)
        except (GossipWireError, ArithmeticError, ValueError) as problem:
            # A finite coordinate may still be so far out that computing with it overflows.
            self._emit(Dropped("bad-coordinate", ping.member.address, str(problem)))
            return
        if not used:
            self._emit(Dropped("bad-coordinate", ping.member.address))
            return
        self._payload = None
        self._version += 1
        if name in self._others or len(self._others) < self._max_coordinates:
            self._others[name] = coordinate

    def note(self, event: SerfEvent) -> None:
        """Forget the coordinate and the round trips of a member that ``event`` says is forgotten."""
        if isinstance(event, MemberChanged) and event.kind is MemberChangeKind.REAP:
            self._vivaldi.forget(event.member.name)
            if self._others.pop(event.member.name, None) is not None:
                self._version += 1
