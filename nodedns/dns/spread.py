"""``Spread``: the records of a reply that each client is to get in another order, and the replies made of it.

Strategy: the records are packed once, each for itself. A reply in another order is
the same bytes with those pieces in other places, which takes microseconds, where packing
anew takes hundreds. A pointer from behind them to a name within one goes along.

Records may have ranks: one of a lower rank is before one of a higher in each reply, and only
those of one rank change places. Where only so many are said, they are the lowest, and of the last rank
said each reply has others. ``variants`` makes replies to be given by turns, such that each
record is the first of its rank, and among those said, as often as any other of it.

This draws no conclusions from weights: SRV has them for its clients (RFC 2782).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from math import lcm
from random import Random
from typing import Final

import attrs

__all__ = ["MAX_VARIANTS", "MAX_VARIANT_BYTES", "Spread"]

MAX_VARIANTS: Final = 128
"""Replies made of one; ours: more than records fit a UDP reply of 1,232 bytes (75 of 16 bytes)."""
MAX_VARIANT_BYTES: Final = 256 * 1024
"""What they may take together; ours: five whole replies over TCP."""

_POINTER: Final = 0xC000


@attrs.frozen
class Spread:
    """The records of a packed reply that may stand in any order.

    Attributes:
        wire: The reply with ``most`` of them, in the order given.
        start: Where they begin in it.
        end: Where they end.
        pieces: Each record as packed, those that are not said included; at least two.
        most: How many of them are said.
        pointers: Where behind them a pointer to one of them stands, and what it points to, as offsets in ``wire``;
            none where not all are said.
        ranks: The rank of each of ``pieces``, rising; empty if all have the same.
    """

    wire: bytes
    start: int
    end: int
    pieces: tuple[bytes, ...]
    most: int
    pointers: tuple[tuple[int, int], ...] = ()
    ranks: tuple[int, ...] = ()

    def drawn(self, rng: Random) -> bytes:
        """Return the reply in an order drawn, each as likely as any other that keeps to the ranks."""
        order: list[int] = []
        for alike in self._alike:
            order += rng.sample(alike, min(self.most - len(order), len(alike)))
        return self._arranged(order)

    def variants(self, rng: Random) -> list[bytes]:
        """Return replies to be given by turns, all of them if there are few enough.

        Those that are not all are a beginning of the circle, which a later call begins elsewhere.
        """
        circles = [rng.sample(alike, len(alike)) for alike in self._alike]
        wanted = max(1, min(self.turns, MAX_VARIANTS, MAX_VARIANT_BYTES // len(self.wire)))
        return [self._arranged(_turned(circles, turn, self.most, rng)) for turn in range(wanted)]

    @property
    def turns(self) -> int:
        """How many variants give each record its share."""
        return lcm(*map(len, self._alike))

    @cached_property
    def _alike(self) -> list[range]:
        """The numbers of the pieces, those of one rank together."""
        if not self.ranks:
            return [range(len(self.pieces))]
        found: list[range] = []
        for _, ranks in groupby(self.ranks):
            start = found[-1].stop if found else 0
            found.append(range(start, start + len(tuple(ranks))))
        return found

    @property
    def is_even(self) -> bool:
        """Whether every reply made of it has the same length."""
        return self.most == len(self.pieces) or len(set(map(len, self.pieces))) == 1

    def _arranged(self, order: Sequence[int]) -> bytes:
        pieces = [self.pieces[number] for number in order]
        made = b"".join((self.wire[: self.start], *pieces, self.wire[self.end :]))
        return self._repointed(made, order) if self.pointers else made

    def _repointed(self, made: bytes, order: Sequence[int]) -> bytes:
        before = _offsets(self.start, [len(piece) for piece in self.pieces])
        moved = dict(zip(order, _offsets(self.start, [len(self.pieces[number]) for number in order]), strict=True))
        wire = bytearray(made)
        for at, target in self.pointers:
            number = bisect_right(before, target) - 1
            struct.pack_into("!H", wire, at, _POINTER | (target - before[number] + moved[number]))
        return bytes(wire)


def _turned(circles: Sequence[list[int]], turn: int, most: int, rng: Random) -> list[int]:
    order: list[int] = []
    for circle in circles:
        start = turn % len(circle)
        around = (circle[start:] + circle[:start])[: most - len(order)]
        rest = around[1:]
        rng.shuffle(rest)
        order += around[:1] + rest
    return order


def _offsets(start: int, sizes: Sequence[int]) -> list[int]:
    offsets: list[int] = []
    for size in sizes:
        offsets.append(start)
        start += size
    return offsets
