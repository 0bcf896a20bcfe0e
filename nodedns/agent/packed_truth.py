"""``PackedTruth``: what keeps packed answers true to the table and counted, whatever transport they are for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.dns.apex import soa_serial
from nodedns.dns.packed import NAME_AT, PackedAnswers
from nodedns.dns.question import Transport

__all__ = ["PackedTruth"]


class PackedTruth:
    """Brings packed answers up to the table, and counts what is given of them.

    Args:
        table: What they are to agree with.
        ledger: Counts, and knows whether queries are logged.
        transport: Of the queries.
        denies_names: Whether our names are refused now.
        catch_up: Drops what is not true any more for another reason than the table.
    """

    def __init__(
        self,
        table: LiveTable,
        ledger: DnsLedger,
        transport: Transport,
        denies_names: Callable[[], bool],
        *,
        catch_up: Callable[[], None],
    ) -> None:
        self._table = table
        self._ledger = ledger
        self._transport = transport
        self._denies_names = denies_names
        self._catch_up = catch_up

    def now(self, packed: PackedAnswers) -> PackedAnswers | None:
        """Return ``packed``, true at this moment; None while each query is to be logged, or refused."""
        if self._ledger.query_log.is_on or self._denies_names():
            return None
        self._catch_up()
        # Reading the view applies what waits, which drops what that changes.
        packed.set_serial(soa_serial(self._table.view))
        return packed

    def note(self, kept: tuple[PackedAnswers, ...], batches: Sequence[tuple[float, int]], misses: int) -> None:
        """Count what was answered from any of ``kept``; the answers given have raised their own counts."""
        self._ledger.note_packed(batches, misses, self._transport)
        for packed in kept:
            missing = packed.take_missing()
            if missing:
                self._ledger.missing.note_batch(missing, NAME_AT)
