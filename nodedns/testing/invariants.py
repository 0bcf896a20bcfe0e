"""``Invariants``: what must hold in every simulation, whatever the scenario does.

Checked when something is seen (no false death), and after each operation, while
waiting and at the end (the rest). A broken one raises ``InvariantBroken`` with
time, member and what was found; the scenario adds its seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nodedns.model.member import MemberStatus
from nodedns.testing.builders import Saw
from nodedns.testing.cluster import Cluster
from nodedns.testing.faults import detection_bounds_s

__all__ = ["Check", "InvariantBroken", "Invariants"]

Check = Callable[[Cluster], str]
"""A further invariant: returns what is wrong, or nothing. (That DNS agrees with gossip, for example.)"""

_LIVE = (MemberStatus.ALIVE, MemberStatus.LEAVING)


class InvariantBroken(AssertionError):
    """A simulation found what must never be."""


class Invariants:
    """Watches a cluster from the moment it is made.

    Args:
        cluster: Whom to watch.
        further: More checks, run with the others.
    """

    def __init__(self, cluster: Cluster, further: Sequence[Check] = ()) -> None:
        self._cluster = cluster
        self._checks: tuple[Check, ...] = (
            incarnations_never_fall,
            queues_keep_their_limits,
            views_are_what_events_told,
            the_dead_are_detected,
            *further,
        )
        cluster.on_seen.append(self._no_false_death)

    def check(self) -> None:
        """Raise ``InvariantBroken`` if anything does not hold now."""
        for check in self._checks:
            problem = check(self._cluster)
            if problem:
                self._fail(problem)

    def _no_false_death(self, observer: str, seen: Saw) -> None:
        cluster = self._cluster
        if seen.status != MemberStatus.FAILED:
            return
        params = cluster.running[observer].member.params
        if not cluster.faults.explains_death_of(seen.name, cluster.now, len(cluster.running) + 1, params):
            self._fail(f"{observer} declares {seen.name} failed, and nothing was done to it")

    def _fail(self, problem: str) -> None:
        raise InvariantBroken(f"at {self._cluster.now:.3f} s: {problem}")


def incarnations_never_fall(cluster: Cluster) -> str:
    """No process lowers its own incarnation."""
    for name, running in cluster.running.items():
        incarnation = running.member.incarnation
        if incarnation < running.incarnation:
            return f"{name} lowered its incarnation from {running.incarnation} to {incarnation}"
        running.incarnation = incarnation
    return ""


def queues_keep_their_limits(cluster: Cluster) -> str:
    """No queue, table or buffer is above its limit."""
    for name, running in cluster.running.items():
        for queue, (depth, limit) in running.member.queues().items():
            if depth > limit:
                return f"{queue} of {name}: {depth} is above {limit}"
    return ""


def views_are_what_events_told(cluster: Cluster) -> str:
    """Who has only listened to a member's events knows what the member knows."""
    for name, running in cluster.running.items():
        view = running.member.view()
        # memberlist forgets the dead without a word, so only the living are compared.
        actual = sorted(other for other, status in view.items() if status in _LIVE)
        told = sorted(other for other, status in running.implied.items() if status in _LIVE)
        if actual != told:
            return f"{name} lists {actual} as live, its events told {told}"
    return ""


def the_dead_are_detected(cluster: Cluster) -> str:
    """A killed member is seen as failed by everybody within the bound, if nothing else is wrong."""
    faults = cluster.faults
    size = len(cluster.running) + len(faults.killed) + len(faults.left)
    for name, killed_at in faults.killed.items():
        for observer, running in cluster.in_touch().items():
            bound_s = detection_bounds_s(running.member.params, size)[1]
            if cluster.now - killed_at <= bound_s or not faults.is_calm_since(killed_at, cluster.now):
                continue
            if running.member.view().get(name) in _LIVE:
                return f"{observer} still sees {name} as live {cluster.now - killed_at:.1f} s after its kill"
    return ""
