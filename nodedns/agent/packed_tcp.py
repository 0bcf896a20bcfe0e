"""``PackedOverTcp``: the packed answers over TCP, which are their own: there a reply is never cut to a UDP size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Final

from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.agent.packed_truth import PackedTruth, PublishedSerials
from nodedns.dns.packed import PackedAnswers
from nodedns.dns.question import Transport
from nodedns.dns.responder import Reply

__all__ = ["MAX_PACKED_TCP", "MAX_PACKED_TCP_BYTES", "PackedOverTcp"]

MAX_PACKED_TCP: Final = 16_384
"""A quarter of what is kept for UDP; few clients ask over TCP, and most names have one answer there."""
MAX_PACKED_TCP_BYTES: Final = 16 * 1024 * 1024
"""What they may take, about: a reply has up to 64 KiB here, and so many of those would be a gigabyte."""


class PackedOverTcp:
    """``FastPath`` of ``nodedns.net`` over TCP.

    Args:
        table: The answers are those of its view of the moment.
        ledger: Counts.
        is_there: Which names may exist, as ``PackedAnswers`` has it.
        rng: Chance, for the order of records.
        offers_recursion: As over UDP.
        denies_names: Whether our names are refused now.
        catch_up: As ``PackedTruth`` has it.
        serials: Likewise.
    """

    def __init__(
        self,
        table: LiveTable,
        ledger: DnsLedger,
        is_there: Mapping[str, Callable[[str], bool]],
        rng: Random,
        *,
        offers_recursion: Callable[[], Callable[[bytes], bool] | None],
        denies_names: Callable[[], bool],
        catch_up: Callable[[], None],
        serials: PublishedSerials,
    ) -> None:
        self._truth = PackedTruth(table, ledger, Transport.TCP, denies_names, catch_up=catch_up, serials=serials)
        self._ledger = ledger
        self._offers_recursion = offers_recursion
        self._packed = PackedAnswers(is_there, rng, MAX_PACKED_TCP, MAX_PACKED_TCP_BYTES)

    def __len__(self) -> int:
        return len(self._packed)

    def packed_now(self) -> PackedAnswers | None:
        """Return the packed answers that are true now; None while each query is to be logged."""
        return self._truth.now(self._packed)

    def offers_recursion(self) -> Callable[[bytes], bool] | None:
        """Return what says whether a client, by its packed IP, may have recursion; None if nobody may."""
        return self._offers_recursion()

    def note_packed(self, batches: Sequence[tuple[float, int]], misses: int) -> None:
        """Count what was answered in one go; the answers given have raised their own counts."""
        self._truth.note((self._packed,), batches, misses)

    def keep(self, wire: bytes, reply: Reply) -> None:
        """Keep ``reply`` to ``wire`` if queries like it may come again."""
        self._packed.keep(wire, reply, self._ledger.again(Transport.TCP, reply))

    def clear(self) -> None:
        """Forget every reply."""
        self._packed.clear()

    def drop(self, keys: Iterable[str]) -> None:
        """Forget every reply that depends on one of ``keys``."""
        self._packed.drop(keys)
