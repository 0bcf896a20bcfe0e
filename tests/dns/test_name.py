"""How names are written for people, held against dnspython."""

from __future__ import annotations

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.name import name_end, presentation

LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=3)


def wire_of(labels: list[bytes]) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


@given(LABELS)
def test_a_name_reads_back_as_the_same_labels(labels: list[bytes]) -> None:
    text = presentation(wire_of(labels))

    assert (*labels, b"") == dns.name.from_text(text, origin=None).labels


@given(LABELS)
def test_a_name_is_printable_ascii_without_blanks(labels: list[bytes]) -> None:
    assert all(0x21 <= ord(char) <= 0x7E for char in presentation(wire_of(labels)))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([], "."),
        ([b"web", b"node", b"consul"], "web.node.consul."),
        ([b"a.b", b"c"], r"a\.b.c."),
        ([b'a\\"()', b"x"], r"a\\\"\(\).x."),
        ([b"a b\n\x00\xff"], r"a\032b\010\000\255."),
        ([b"@$;"], r"\@\$\;."),
    ],
)
def test_special_bytes_are_escaped(labels: list[bytes], text: str) -> None:
    assert text == presentation(wire_of(labels))


@given(LABELS, st.binary(max_size=8))
def test_a_name_ends_behind_its_root(labels: list[bytes], rest: bytes) -> None:
    wire = b"head" + wire_of(labels)

    assert len(wire) == name_end(wire + rest, 4)
