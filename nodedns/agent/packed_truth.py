"""``PackedTruth``: what keeps packed answers true to the table and counted, whatever transport they are for.

Serials in them follow the table, or, where zones are published for secondaries, what was published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.dns.apex import soa_serial
from nodedns.dns.name import Labels
from nodedns.dns.packed import NAME_AT, PackedAnswers
from nodedns.dns.question import Transport

__all__ = ["PackedTruth", "PublishedSerials", "TableSerials"]


class PublishedSerials(Protocol):
    """Serials of zones that do not follow the table."""

    @property
    def serials_version(self) -> int:
        """Moves whenever a serial does."""
        ...

    def serial_of(self, origin: Labels) -> int | None:
        """Return the serial of a zone, by its folded name; None where it follows the table."""
        ...


class TableSerials:
    """Serials that all follow the table."""

    serials_version = 0

    def serial_of(self, _origin: Labels) -> int | None:
        """Return None, whatever the zone."""
        return None


class PackedTruth:
    """Brings packed answers up to the table, and counts what is given of them.

    Args:
        table: What they are to agree with.
        ledger: Counts, and knows whether queries are logged.
        transport: Of the queries.
        denies_names: Whether our names are refused now.
        catch_up: Drops what is not true any more for another reason than the table.
        serials: Of the zones.
    """

    def __init__(
        self,
        table: LiveTable,
        ledger: DnsLedger,
        transport: Transport,
        denies_names: Callable[[], bool],
        *,
        catch_up: Callable[[], None],
        serials: PublishedSerials,
    ) -> None:
        self._table = table
        self._ledger = ledger
        self._transport = transport
        self._denies_names = denies_names
        self._catch_up = catch_up
        self._serials = serials

    def now(self, packed: PackedAnswers) -> PackedAnswers | None:
        """Return ``packed``, true at this moment; None while each query is to be logged, or refused."""
        if self._ledger.query_log.is_on or self._denies_names():
            return None
        self._catch_up()
        # Reading the view applies what waits, which drops what that changes.
        by_table = soa_serial(self._table.view)
        packed.set_serials((by_table, self._serials.serials_version), lambda zone: self._serial_of(zone, by_table))
        return packed

    def _serial_of(self, zone: Labels, by_table: int) -> int:
        published = self._serials.serial_of(zone)
        return by_table if published is None else published

    def note(self, kept: tuple[PackedAnswers, ...], batches: Sequence[tuple[float, int]], misses: int) -> None:
        """Count what was answered from any of ``kept``; the answers given have raised their own counts."""
        self._ledger.note_packed(batches, misses, self._transport)
        for packed in kept:
            missing = packed.take_missing()
            if missing:
                self._ledger.missing.note_batch(missing, NAME_AT)
