"""``Journal``: the last differences of a published zone, in a row, for incremental transfer.

Strategy: each difference leads from one serial to the next, so those behind any serial in the row make the zone of
now. A journal never changes; the next one is a copy with one more. The oldest go first, by three bounds: their number,
their bytes, and the zone's own bytes, for to whom more than that would have to be told, the zone is told.

What is not in it is not guessed: ``since`` returns None, and the whole zone is sent. Source: RFC 1995.
"""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["MAX_DIFFERENCES", "MAX_JOURNAL_BYTES", "Difference", "Journal"]

MAX_DIFFERENCES: Final = 1_024
"""Differences kept; ours: a quarter of an hour of a change in every second. Knot keeps 20 (journal-max-depth)."""
MAX_JOURNAL_BYTES: Final = 8 * 1024 * 1024
"""What they may take together; ours: a hundred times 300 registrations. NSD keeps 1 MiB (ixfr-size)."""


@attrs.frozen(eq=False)
class Difference:
    """What leads from one state of a zone to the next.

    Attributes:
        before_soa: The SOA record before, packed.
        removed: Records that are gone, packed.
        after_soa: The SOA record after, packed.
        added: Records that came, packed.
        before: Serial before.
        after: Serial after.
    """

    before_soa: bytes
    removed: tuple[bytes, ...]
    after_soa: bytes
    added: tuple[bytes, ...]
    before: int
    after: int

    @property
    def wire_bytes(self) -> int:
        """How long its records are together."""
        soas = len(self.before_soa) + len(self.after_soa)
        return soas + sum(map(len, self.removed)) + sum(map(len, self.added))


@attrs.frozen(eq=False)
class Journal:
    """Differences in a row, the oldest first.

    Attributes:
        differences: The ``after`` of each is the ``before`` of the next.
        sizes: The bytes of each.
    """

    differences: tuple[Difference, ...] = ()
    sizes: tuple[int, ...] = ()

    def with_next(self, difference: Difference, zone_bytes: int) -> Journal:
        """Return the journal with one more difference, within its bounds.

        Args:
            difference: Begins with the serial that the last one ends with.
            zone_bytes: How long the records of the zone are together.
        """
        differences, sizes = (*self.differences, difference), (*self.sizes, difference.wire_bytes)
        left = min(MAX_JOURNAL_BYTES, zone_bytes) - sum(sizes)
        first = max(0, len(differences) - MAX_DIFFERENCES)
        left += sum(sizes[:first])
        while left < 0:
            left += sizes[first]
            first += 1
        return Journal(differences[first:], sizes[first:])

    def since(self, serial: int) -> tuple[Difference, ...] | None:
        """Return what leads from the zone with ``serial`` to that of now; None where that is not known."""
        for position, difference in enumerate(self.differences):
            if difference.before == serial:
                return self.differences[position:]
        return None
