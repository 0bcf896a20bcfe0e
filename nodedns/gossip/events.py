"""What the gossip core tells its owner: datagrams to send, streams to open, and events.

Events are drained with ``Swim.next_event``; the names are memberlist's
delegate callbacks turned into values.
"""

from __future__ import annotations

import enum

import attrs

from nodedns.model.address import Address
from nodedns.model.history import ProbeReport
from nodedns.model.member import Member, NodeState
from nodedns.model.names import NodeName

__all__ = [
    "ConflictOver",
    "ConflictSeen",
    "Datagram",
    "Dropped",
    "GossipEvent",
    "JoinFinished",
    "LeaveFinished",
    "NameMoved",
    "NodeDeparted",
    "NodeJoined",
    "NodeSuspected",
    "NodeUpdated",
    "PingCompleted",
    "ProbeFailed",
    "ProbeHelped",
    "PushPullMerged",
    "Refuted",
    "StaleAddressOutbid",
    "StreamPurpose",
    "StreamWanted",
    "SuspicionConfirmed",
    "SuspicionRefuted",
    "TcpOnlyAck",
    "UserMessage",
]


@attrs.frozen
class Datagram:
    """One UDP payload to send from the gossip socket."""

    payload: bytes
    destination: Address


class StreamPurpose(enum.Enum):
    """Why a stream is opened."""

    PING = "ping"
    PUSH_PULL = "push_pull"
    USER = "user"


@attrs.frozen
class StreamWanted:
    """The core wants a TCP stream dialled; answer with ``open_stream`` or ``stream_failed``.

    Attributes:
        stream_id: Handed back in the answer.
        address: Where to dial.
        purpose: For logs.
        deadline: Monotonic seconds by which the whole exchange must be over.
    """

    stream_id: int
    address: Address
    purpose: StreamPurpose
    deadline: float


@attrs.frozen
class NodeJoined:
    """A node unknown, dead or left until now is alive (memberlist NotifyJoin)."""

    member: Member


@attrs.frozen
class NodeUpdated:
    """An alive node announced other metadata (memberlist NotifyUpdate)."""

    member: Member


@attrs.frozen
class NodeDeparted:
    """A node is dead or left (memberlist NotifyLeave); Serf decides which it means.

    Attributes:
        member: Its last known identity.
        state: ``DEAD`` or ``LEFT``.
        accuser: The name in the message's From: ourselves when our suspicion ran out.
        accusers: Those who had suspected it, the first accuser first.
        wanted: Confirmations that its suspicion was waiting for.
    """

    member: Member
    state: NodeState
    accuser: NodeName
    accusers: tuple[NodeName, ...] = ()
    wanted: int = 0


@attrs.frozen
class NodeSuspected:
    """A node is suspected from now on."""

    member: Member
    accuser: NodeName


@attrs.frozen
class SuspicionConfirmed:
    """Another member accuses a suspect, which shortens its time.

    Attributes:
        member: The suspect.
        accuser: Who confirmed.
        accusers: All so far, the first accuser first.
        wanted: Confirmations after which its time is shortest.
    """

    member: Member
    accuser: NodeName
    accusers: tuple[NodeName, ...]
    wanted: int


@attrs.frozen
class SuspicionRefuted:
    """A suspect is alive: it raised its incarnation.

    Attributes:
        member: The suspect.
        accusers: Those who had suspected it, the first accuser first.
        incarnation: Its new one.
    """

    member: Member
    accusers: tuple[NodeName, ...]
    incarnation: int


@attrs.frozen
class ConflictSeen:
    """Two addresses claim one name, and both answer a ping for it (memberlist NotifyConflict, there unasked).

    Told again each time that asking them again finds it so.

    Attributes:
        existing: Who holds the name; ourselves where it is ours.
        claimant: Who claims it besides.
        existing_incarnation: Of the holder.
        claimed_incarnation: Of the claim.
        told_by: Who sent us the claim; None where unknown.
        is_new: Whether the conflict was not known before.
    """

    existing: Member
    claimant: Member
    existing_incarnation: int
    claimed_incarnation: int
    told_by: Address | None
    is_new: bool


@attrs.frozen
class ConflictOver:
    """A conflict told before is none any more: an address does not answer, or has the name now."""

    name: NodeName
    address: Address


@attrs.frozen
class NameMoved:
    """A name was taken over by another address, because nobody answered for it at the old one."""

    before: Member
    after: Member


@attrs.frozen
class StaleAddressOutbid:
    """Someone had our name at an address where nobody answers for it; our own claim is above that one now.

    Attributes:
        address: The stale address.
        incarnation: Ours now.
    """

    address: Address
    incarnation: int


@attrs.frozen
class Refuted:
    """Someone said we are suspect or dead; we announced a higher incarnation.

    Attributes:
        accuser: Who said so; our own name where an earlier run of ours is spoken of.
        incarnation: What we announced.
        claim: What was said of us.
    """

    accuser: NodeName
    incarnation: int
    claim: NodeState


@attrs.frozen
class PingCompleted:
    """A direct UDP probe was acked within the probe timeout.

    Attributes:
        member: Who answered.
        rtt_s: Round trip in seconds.
        payload: The ack's payload (Serf: a coordinate), possibly empty.
    """

    member: Member
    rtt_s: float
    payload: bytes


@attrs.frozen
class ProbeHelped:
    """A probe was not acked within the probe timeout, but before its end.

    Attributes:
        member: Who was probed.
        helper: The member through whom the ack came; empty where it came late from the member itself.
    """

    member: Member
    helper: NodeName


@attrs.frozen
class ProbeFailed:
    """A probe got no ack at all; told before the suspicion that follows from it."""

    member: Member
    report: ProbeReport


@attrs.frozen
class TcpOnlyAck:
    """A member answered over TCP while its UDP probes went unanswered: UDP is blocked."""

    member: Member
    report: ProbeReport


@attrs.frozen
class UserMessage:
    """A Serf message arrived (first byte: Serf's message type).

    Attributes:
        payload: The message without memberlist's type byte.
        source: Who sent the packet or stream.
    """

    payload: bytes
    source: Address


@attrs.frozen
class PushPullMerged:
    """A push/pull was merged, the delegate's part of it included."""

    is_join: bool


@attrs.frozen
class JoinFinished:
    """A join begun with ``Swim.join`` is over.

    Attributes:
        join_id: What ``join`` returned.
        address: Whom we contacted.
        error: Empty on success, else the reason in words.
    """

    join_id: int
    address: Address
    error: str


@attrs.frozen
class LeaveFinished:
    """Our own departure was sent to the limit, or nobody was there to hear it, or time ran out."""

    timed_out: bool


@attrs.frozen
class Dropped:
    """Input was dropped; counted by reason and logged at a limited rate.

    Attributes:
        reason: Constant text with dashes, e.g. ``bad-crc``; a metric label.
        source: Who sent it; None where unknown.
        detail: A few words more, already shortened.
    """

    reason: str
    source: Address | None
    detail: str = ""


GossipEvent = (
    NodeJoined
    | NodeUpdated
    | NodeDeparted
    | NodeSuspected
    | SuspicionConfirmed
    | SuspicionRefuted
    | ConflictSeen
    | ConflictOver
    | NameMoved
    | StaleAddressOutbid
    | Refuted
    | PingCompleted
    | ProbeHelped
    | ProbeFailed
    | TcpOnlyAck
    | UserMessage
    | PushPullMerged
    | JoinFinished
    | LeaveFinished
    | StreamWanted
    | Dropped
)
