"""What every fuzz target is seeded with, and whatever was found, holds: as it is, cut off, and a little changed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodedns.testing.fuzzing.targets import TARGETS, Check
from nodedns.testing.source_tree import project_root

CORPUS = project_root(Path(__file__)) / "fuzz" / "corpus"
SEEDS = sorted(CORPUS.glob("*/*.bin"))
MAX_CORPUS_BYTES = 64 * 1024  # of one target; a corpus is kept to be read through in a second
CUTS = 6

each_target = pytest.mark.parametrize("name", TARGETS)


@cache
def check_of(name: str) -> Check:
    return TARGETS[name].check()


@cache
def seeds_of(name: str) -> list[bytes]:
    return [path.read_bytes() for path in SEEDS if path.parent.name == name]


def test_seeds_are_those_of_targets() -> None:
    assert set(TARGETS) == {path.name for path in CORPUS.iterdir()}


@each_target
def test_corpus_is_there_and_small(name: str) -> None:
    assert 0 < sum(map(len, seeds_of(name))) <= MAX_CORPUS_BYTES


@each_target
def test_nothing_at_all_holds(name: str) -> None:
    check_of(name)(b"")


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_seed_holds_whole_and_cut_off(path: Path) -> None:
    check, data = check_of(path.parent.name), path.read_bytes()
    for end in sorted({len(data), *range(0, len(data), len(data) // CUTS + 1)}):
        check(data[:end])


@each_target
@settings(max_examples=40)
@given(draw=st.data())
def test_any_changed_seed_holds(name: str, draw: st.DataObject) -> None:
    data = bytearray(draw.draw(st.sampled_from(seeds_of(name))))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data)))
        data[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    check_of(name)(bytes(data))
