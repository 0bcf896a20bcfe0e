"""Long searches for garbage, which are not to come again."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from nodedns.agent.garbage import LONG_S, freeze_what_stays


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.parametrize(("takes_s", "is_frozen"), [(LONG_S, True), (LONG_S / 2, False)])
def test_what_a_long_search_left_is_not_searched_again(takes_s: float, is_frozen: bool) -> None:
    times = iter((0.0, takes_s))
    gc.collect()
    gc.disable()
    try:
        before = gc.get_freeze_count()
        with freeze_what_stays(lambda: next(times)):
            gc.collect(0)
            gc.collect()
        assert is_frozen == (gc.get_freeze_count() > before)
    finally:
        gc.enable()


def test_nothing_is_noted_once_it_is_over() -> None:
    before = list(gc.callbacks)
    with freeze_what_stays(lambda: 0.0):
        assert len(before) + 1 == len(gc.callbacks)

    assert before == gc.callbacks
