"""Folding touches ASCII letters alone, and a label is what DNS can spell plainly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.names import fold, is_dns_label, is_service_name


@given(st.text())
def test_fold_lowers_ascii_letters_and_nothing_else(name: str) -> None:
    assert "".join(char.lower() if char.isascii() else char for char in name) == fold(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("web-1", True), ("a" * 63, True), ("", False), ("a" * 64, False), ("a.b", False), ("a_b", False), ("ä", False)],
)
def test_label_is_1_to_63_letters_digits_and_dashes(name: str, expected: bool) -> None:
    assert expected is is_dns_label(name)


@pytest.mark.parametrize("name", ["_gossip._tcp.example.com", "_a._b.c", "_a._b.c.", "_gossip._udp.x:8301"])
def test_service_and_protocol_in_front_of_a_domain_name_a_service(name: str) -> None:
    assert is_service_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "a", "_a", "_a._b", "_a._b.", "_._b.c", "_a._.c", "a._b.c", "_a.b.c", "10.0.0.1", "::1", "_h.example"],
)
def test_anything_else_names_none(name: str) -> None:
    assert not is_service_name(name)
