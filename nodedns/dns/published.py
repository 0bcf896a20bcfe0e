"""``PublishedZone``: a zone as secondaries get it, at one serial.

Strategy: what is published never changes, so that a transfer that takes seconds is of one state; the next state shares
with it all that is the same. Records are packed such that every message of a transfer can hold them as they are
(``zone_records``).

``since`` never guesses. Two agents number their zones by the same clock, so one serial may be two states; a state
is told by its serial and the name of the node that published it, which its SOA holds. Source: RFC 1995, RFC 5936.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import attrs

from nodedns.dns.grammar import NAME_SERVER
from nodedns.dns.journal import Difference, Journal
from nodedns.dns.name import Labels, fold_labels

__all__ = ["PublishedZone"]


@attrs.frozen(eq=False)
class PublishedZone:
    """One state of a zone.

    Attributes:
        origin: Its name, folded.
        serial: Its serial (RFC 1982), 0 to 2**32 - 1.
        mname: The node that published it, as its SOA says.
        soa: Its SOA record, packed.
        wire_bytes: How long its records are together, SOA not counted.
        sets: Its records by their names, both packed, SOA not among them.
        journal: What led here.
    """

    origin: Labels
    serial: int
    mname: Labels
    soa: bytes
    wire_bytes: int
    sets: Mapping[bytes, tuple[bytes, ...]]
    journal: Journal = Journal()  # noqa: RUF009 - it is frozen

    def records(self) -> Sequence[bytes]:
        """Return every record but SOA, packed, those of one name and type in a row.

        Any of them may stand in any message whose question, at offset 12, is the zone's name in any letters.
        """
        return tuple(self.each_record())

    def each_record(self) -> Iterator[bytes]:
        """Return the same one after the other; of a large zone, all at once take as long as many DNS answers."""
        return chain.from_iterable(self.sets.values())

    def since(self, serial: int, mname: Labels) -> Sequence[Difference] | None:
        """Return what leads to this state from another one.

        Args:
            serial: Of that state.
            mname: Who published it, in any letters.

        Returns:
            The differences, the oldest first; none at all if it is this very state; None if it is not known what
            would lead here, so that the whole zone must be told.
        """
        folded = fold_labels(mname)
        # ``ns`` is what every node is called that has no name of its own in DNS.
        if folded != fold_labels(self.mname) or folded == (NAME_SERVER, *folded[1:]):
            return None
        return () if serial == self.serial else self.journal.since(serial)
