"""``Scenario``: what happens to a cluster, as data; the same on the event engine and under trio.

A list of operations, printed as it runs, so that a failure shows how far it
came and can be pasted into a regression test. ``play`` is a generator: it acts
on a ``Cluster`` at once and yields the time until which to let things run; the
runner (``runners.py``) lets time pass its own way. That is why both runners
play the same scenario and not two like ones.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import attrs

from nodedns.model.member import MemberStatus
from nodedns.testing.cluster import Cluster
from nodedns.testing.invariants import InvariantBroken, Invariants
from nodedns.testing.network import Conditions

__all__ = [
    "Agreed",
    "Condition",
    "Converged",
    "Cut",
    "Expect",
    "ExpectationFailed",
    "Heal",
    "Kill",
    "Leave",
    "Loss",
    "Operation",
    "Pause",
    "Restart",
    "Resume",
    "Scenario",
    "Seen",
    "Slow",
    "Start",
    "Wait",
    "play",
]

POLL_S = 0.05  # how often an expectation is looked at
CHECK_EVERY_S = 0.25  # how often invariants are looked at while waiting, by pools of up to
CHECKED_MEMBERS = 50  # so many; larger ones in proportion less often, since a look costs their square


class ExpectationFailed(AssertionError):
    """What a scenario expected did not come about in time."""


# --- conditions -------------------------------------------------------------------------------------


@attrs.frozen
class Converged:
    """Everybody in touch sees exactly those as live that are."""

    def problem(self, cluster: Cluster) -> str:
        """Return what is missing, or nothing."""
        expected = sorted(cluster.in_touch())
        for name, running in cluster.in_touch().items():
            live = sorted(other for other, status in running.member.view().items() if status == MemberStatus.ALIVE)
            if live != expected:
                missing = sorted(set(expected) - set(live))
                surplus = sorted(set(live) - set(expected))
                return f"{name} does not see {missing}, still sees {surplus}"
        return ""


@attrs.frozen
class Agreed:
    """All in touch see each other, and say the same of everybody else whom they list.

    That somebody lists a member that is gone and somebody else does not is no
    disagreement: who joined later never heard of it.
    """

    def problem(self, cluster: Cluster) -> str:
        """Return what is missing, or nothing."""
        told: dict[str, tuple[str, MemberStatus]] = {}
        for observer, running in cluster.in_touch().items():
            for name, status in running.member.view().items():
                first, known = told.setdefault(name, (observer, status))
                if known != status:
                    return f"{first} sees {name} as {known.word}, {observer} as {status.word}"
        return Converged().problem(cluster)


@attrs.frozen
class Seen:
    """Everybody in touch sees ``name`` with one of ``statuses``; ``by`` names whose view counts, if not all."""

    name: str
    statuses: tuple[MemberStatus, ...]
    by: tuple[str, ...] = ()

    def problem(self, cluster: Cluster) -> str:
        """Return what is missing, or nothing."""
        for observer, running in cluster.in_touch().items():
            if self.by and observer not in self.by:
                continue
            status = running.member.view().get(self.name, MemberStatus.NONE)
            if status not in self.statuses:
                return f"{observer} sees {self.name} as {status.word}"
        return ""


Condition = Converged | Agreed | Seen


# --- operations -------------------------------------------------------------------------------------


@attrs.frozen
class Start:
    """Start members; each joins ``join``, or the first that runs, or nobody where there is none."""

    names: tuple[str, ...]
    join: str = ""
    every_s: float = 0.0


@attrs.frozen
class Kill:
    """Kill processes at once."""

    names: tuple[str, ...]


@attrs.frozen
class Restart:
    """Start a killed or departed member again, with its disk; without ``join`` it remembers by itself.

    ``is_moved``: at another address than before. ``is_blank``: with an empty disk.
    """

    name: str
    join: str = ""
    is_moved: bool = False
    is_blank: bool = False


@attrs.frozen
class Leave:
    """Let a member leave."""

    name: str


@attrs.frozen
class Pause:
    """Stop a process for a while."""

    name: str


@attrs.frozen
class Resume:
    """Let it go on."""

    name: str


@attrs.frozen
class Cut:
    """Part two groups."""

    here: tuple[str, ...]
    there: tuple[str, ...]
    one_way: bool = False


@attrs.frozen
class Slow:
    """Delay all packets of a member by this much more, each way."""

    name: str
    extra_s: float


@attrs.frozen
class Loss:
    """Lose this share of all packets."""

    share: float


@attrs.frozen
class Heal:
    """Mend the network."""


@attrs.frozen
class Wait:
    """Let time pass."""

    seconds: float


@attrs.frozen
class Expect:
    """Wait for a condition, at most so long."""

    condition: Condition
    within_s: float


Operation = Start | Kill | Restart | Leave | Pause | Resume | Cut | Slow | Loss | Heal | Wait | Expect


@attrs.frozen(kw_only=True)
class Scenario:
    """Operations and the chance under which they are played.

    Attributes:
        seed: Of all chance.
        operations: What happens, in order.
        conditions: The network's; None: a quiet local network.
    """

    seed: int | str
    operations: Sequence[Operation]
    conditions: Conditions | None = None


def play(
    scenario: Scenario, cluster: Cluster, invariants: Invariants, say: Callable[[str], None]
) -> Generator[float, None, None]:
    """Carry out the operations; yields times until which the runner is to let things run.

    Raises:
        ExpectationFailed: A condition did not come about.
        InvariantBroken: What must never be, was.
    """
    say(f"seed {scenario.seed!r}")
    for number, operation in enumerate(scenario.operations):
        say(f"{cluster.now:9.3f} s  {operation}")
        try:
            yield from _carry_out(operation, cluster, invariants)
            invariants.check()
        except (ExpectationFailed, InvariantBroken) as error:
            error.add_note(f"seed {scenario.seed!r}, operation {number}: {operation}")
            raise


def _carry_out(operation: Operation, cluster: Cluster, invariants: Invariants) -> Generator[float, None, None]:
    match operation:
        case Start(names, join, every_s):
            for name in names:
                cluster.start(name, join or next(iter(cluster.in_touch()), ""))
                if every_s:
                    yield cluster.now + every_s
        case Wait(seconds):
            yield from _wait(cluster.now + seconds, cluster, invariants)
        case Expect(condition, within_s):
            yield from _expect(condition, cluster.now + within_s, cluster, invariants)
        case _:
            _act(operation, cluster)


def _act(operation: Kill | Restart | Leave | Pause | Resume | Cut | Slow | Loss | Heal, cluster: Cluster) -> None:
    match operation:
        case Kill(names):
            for name in names:
                cluster.kill(name)
        case Restart(name, join, is_moved, is_blank):
            if is_moved:
                cluster.move(name)
            if is_blank:
                cluster.disk(name).snapshot.clear()
            cluster.start(name, join)
        case Leave(name):
            cluster.leave(name)
        case Pause(name):
            cluster.pause(name)
        case Resume(name):
            cluster.resume(name)
        case _:
            _disturb(operation, cluster)


def _disturb(operation: Cut | Slow | Loss | Heal, cluster: Cluster) -> None:
    match operation:
        case Cut(here, there, one_way):
            cluster.cut(here, there, one_way=one_way)
        case Slow(name, extra_s):
            cluster.slow(name, extra_s)
        case Loss(share):
            cluster.lose(share)
        case Heal():
            cluster.heal()


def _wait(until: float, cluster: Cluster, invariants: Invariants) -> Generator[float, None, None]:
    while cluster.now < until:
        yield min(until, cluster.now + _check_every_s(cluster))
        invariants.check()


def _expect(
    condition: Condition, deadline: float, cluster: Cluster, invariants: Invariants
) -> Generator[float, None, None]:
    check_at = cluster.now
    while problem := condition.problem(cluster):
        if cluster.now >= deadline:
            raise ExpectationFailed(f"at {cluster.now:.3f} s: {problem}")
        yield min(deadline, cluster.now + POLL_S)
        if cluster.now >= check_at:
            check_at = cluster.now + _check_every_s(cluster)
            invariants.check()


def _check_every_s(cluster: Cluster) -> float:
    return CHECK_EVERY_S * max(1.0, len(cluster.running) / CHECKED_MEMBERS)
