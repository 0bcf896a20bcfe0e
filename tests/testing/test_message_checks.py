"""Everything that the fuzzer of messages is seeded with, and whatever it found, is taken as it must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodedns.testing.message_checks import checked_message
from nodedns.testing.source_tree import project_root

CORPUS = sorted((project_root(Path(__file__)) / "fuzz" / "messages").glob("*.bin"))
KINDS = ("replica", "filter", "registration")


def test_every_kind_has_seeds() -> None:
    assert {checked_message(path.read_bytes()) for path in CORPUS} == set(KINDS)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_seed_is_taken_whole_and_cut_off_at_every_byte(path: Path) -> None:
    data = path.read_bytes()
    for end in range(len(data) + 1):
        checked_message(data[:end])
