"""``Zones``: which of the served zones a name belongs to.

The longest origin that covers a name wins, label by label, so a further domain
may lie below the first one (``test.consul`` below ``consul``).
"""

from __future__ import annotations

from typing import Protocol

import attrs

from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, RRType
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.rrset import Answer
from nodedns.table.view import TableView

__all__ = ["ServedZone", "Zones"]


class ServedZone(Protocol):
    """A zone that we are the authority for."""

    @property
    def origin(self) -> Labels:
        """Labels of its apex, folded."""
        ...

    def answer(self, question: Question, view: TableView, policy: DnsPolicy) -> Answer:
        """Answer ``question``, whose name lies in this zone and whose class was settled before."""
        ...


def _longest_first(zones: tuple[ServedZone, ...]) -> tuple[ServedZone, ...]:
    return tuple(sorted(zones, key=lambda zone: len(zone.origin), reverse=True))


@attrs.frozen
class Zones:
    """Every zone an agent serves.

    Attributes:
        forward: Zones of the configured domains, the longest origin first.
        reverse: Zones of addresses; none where it is not given.
    """

    forward: tuple[ServedZone, ...] = attrs.field(converter=_longest_first)
    reverse: ReverseZones = attrs.field(factory=lambda: ReverseZones.of_prefixes((), ()))

    def answering(self, question: Question, view: TableView) -> ServedZone | None:
        """Return the zone that answers ``question``; None outside our names.

        That is the one with the longest origin, but for a zone's DS, which the zone above answers for
        (RFC 4035 section 3.1.4.1).
        """
        zone = self.covering(question.folded, view)
        if question.rtype == RRType.DS and zone is not None and zone.origin == question.folded:
            return self.covering(question.folded[1:], view) or zone
        return zone

    def covering(self, folded: Labels, view: TableView) -> ServedZone | None:
        """Return the zone with the longest origin that is ``folded`` or above it; None outside our names.

        Which reverse zones there are may depend on the table, hence ``view``.
        """
        forward, reverse = self._domain_over(folded), self.reverse.covering(folded, view)
        if forward is None or (reverse is not None and len(reverse.origin) > len(forward.origin)):
            return reverse
        return forward

    def _domain_over(self, folded: Labels) -> ServedZone | None:
        return next((zone for zone in self.forward if _covers(zone.origin, folded)), None)


def _covers(origin: Labels, folded: Labels) -> bool:
    return len(folded) >= len(origin) and folded[len(folded) - len(origin) :] == origin
