"""``ZoneAsker``: all that a zone says of one name, as records for a secondary.

Strategy: the zone is asked like a client would, for each type that adds something. What one reply says to no
one in particular is left out of it: no order, no choice, no limit but the size of the largest message.

Names that mean the same, which differ in the spelling of their place alone, have the same records but for PTR, which
names others below the very name. Of such names in a row the zone is asked about the first.

A zone may hold of one name a CNAME or other records, not both (RFC 1034 section 3.6.2), and one CNAME. So where a
service's name has a CNAME it has no SRV, and of several host names that stand for it, the first by name is in the zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from nodedns.dns.grammar import SERVICE, UNDERSCORE, Meaning, meaning_of
from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRClass, RRType
from nodedns.dns.rrset import Answer, Rdata, RRset
from nodedns.dns.zone_records import record_ends, relative_key
from nodedns.dns.zones import ServedZone
from nodedns.table.view import TableView

__all__ = ["ZoneAsker"]

MANY_RECORDS: Final = 256
"""Records of one type with which a question is a step by itself: a millisecond."""


class ZoneAsker:
    """Asks one zone.

    Args:
        zone: The zone.
        view: The table to answer from.
        policy: Knobs.
        is_forward: Whether its names have the grammar of a domain.

    Attributes:
        records: All records of the name asked for last but SOA, each packed; none where it has none or does not exist.
    """

    __slots__ = ("_ends", "_is_forward", "_meaning", "_origin", "_pointers", "_policy", "_view", "_zone", "records")

    def __init__(self, zone: ServedZone, view: TableView, policy: DnsPolicy, *, is_forward: bool) -> None:
        self._zone = zone
        self._origin = zone.origin
        self._view = view
        self._policy = policy
        self._is_forward = is_forward
        self._meaning: Meaning | None = None
        self._ends: list[bytes] = []
        self._pointers: RRset | None = None
        self.records: tuple[bytes, ...] = ()

    def ask(self, relative: Labels) -> Iterator[None]:
        """Ask for all records of a name, in steps to be gone through; then ``records`` has them.

        Args:
            relative: The name, folded, without the zone's.
        """
        name = relative + self._origin
        meaning = meaning_of(relative, self._view.datacenter) if self._is_forward else None
        if meaning is None or meaning != self._meaning:
            self._meaning = meaning
            yield from self._ask_all(name, _asked_for(relative))
        elif self._pointers is not None:
            self._pointers = next(iter(self._ask(name, RRType.PTR).answer), None)
            if self._pointers is not None and len(self._pointers.rdatas) > MANY_RECORDS:
                yield
        start = relative_key(relative)
        ends = self._ends if self._pointers is None else self._ends + record_ends(self._pointers, self._origin)
        self.records = tuple([start + end for end in ends])

    def _ask_all(self, name: Labels, rtypes: Iterable[int]) -> Iterator[None]:
        """Keep what is said of ``name``, its PTR records apart."""
        found: dict[int, RRset] = {}
        for rtype in rtypes:
            answer = self._ask(name, rtype)
            if answer.rcode is not Rcode.NOERROR:
                break
            found |= {rrset.rtype: rrset for rrset in answer.answer}
            if any(len(rrset.rdatas) > MANY_RECORDS for rrset in answer.answer):
                yield
        found.pop(RRType.SOA, None)
        alias = found.get(RRType.CNAME)
        if alias is not None:
            found = {RRType.CNAME: RRset(name, RRType.CNAME, alias.ttl_s, (_first_name(alias.rdatas),))}
        self._pointers = found.pop(RRType.PTR, None)
        self._ends = []
        for rrset in found.values():
            self._ends += record_ends(rrset, self._origin)
            if len(rrset.rdatas) > MANY_RECORDS:
                yield

    def _ask(self, name: Labels, rtype: int) -> Answer:
        return self._zone.answer(Question(name, name, rtype, RRClass.IN), self._view, self._policy)


def _asked_for(relative: Labels) -> tuple[int, ...]:
    """Return the types that tell everything of a name: at names of services ANY leaves out SRV, and PTR."""
    if any(label.startswith(UNDERSCORE) for label in relative):
        return RRType.ANY, RRType.SRV, RRType.PTR
    return (RRType.ANY, RRType.SRV) if SERVICE in relative else (RRType.ANY,)


def _first_name(names: Iterable[Rdata]) -> Rdata:
    return min((name for name in names if isinstance(name, tuple)), key=_folded)


def _folded(name: tuple[object, ...]) -> list[bytes]:
    return [label.lower() for label in name if isinstance(label, bytes)]
