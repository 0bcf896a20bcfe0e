"""``Latency``: our network coordinate, fed by probes and carried by acks.

Source: Serf's ping delegate (gossip-protocol 4.11).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from nodedns.errors import GossipWireError
from nodedns.gossip.events import Dropped, PingCompleted
from nodedns.serf.coordinate import Coordinate, Vivaldi, decode_ping_payload_untrusted, encode_ping_payload
from nodedns.serf.events import MemberChanged, MemberChangeKind, SerfEvent

__all__ = ["Latency"]


class Latency:
    """Keeps our coordinate.

    Args:
        rng: Draws directions where two members stand on one spot.
        emit: Takes ``Dropped`` for coordinates that are none.
    """

    def __init__(self, rng: Random, emit: Callable[[Dropped], None]) -> None:
        self._vivaldi = Vivaldi(rng)
        self._emit = emit
        self._payload: bytes | None = None

    @property
    def coordinate(self) -> Coordinate:
        """Our coordinate."""
        return self._vivaldi.coordinate

    @property
    def resets(self) -> int:
        """How often the coordinate went wrong and was started afresh."""
        return self._vivaldi.statistics().resets

    def ack_payload(self) -> bytes:
        """Return our coordinate as an ack carries it."""
        if self._payload is None:
            self._payload = encode_ping_payload(self._vivaldi.coordinate)
        return self._payload

    def ping_completed(self, ping: PingCompleted) -> None:
        """Learn from a probe that was acked directly and in time."""
        try:
            coordinate = decode_ping_payload_untrusted(ping.payload)
            used = coordinate is None or self._vivaldi.update(ping.member.name, coordinate, ping.rtt_s)
        except (GossipWireError, ArithmeticError, ValueError) as problem:
            # A finite coordinate may still be so far out that computing with it overflows.
            self._emit(Dropped("bad-coordinate", ping.member.address, str(problem)))
            return
        if not used:
            self._emit(Dropped("bad-coordinate", ping.member.address))
        self._payload = None

    def note(self, event: SerfEvent) -> None:
        """Forget the round trips of a member that ``event`` says is forgotten."""
        if isinstance(event, MemberChanged) and event.kind is MemberChangeKind.REAP:
            self._vivaldi.forget(event.member.name)
