from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodedns.agent.index_ceiling import STEP, IndexCeiling


class Shelf:
    """Keeps a ceiling in memory, or fails to."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.is_full = False

    def index_ceiling(self) -> int:
        return self.kept[-1] if self.kept else 0

    def keep_index_ceiling(self, ceiling: int) -> bool:
        if not self.is_full:
            self.kept.append(ceiling)
        return not self.is_full


def test_index_begins_at_the_wall_clock() -> None:
    shelf = Shelf()
    assert 1_000 == IndexCeiling(shelf, 1_000).first
    assert [1_000 + STEP] == shelf.kept


@given(st.lists(st.tuples(st.integers(-100_000, 100_000), st.integers(0, 20_000)), min_size=1, max_size=8))
def test_index_never_begins_where_an_earlier_run_has_been(runs: list[tuple[int, int]]) -> None:
    shelf, highest = Shelf(), 0
    for wall_s, changes in runs:
        ceiling = IndexCeiling(shelf, 1_000_000 + wall_s)
        assert ceiling.first > highest
        for index in range(ceiling.first, ceiling.first + changes + 1, 7):
            ceiling.note(index)
            highest = index


def test_ceiling_is_written_once_in_thousands_of_changes() -> None:
    shelf = Shelf()
    ceiling = IndexCeiling(shelf, 1)
    for index in range(1, 10 * STEP):
        ceiling.note(index)
        assert shelf.kept[-1] > index
    assert len(shelf.kept) < 16


def test_ceiling_that_could_not_be_written_is_tried_again() -> None:
    shelf = Shelf()
    ceiling = IndexCeiling(shelf, 1)
    shelf.is_full = True
    ceiling.note(2 * STEP)
    ceiling.note(2 * STEP + 1)
    assert 1 == len(shelf.kept)
    shelf.is_full = False
    ceiling.note(3 * STEP)
    assert 4 * STEP == shelf.kept[-1]
