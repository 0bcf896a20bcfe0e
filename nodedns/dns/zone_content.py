"""``ZoneWork``: the names of one zone that are to be asked, and the records that are found, in steps.

Strategy: a name is asked in the zone that a client would be answered from: what lies in another zone of ours,
below this one, is that one's. The upper one has a delegation to it instead, the lower one's NS records and the
addresses that go with them, so that a secondary with the upper zone alone sends resolvers on, and denies nothing.

Which names are to be asked, ``zone_works`` knows. Source: RFC 1034 section 4.2.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from nodedns.dns.name import MAX_NAME_BYTES, Labels, wire_bytes
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, RRClass, RRType
from nodedns.dns.zone_asker import ZoneAsker
from nodedns.dns.zone_names import is_carried
from nodedns.dns.zone_records import Sets, name_key, packed_records, relative_key
from nodedns.dns.zones import ServedZone
from nodedns.table.view import TableView

__all__ = ["Named", "ZoneWork", "delegations_to", "zones_below"]

STEP_WEIGHT: Final = 32
"""Questions asked in a step, about: half a millisecond."""
RECORDS_OF_QUESTION: Final = 4
"""Records that take as long as a question."""

Named = tuple[Labels, bool]
"""A name without its zone's, and whether it may have records."""


@attrs.frozen(eq=False)
class ZoneWork:
    """What is to be found out about one zone.

    Attributes:
        zone: The zone.
        domain: The domain of the names in its records, folded.
        view: The table to answer from.
        policy: Knobs.
        is_forward: Whether its names have the grammar of a domain.
        names: What to ask, names that mean the same in a row.
        below: The zones of ours that lie in it, without those that lie in one of these.
        is_whole: Whether ``names`` are all there are.
        delegations: Records of the delegations to them, by packed name; None where these are not looked at.
    """

    zone: ServedZone
    domain: Labels
    view: TableView
    policy: DnsPolicy
    is_forward: bool
    names: Iterator[Named]
    below: tuple[ServedZone, ...] = ()
    is_whole: bool = False
    delegations: Sets | None = None

    @property
    def origin(self) -> Labels:
        """The zone's name, folded."""
        return self.zone.origin

    def steps(self) -> Iterator[Sets]:
        """Give the records found, by their packed names, in steps; empty for names that have none."""
        asker = ZoneAsker(self.zone, self.view, self.policy, is_forward=self.is_forward)
        found: Sets = {}
        weight = 0
        for relative, is_there in self.names:
            weight += 1
            if self._holds(relative):
                records: tuple[bytes, ...] = ()
                if is_there:
                    for _ in asker.ask(relative):
                        yield {}
                    records = asker.records
                found[relative_key(relative)] = records
                weight += len(records) // RECORDS_OF_QUESTION
            if weight >= STEP_WEIGHT:
                yield found
                found, weight = {}, 0
        yield found

    def _holds(self, relative: Labels) -> bool:
        name = relative + self.origin
        if not is_carried(relative) or wire_bytes(name) > MAX_NAME_BYTES:
            return False
        return not any(_is_under(name, zone.origin) for zone in self.below)


def zones_below(zone: ServedZone, kin: Iterable[ServedZone]) -> tuple[ServedZone, ...]:
    """Return those of ``kin`` that lie in ``zone``, without those that lie in another of these."""
    inside = [other for other in kin if other.origin != zone.origin and _is_under(other.origin, zone.origin)]
    return tuple(
        other
        for other in inside
        if not any(each.origin != other.origin and _is_under(other.origin, each.origin) for each in inside)
    )


def delegations_to(below: Iterable[ServedZone], origin: Labels, view: TableView, policy: DnsPolicy) -> Sets:
    """Return the NS records of zones, and the addresses of the name servers in them, by their packed names.

    Args:
        below: The zones.
        origin: The zone in which they lie.
        view: The table to answer from.
        policy: Knobs.
    """
    found: Sets = {}
    for zone in below:
        question = Question(zone.origin, zone.origin, RRType.NS, RRClass.IN)
        answer = zone.answer(question, view, policy)
        glue = [rrset for rrset in answer.glue if _is_under(rrset.owner, zone.origin)]
        for rrset in (*answer.answer, *glue):
            if not is_carried(rrset.owner[: -len(origin)]):
                continue
            key = name_key(rrset.owner, origin)
            found[key] = found.get(key, ()) + packed_records(rrset, origin)
    return found


def _is_under(name: Labels, origin: Labels) -> bool:
    return name[-len(origin) :] == origin
