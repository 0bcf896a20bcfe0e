"""``Invariants``: what must hold in every simulation, whatever the scenario does.

Checked when something is seen (no false death, no death out of a refuted
suspicion), and after each operation, while waiting and at the end (the rest). A
broken one raises ``InvariantBroken`` with time, member and what was found; the
scenario adds its seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nodedns.model.member import MemberStatus, NodeState
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
            held_incarnations_never_fall,
            queues_keep_their_limits,
            views_are_what_events_told,
            the_dead_are_detected,
            *further,
        )
        self._suspected: dict[str, set[int]] = {}
        cluster.on_seen.append(self._no_false_death)
        cluster.on_seen.append(self._no_death_after_refutation)
        cluster.on_suspected.append(self._note_suspicion)

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
        if not cluster.faults.explains_death_of(seen.name, observer, cluster.now, len(cluster.running) + 1, params):
            self._fail(f"{observer} declares {seen.name} failed, and nothing was done to it")

    def _note_suspicion(self, observer: str, name: str) -> None:
        claim = self._cluster.running[observer].member.claim_of(name)
        if claim is not None:
            self._suspected.setdefault(name, set()).add(claim[1])

    # A member refutes by a higher incarnation. A death at that one, unless somebody suspects the member anew, can
    # come of nothing but the refuted suspicion; a death at the lower one where the higher is known would lower it.
    def _no_death_after_refutation(self, observer: str, seen: Saw) -> None:
        claim = self._cluster.running[observer].member.claim_of(seen.name)
        # A departure whose intent is not known yet looks like a failure to Serf, and is no accusation.
        if seen.status != MemberStatus.FAILED or claim is None or claim[0] == NodeState.LEFT:
            return
        incarnation, suspected = claim[1], self._suspected.get(seen.name, set())
        if incarnation not in suspected:
            self._fail(
                f"{observer} declares {seen.name} failed at incarnation {incarnation}, and it was suspected "
                f"at {sorted(suspected)} only"
            )

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


def held_incarnations_never_fall(cluster: Cluster) -> str:
    """What a view holds of a member's incarnation only rises, while the view lists that member.

    A member that ran before begins at 1 again, and a view may forget the earlier life and hear of the
    later one between two looks, so such members are left out.
    """
    for name, running in cluster.running.items():
        now_held = running.member.incarnations()
        for other, before in running.incarnations.items():
            if now_held.get(other, before) < before and not cluster.faults.has_lived_before(other):
                return f"{name} held incarnation {before} of {other}, and holds {now_held[other]}"
        running.incarnations = now_held
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
            params = running.member.params
            # Each of the other dead may come before it twice, in this walk of the list and the next, and every probe
            # that fails without a nack from a live helper stretches the one after it.
            stretched_s = params.awareness_max_multiplier * params.probe_interval_s
            bound_s = detection_bounds_s(params, size)[1] + 2 * (len(faults.killed) - 1) * stretched_s
            if cluster.now - killed_at <= bound_s or not faults.is_calm_since(killed_at, cluster.now):
                continue
            if running.member.view().get(name) in _LIVE:
                return f"{observer} still sees {name} as live {cluster.now - killed_at:.1f} s after its kill"
    return ""
