"""``EarlyRanges``: ranges that came before what stands before them in their stream.

A packet was lost, or overtaken. They wait a moment; then who told of them, and
so has all of it, is asked for the rest.
"""

from __future__ import annotations

from nodedns.model.names import NodeName
from nodedns.replica.entry import Origin
from nodedns.replica.messages import Range
from nodedns.replica.params import MAX_EARLY_BYTES, MAX_EARLY_RANGES

__all__ = ["EarlyRanges"]


class EarlyRanges:
    """Waiting ranges by origin and by the version after which they begin."""

    def __init__(self) -> None:
        self._ranges: dict[Origin, dict[int, Range]] = {}
        self._tellers: dict[Origin, NodeName] = {}
        self._length = self._bytes = 0

    def __len__(self) -> int:
        return self._length

    def keep(self, told: Range, teller: NodeName) -> None:
        """Keep a range and who told of it, if there is room; digests tell of what has none."""
        if self._length >= MAX_EARLY_RANGES or self._bytes + len(told.raw) > MAX_EARLY_BYTES:
            return
        waiting = self._ranges.setdefault(told.origin, {})
        self._tellers[told.origin] = teller
        if told.after not in waiting:
            waiting[told.after] = told
            self._length += 1
            self._bytes += len(told.raw)

    def take_next(self, origin: Origin, known: int) -> Range | None:
        """Remove and return a range of an origin that can be taken in now; drop those that are known."""
        waiting = self._ranges.get(origin)
        if waiting is None:
            return None
        for after in sorted(waiting):
            if after > known:
                return None
            told = waiting.pop(after)
            self._length -= 1
            self._bytes -= len(told.raw)
            if told.upto > known:
                return told
        del self._ranges[origin], self._tellers[origin]
        return None

    def take_tellers(self) -> list[NodeName]:
        """Return whom to ask, and forget all: what is asked for comes whole."""
        tellers = list(dict.fromkeys(self._tellers.values()))
        self._ranges.clear()
        self._tellers.clear()
        self._length = self._bytes = 0
        return tellers
