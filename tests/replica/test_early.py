"""Ranges that came too early wait, but no more of them than there is room for, whoever makes them up."""

from __future__ import annotations

from nodedns.model.names import NodeName
from nodedns.replica.early import EarlyRanges
from nodedns.replica.entry import ORIGIN_BYTES, Origin
from nodedns.replica.messages import Range
from nodedns.replica.params import MAX_EARLY_BYTES, MAX_EARLY_RANGES

PIECES = 64


def early(origin: int, after: int = 5, raw: bytes = b"") -> Range:
    return Range(Origin(origin.to_bytes(ORIGIN_BYTES, "big")), after, after + 1, (), raw)


def test_no_more_ranges_wait_than_may_and_no_more_tellers_are_remembered() -> None:
    waiting = EarlyRanges()
    for number in range(MAX_EARLY_RANGES + 10):
        waiting.keep(early(number), NodeName(f"n{number}"))

    assert MAX_EARLY_RANGES == len(waiting)
    assert MAX_EARLY_RANGES == len(waiting.take_tellers())


def test_no_more_bytes_wait_than_may_and_there_is_room_again_for_what_was_taken() -> None:
    waiting, raw = EarlyRanges(), bytes(MAX_EARLY_BYTES // PIECES)
    for after in range(PIECES + 10):
        waiting.keep(early(1, after, raw), NodeName("n"))
    assert PIECES == len(waiting)

    assert waiting.take_next(early(1).origin, 0) is not None
    waiting.keep(early(2, 5, raw), NodeName("m"))
    assert PIECES == len(waiting)
    waiting.take_tellers()
    waiting.keep(early(3, 5, raw), NodeName("m"))
    assert 1 == len(waiting)
