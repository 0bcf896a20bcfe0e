"""``Journal``: what happened to each member lately, kept small, to be read when somebody asks why.

Strategy: fed with the Serf layer's events and the time, it keeps the notable ones
as facts: suspicions, confirmations, refutations, deaths, joins, departures, what
a probe of ours found. A probe that was answered costs two numbers in the member's
record and no entry. Both a member's entries and those of all members together are
bounded; the oldest go first, a flapping member's own before those of others.

What it does not do: decide anything, read a clock, or write sentences.

Source: SWIM paper section 4.2, Lifeguard paper section IV for what can happen to a member.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Any

import attrs

from nodedns.gossip.events import (
    NameMoved,
    NodeDeparted,
    NodeSuspected,
    PingCompleted,
    ProbeFailed,
    ProbeHelped,
    Refuted,
    SuspicionConfirmed,
    SuspicionRefuted,
    TcpOnlyAck,
)
from nodedns.model.address import Address
from nodedns.model.history import NOBODY, ChangeKind, HistoryEntry, MemberHistory, ProbeReport
from nodedns.model.member import NodeState
from nodedns.model.names import NodeName, fold
from nodedns.serf.events import MemberChanged, MemberChangeKind, NameConflict, SerfEvent, UdpChecked
from nodedns.serf.udp_text import udp_text

__all__ = ["MAX_ENTRIES", "MAX_ENTRIES_A_MEMBER", "Journal"]

MAX_ENTRIES_A_MEMBER = 32
"""Ours: about eight rounds of suspected, confirmed twice, refuted."""
MAX_ENTRIES = 8192
"""Ours: a join and a little more for each of 5,000 members; about 4 MiB."""

_KINDS = {
    MemberChangeKind.JOIN: ChangeKind.JOINED,
    MemberChangeKind.UPDATE: ChangeKind.UPDATED,
    MemberChangeKind.LEAVING: ChangeKind.LEAVING,
    MemberChangeKind.LEAVE: ChangeKind.LEFT,
    MemberChangeKind.FAILED: ChangeKind.FAILED,
    MemberChangeKind.REAP: ChangeKind.REAPED,
}


@attrs.define(eq=False)
class _Record:
    """One member: its entries, oldest first, and how its probes went."""

    name: NodeName
    entries: list[HistoryEntry] = attrs.field(factory=list)
    acked_at: float | None = None
    rtt_s: float = 0.0
    failed_at: float | None = None
    failure: ProbeReport | None = None
    helper: NodeName = NOBODY
    misses: int = 0
    status_at: float | None = None
    udp: HistoryEntry | None = None


class Journal:
    """Remembers the last changes of every member.

    Args:
        local_name: Our own name.
        health_score: Reads Lifeguard's score of our own health.
        max_entries: Entries kept of all members together.
        max_entries_a_member: Entries kept of one.
    """

    def __init__(
        self,
        local_name: NodeName,
        health_score: Callable[[], int],
        *,
        max_entries: int = MAX_ENTRIES,
        max_entries_a_member: int = MAX_ENTRIES_A_MEMBER,
    ) -> None:
        self._local_name = local_name
        self._health_score = health_score
        self._max_entries = max_entries
        self._max_entries_a_member = max_entries_a_member
        self._records: dict[str, _Record] = {}
        self._order: OrderedDict[int, HistoryEntry] = OrderedDict()  # all members' entries by number
        self._sequence = 0
        self._just_failed: ProbeFailed | None = None  # the suspicion that follows from it is told next
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            PingCompleted: self._ping_completed,
            ProbeHelped: self._probe_helped,
            ProbeFailed: self._probe_failed,
            TcpOnlyAck: self._tcp_only,
            NodeSuspected: self._suspected,
            SuspicionConfirmed: self._confirmed,
            SuspicionRefuted: self._refuted,
            NodeDeparted: self._departed,
            Refuted: self._accused,
            UdpChecked: self._udp_checked,
            NameConflict: self._conflict,
            NameMoved: self._moved,
            MemberChanged: self._changed,
        }

    def __len__(self) -> int:
        """Return how many entries are kept."""
        return len(self._order)

    def note(self, event: SerfEvent, now: float) -> None:
        """Take one event; most are nothing to remember."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event, now)
            self._just_failed = event if isinstance(event, ProbeFailed) else None

    def history(self, name: str) -> MemberHistory | None:
        """Return what is remembered of a member, its name in any letter case; None: nothing."""
        record = self._records.get(fold(name))
        if record is None:
            return None
        return MemberHistory(
            name=record.name,
            entries=tuple(record.entries),
            acked_at=record.acked_at,
            rtt_s=record.rtt_s,
            failed_at=record.failed_at,
            failure=record.failure,
            helper=record.helper,
            misses=record.misses,
            status_at=record.status_at,
            udp=record.udp,
        )

    def latest(self, count: int) -> tuple[HistoryEntry, ...]:
        """Return the last ``count`` entries of all members, oldest first."""
        return tuple(islice(reversed(self._order.values()), count))[::-1]

    # --- probes ----------------------------------------------------------------------

    def _ping_completed(self, ping: PingCompleted, now: float) -> None:
        record = self._record(ping.member.name)
        record.acked_at = now
        record.rtt_s = ping.rtt_s
        record.misses = 0

    def _probe_helped(self, helped: ProbeHelped, now: float) -> None:
        self._missed(helped.member.name, now, None).helper = helped.helper

    def _probe_failed(self, failed: ProbeFailed, now: float) -> None:
        self._missed(failed.member.name, now, failed.report)

    def _tcp_only(self, event: TcpOnlyAck, now: float) -> None:
        record = self._missed(event.member.name, now, event.report)
        last = record.entries[-1] if record.entries else None
        # A blocked path says so with every probe, for days; once until something else happens is enough.
        if last is None or last.kind not in (ChangeKind.TCP_ONLY, ChangeKind.UDP_CHECKED):
            self._add(record.name, ChangeKind.TCP_ONLY, now, probe=event.report)

    def _udp_checked(self, event: UdpChecked, now: float) -> None:
        record, detail = self._record(event.member.name), udp_text(event)
        was = record.udp
        # That all is well is news only where it was not.
        if event.is_blocked and (was is None or was.detail != detail):
            record.udp = self._add(record.name, ChangeKind.UDP_CHECKED, now, detail=detail)
        elif event.is_open and was is not None:
            self._add(record.name, ChangeKind.UDP_CHECKED, now, detail=detail)
            record.udp = None

    def _missed(self, name: NodeName, now: float, report: ProbeReport | None) -> _Record:
        record = self._record(name)
        record.failed_at = now
        record.failure = report
        record.helper = NOBODY
        record.misses += 1
        return record

    # --- suspicion and death -----------------------------------------------------------

    def _suspected(self, event: NodeSuspected, now: float) -> None:
        name, accuser = event.member.name, event.accuser
        self._add(name, ChangeKind.SUSPECTED, now, by=accuser, probe=self._own_probe(name, accuser))

    def _confirmed(self, event: SuspicionConfirmed, now: float) -> None:
        name, accuser = event.member.name, event.accuser
        probe = self._own_probe(name, accuser)
        self._add(
            name, ChangeKind.CONFIRMED, now, by=accuser, accusers=event.accusers, wanted=event.wanted, probe=probe
        )

    def _refuted(self, event: SuspicionRefuted, now: float) -> None:
        detail = f"incarnation {event.incarnation}"
        self._add(event.member.name, ChangeKind.REFUTED, now, accusers=event.accusers, detail=detail)

    def _departed(self, event: NodeDeparted, now: float) -> None:
        # A departure that the member announced itself is told by the Serf layer.
        if event.state is NodeState.DEAD:
            self._add(
                event.member.name,
                ChangeKind.DEAD,
                now,
                by=event.accuser,
                accusers=event.accusers,
                wanted=event.wanted,
            )

    def _accused(self, event: Refuted, now: float) -> None:
        claim = event.claim.name.lower()
        detail = f"{claim}; we announced incarnation {event.incarnation}"
        self._add(self._local_name, ChangeKind.ACCUSED, now, by=event.accuser, detail=detail)

    def _own_probe(self, name: NodeName, accuser: NodeName) -> ProbeReport | None:
        failed = self._just_failed
        is_ours = failed is not None and accuser == self._local_name and failed.member.name == name
        return failed.report if failed is not None and is_ours else None

    # --- the Serf layer ------------------------------------------------------------------

    def _conflict(self, event: NameConflict, now: float) -> None:
        holder, rival = event.conflict.holder, event.conflict.rival
        detail = f"claimed by {rival.address}, known at {holder.address}"
        # Claimants are heard of again and again, several of one name by turns.
        if event.is_new:
            self._add(holder.name, ChangeKind.CONFLICT, now, by=NodeName(event.conflict.told_by_name), detail=detail)

    def _moved(self, event: NameMoved, now: float) -> None:
        name = event.after.name
        self._add(name, ChangeKind.MOVED, now, address=event.after.address, detail=str(event.before.address))
        # What was found out about the old address says nothing of the new one.
        record = self._record(name)
        record.acked_at = record.failed_at = record.failure = record.udp = None
        record.helper, record.misses = NOBODY, 0

    def _changed(self, event: MemberChanged, now: float) -> None:
        name = event.member.name
        self._add(name, _KINDS[event.kind], now, address=event.member.address)
        record = self._record(name)
        if event.kind is not MemberChangeKind.UPDATE:
            record.status_at = now
        if event.kind is MemberChangeKind.REAP:
            record.acked_at = record.failed_at = record.failure = record.udp = None

    # --- upkeep ----------------------------------------------------------------------------

    def _record(self, name: NodeName) -> _Record:
        key = fold(name)
        record = self._records.get(key)
        if record is None:
            record = self._records[key] = _Record(name)
        return record

    def _add(
        self,
        name: NodeName,
        kind: ChangeKind,
        now: float,
        *,
        by: NodeName = NOBODY,
        accusers: tuple[NodeName, ...] = (),
        wanted: int = 0,
        probe: ProbeReport | None = None,
        address: Address | None = None,
        detail: str = "",
    ) -> HistoryEntry:
        record = self._record(name)
        self._sequence += 1
        entry = HistoryEntry(
            at=now,
            number=self._sequence,
            name=name,
            kind=kind,
            by=by,
            accusers=accusers,
            wanted=wanted,
            probe=probe,
            address=address,
            detail=detail,
            health_score=self._health_score(),
        )
        self._order[entry.number] = entry
        record.entries.append(entry)
        if len(record.entries) > self._max_entries_a_member:
            del self._order[record.entries.pop(0).number]
        elif len(self._order) > self._max_entries:
            self._drop(self._order.popitem(last=False)[1])
        return entry

    def _drop(self, oldest: HistoryEntry) -> None:
        key = fold(oldest.name)
        record = self._records[key]
        record.entries.pop(0)  # the oldest of all is its member's oldest
        # Who is still listed is probed again, and then has a record again.
        if not record.entries and record.acked_at is None and record.failed_at is None:
            del self._records[key]
