from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import GossipWireError, TooBig
from nodedns.serf.tags import MAX_META_BYTES, decode_tags_untrusted, encode_tags, parse_tags_untrusted
from nodedns.testing.wire_strategies import wire_text


@given(st.dictionaries(wire_text, wire_text, max_size=6))
def test_tags_survive_a_round_trip(tags: dict[str, str]) -> None:
    with suppress(TooBig):
        assert tags == parse_tags_untrusted(encode_tags(tags))


@given(st.binary(max_size=100), st.booleans())
def test_any_metadata_gives_tags(meta: bytes, has_magic: bool) -> None:
    meta = b"\xff" + meta if has_magic else meta
    tags = decode_tags_untrusted(meta)
    assert all(isinstance(text, str) for pair in tags.items() for text in pair)


def test_tags_are_written_in_order_of_their_names() -> None:
    assert encode_tags({"a": "1", "b": "2"}) == encode_tags({"b": "2", "a": "1"}) == b"\xff\x82\xa1a\xa11\xa1b\xa12"


def test_tags_up_to_the_limit_are_encoded_and_no_more() -> None:
    # 0xff, map of one, "a" as fixraw, raw16 header: seven bytes beside the value.
    assert MAX_META_BYTES == len(encode_tags({"a": "x" * (MAX_META_BYTES - 7)}))
    with pytest.raises(TooBig) as raised:
        encode_tags({"a": "x" * (MAX_META_BYTES - 6)})
    assert (513, 512) == (raised.value.size_bytes, raised.value.limit_bytes)


@pytest.mark.parametrize("meta", [b"", b"web", b"\xfeweb"])
def test_metadata_without_the_magic_byte_is_the_role(meta: bytes) -> None:
    assert {"role": meta.decode("utf-8", "surrogateescape")} == decode_tags_untrusted(meta)


@pytest.mark.parametrize("meta", [b"\xff", b"\xff\xc1", b"\xff\x05", b"\xff\x81\xa1a", b"\xff\x81\xa1a\x05"])
def test_malformed_metadata_is_no_tags_or_an_error_as_one_asks(meta: bytes) -> None:
    assert {} == decode_tags_untrusted(meta)
    with pytest.raises(GossipWireError):
        parse_tags_untrusted(meta)
