"""Folding touches ASCII letters alone, and a label is what DNS can spell plainly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.names import fold, is_dns_label


@given(st.text())
def test_fold_lowers_ascii_letters_and_nothing_else(name: str) -> None:
    assert "".join(char.lower() if char.isascii() else char for char in name) == fold(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("web-1", True), ("a" * 63, True), ("", False), ("a" * 64, False), ("a.b", False), ("a_b", False), ("ä", False)],
)
def test_label_is_1_to_63_letters_digits_and_dashes(name: str, expected: bool) -> None:
    assert expected is is_dns_label(name)
