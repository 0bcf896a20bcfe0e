"""``FaultLedger``: which deaths are explained by what a scenario did, and for how long after.

Without a fault nobody may be declared failed. A killed member may be, for good; a
paused or cut-off one while that lasts, and for as long after as a suspicion
begun before can last; anybody while the network loses or delays more than the
protocol promises to bear.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from nodedns.gossip.params import GossipParams
from nodedns.gossip.suspicion import suspicion_bounds

__all__ = ["TOLERATED_DELAY_S", "TOLERATED_LOSS", "FaultLedger", "detection_bounds_s", "settling_s", "spread_s"]

TOLERATED_LOSS = 0.10
"""Share of packets that may be lost without a healthy member being declared failed."""
TOLERATED_DELAY_S = 0.1
"""Delay each way that a member may have; with two such members a ping is answered within the probe timeout."""
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
    """What is wrong now, whom it concerns, and until when it explains deaths.

    A member is *healthy and reachable* at a moment if throughout the ``settling_s``
    before it (the longest that a suspicion begun then can last, and its news) it
    ran, was not paused, stood on neither side of a cut, and the network lost at most
    ``TOLERATED_LOSS`` of all packets and delayed those of no member by more than
    ``TOLERATED_DELAY_S``. Nobody may declare such a member failed, however many
    others are killed, paused or cut off. Loss and delay beyond that concern
    everybody: whoever hears answers too late blames those who gave them.

    Attributes:
        killed: When each member that is dead was killed.
        left: When each member that left, or leaves, was told to.
    """

    killed: dict[str, float] = attrs.Factory(dict)
    left: dict[str, float] = attrs.Factory(dict)
    _restarted: dict[str, float] = attrs.Factory(dict)
    _active: dict[str, frozenset[str] | None] = attrs.Factory(dict)
    _concerned_from: dict[str, float] = attrs.Factory(dict)
    _explained_until: dict[str, float] = attrs.Factory(dict)
    _all_explained_until: float = float("-inf")
    _last_disturbed: float = float("-inf")

    @property
    def is_disturbed(self) -> bool:
        """Whether a fault lasts that is more than light loss."""
        return bool(self._active)

    def is_calm_since(self, when: float, now: float) -> bool:
        """Whether nothing but kills, leaves and light loss has happened since ``when``, nor has effect still."""
        last_effect = max(self._all_explained_until, self._last_disturbed, *self._explained_until.values(), when)
        return not self._active and last_effect <= min(when, now)

    def begin(self, fault: str, now: float, names: Iterable[str] | None = None) -> None:
        """A fault begins that concerns ``names``, or everybody; one of the same name concerns these as well."""
        names = None if names is None else list(names)
        for name in names or ():
            if not self._is_concerned(name, now):
                self._concerned_from[name] = now
        known = self._active.get(fault, frozenset())
        self._active[fault] = None if names is None or known is None else known.union(names)

    def end(self, fault: str, now: float, size: int, params: GossipParams) -> None:
        """A fault ends; deaths of those whom it concerned stay explained for a while. Not there: does nothing."""
        if fault not in self._active:
            return
        names = self._active.pop(fault)
        self._last_disturbed = now
        until = now + settling_s(params, size)
        if names is None:
            self._all_explained_until = max(self._all_explained_until, until)
        for name in sorted(names or ()):
            self._explained_until[name] = until

    def note_started(self, name: str, now: float) -> None:
        """A member starts, perhaps again."""
        if name in self.killed or name in self.left:
            self._restarted[name] = now
        self.killed.pop(name, None)
        self.left.pop(name, None)

    def has_lived_before(self, name: str) -> bool:
        """Whether this is not the first life of a member."""
        return name in self._restarted

    def note_killed(self, name: str, now: float) -> None:
        """A member is killed."""
        self.killed[name] = now
        self.left.pop(name, None)

    def note_left(self, name: str, now: float) -> None:
        """A member was told to leave."""
        self.left[name] = now

    def explains_death_of(self, name: str, observer: str, now: float, size: int, params: GossipParams) -> bool:
        """Whether ``observer`` may declare ``name`` failed now: it is not healthy and reachable, as said above.

        What an observer that was paused or cut off itself reads afterwards may be old news, of any time since. It
        passes it on, too. Others know better by the incarnation, except of a member that they had forgotten and that
        has begun at 1 again: what its earlier life said of leaving then stands against the later one, until that
        refutes it (as in memberlist).
        """
        if name in self.killed or name in self.left or self._is_concerned(name, now):
            return True
        as_of = self._concerned_from.get(observer, now) if self._is_concerned(observer, now) else now
        restarted = self._restarted.get(name)
        if restarted is not None and self._oldest_news(as_of, now) - restarted <= settling_s(params, size):
            return True
        return as_of <= max(self._all_explained_until, self._explained_until.get(name, float("-inf")))

    def _oldest_news(self, as_of: float, now: float) -> float:
        return min([as_of, *(since for name, since in self._concerned_from.items() if self._is_concerned(name, now))])

    def _is_concerned(self, name: str, now: float) -> bool:
        if any(names is None or name in names for names in self._active.values()):
            return True
        return now <= max(self._all_explained_until, self._explained_until.get(name, float("-inf")))
