"""``LamportClock``: Serf's logical time, one clock each for membership, events and queries.

A clock starts at 1, moves past every value it sees, and never falls. Serf's
clocks are 64-bit and wrap at the top; ours stay there instead, so that one
hostile value cannot make time start again at zero.

Source: Lamport 1978; Serf's lamport.go as described in gossip-protocol 4.3.
"""

from __future__ import annotations

import attrs

__all__ = ["MAX_LTIME", "Clocks", "LamportClock"]

MAX_LTIME = 2**64 - 1


class LamportClock:
    """One logical clock."""

    __slots__ = ("_time",)

    def __init__(self) -> None:
        self._time = 1

    @property
    def time(self) -> int:
        """The current logical time, 1 at first."""
        return self._time

    def witness(self, ltime: int) -> None:
        """Move past ``ltime``, if the clock is not past it already."""
        if ltime >= self._time:
            self._time = min(ltime + 1, MAX_LTIME)

    def increment(self) -> int:
        """Advance by one and return the new time."""
        self._time = min(self._time + 1, MAX_LTIME)
        return self._time


@attrs.frozen
class Clocks:
    """The three clocks of one agent."""

    member: LamportClock = attrs.field(factory=LamportClock)
    event: LamportClock = attrs.field(factory=LamportClock)
    query: LamportClock = attrs.field(factory=LamportClock)

    def resume(self, member: int, event: int, query: int) -> None:
        """Go on from the times of an earlier run."""
        self.member.witness(member)
        self.event.witness(event)
        self.query.witness(query)
