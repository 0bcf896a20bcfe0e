"""``ZoneWorks``: which zones are published, and what is to be asked of each: everything, or what marks lead to.

Strategy: a zone that is not published yet is asked for all names there are; else changes of rows, services and
addresses lead to their names, and a change of the servers to each zone's apex.

Zones that follow the addresses are there while an address is, and no more than ``MAX_DERIVED_ZONES`` of them are
published: those that are already, then the first by address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Final

import attrs

from nodedns.dns.marks import Marks
from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.reverse import DERIVED_DIGITS, ReverseZone
from nodedns.dns.reverse_names import address_text, reverse_labels
from nodedns.dns.zone_content import Named, ZoneWork, delegations_to, zones_below
from nodedns.dns.zone_names import ZoneNames, moved_instances
from nodedns.dns.zones import ServedZone, Zones
from nodedns.model.names import fold
from nodedns.table.address_index import Digits, digits_of
from nodedns.table.view import TableView

__all__ = ["MAX_DERIVED_ZONES", "ZoneWorks"]

MAX_DERIVED_ZONES: Final = 256
"""Zones of the table's addresses that are published; ours: whoever has more networks lists larger zones."""

STEP_ADDRESSES: Final = 16
"""Addresses looked up in a step: half a millisecond."""


@attrs.frozen(eq=False, slots=False)
class ZoneWorks:
    """What is to be found out about all zones.

    Attributes:
        zones: The zones.
        view: The table to answer from.
        policy: Knobs.
        marks: What changed; None if every name is to be asked.
        published: Origins of the zones that are published.
    """

    zones: Zones
    view: TableView
    policy: DnsPolicy
    marks: Marks | None
    published: Collection[Labels]
    _moved_addresses: dict[Labels, list[Digits]] = attrs.field(init=False, factory=dict, repr=False)
    """The addresses that marks are of, by the zone that they lie in."""

    def gone(self, known: Iterable[Labels]) -> list[Labels]:
        """Return those of some zones, by their origins, that there should not be."""
        served = {zone.origin for zone in chain(self.zones.forward, self._reverse)}
        return [origin for origin in known if origin not in served]

    @property
    def left_out(self) -> int:
        """How many zones that follow the addresses are not published, for being too many."""
        return len(self._prefixes) - len(self._reverse) if self.zones.reverse.listed is None else 0

    def prepare(self) -> Iterator[None]:
        """Look, in steps, in which zones the addresses lie that marks are of; to be gone through before ``works``."""
        for number, ip_text in enumerate(self.marks.ips if self.marks is not None else (), 1):
            address = digits_of(ip_text)
            zone = self.zones.reverse.covering(reverse_labels(address), self.view)
            if zone is not None:
                self._moved_addresses.setdefault(zone.origin, []).append(address)
            if not number % STEP_ADDRESSES:
                yield

    def works(self) -> Iterator[ZoneWork]:
        """Give the work on each zone that may have changed."""
        for zone in self.zones.forward:
            marks = self._marks_for(zone)
            names = self._forward_names() if marks is None else self._moved_forward_names(marks)
            yield self._work(zone, zone.origin, names)
        for each in self._reverse:
            marks = self._marks_for(each)
            if marks is None:
                yield self._work(each, self.zones.reverse.domain, self._reverse_names(each))
            elif each.origin in self._moved_addresses or marks.moves_servers:
                yield self._work(each, self.zones.reverse.domain, self._moved_reverse_names(each, marks))

    def _marks_for(self, zone: ServedZone) -> Marks | None:
        return self.marks if zone.origin in self.published else None

    def _work(self, zone: ServedZone, domain: Labels, names: Iterator[Named]) -> ZoneWork:
        marks = self._marks_for(zone)
        is_forward = zone.origin == domain
        below = zones_below(zone, self.zones.forward if is_forward else self._reverse)
        delegations = None
        if marks is None or marks.moves_servers:
            delegations = delegations_to(below, zone.origin, self.view, self.policy)
        return ZoneWork(zone, domain, self.view, self.policy, is_forward, names, below, marks is None, delegations)

    @cached_property
    def _reverse(self) -> tuple[ReverseZone, ...]:
        reverse = self.zones.reverse
        if reverse.listed is not None:
            return tuple(reverse.listed.values())
        zones = [ReverseZone(each, reverse.domain, True, edition_of=reverse.edition_of) for each in self._prefixes]
        zones.sort(key=lambda zone: zone.origin not in self.published)
        return tuple(zones[:MAX_DERIVED_ZONES])

    @cached_property
    def _prefixes(self) -> list[Digits]:
        lengths = DERIVED_DIGITS.items()
        return [prefix for version, length in lengths for prefix in self.view.prefixes(version, length)]

    @cached_property
    def _names(self) -> ZoneNames:
        return ZoneNames.of_datacenter(self.view.datacenter)

    def _forward_names(self) -> Iterator[Named]:
        names, view = self._names, self.view
        yield from _there(chain(names.of_zone(), names.of_types()))
        for row in view.nodes():
            yield from _there(names.of_node(fold(row.name)))
        for group in view.services():
            yield from _there(names.of_service(group.folded, group.instances))
        for version in DERIVED_DIGITS:
            for address in view.addresses_under(Digits(version, "")):
                yield from _there(names.of_address(address_text(address)))

    def _moved_forward_names(self, marks: Marks) -> Iterator[Named]:
        names, view = self._names, self.view
        if marks.moves_servers:
            yield from _there(names.of_zone())
        if marks.services:
            yield from _there(names.of_types())
        for folded in marks.rows:
            yield from _there(names.of_node(folded))
        for folded, before in marks.services.items():
            yield from _there(names.of_service(folded, moved_instances(before, view.service_folded(folded))))
        for ip_text in marks.ips:
            is_there = view.has_ip(ip_text)
            yield from ((name, is_there) for name in names.of_address(ip_text))

    def _reverse_names(self, zone: ReverseZone) -> Iterator[Named]:
        yield (), True
        for address in self.view.addresses_under(zone.prefix):
            yield _relative(address, zone), True

    def _moved_reverse_names(self, zone: ReverseZone, marks: Marks) -> Iterator[Named]:
        if marks.moves_servers:
            yield (), True
        for address in self._moved_addresses.get(zone.origin, ()):
            yield _relative(address, zone), True


def _there(names: Iterator[Labels]) -> Iterator[Named]:
    return ((name, True) for name in names)


def _relative(address: Digits, zone: ReverseZone) -> Labels:
    return reverse_labels(address)[: -len(zone.origin)]
