"""``MemberTable``: every member Serf knows of, its status, and the transitions between statuses.

A member is alive, leaving (its leave intent was heard), left, or failed. The
table only moves records between statuses and says what became of it; who may
ask for a move, and at which Lamport time, is ``membership.py``'s business.

The table is bounded: when it is full, the member longest departed makes room.
Those alive are bounded by the gossip core's own table.

Source: Serf's member state (gossip-protocol 4.2, 4.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from nodedns.model.member import Member, MemberStatus, SerfMember
from nodedns.model.names import NodeName
from nodedns.serf.durations import parse_go_duration_s

__all__ = ["MemberRecord", "MemberTable"]

RECONNECT_TIMEOUT_TAG = "rc_tm"  # Consul: how long this member is remembered once failed or left


class MemberRecord:
    """One member, and the Lamport time of the last intent that was applied to it."""

    __slots__ = ("departed_at", "leaving_since", "member", "shown", "status_ltime")

    def __init__(self, member: Member, tags: Mapping[str, str], status: MemberStatus) -> None:
        self.member = member
        self.shown = SerfMember(
            name=member.name, address=member.address, tags=tags, status=status, versions=member.versions
        )
        self.status_ltime = 0
        self.departed_at = 0.0
        self.leaving_since = 0.0

    @property
    def name(self) -> NodeName:
        """The member's name."""
        return self.member.name

    @property
    def status(self) -> MemberStatus:
        """The member's status."""
        return self.shown.status

    def reaped_after_s(self, default_s: float) -> float:
        """Return how long the member is remembered once departed: its own ``rc_tm``, or the default."""
        text = self.shown.tags.get(RECONNECT_TIMEOUT_TAG)
        own = None if text is None else parse_go_duration_s(text)
        return default_s if own is None else own


class MemberTable:
    """Members by name, and those departed in the order in which they went.

    Args:
        max_members: How many are kept.
    """

    __slots__ = ("_alive", "_by_name", "_failed", "_left", "_max_members")

    def __init__(self, max_members: int) -> None:
        self._max_members = max_members
        self._by_name: dict[NodeName, MemberRecord] = {}
        self._alive = 0
        self._failed: dict[NodeName, MemberRecord] = {}
        self._left: dict[NodeName, MemberRecord] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[MemberRecord]:
        return iter(self._by_name.values())

    def get(self, name: str) -> MemberRecord | None:
        """Return the record of ``name``, or None."""
        return self._by_name.get(NodeName(name))

    def shown(self) -> list[SerfMember]:
        """Return every member as users see it, by name."""
        return sorted((record.shown for record in self._by_name.values()), key=lambda member: member.name)

    @property
    def alive_count(self) -> int:
        """How many members are alive (not leaving)."""
        return self._alive

    @property
    def failed(self) -> tuple[MemberRecord, ...]:
        """The failed members, the longest failed first."""
        return tuple(self._failed.values())

    @property
    def left(self) -> tuple[MemberRecord, ...]:
        """The members that left, the longest gone first."""
        return tuple(self._left.values())

    @property
    def failed_count(self) -> int:
        """How many members have failed."""
        return len(self._failed)

    @property
    def left_count(self) -> int:
        """How many members have left."""
        return len(self._left)

    def add(self, member: Member, tags: Mapping[str, str], status: MemberStatus) -> MemberRecord:
        """Add a member whose name is not in the table. ``make_room`` first."""
        record = MemberRecord(member, tags, status)
        self._by_name[record.name] = record
        self._file(record)
        return record

    def make_room(self) -> MemberRecord | None:
        """Erase and return the member longest departed if the table is full, else None."""
        if len(self._by_name) < self._max_members:
            return None
        for departed in (self._left, self._failed):
            for record in departed.values():
                self.erase(record)
                return record
        return None

    def update(self, record: MemberRecord, member: Member, tags: Mapping[str, str]) -> None:
        """Take over what the member announces of itself now."""
        record.member = member
        record.shown = attrs.evolve(record.shown, address=member.address, tags=tags, versions=member.versions)

    def move(self, record: MemberRecord, status: MemberStatus) -> None:
        """Give the member another status."""
        self._unfile(record)
        record.shown = attrs.evolve(record.shown, status=status)
        self._file(record)

    def erase(self, record: MemberRecord) -> None:
        """Forget the member."""
        self._unfile(record)
        del self._by_name[record.name]

    def holds(self, record: MemberRecord) -> bool:
        """Whether this very record is still in the table."""
        return self._by_name.get(record.name) is record

    def expired(self, now: float, failed_after_s: float, left_after_s: float) -> list[MemberRecord]:
        """Return the members departed for longer than they are remembered."""
        found = []
        for departed, default_s in ((self._failed, failed_after_s), (self._left, left_after_s)):
            found += [
                record for record in departed.values() if now - record.departed_at > record.reaped_after_s(default_s)
            ]
        return found

    def _file(self, record: MemberRecord) -> None:
        if record.status is MemberStatus.ALIVE:
            self._alive += 1
        elif record.status is MemberStatus.FAILED:
            self._failed[record.name] = record
        elif record.status is MemberStatus.LEFT:
            self._left[record.name] = record

    def _unfile(self, record: MemberRecord) -> None:
        if record.status is MemberStatus.ALIVE:
            self._alive -= 1
        elif record.status is MemberStatus.FAILED:
            del self._failed[record.name]
        elif record.status is MemberStatus.LEFT:
            del self._left[record.name]
