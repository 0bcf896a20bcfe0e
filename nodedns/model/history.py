"""History: what happened to one member, as values that can be kept, shown and told apart.

A ``HistoryEntry`` holds facts (who, how many, which probe), never a sentence, so
that it stays small and whoever shows it chooses the words. Times are monotonic
seconds of the agent that saw it happen.

It does not keep anything: ``serf.journal`` does.

Source: users of Serf ask who suspected whom, and who agreed (Lifeguard paper, section IV).
"""

from __future__ import annotations

import enum

import attrs

from nodedns.model.address import Address
from nodedns.model.names import NodeName

__all__ = ["NOBODY", "ChangeKind", "HistoryEntry", "MemberHistory", "ProbeReport"]

NOBODY = NodeName("")


class ChangeKind(enum.Enum):
    """What happened; the value is the word that the HTTP API and metrics use."""

    JOINED = "joined"
    """It is alive and was not before."""
    UPDATED = "updated"
    """It announced other tags, or another address."""
    MOVED = "moved"
    """Its name went over to another address, since nobody answered for it at the old one."""
    SUSPECTED = "suspected"
    """Somebody, the first accuser, got no answer from it."""
    CONFIRMED = "confirmed"
    """Another member got no answer from it either."""
    REFUTED = "refuted"
    """It answered the suspicion itself."""
    DEAD = "dead"
    """It was declared dead."""
    LEAVING = "leaving"
    """It said that it is about to leave."""
    LEFT = "left"
    """It has left, as it had said."""
    FAILED = "failed"
    """It is gone without having said so."""
    REAPED = "reaped"
    """It is forgotten."""
    TCP_ONLY = "tcp-only"
    """It answered over TCP, and nothing came back over UDP."""
    UDP_CHECKED = "udp-checked"
    """The way to it and back was tried, each direction by itself."""
    ACCUSED = "accused"
    """Somebody said that we ourselves are suspect or dead, and we refuted it."""
    CONFLICT = "conflict"
    """Another agent claims its name."""


@attrs.frozen
class ProbeReport:
    """A probe that its target did not answer directly.

    Attributes:
        target: Where its ping went.
        timeout_s: How long the direct ack was waited for.
        waited_s: How long the whole probe took.
        helpers: Members asked to ping it for us.
        nacks: How many of them said that they heard nothing either.
        expected_nacks: How many of them can say so.
        tcp: What came of the ping over TCP: ``acked``, an error, or empty where none was sent.
        health_score: Lifeguard's score of our own health when the probe ended, before it counted.
    """

    target: Address
    timeout_s: float
    waited_s: float
    helpers: tuple[NodeName, ...]
    nacks: int
    expected_nacks: int
    tcp: str
    health_score: int


@attrs.frozen(kw_only=True)
class HistoryEntry:
    """One thing that happened to a member.

    Attributes:
        at: Monotonic seconds.
        number: Rises with each entry of any member.
        name: The member.
        kind: What happened.
        by: Who did it: the accuser, the confirmer, who declared it dead; empty where nobody did.
        accusers: On ``CONFIRMED``, ``REFUTED`` and ``DEAD``: all who had accused it, the first accuser first.
        wanted: Confirmations that make a suspicion end soonest; 0 where the pool is too small for any.
        probe: The probe of ours behind it, if it was one of ours.
        address: Where the member was then, on ``JOINED`` and ``UPDATED``.
        detail: A few words more; never from the network unless shortened.
        health_score: Lifeguard's score of our own health at that time.
    """

    at: float
    number: int
    name: NodeName
    kind: ChangeKind
    by: NodeName = NOBODY
    accusers: tuple[NodeName, ...] = ()
    wanted: int = 0
    probe: ProbeReport | None = None
    address: Address | None = None
    detail: str = ""
    health_score: int = 0


@attrs.frozen(kw_only=True)
class MemberHistory:
    """What is remembered of one member.

    Attributes:
        name: As it spells itself.
        entries: What happened, oldest first; the oldest may be forgotten.
        acked_at: When it last answered a probe of ours directly; None: never yet.
        rtt_s: How long that answer took.
        failed_at: When a probe of ours last got no direct answer; None: never yet.
        failure: That probe; None where a helper got through.
        helper: The member whose ping it did answer then; empty where none did.
        misses: Probes without a direct answer since the last direct one.
        status_at: When its status last changed; None: not in our time.
        udp: What the last check of UDP found, where it is blocked; None: it is not, as far as is known.
    """

    name: NodeName
    entries: tuple[HistoryEntry, ...] = ()
    acked_at: float | None = None
    rtt_s: float = 0.0
    failed_at: float | None = None
    failure: ProbeReport | None = None
    helper: NodeName = NOBODY
    misses: int = 0
    status_at: float | None = None
    udp: HistoryEntry | None = None
