"""``ServiceAddresses``: which instances have an IP of their own, by that IP, for reverse lookups.

Strategy: by IP stands a sorted tuple of who has it, since one machine may have them all; the next state copies
the dict, and only the tuples of IPs that moved. Prefixes are asked of an ``AddressIndex``, which
moves only where the first comes to an IP or the last goes.

It does not know of nodes' addresses; those have an index of their own in the view.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping

import attrs

from nodedns.table.address_index import AddressIndex, digits_of

__all__ = ["Place", "ServiceAddresses"]

Place = tuple[str, str, str]
"""Where an instance is found: folded name of its service, folded name of its node, and its ID."""


@attrs.frozen(eq=False)
class ServiceAddresses:
    """The IPs that instances have of their own; the dict is never changed once here.

    Attributes:
        by_ip: IP text to who has it, sorted.
        addresses: The keys of ``by_ip`` in order.
    """

    by_ip: Mapping[str, tuple[Place, ...]] = attrs.field(factory=dict)
    addresses: AddressIndex = AddressIndex()  # noqa: RUF009 - it is frozen

    def changed(self, gone: Iterable[tuple[str, Place]], come: Iterable[tuple[str, Place]]) -> ServiceAddresses:
        """Return them without ``gone``, all of which it has, and with ``come``, none of which it then has."""
        touched: dict[str, list[Place]] = {}

        def at(ip: str) -> list[Place]:
            if ip not in touched:
                touched[ip] = list(self.by_ip.get(ip, ()))
            return touched[ip]

        for ip, place in gone:
            places = at(ip)
            del places[bisect_left(places, place)]
        for ip, place in come:
            insort(at(ip), place)
        if not touched:
            return self
        by_ip = dict(self.by_ip)
        for ip, places in touched.items():
            if places:
                by_ip[ip] = tuple(places)
            else:
                by_ip.pop(ip, None)
        return ServiceAddresses(by_ip, self._moved_index(by_ip, touched))

    def _moved_index(self, by_ip: Mapping[str, tuple[Place, ...]], touched: Iterable[str]) -> AddressIndex:
        moved = [ip for ip in touched if (ip in by_ip) != (ip in self.by_ip)]
        if not moved:
            return self.addresses
        return self.addresses.changed(
            [digits_of(ip) for ip in moved if ip not in by_ip], [digits_of(ip) for ip in moved if ip in by_ip]
        )
