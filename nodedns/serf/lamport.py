"""``LamportClock``: Serf's logical time, one clock each for membership, events and queries.

A clock starts at 1, moves past every value it sees, and never falls. Serf's
clocks are 64-bit and wrap at the top, so one message with the last of all times
makes time start again at zero there, and all news old. One that stayed at
the top could never tell anything new either. So ours are led on by at most
``MAX_LEAP`` beyond the middle of the range, and what claims a later time is no
news: it would take two thousand million messages to come to the end. No honest
pool gets to the middle. An honest agent that a lie has moved further than we
went is followed, a leap with each message; one that was thrown back to zero learns the time
from our push/pulls.

Source: Lamport 1978; Serf's lamport.go as described in gossip-protocol 4.3.
"""

from __future__ import annotations

import attrs

__all__ = ["MAX_LEAP", "MAX_LTIME", "MIDDLE_LTIME", "Clocks", "LamportClock"]

MAX_LTIME = 2**64 - 1
MIDDLE_LTIME = 2**63
MAX_LEAP = 2**32  # ours: more events than a pool has in a year at a hundred a second


class LamportClock:
    """One logical clock."""

    __slots__ = ("_time",)

    def __init__(self) -> None:
        self._time = 1

    @property
    def time(self) -> int:
        """The current logical time, 1 at first."""
        return self._time

    def witness(self, ltime: int) -> bool:
        """Move past ``ltime``, if the clock is not past it already, but no further than is credible.

        Returns:
            Whether ``ltime`` is credible; if not, what bears it is to be ignored.
        """
        furthest = max(self._time, MIDDLE_LTIME) + MAX_LEAP
        if ltime >= self._time:
            self._time = min(ltime + 1, furthest + 1, MAX_LTIME)
        return ltime <= furthest

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
