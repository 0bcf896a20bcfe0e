from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import GossipWireError
from nodedns.gossip import lzw

# Few letters make long strings and full tables; the bytes of a random source make none.
repetitive = st.lists(st.sampled_from([b"a", b"ab", b"node-", b"\x00"]), max_size=400).map(b"".join)
texts = st.binary(max_size=600) | repetitive


@given(texts)
def test_data_survives_a_round_trip(data: bytes) -> None:
    assert data == lzw.decompress_untrusted(lzw.compress(data), len(data))


@pytest.mark.parametrize("size", [255, 256, 510, 766, 1022, 1790, 3837, 3838, 3839, 3840, 3841, 8000, 20_000])
@pytest.mark.parametrize("letters", [1, 2, 256])
def test_round_trip_across_width_changes_and_full_tables(size: int, letters: int) -> None:
    rng = Random(f"{size}/{letters}")
    data = bytes(rng.randrange(letters) for _ in range(size))
    assert data == lzw.decompress_untrusted(lzw.compress(data), size)


def without_repeats(size: int) -> bytes:
    """Return bytes no two of which stand beside each other twice, so that each becomes a code of its own."""
    seen: set[tuple[int, int]] = set()
    data = bytearray(1)
    while len(data) < size:
        data.append(next(byte for byte in range(255, -1, -1) if (data[-1], byte) not in seen))
        seen.add((data[-2], data[-1]))
    return bytes(data)


@pytest.mark.parametrize("size", range(3836, 3842))
def test_table_may_fill_with_the_last_code(size: int) -> None:
    data = without_repeats(size)
    assert data == lzw.decompress_untrusted(lzw.compress(data), size)


@given(st.binary(max_size=300))
def test_any_bytes_give_data_or_a_wire_error(data: bytes) -> None:
    with suppress(GossipWireError):
        lzw.decompress_untrusted(data, 10_000)


@given(texts, st.binary(max_size=5))
def test_bytes_after_the_end_code_are_ignored(data: bytes, tail: bytes) -> None:
    assert data == lzw.decompress_untrusted(lzw.compress(data) + tail, len(data))


@given(st.binary(min_size=1, max_size=300))
def test_stream_without_its_last_byte_is_an_error(data: bytes) -> None:
    with pytest.raises(GossipWireError, match="no end code"):
        lzw.decompress_untrusted(lzw.compress(data)[:-1], len(data))


def test_output_is_bounded() -> None:
    bomb = lzw.compress(bytes(1_000_000))
    assert len(bomb) < 5_000
    assert 1_000_000 == len(lzw.decompress_untrusted(bomb, 1_000_000))
    with pytest.raises(GossipWireError, match="more than 999999 bytes"):
        lzw.decompress_untrusted(bomb, 999_999)


def packed(*codes: tuple[int, int]) -> bytes:
    """Pack (code, width) pairs, least significant bits first."""
    bits = have = 0
    for code, width in codes:
        bits |= code << have
        have += width
    return bits.to_bytes((have + 7) // 8, "little")


def test_table_is_used_without_a_clear_code_first() -> None:
    assert b"aaa" == lzw.decompress_untrusted(packed((97, 9), (258, 9), (257, 9)), 3)


def test_clear_code_forgets_the_table() -> None:
    with pytest.raises(GossipWireError, match="code 259 is not defined yet"):
        lzw.decompress_untrusted(packed((97, 9), (98, 9), (256, 9), (97, 9), (259, 9)), 10)
    with pytest.raises(GossipWireError, match="code 258 is not defined yet"):
        lzw.decompress_untrusted(packed((97, 9), (256, 9), (258, 9)), 10)


def test_code_beyond_the_next_one_is_refused() -> None:
    with pytest.raises(GossipWireError, match="code 259 is not defined yet"):
        lzw.decompress_untrusted(packed((97, 9), (259, 9)), 10)


def test_full_table_goes_on_being_used() -> None:
    # Go's encoder clears one code early; other encoders need not, and the decoder then keeps its 4,096 strings.
    # Code k of the run defines string 257 + k, and the width follows the number of the next one.
    count = 4200
    widths = [max(9, min(12, (257 + index).bit_length())) for index in range(count)]
    codes = [(97, width) for width in widths] + [(4095, 12), (257, 12)]
    assert b"a" * (count + 2) == lzw.decompress_untrusted(packed(*codes), count + 2)
