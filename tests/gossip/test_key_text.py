"""Keys as text: what Go's decoder takes is taken, and a refusal shows where and never what."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import LocalProtocolError
from nodedns.gossip.key_text import decode_key_text, encode_key_text

KEY = b"0123456789abcdef"
TEXT = base64.b64encode(KEY).decode()


@given(st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_key_survives_a_round_trip(key: bytes) -> None:
    assert key == decode_key_text(encode_key_text(key))


def test_line_ends_are_skipped_as_in_go() -> None:
    assert KEY == decode_key_text(f"{TEXT[:8]}\r\n{TEXT[8:]}\n")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("*", 0),
        ("AAAA*AAA", 4),
        ("AAAAAA", 4),
        ("AAAAA", 4),
        ("A===", 1),
        ("AA=", 2),
        ("AAA==", 3),
        ("AA==AAAA", 2),
        ("=", 0),
        ("\u00e4", 0),
        (" " + TEXT, 0),
    ],
)
def test_text_that_is_no_base64_is_refused_with_the_place(text: str, fault: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"^illegal base64 data at input byte {fault}$"):
        decode_key_text(text)


@pytest.mark.parametrize("size", [0, 1, 15, 17, 33])
def test_key_of_another_size_is_refused_in_memberlists_words(size: int) -> None:
    with pytest.raises(LocalProtocolError, match=r"^key size must be 16, 24 or 32 bytes$"):
        decode_key_text(base64.b64encode(bytes(size)).decode())


@given(st.text(max_size=60))
def test_any_text_gives_a_key_or_a_refusal(text: str) -> None:
    try:
        key = decode_key_text(text)
    except LocalProtocolError:
        return
    assert len(key) in {16, 24, 32}
