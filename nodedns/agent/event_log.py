"""``EventLog``: what the Serf layer reports, told to people (log lines) and to monitoring (counters).

Membership is INFO, a lost guarantee WARNING, what a stranger can cause is
limited in rate and counted by reason. It decides nothing; the agent hands it
every event besides acting on it.
"""

from __future__ import annotations

from collections.abc import Callable

from nodedns.errors import shorten
from nodedns.gossip.events import (
    Dropped,
    NameMoved,
    NodeDeparted,
    NodeSuspected,
    Refuted,
    StaleAddressOutbid,
    SuspicionConfirmed,
    SuspicionRefuted,
    TcpOnlyAck,
)
from nodedns.model.address import Address
from nodedns.model.conflict import Claimant
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import (
    GOSSIP_DROPPED,
    GOSSIP_REFUTED,
    GOSSIP_SUSPECTED,
    GOSSIP_SUSPICIONS,
    GOSSIP_TCP_ONLY,
    GOSSIP_UDP_BLOCKED,
    SERF_EVENTS,
    SERF_NAME_CONFLICTS,
    SERF_NAMES_MOVED,
    Metrics,
)
from nodedns.serf.events import (
    AloneInPool,
    ConflictLost,
    ConflictWon,
    KeyringChanged,
    MemberChanged,
    MemberChangeKind,
    NameConflict,
    NameConflictOver,
    QueryReceived,
    RejoinTried,
    SerfEvent,
    UdpChecked,
    UserEventReceived,
)
from nodedns.serf.udp_text import udp_text

__all__ = ["EventLog"]

ALONE_ROUNDS = 6  # told each, within the first minute
ALONE_EVERY = 20  # of the later ones, every tenth minute
MAX_NAMED_CHARS = 80  # of a remembered member's name and address
ROUTINE_DROPS = frozenset({"answer-to-no-query", "event-too-old", "peer-message-of-stranger", "query-too-old"})
"""What a sound pool sends too: replies after a query's end, and to an agent that is back, what it had seen before."""

_SERF = logger("serf")
_GOSSIP = logger("gossip")

_CHANGE_TEXTS = {
    MemberChangeKind.JOIN: "EventMemberJoin",
    MemberChangeKind.LEAVE: "EventMemberLeave",
    MemberChangeKind.FAILED: "EventMemberFailed",
    MemberChangeKind.UPDATE: "EventMemberUpdate",
    MemberChangeKind.REAP: "EventMemberReap",
    MemberChangeKind.LEAVING: "member is leaving",
}


class EventLog:
    """Logs and counts events of one agent.

    Args:
        metrics: Where they are counted.
        clock: Monotonic seconds, for the rate limit.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._remote_gossip = RemoteLog(_GOSSIP, clock)
        self._remote_serf = RemoteLog(_SERF, clock)

    def note(self, event: SerfEvent) -> None:
        """Log and count one event."""
        match event:
            case MemberChanged():
                self._member_changed(event)
            case Dropped():
                self._dropped(event)
            case Refuted(accuser, incarnation):
                self._metrics.count(GOSSIP_REFUTED)
                self._remote_gossip.warning("refuted a claim that we are gone", accuser, incarnation=incarnation)
            case NodeSuspected() | SuspicionConfirmed() | SuspicionRefuted() | NodeDeparted():
                self._suspicion(event)
            case TcpOnlyAck() | UdpChecked():
                self._udp(event)
            case NameConflict() | NameConflictOver() | NameMoved() | StaleAddressOutbid():
                self._name(event)
            case ConflictLost() | ConflictWon():
                self._vote(event)
            case RejoinTried() | AloneInPool():
                self._rejoin(event)
            case UserEventReceived() | QueryReceived() | KeyringChanged():
                self._received(event)
            case _:
                pass  # the rest is the agent's to act on, and nothing to tell

    def _received(self, event: UserEventReceived | QueryReceived | KeyringChanged) -> None:
        if isinstance(event, KeyringChanged):
            _SERF.info("gossip keyring changed", query=event.query, keys=event.keys)
        elif isinstance(event, QueryReceived):
            self._metrics.count(SERF_EVENTS, kind="query")
            _SERF.debug("query", name=event.name, source=event.source_name)
        else:
            self._metrics.count(SERF_EVENTS, kind="user")
            _SERF.debug("user event", name=event.name, ltime=event.ltime)

    def _member_changed(self, event: MemberChanged) -> None:
        self._metrics.count(SERF_EVENTS, kind=event.kind.value)
        member = event.member
        _SERF.info(_CHANGE_TEXTS[event.kind], name=member.name, address=member.address)

    def _suspicion(self, event: NodeSuspected | SuspicionConfirmed | SuspicionRefuted | NodeDeparted) -> None:
        name = event.member.name
        match event:
            case NodeSuspected(accuser=accuser):
                self._metrics.count(GOSSIP_SUSPECTED)
                _GOSSIP.info("member is suspected", name=name, address=event.member.address, accuser=accuser)
            case SuspicionConfirmed(accuser=accuser, wanted=wanted):
                self._metrics.count(GOSSIP_SUSPICIONS, outcome="confirmed")
                confirmations = len(event.accusers) - 1
                _GOSSIP.debug(
                    "suspicion is confirmed", name=name, accuser=accuser, confirmations=confirmations, wanted=wanted
                )
            case SuspicionRefuted(incarnation=incarnation):
                self._metrics.count(GOSSIP_SUSPICIONS, outcome="refuted")
                _GOSSIP.info("suspicion is refuted", name=name, incarnation=incarnation)
            case NodeDeparted(accuser=accuser) if event.accusers:
                self._metrics.count(GOSSIP_SUSPICIONS, outcome="dead")
                confirmations = len(event.accusers) - 1
                _GOSSIP.info("suspect is declared dead", name=name, accuser=accuser, confirmations=confirmations)

    def _udp(self, event: TcpOnlyAck | UdpChecked) -> None:
        member = event.member
        source = _host(member.address)
        if isinstance(event, TcpOnlyAck):
            self._metrics.count(GOSSIP_TCP_ONLY)
            self._remote_gossip.warning(
                "member answers over TCP but not over UDP; is UDP blocked?",
                source,
                name=member.name,
                address=member.address,
            )
        elif event.is_blocked:
            self._metrics.count(GOSSIP_UDP_BLOCKED, direction=_direction(event))
            self._remote_gossip.warning("UDP is blocked", source, name=member.name, finding=udp_text(event))
        else:
            self._remote_gossip.debug("UDP was checked", source, name=member.name, finding=udp_text(event))

    def _dropped(self, event: Dropped) -> None:
        self._metrics.count(GOSSIP_DROPPED, reason=event.reason)
        text = "push/pull with a member failed" if event.reason == "push-pull-failed" else "input dropped"
        tell = self._remote_gossip.debug if event.reason in ROUTINE_DROPS else self._remote_gossip.warning
        detail = {"detail": event.detail} if event.detail else {}
        tell(text, _host(event.source), reason=event.reason, **detail)

    def _name(self, event: NameConflict | NameConflictOver | NameMoved | StaleAddressOutbid) -> None:
        match event:
            case NameConflict():
                self._conflict(event)
            case NameConflictOver(conflict):
                self._remote_serf.warning(
                    "the conflict about a node name is over",
                    _host(conflict.rival.address),
                    name=shorten(conflict.holder.name),
                    rival=conflict.rival.address,
                )
            case NameMoved(before, after):
                self._metrics.count(SERF_NAMES_MOVED)
                self._remote_serf.warning(
                    "a node name moved; nobody answered for it at its old address",
                    _host(after.address),
                    name=shorten(after.name),
                    old=before.address,
                    new=after.address,
                )
            case StaleAddressOutbid(address, incarnation):
                self._remote_serf.warning(
                    "our node name was still held at an address where nobody answers for it; it is announced anew",
                    _host(address),
                    address=address,
                    incarnation=incarnation,
                )

    def _conflict(self, event: NameConflict) -> None:
        if event.is_new:
            self._metrics.count(SERF_NAME_CONFLICTS)
        conflict = event.conflict
        self._remote_serf.warning(
            "two agents claim one node name",
            _host(conflict.rival.address),
            **_claimant_fields("holder", conflict.holder),
            **_claimant_fields("rival", conflict.rival),
            told_by=shorten(conflict.told_by_name) if conflict.told_by_name else conflict.told_by or "gossip",
            ours=conflict.is_local,
        )

    @staticmethod
    def _vote(event: ConflictLost | ConflictWon) -> None:
        counts = {"agreed": event.matching, "answers": event.responses}
        if isinstance(event, ConflictWon):
            _SERF.warning("our node name was confirmed as ours", **counts)
        else:
            _SERF.error(
                "our node name belongs to another agent; stopping: start this one with another name (-node)", **counts
            )

    def _rejoin(self, event: RejoinTried | AloneInPool) -> None:
        if isinstance(event, AloneInPool):
            self._alone(event)
            return
        if not event.error:
            _SERF.info("re-joined to previously known node", address=event.address)
            return
        # A great pool's snapshot has thousands of addresses, and each of them may fail.
        tell = self._remote_serf.debug if event.is_repeated else self._remote_serf.warning
        tell("re-join to previously known node failed", event.address, error=event.error)

    @staticmethod
    def _alone(event: AloneInPool) -> None:
        tell = _SERF.warning if event.rounds < ALONE_ROUNDS or event.rounds % ALONE_EVERY == 0 else _SERF.debug
        tell(
            "alone in the pool; trying remembered members again",
            members=event.remembered,
            first=", ".join(named[:MAX_NAMED_CHARS] for named in event.whom),
            within=f"{event.pause_s:.1f}s",
        )


def _direction(event: UdpChecked) -> str:
    if event.sent:
        return "from"
    return "to" if event.received else "both"


def _host(address: Address | None) -> str:
    if address is None:
        return "unknown"
    return address.host if address.is_valid else str(address)


def _claimant_fields(role: str, claimant: Claimant) -> dict[str, object]:
    return {
        role: shorten(claimant.name),
        f"{role}_address": claimant.address,
        f"{role}_id": shorten(claimant.node_id),
        f"{role}_incarnation": claimant.incarnation,
    }
