"""Service meta as the TXT record of an instance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.instance_text import MAX_RECORD_BYTES, instance_text


@pytest.mark.parametrize(
    ("meta", "strings"),
    [
        ({}, (b"",)),
        ({"path": "/x", "a": "1"}, (b"a=1", b"path=/x")),
        ({"empty": ""}, (b"empty=",)),
        ({"eq": "a=b"}, (b"eq=a=b",)),
        ({"a=b": "1", "": "2", "schlüssel": "3", "tab\t": "4"}, (b"",)),
        ({"Path": "1", "path": "2"}, (b"Path=1",)),
        ({"with space": "ü"}, (b"with space=\xc3\xbc",)),
        ({"k": "v" * 253}, (b"k=" + b"v" * 253,)),
        ({"k": "v" * 254, "l": "1"}, (b"l=1",)),
    ],
)
def test_strings_are_what_rfc_6763_allows(meta: dict[str, str], strings: tuple[bytes, ...]) -> None:
    assert strings == instance_text(meta)


def test_record_has_as_many_pairs_as_fit() -> None:
    strings = instance_text({f"k{number:02}": "v" * 200 for number in range(20)})
    assert [f"k{number:02}" for number in range(6)] == [text[:3].decode() for text in strings]


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=300), max_size=12))
def test_record_is_never_longer_than_advised_and_never_empty(meta: dict[str, str]) -> None:
    strings = instance_text(meta)
    assert strings
    assert MAX_RECORD_BYTES >= sum(1 + len(text) for text in strings)
    assert all(len(text) <= 255 for text in strings)
