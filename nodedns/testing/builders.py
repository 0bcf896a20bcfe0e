"""``SimMember``: a ``Swim`` or a ``Serf`` as simulations use it, and how one is built from a seed.

Both speak one vocabulary here: a view is a status by name, and of all events
only ``Saw`` (somebody's status changed in somebody's eyes) and ``Departed`` (a
member may stop now) matter to a scenario. What a member writes to its disk
outlives it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import attrs

from nodedns.gossip.claimcheck import MAX_CLAIM_CHECKS
from nodedns.gossip.core import GossipCore
from nodedns.gossip.delegate import NullDelegate
from nodedns.gossip.envelope import Envelope
from nodedns.gossip.events import LeaveFinished, NodeDeparted, NodeJoined
from nodedns.gossip.params import LAN, GossipParams
from nodedns.gossip.swim import Swim
from nodedns.model.address import Address
from nodedns.model.member import Member, MemberStatus, NodeState, Versions
from nodedns.model.names import NodeName
from nodedns.serf.events import LeaveDone, MemberChanged, MemberChangeKind, SnapshotAppend, SnapshotRewrite
from nodedns.serf.params import SerfParams
from nodedns.serf.serf import SERF_VERSIONS, Serf
from nodedns.serf.snapshot import replay_snapshot
from nodedns.testing.chance import seeded_entropy, seeded_random

__all__ = [
    "Build",
    "Departed",
    "Disk",
    "Plan",
    "Saw",
    "SimMember",
    "address_number",
    "names_of",
    "serf_members",
    "swim_members",
]

GOSSIP_PORT = 8301
TIMERS_PER_CHECK = 4  # of a claim that is looked into
LEAVE_TIMEOUT_S = 5.0  # Serf's broadcast timeout

_STATUS_OF_STATE = {
    NodeState.ALIVE: MemberStatus.ALIVE,
    NodeState.SUSPECT: MemberStatus.ALIVE,
    NodeState.DEAD: MemberStatus.FAILED,
    NodeState.LEFT: MemberStatus.LEFT,
}


def address_number(number: int) -> Address:
    """Return the gossip address of the ``number``-th host of the simulated network (0..65535)."""
    return Address(bytes((10, 1, number >> 8, number & 0xFF)), GOSSIP_PORT)


class Disk:
    """What one member has written; it survives ``kill``."""

    def __init__(self) -> None:
        self.snapshot = bytearray()


@attrs.frozen
class Plan:
    """All that a member is built from.

    Attributes:
        name: Its name.
        address: Its gossip address.
        seed: Of its own chance: the run's seed, the name, and how often it was started.
        disk: What earlier lives of that name wrote.
    """

    name: NodeName
    address: Address
    seed: str
    disk: Disk


@attrs.frozen
class Saw:
    """The status of ``name`` changed in somebody's eyes; NONE: forgotten."""

    name: str
    status: MemberStatus


@attrs.frozen
class Departed:
    """A leave is over; the process may stop."""


class SimMember(Protocol):
    """A gossip member of a simulation. Drain its core after ``join`` and ``leave``."""

    @property
    def core(self) -> GossipCore[Any]:
        """What a driver or the engine runs."""
        ...

    @property
    def swim(self) -> Swim:
        """The gossip core at the bottom."""
        ...

    @property
    def incarnation(self) -> int:
        """Its own incarnation."""
        ...

    @property
    def params(self) -> GossipParams:
        """Its timers."""
        ...

    def join(self, address: Address, now: float) -> None:
        """Contact the member at ``address``."""
        ...

    def leave(self, now: float) -> None:
        """Begin to leave."""
        ...

    def view(self) -> dict[str, MemberStatus]:
        """Return everybody's status in its eyes, itself included."""
        ...

    def incarnations(self) -> dict[str, int]:
        """Return the incarnation that it holds of everybody listed, itself included."""
        ...

    def claim_of(self, name: str) -> tuple[NodeState, int] | None:
        """Return what its gossip holds of ``name``, and at which incarnation; None where it is not listed."""
        ...

    def queues(self) -> dict[str, tuple[int, int]]:
        """Return (depth, limit) of each of its queues, by name."""
        ...

    def take(self, event: object) -> Saw | Departed | None:
        """Translate an event of the core; None for what no scenario asks about."""
        ...


Build = Callable[[Plan], SimMember]
"""Makes a member; the scenario decides when."""


class SwimMember:
    """``SimMember`` without Serf: memberlist alone."""

    def __init__(self, plan: Plan, params: GossipParams) -> None:
        self._params = params
        self._swim = Swim(
            params,
            Member(plan.name, plan.address, b"", Versions(SERF_VERSIONS.packed)),
            NullDelegate(),
            seeded_random(plan.seed),
            Envelope(entropy=seeded_entropy(plan.seed)),
        )

    @property
    def core(self) -> GossipCore[Any]:
        """The gossip core."""
        return self._swim

    @property
    def swim(self) -> Swim:
        """The gossip core."""
        return self._swim

    @property
    def incarnation(self) -> int:
        """Its own incarnation."""
        return self._swim.incarnation

    @property
    def params(self) -> GossipParams:
        """Its timers."""
        return self._params

    def join(self, address: Address, now: float) -> None:
        """Contact the member at ``address``."""
        self._swim.join(address, now)

    def leave(self, now: float) -> None:
        """Begin to leave."""
        self._swim.leave(LEAVE_TIMEOUT_S, now)

    def view(self) -> dict[str, MemberStatus]:
        """Return everybody's status in its eyes."""
        return {member.name: _STATUS_OF_STATE[state] for member, state in self._swim.nodes()}

    def incarnations(self) -> dict[str, int]:
        """Return the incarnation that it holds of everybody listed."""
        return self._swim.claims()

    def claim_of(self, name: str) -> tuple[NodeState, int] | None:
        """Return what its gossip holds of ``name``, and at which incarnation; None where it is not listed."""
        return self._swim.claim_of(name)

    def queues(self) -> dict[str, tuple[int, int]]:
        """Return (depth, limit) of its queues."""
        return _gossip_queues(self._swim, self._params)

    def take(self, event: object) -> Saw | Departed | None:
        """Translate an event."""
        match event:
            case NodeJoined(member):
                return Saw(member.name, MemberStatus.ALIVE)
            case NodeDeparted(member, state):
                return Saw(member.name, _STATUS_OF_STATE[state])
            case LeaveFinished():
                return Departed()
        return None


class SerfMember:
    """``SimMember`` with Serf: what an agent runs."""

    def __init__(
        self, plan: Plan, params: GossipParams, serf_params: SerfParams, listen: Callable[[object], None]
    ) -> None:
        self._listen = listen
        self._params = params
        self._serf_params = serf_params
        self._disk = plan.disk
        remembered = replay_snapshot(bytes(plan.disk.snapshot), rejoin_after_leave=serf_params.rejoin_after_leave)
        self._serf = Serf(
            serf_params,
            params,
            plan.name,
            plan.address,
            {"role": "node"},
            seeded_random(plan.seed),
            seeded_entropy(plan.seed),
            remembered=remembered,
        )

    @property
    def core(self) -> GossipCore[Any]:
        """The Serf layer."""
        return self._serf

    @property
    def swim(self) -> Swim:
        """The gossip core below Serf."""
        return self._serf.swim

    @property
    def serf(self) -> Serf:
        """The Serf layer, with its commands."""
        return self._serf

    @property
    def incarnation(self) -> int:
        """Its own incarnation."""
        return self._serf.swim.incarnation

    @property
    def params(self) -> GossipParams:
        """Its timers."""
        return self._params

    def join(self, address: Address, now: float) -> None:
        """Contact the member at ``address``."""
        self._serf.join([address], now)

    def leave(self, now: float) -> None:
        """Begin to leave."""
        self._serf.leave(now)

    def view(self) -> dict[str, MemberStatus]:
        """Return everybody's status in its eyes."""
        return {member.name: member.status for member in self._serf.members()}

    def incarnations(self) -> dict[str, int]:
        """Return the incarnation that it holds of everybody listed."""
        return self._serf.swim.claims()

    def claim_of(self, name: str) -> tuple[NodeState, int] | None:
        """Return what its gossip holds of ``name``, and at which incarnation; None where it is not listed."""
        return self._serf.swim.claim_of(name)

    def queues(self) -> dict[str, tuple[int, int]]:
        """Return (depth, limit) of its queues."""
        statistics = self._serf.statistics()
        # Serf cuts its queues now and then, not at each message.
        limit = 2 * max(self._serf_params.min_queue_depth, 2 * statistics.members)
        return _gossip_queues(self._serf.swim, self._params) | {
            "intents": (statistics.intent_queue, limit),
            "events": (statistics.event_queue, limit),
            "queries": (statistics.query_queue, limit),
        }

    def take(self, event: object) -> Saw | Departed | None:
        """Translate an event; write what is for the disk."""
        self._listen(event)
        match event:
            case MemberChanged(MemberChangeKind.REAP, member):
                return Saw(member.name, MemberStatus.NONE)
            case MemberChanged(_, member):
                return Saw(member.name, member.status)
            case LeaveDone():
                return Departed()
            case SnapshotAppend(data):
                self._disk.snapshot += data
            case SnapshotRewrite(data):
                self._disk.snapshot[:] = data
        return None


def _gossip_queues(swim: Swim, params: GossipParams) -> dict[str, tuple[int, int]]:
    statistics = swim.statistics()
    return {
        "members": (statistics.members, params.max_members),
        "broadcasts": (
            statistics.queued_broadcasts,
            min(params.max_queued_broadcasts, 2 * statistics.members + 16 + MAX_CLAIM_CHECKS),
        ),
        # A probe a second, each forgotten after at most eight intervals, and the relays asked for.
        "pending acks": (statistics.pending_acks, params.max_relayed_pings + 16 + 2 * MAX_CLAIM_CHECKS),
        "claim checks": (statistics.claim_checks, MAX_CLAIM_CHECKS),
        "inbound streams": (statistics.inbound_streams, params.max_streams),
        "timers": (
            statistics.timers,
            3 * statistics.members + params.max_relayed_pings + 64 + TIMERS_PER_CHECK * MAX_CLAIM_CHECKS,
        ),
    }


def swim_members(params: GossipParams = LAN, *, compression: bool = False) -> Build:
    """Return what builds members without Serf; arguments as of ``serf_members``."""
    params = attrs.evolve(params, compression=compression)
    return lambda plan: SwimMember(plan, params)


def serf_members(
    params: GossipParams = LAN,
    serf_params: SerfParams | None = None,
    watch: Callable[[Plan], Callable[[object], None]] | None = None,
    *,
    compression: bool = False,
) -> Build:
    """Return what builds members as agents have them.

    Args:
        params: Their gossip's timers.
        serf_params: Serf's; None: the defaults.
        watch: Called for each member built; what it returns gets all of that member's events.
        compression: Whether they compress. They do not as a rule: it changes nothing that a scenario looks
            at, and at a millisecond for what is a few microseconds without, it would be most of the run.
    """
    params = attrs.evolve(params, compression=compression)

    def build(plan: Plan) -> SerfMember:
        return SerfMember(plan, params, serf_params or SerfParams(), watch(plan) if watch else _ignore)

    return build


def _ignore(event: object) -> None:
    del event


def names_of(prefix: str, numbers: Sequence[int]) -> tuple[NodeName, ...]:
    """Return names such as ``n007`` that sort as their numbers do."""
    return tuple(NodeName(f"{prefix}{number:03}") for number in numbers)
