"""``ConflictBook``: the names that two agents claim now, each with both claimants and who told us.

Two kinds: one name at two addresses that both answer for it (the gossip core
finds these), and two live members whose names differ only in case, which are
two members to gossip but one name to DNS. A conflict closes when one of the two
has gone, or the core finds that one does not answer any more.

It decides nothing: who keeps the name is settled below, in the table and by the
vote. The book is bounded; the conflict not seen for longest makes room.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from nodedns.gossip.events import ConflictOver, ConflictSeen
from nodedns.model.address import Address
from nodedns.model.conflict import Claimant, Conflict
from nodedns.model.member import Member, MemberStatus, SerfMember
from nodedns.model.names import NodeName, fold
from nodedns.serf.events import MemberChanged, NameConflict, NameConflictOver, SerfEvent
from nodedns.serf.members import MemberTable
from nodedns.serf.tags import decode_tags_untrusted

__all__ = ["MAX_CONFLICTS", "ConflictBook"]

MAX_CONFLICTS = 256
"""Conflicts kept at once; ours: four times the claims that the gossip core looks into at once."""
NODE_ID_TAG = "id"

_LIVE = (MemberStatus.ALIVE, MemberStatus.LEAVING)
_Key = tuple[str, str]  # folded name, the rival as text


class ConflictBook:
    """Conflicts by name.

    Args:
        local_name: Our own name.
        table: The members we know.
        incarnation_of: Returns a member's incarnation, 0 where unknown.
        emit: Takes ``NameConflict`` and ``NameConflictOver``.
    """

    def __init__(
        self,
        *,
        local_name: NodeName,
        table: MemberTable,
        incarnation_of: Callable[[str], int],
        emit: Callable[[SerfEvent], None],
    ) -> None:
        self._local_name = local_name
        self._table = table
        self._incarnation_of = incarnation_of
        self._emit = emit
        self._open: dict[_Key, Conflict] = {}
        self._spellings: dict[str, list[NodeName]] = {}  # folded name -> live members, the earliest first

    def __len__(self) -> int:
        return len(self._open)

    def shown(self) -> list[Conflict]:
        """Return the open conflicts by name, then by rival."""
        return [self._open[key] for key in sorted(self._open)]

    def seen(self, event: ConflictSeen, now: float) -> None:
        """Take that two addresses answer for one name."""
        name = event.existing.name
        self._put(
            (fold(name), str(event.claimant.address)),
            Conflict(
                holder=_claimant(event.existing, event.existing_incarnation),
                rival=_claimant(event.claimant, event.claimed_incarnation),
                told_by=event.told_by,
                told_by_name=self._name_at(event.told_by),
                since=now,
                seen_at=now,
                is_local=name == self._local_name,
            ),
        )

    def over(self, event: ConflictOver) -> None:
        """Take that such a conflict is none any more."""
        self._close((fold(event.name), str(event.address)))

    def note(self, event: MemberChanged, now: float) -> None:
        """Take a member's change: names that differ in case come and go, and so do holders."""
        member = event.member
        folded = fold(member.name)
        spellings = self._spellings.setdefault(folded, [])
        if member.status in _LIVE and self._table.get(member.name) is not None:
            if member.name not in spellings:
                spellings.append(member.name)
                self._compare(spellings[0], member.name, now)
        elif member.name in spellings:
            was_first = spellings[0] == member.name
            spellings.remove(member.name)
            self._close_all_of(member)
            for rival in spellings[1:] if was_first else ():
                self._compare(spellings[0], rival, now)
        if not spellings:
            del self._spellings[folded]

    # --- inside ----------------------------------------------------------------------

    def _compare(self, holder_name: NodeName, rival_name: NodeName, now: float) -> None:
        """Open a conflict between two spellings of a name, the earliest and another."""
        first, newest = self._table.get(holder_name), self._table.get(rival_name)
        if first is None or newest is None or first is newest:
            return
        holder, rival = (_claimant(record.member, self._incarnation_of(record.name)) for record in (first, newest))
        self._put(
            (fold(first.name), _case_key(newest.shown)),
            Conflict(
                holder=holder,
                rival=rival,
                told_by=None,
                told_by_name="",
                since=now,
                seen_at=now,
                is_local=self._local_name in (first.name, newest.name),
            ),
        )

    def _close_all_of(self, gone: SerfMember) -> None:
        """Close what the departed was part of."""
        for key in [key for key, conflict in self._open.items() if key[0] == fold(gone.name)]:
            conflict = self._open[key]
            if gone.name == conflict.holder.name or key[1] == _case_key(gone):
                self._close(key)

    def _put(self, key: _Key, conflict: Conflict) -> None:
        known = self._open.pop(key, None)
        if known is not None:
            conflict = attrs.evolve(conflict, since=known.since)
        elif len(self._open) >= MAX_CONFLICTS:
            self._close(next(iter(self._open)))
        self._open[key] = conflict
        self._emit(NameConflict(conflict, is_new=known is None))

    def _close(self, key: _Key) -> None:
        conflict = self._open.pop(key, None)
        if conflict is not None:
            self._emit(NameConflictOver(conflict))

    def _name_at(self, address: Address | None) -> str:
        """Return who is known at the address a claim came from; for a stream its port says nothing."""
        if address is None or not address.is_valid:
            return ""
        here = [record.member for record in self._table if _is_at(record.member.address, address)]
        for member in here:
            if member.address.port == address.port:
                return member.name
        return here[0].name if len(here) == 1 else ""


def _is_at(known: Address, address: Address) -> bool:
    return known.is_valid and known.ip == address.ip


def _case_key(member: SerfMember) -> str:
    return f"named {member.name}"


def _claimant(member: Member, incarnation: int) -> Claimant:
    node_id = decode_tags_untrusted(member.meta).get(NODE_ID_TAG, "")
    return Claimant(member.name, member.address, node_id, incarnation)
