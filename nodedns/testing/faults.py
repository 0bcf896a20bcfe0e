"""``FaultLedger``: which deaths are explained by what a scenario did, and for how long after.

Without a fault nobody may be declared failed. A killed member may be, for good;
while the network is disturbed or a member is paused, anybody may be; and for as
long after as a suspicion begun before can last.
"""

from __future__ import annotations

import attrs

from nodedns.gossip.params import GossipParams
from nodedns.gossip.suspicion import suspicion_bounds

__all__ = ["FaultLedger", "detection_bounds_s", "settling_s", "spread_s"]

MAX_PROBE_ROUNDS = 12
"""Probe intervals until somebody probes a dead member; with n probers each misses it with chance 1/e a round."""


def detection_bounds_s(params: GossipParams, size: int) -> tuple[float, float]:
    """Return the (shortest, longest) time from a kill until everybody sees it as failed.

    The shortest is the suspicion's shortest. The longest adds to the suspicion's
    longest the time until somebody probes the member, that probe's own time, and
    some rounds of gossip.
    """
    shortest_s, longest_s, k = suspicion_bounds(params, size)
    suspicion_s = longest_s if k else shortest_s
    rounds = min(2 * size, MAX_PROBE_ROUNDS)
    probing_s = (rounds + params.awareness_max_multiplier) * params.probe_interval_s
    return shortest_s, probing_s + suspicion_s + spread_s(params, size)


def spread_s(params: GossipParams, size: int) -> float:
    """Return a generous bound on the time a broadcast takes to reach ``size`` members."""
    # Each round multiplies the knowing by more than two until nearly all know; doubled for the rest.
    return 2 * params.gossip_interval_s * (size.bit_length() + 4)


def settling_s(params: GossipParams, size: int) -> float:
    """Return how long after the end of a fault deaths may still come of it."""
    return detection_bounds_s(params, size)[1] + params.gossip_to_the_dead_s


@attrs.define
class FaultLedger:
    """What is wrong now, and until when it explains deaths.

    Attributes:
        killed: When each member that is dead was killed.
        left: When each member that left, or leaves, was told to.
    """

    killed: dict[str, float] = attrs.Factory(dict)
    left: dict[str, float] = attrs.Factory(dict)
    _restarted: dict[str, float] = attrs.Factory(dict)
    _active: dict[str, None] = attrs.Factory(dict)
    _explained_until: float = float("-inf")
    _last_disturbed: float = float("-inf")

    @property
    def is_disturbed(self) -> bool:
        """Whether a fault of the network or a pause lasts."""
        return bool(self._active)

    def is_calm_since(self, when: float, now: float) -> bool:
        """Whether nothing but kills and leaves has happened since ``when``, nor has effect still."""
        return not self._active and max(self._explained_until, self._last_disturbed) <= min(when, now)

    def begin(self, fault: str) -> None:
        """A fault begins."""
        self._active[fault] = None

    def end(self, fault: str, now: float, size: int, params: GossipParams) -> None:
        """A fault ends."""
        self._active.pop(fault, None)
        self._last_disturbed = now
        self._explained_until = max(self._explained_until, now + settling_s(params, size))

    def note_started(self, name: str, now: float) -> None:
        """A member starts, perhaps again."""
        if name in self.killed or name in self.left:
            self._restarted[name] = now
        self.killed.pop(name, None)
        self.left.pop(name, None)

    def note_killed(self, name: str, now: float) -> None:
        """A member is killed."""
        self.killed[name] = now
        self.left.pop(name, None)

    def note_left(self, name: str, now: float) -> None:
        """A member was told to leave."""
        self.left[name] = now

    def explains_death_of(self, name: str, now: float, size: int, params: GossipParams) -> bool:
        """Whether ``name`` may be declared failed now."""
        if self._active or now <= self._explained_until:
            return True
        if name in self.killed or name in self.left:
            return True
        restarted = self._restarted.get(name)
        return restarted is not None and now - restarted <= settling_s(params, size)
