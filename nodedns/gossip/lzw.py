"""LZW as Go's ``compress/lzw`` writes it: least significant bit first, 8-bit literals, GIF's timing.

Strategy: codes run from 9 to 12 bits. 256 clears the table, 257 ends the
stream, new strings are numbered from 258; a code grows by a bit after the one
that filled the width (GIF's way, not TIFF's). The encoder makes the same
choices as Go's, so that its output is the same, byte for byte. Both directions
keep whole strings in their tables: a table has at most 4,096 of them.

What it doesn't do: guess. A stream that lacks its end code, or names a code
that isn't there yet, is an error. Source: Go's documented parameters, and
vectors recorded from memberlist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nodedns.errors import GossipWireError

__all__ = ["compress", "decompress_untrusted"]

CLEAR = 256
END = 257
FIRST_WIDTH = 9
MAX_WIDTH = 12
LAST_CODE = (1 << MAX_WIDTH) - 1
FLUSH_BYTES = 8  # bits gather in an integer and leave it in whole groups of this size
REFILL_BYTES = 32  # and enter it in these

_LITERALS = [bytes([value]) for value in range(256)]
_UNUSED = b""  # stands in the table for the clear and end codes


def decompress_untrusted(data: bytes, limit_bytes: int) -> bytes:
    """Return what ``data`` unpacks to; bytes after the end code are ignored, as Go does.

    Args:
        data: Any bytes.
        limit_bytes: Most bytes to give out.

    Raises:
        GossipWireError: No end code, a code not defined yet, or more than ``limit_bytes``.
    """
    output: list[bytes] = []
    size = 0
    table = [*_LITERALS, _UNUSED, _UNUSED]
    last = b""
    for code in _read_codes(data):
        if code == CLEAR:
            table = [*_LITERALS, _UNUSED, _UNUSED]
            last = b""
            continue
        if code < len(table):
            entry = table[code]
        elif code == len(table) and last:
            entry = last + last[:1]  # the string being defined by this very code
        else:
            raise GossipWireError("LZW data", 0, f"code {code} is not defined yet")
        if last and len(table) <= LAST_CODE:
            table.append(last + entry[:1])
        output.append(entry)
        last = entry
        size += len(entry)
        if size > limit_bytes:
            raise GossipWireError("LZW data", 0, f"unpacks to more than {limit_bytes} bytes")
    return b"".join(output)


def _read_codes(data: bytes) -> Iterator[int]:
    """Yield the codes before the end code; a code's width depends only on how many came since a clear."""
    bits = have = position = 0
    width, highest = FIRST_WIDTH, END
    while True:
        if have < width:
            group = data[position : position + REFILL_BYTES]
            position += len(group)
            bits |= int.from_bytes(group, "little") << have
            have += len(group) * 8
            if have < width:
                raise GossipWireError("LZW data", position, "no end code")
        code = bits & ((1 << width) - 1)
        bits >>= width
        have -= width
        if code == END:
            return
        yield code
        if code == CLEAR:
            width, highest = FIRST_WIDTH, END
        elif highest < LAST_CODE:
            highest += 1
            if highest == 1 << width:
                width += 1


def compress(data: bytes) -> bytes:
    """Return ``data`` as LZW, the same bytes that Go would write."""
    output = bytearray()
    bits = have = 0
    for code, width in _choose_codes(data):
        bits |= code << have
        have += width
        if have >= FLUSH_BYTES * 8:
            output += (bits & ((1 << FLUSH_BYTES * 8) - 1)).to_bytes(FLUSH_BYTES, "little")
            bits >>= FLUSH_BYTES * 8
            have -= FLUSH_BYTES * 8
    output += bits.to_bytes((have + 7) // 8, "little")
    return bytes(output)


def _choose_codes(data: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield each code with its width."""
    yield CLEAR, FIRST_WIDTH
    width, highest = FIRST_WIDTH, END
    table: dict[int, int] = {}  # code << 8 | next byte -> code of the longer string
    rest = iter(data)
    current = next(rest, None)
    if current is None:
        yield END, width
        return
    for byte in rest:
        key = current << 8 | byte
        longer = table.get(key)
        if longer is not None:
            current = longer
            continue
        yield current, width
        current = byte
        highest += 1
        if highest == 1 << width:
            width += 1
        if highest == LAST_CODE:  # Go gives up its table one code before it is full
            yield CLEAR, width
            width, highest = FIRST_WIDTH, END
            table.clear()
        else:
            table[key] = highest
    yield current, width
    highest += 1
    if highest == 1 << width:
        width += 1
    if highest == LAST_CODE:
        yield CLEAR, width
        width = FIRST_WIDTH
    yield END, width
