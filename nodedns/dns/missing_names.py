"""``MissingNames``: which names that do not exist are asked for most, in bounded memory.

Strategy: a table of counts by name. Once it is full, the count in the middle
is subtracted from all, and what is left with nothing goes; so a count is
never too high, and too low by at most what was subtracted so far. Whatever is
asked more often than that is in the table, however many other names a flood
invents. A note is a dictionary's look-up; making room takes a millisecond at
most, once for half of ``MAX_NAMES`` new names.

Names are hostile bytes, kept as they are on the wire and written out by
``name.presentation`` only when somebody looks. There is no clock here.

Source: Misra and Gries 1982, with the batched decrement of Anderson et al. 2017
("A High-Performance Algorithm for Identifying Frequent Items in Data Streams").
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from nodedns.dns.name import name_end, presentation
from nodedns.model.address import Address
from nodedns.model.missing_name import MissingName, MissingSummary

__all__ = ["MissingNames"]

MAX_NAMES = (
    2_048  # a megabyte of the longest; Apache DataSketches' frequent items also halve their table when it is full
)
EXACT_BATCH = 16  # names of one batch that are noted each
DRAWN = 8  # of a larger batch so many are drawn to stand for all: a tenth of a microsecond for each query of 64


class MissingNames:
    """Counts names.

    Args:
        rng: Draws those that stand for a large batch.
        max_names: Names counted at the same time; at least 2.
    """

    __slots__ = ("_clients", "_counts", "_error", "_is_estimate", "_max_names", "_rng", "_total")

    def __init__(self, rng: Random, max_names: int = MAX_NAMES) -> None:
        self._rng = rng
        self._max_names = max_names
        self._counts: dict[bytes, int] = {}
        self._clients: dict[bytes, Address] = {}
        self._total = 0
        self._error = 0
        self._is_estimate = False

    def note(self, folded_wire: bytes, count: int = 1, client: Address | None = None) -> None:
        """Count a name.

        Args:
            folded_wire: The name as on the wire, uncompressed, root included, in lower case
                (``bytes.lower`` does it: length bytes are below the letters).
            count: How often it was asked for.
            client: Who asked, where that is known.
        """
        self._total += count
        counts = self._counts
        known = counts.get(folded_wire)
        if known is not None:
            counts[folded_wire] = known + count
            return
        if len(counts) >= self._max_names:
            self._make_room()
        self._counts[folded_wire] = count
        if client is not None:
            self._clients[folded_wire] = client

    def note_batch(self, folded: Sequence[bytes], offset: int = 0) -> None:
        """Count each name of a batch once; a large one costs no more than ``EXACT_BATCH`` notes.

        Of a large batch ``DRAWN`` are drawn, each place as likely as any other, and count for all.

        Args:
            folded: Bytes in lower case, in each of them a name.
            offset: Where the names begin; they end with their root.
        """
        size = len(folded)
        if size <= EXACT_BATCH:
            for each in folded:
                self.note(each[offset : name_end(each, offset)])
            return
        self._is_estimate = True
        share, rest = divmod(size, DRAWN)
        for number in range(DRAWN):
            drawn = folded[int(self._rng.random() * size)]
            self.note(drawn[offset : name_end(drawn, offset)], share + (number < rest))

    def top(self, limit: int) -> MissingSummary:
        """Return the ``limit`` most asked names; equal counts in the order of their bytes."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))[: max(limit, 0)]
        return MissingSummary(
            tuple(MissingName(presentation(wire), count, self._host(wire)) for wire, count in ranked),
            self._total,
            self._error,
            self._is_estimate,
        )

    def clear(self) -> None:
        """Begin anew."""
        self._counts.clear()
        self._clients.clear()
        self._total = self._error = 0
        self._is_estimate = False

    def _host(self, folded_wire: bytes) -> str:
        client = self._clients.get(folded_wire)
        return "" if client is None else client.host

    def _make_room(self) -> None:
        cut = sorted(self._counts.values())[self._max_names // 2 - 1]
        self._counts = {wire: count - cut for wire, count in self._counts.items() if count > cut}
        self._clients = {wire: client for wire, client in self._clients.items() if wire in self._counts}
        self._error += cut
