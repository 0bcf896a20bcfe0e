"""What the Serf layer tells its owner, and the state it is in itself.

Events are drained with ``Serf.next_event``. Those of the gossip core that an
owner needs (streams wanted, drops, probes, suspicions, deaths, names that moved) come through unchanged.
"""

from __future__ import annotations

import enum

import attrs

from nodedns.gossip.events import (
    Dropped,
    JoinFinished,
    NameMoved,
    NodeDeparted,
    NodeSuspected,
    PingCompleted,
    ProbeFailed,
    ProbeHelped,
    Refuted,
    StaleAddressOutbid,
    StreamWanted,
    SuspicionConfirmed,
    SuspicionRefuted,
    TcpOnlyAck,
)
from nodedns.model.address import Address
from nodedns.model.conflict import Conflict
from nodedns.model.member import Member, SerfMember
from nodedns.model.names import NodeName

__all__ = [
    "AloneInPool",
    "ConflictLost",
    "ConflictWon",
    "JoinDone",
    "KeyringChanged",
    "KeyringToStore",
    "LeaveDone",
    "LocalState",
    "MemberChangeKind",
    "MemberChanged",
    "NameConflict",
    "NameConflictOver",
    "PeerMessage",
    "QueryAcked",
    "QueryAnswered",
    "QueryClosed",
    "QueryReceived",
    "RejoinTried",
    "SerfEvent",
    "SnapshotAppend",
    "SnapshotRewrite",
    "UdpChecked",
    "UserEventReceived",
]


class LocalState(enum.Enum):
    """Where this agent is in its own life."""

    ALIVE = "alive"
    LEAVING = "leaving"
    LEFT = "left"
    SHUTDOWN = "shutdown"


class MemberChangeKind(enum.Enum):
    """What happened to a member, in Serf's words."""

    JOIN = "member-join"
    LEAVE = "member-leave"
    FAILED = "member-failed"
    UPDATE = "member-update"
    REAP = "member-reap"
    LEAVING = "member-leaving"
    """Its leave intent was heard; Serf has no event for this, only the status."""


@attrs.frozen
class MemberChanged:
    """A member changed; ``member`` is how it stands now (for ``REAP``: how it stood last)."""

    kind: MemberChangeKind
    member: SerfMember


@attrs.frozen
class JoinDone:
    """A join begun with ``Serf.join`` is over.

    Attributes:
        join_id: What ``join`` returned.
        contacted: How many addresses answered.
        failures: The others, each with its reason.
    """

    join_id: int
    contacted: int
    failures: tuple[tuple[Address, str], ...]


@attrs.frozen
class LeaveDone:
    """Our departure is over and the agent may stop.

    Attributes:
        error: Empty, or what ran out of time on the way; the departure went on all the same.
    """

    error: str


@attrs.frozen
class UserEventReceived:
    """A user event, ours or another's, is delivered, once."""

    ltime: int
    name: str
    payload: bytes
    can_coalesce: bool


@attrs.frozen
class QueryReceived:
    """A query for the application; answer with ``Serf.respond`` before ``deadline``.

    Attributes:
        ltime: Its Lamport time; with ``query_id`` its identity.
        query_id: Drawn by the asker.
        name: What is asked.
        payload: The question's parameters.
        source_name: The asking node, empty where unknown.
        destination: Where the answer goes.
        relay_factor: How many members relay the answer besides.
        deadline: Monotonic seconds after which an answer is of no use.
    """

    ltime: int
    query_id: int
    name: str
    payload: bytes
    source_name: str
    destination: Address
    relay_factor: int
    deadline: float


@attrs.frozen
class QueryAcked:
    """A member got the query we sent."""

    query_id: int
    node: NodeName


@attrs.frozen
class QueryAnswered:
    """A member answered the query we sent."""

    query_id: int
    node: NodeName
    payload: bytes


@attrs.frozen
class QueryClosed:
    """The time of a query we sent is over."""

    query_id: int
    acks: int
    answers: int


@attrs.frozen
class NameConflict:
    """Two agents claim one name; told again, with ``is_new`` false, while that lasts."""

    conflict: Conflict
    is_new: bool


@attrs.frozen
class NameConflictOver:
    """A conflict told before is none any more: one of the two has gone, or does not answer."""

    conflict: Conflict


@attrs.frozen
class ConflictWon:
    """The vote about our own name confirmed our address."""

    matching: int
    responses: int


@attrs.frozen
class ConflictLost:
    """The vote about our own name went to the other agent: the caller must shut down."""

    matching: int
    responses: int


@attrs.frozen
class SnapshotAppend:
    """Append ``data`` (whole lines) to the snapshot file."""

    data: bytes


@attrs.frozen
class SnapshotRewrite:
    """Replace the snapshot file by ``data``, atomically."""

    data: bytes


@attrs.frozen
class RejoinTried:
    """A remembered member was tried, because we are alone.

    Attributes:
        address: As the snapshot has it.
        error: Empty if it answered, and we are alone no longer.
        is_repeated: Whether all of them were tried before.
    """

    address: str
    error: str
    is_repeated: bool = False


@attrs.frozen
class AloneInPool:
    """Nobody but us is alive, and remembered members will be tried again.

    Attributes:
        rounds: How often they were all tried so far.
        remembered: How many there are.
        whom: The first few, each as name and address.
        pause_s: Seconds until then.
    """

    rounds: int
    remembered: int
    whom: tuple[str, ...]
    pause_s: float


@attrs.frozen
class UdpChecked:
    """Both directions of UDP between us and a member were tried.

    Attributes:
        member: The other end.
        local: Our own.
        sent: Whether UDP from us reaches it; None: cannot be told.
        received: Whether UDP from it reaches us; None: cannot be told.
    """

    member: Member
    local: Member
    sent: bool | None
    received: bool | None

    @property
    def is_open(self) -> bool:
        """Whether both directions are open."""
        return self.sent is True and self.received is True

    @property
    def is_blocked(self) -> bool:
        """Whether one direction at least is known to be closed."""
        return self.sent is False or self.received is False


@attrs.frozen
class PeerMessage:
    """A nodedns member of the pool told us something.

    Attributes:
        sender: Its node name.
        payload: The application's bytes, at most ``MAX_PEER_STREAM_BYTES``.
        source: Where they came from.
    """

    sender: NodeName
    payload: bytes
    source: Address


@attrs.frozen
class KeyringToStore:
    """A change of the keyring waits for this ring to be stored; answer with ``Serf.keyring_stored``.

    Attributes:
        keys: The ring as it will be, the primary first. They are secrets.
    """

    keys: tuple[bytes, ...] = attrs.field(repr=False)


@attrs.frozen
class KeyringChanged:
    """The keyring was changed on somebody's request.

    Attributes:
        query: Name of the query that asked for it.
        keys: How many there are now.
    """

    query: str
    keys: int


SerfEvent = (
    MemberChanged
    | JoinDone
    | LeaveDone
    | UserEventReceived
    | QueryReceived
    | QueryAcked
    | QueryAnswered
    | QueryClosed
    | NameConflict
    | NameConflictOver
    | PeerMessage
    | ConflictWon
    | ConflictLost
    | SnapshotAppend
    | SnapshotRewrite
    | RejoinTried
    | AloneInPool
    | UdpChecked
    | JoinFinished
    | KeyringToStore
    | KeyringChanged
    | StreamWanted
    | Dropped
    | Refuted
    | NodeSuspected
    | SuspicionConfirmed
    | SuspicionRefuted
    | NodeDeparted
    | PingCompleted
    | ProbeHelped
    | ProbeFailed
    | TcpOnlyAck
    | NameMoved
    | StaleAddressOutbid
)
