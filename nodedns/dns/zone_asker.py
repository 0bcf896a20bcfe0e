"""``ZoneAsker``: all that a zone says of one name, as records for a secondary.

Strategy: the zone is asked like a client would, for each type that adds something. What one reply says to no
one in particular is left out of it: no order, no choice, no limit but the size of the largest message.

Names that mean the same, which differ in the spelling of their place alone, have the same records but for PTR, which
names others below the very name. Of such names in a row the zone is asked about the first.

A zone may hold of one name a CNAME or other records, not both (RFC 1034 section 3.6.2), and one CNAME. So where a
service's name has a CNAME it has no SRV, and of several host names that stand for it, the first by name is in the zone.
"""

from __future__ import annotations

from collections.abc import Iterable

from nodedns.dns.grammar import SERVICE, UNDERSCORE, Meaning, meaning_of
from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRClass, RRType
from nodedns.dns.rrset import Answer, Rdata, RRset
from nodedns.dns.zone_records import record_ends, relative_key
from nodedns.dns.zones import ServedZone
from nodedns.table.view import TableView

__all__ = ["ZoneAsker"]


class ZoneAsker:
    """Asks one zone.

    Args:
        zone: The zone.
        view: The table to answer from.
        policy: Knobs.
        is_forward: Whether its names have the grammar of a domain.
    """

    __slots__ = ("_ends", "_is_forward", "_meaning", "_origin", "_points", "_policy", "_view", "_zone")

    def __init__(self, zone: ServedZone, view: TableView, policy: DnsPolicy, *, is_forward: bool) -> None:
        self._zone = zone
        self._origin = zone.origin
        self._view = view
        self._policy = policy
        self._is_forward = is_forward
        self._meaning: Meaning | None = None
        self._ends: list[bytes] = []
        self._points = False

    def records(self, relative: Labels) -> tuple[bytes, ...]:
        """Return all records of a name but SOA, each packed; none where the name has none or does not exist.

        Args:
            relative: The name, folded, without the zone's.
        """
        name = relative + self._origin
        meaning = meaning_of(relative, self._view.datacenter) if self._is_forward else None
        pointers: RRset | None = None
        if meaning is None or meaning != self._meaning:
            self._meaning = meaning
            pointers = self._ask_all(name, _asked_for(relative))
        elif self._points:
            pointers = next(iter(self._ask(name, RRType.PTR).answer), None)
        start = relative_key(relative)
        ends = self._ends if pointers is None else self._ends + record_ends(pointers, self._origin)
        return tuple([start + end for end in ends])

    def _ask_all(self, name: Labels, rtypes: Iterable[int]) -> RRset | None:
        """Keep what is said of ``name``, but for its PTR records, and return these."""
        found: dict[int, RRset] = {}
        for rtype in rtypes:
            answer = self._ask(name, rtype)
            if answer.rcode is not Rcode.NOERROR:
                break
            found |= {rrset.rtype: rrset for rrset in answer.answer}
        found.pop(RRType.SOA, None)
        alias = found.get(RRType.CNAME)
        if alias is not None:
            found = {RRType.CNAME: RRset(name, RRType.CNAME, alias.ttl_s, (_first_name(alias.rdatas),))}
        pointers = found.pop(RRType.PTR, None)
        self._points = pointers is not None
        self._ends = [end for rrset in found.values() for end in record_ends(rrset, self._origin)]
        return pointers

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
