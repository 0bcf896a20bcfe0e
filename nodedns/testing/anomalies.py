"""``run_anomalies``: some members of a pool pause again and again; who is declared failed, and when.

This is the experiment by which the Lifeguard paper measures failure detectors:
a pool of members that know each other, ``concurrent`` of them anomalous for a
while, then normal for a while, over and over. There are two kinds of anomaly.
``MESSAGES`` is the paper's: a member neither sends nor receives, but time goes
on for it, so it waits for answers that it has not read (``EngineNode.block``).
``PROCESS`` stops the process, as a starved or suspended machine does: once it
goes on, it finds its timers overdue and a full socket (``EngineNode.pause``).

A *false positive* is one member's declaration that a member which was never
anomalous has failed; it counts again for every member that believes it. Those
declared by members that were never anomalous themselves are counted apart.

What it does not do: choose what to run, or judge the outcome; ``bench/`` does.

Source: Lifeguard paper, sections II and V.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from random import Random
from typing import Any

import attrs

from nodedns.gossip.params import GossipParams
from nodedns.model.member import MemberStatus
from nodedns.testing.builders import Saw, names_of, swim_members
from nodedns.testing.chance import seeded_random
from nodedns.testing.cluster import Cluster
from nodedns.testing.engine import Engine, EngineNode
from nodedns.testing.runners import engine_cluster
from nodedns.testing.warm import start_warm

__all__ = ["Anomalies", "AnomalyCounts", "AnomalyKind", "Detection", "run_anomalies", "run_failures"]

QUIET_S = 15.0
"""The pool runs undisturbed for so long first, so that tickers have lost their common start."""
STEP_S = 0.5
"""How often it is looked whether all failures are known."""


class AnomalyKind(enum.Enum):
    """What an anomalous member cannot do."""

    MESSAGES = "messages"
    PROCESS = "process"


@attrs.frozen(kw_only=True)
class Anomalies:
    """One run.

    Attributes:
        members: Size of the pool.
        concurrent: How many members are anomalous at once, always the same ones.
        duration_s: How long an anomaly lasts.
        interval_s: How long they are normal between two anomalies.
        lasting_s: Anomalies go on for at least so long; the one under way then is the last.
        kind: What they cannot do meanwhile.
        seed: Of all chance.
    """

    members: int = 128
    concurrent: int
    duration_s: float
    interval_s: float
    lasting_s: float = 120.0
    kind: AnomalyKind = AnomalyKind.MESSAGES
    seed: int | str = 1


@attrs.frozen
class AnomalyCounts:
    """What came of a run.

    Attributes:
        false_positives: Declarations that a member which was never anomalous has failed.
        at_healthy: Those of them made by members that were never anomalous either.
        about_anomalous: Declarations about the anomalous, which are no mistake while they last.
        datagrams: Sent by all, from the first anomaly on.
        sent_bytes: Their payloads.
        member_seconds: Members times seconds over which they were counted.
    """

    false_positives: int
    at_healthy: int
    about_anomalous: int
    datagrams: int
    sent_bytes: int
    member_seconds: float


@attrs.frozen
class Detection:
    """How long after its end a member was seen as failed.

    Attributes:
        first_s: By the first healthy member; None: by nobody in time.
        all_s: By the last healthy member; None: not by all in time.
    """

    first_s: float | None
    all_s: float | None


class _Pool:
    """A pool that runs, and a list of who declared whom failed when."""

    def __init__(self, params: GossipParams, members: int, seed: int | str) -> None:
        self.engine: Engine
        self.cluster: Cluster
        self.engine, self.cluster = engine_cluster(swim_members(params), seed, traced=False)
        self.failures: list[tuple[float, str, str]] = []
        self.names = names_of("n", range(members))
        self.rng: Random = seeded_random(seed, "anomalies")
        start_warm(self.cluster, self.names)
        self.cluster.on_seen.append(self._note)
        # Not a whole number of probe intervals: where in a round anomalies begin is chance too.
        self.engine.run_until(QUIET_S + self.rng.random())

    def _note(self, observer: str, seen: Saw) -> None:
        if seen.status == MemberStatus.FAILED:
            self.failures.append((self.engine.now, observer, seen.name))

    def process(self, name: str) -> EngineNode[Any]:
        process = self.cluster.running[name].process
        assert isinstance(process, EngineNode)  # noqa: S101 - the cluster is on the engine
        return process

    def pass_time(self, seconds: float) -> None:
        self.engine.run_until(self.engine.now + seconds)


def run_anomalies(params: GossipParams, plan: Anomalies) -> AnomalyCounts:
    """Let some members be anomalous for a while, over and over, and count who is declared failed.

    Args:
        params: Every member's.
        plan: Whom, how long, how often.
    """
    pool = _Pool(params, plan.members, plan.seed)
    anomalous = pool.rng.sample(pool.names, plan.concurrent)
    processes = [pool.process(name) for name in anomalous]
    before, begun = pool.cluster.network.statistics(), pool.engine.now
    while pool.engine.now - begun < plan.lasting_s:
        for process in processes:
            process.block() if plan.kind is AnomalyKind.MESSAGES else process.pause()
        pool.pass_time(plan.duration_s)
        for process in processes:
            process.unblock() if plan.kind is AnomalyKind.MESSAGES else process.resume()
        pool.pass_time(plan.interval_s)
    after = pool.cluster.network.statistics()
    chosen = frozenset(anomalous)
    wrong = [(observer, name) for _, observer, name in pool.failures if name not in chosen]
    return AnomalyCounts(
        false_positives=len(wrong),
        at_healthy=sum(observer not in chosen for observer, _ in wrong),
        about_anomalous=len(pool.failures) - len(wrong),
        datagrams=after.sent - before.sent,
        sent_bytes=after.sent_bytes - before.sent_bytes,
        member_seconds=plan.members * (pool.engine.now - begun),
    )


def run_failures(
    params: GossipParams, *, members: int, failing: int, patience_s: float = 120.0, seed: int | str = 1
) -> Sequence[Detection]:
    """Kill ``failing`` members at one moment; return when each was seen as failed.

    Args:
        params: Every member's.
        members: Size of the pool.
        failing: How many of them end; less than ``members``.
        patience_s: How long is waited for all to know.
        seed: Of all chance.
    """
    pool = _Pool(params, members, seed)
    killed = pool.rng.sample(pool.names, failing)
    begun = pool.engine.now
    for name in killed:
        pool.cluster.kill(name)
    wanted = failing * (members - failing)
    while pool.engine.now - begun < patience_s:
        pool.pass_time(STEP_S)
        if sum(name in killed for _, _, name in pool.failures) >= wanted:
            break
    return [_detection(pool, name, begun, members - failing) for name in killed]


def _detection(pool: _Pool, name: str, begun: float, observers: int) -> Detection:
    times: dict[str, float] = {}
    for when, observer, failed in pool.failures:
        if failed == name:
            times.setdefault(observer, when - begun)
    return Detection(
        first_s=min(times.values(), default=None),
        all_s=max(times.values()) if len(times) >= observers else None,
    )
