"""LZW as Go's ``compress/lzw`` writes it: least significant bit first, 8-bit literals, GIF's timing.

Strategy: codes run from 9 to 12 bits. 256 clears the table, 257 ends the
stream, new strings are numbered from 258; a code grows by a bit after the one
that filled the width (GIF's way, not TIFF's). The encoder makes the same
choices as Go's, so that its output is the same, byte for byte. A table has at
most 4,096 strings. Both directions come in pieces too, for whoever has something
else to do meanwhile.

What it doesn't do: guess. A stream that lacks its end code, or names a code
that isn't there yet, is an error. Source: Go's documented parameters, and
vectors recorded from memberlist.
"""

from __future__ import annotations

from collections.abc import Iterator

from nodedns.errors import GossipWireError

__all__ = [
    "PIECE_BYTES",
    "PIECE_CODES",
    "compress",
    "decompress_untrusted",
    "deflate_pieces",
    "inflate_pieces_untrusted",
]

PIECE_CODES = 2048  # in, to inflate: about two milliseconds of work, and 8 MiB at the very most
PIECE_BYTES = 4096  # in, to deflate: one to two milliseconds

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
    return b"".join(inflate_pieces_untrusted(data, limit_bytes))


def inflate_pieces_untrusted(data: bytes, limit_bytes: int) -> Iterator[bytes]:
    """Yield what ``data`` unpacks to, piece by piece; arguments and errors as of ``decompress_untrusted``."""
    output: list[bytes] = []
    size = 0
    table = [*_LITERALS, _UNUSED, _UNUSED]
    last = b""
    for code in _read_codes(data):
        if len(output) >= PIECE_CODES:
            yield b"".join(output)
            output.clear()
        if code == CLEAR:
            del table[END + 1 :]
            last = b""
            output.append(b"")  # it counts: a stream of nothing but these takes its time too
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
    yield b"".join(output)


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
    return b"".join(deflate_pieces(data))


def deflate_pieces(data: bytes) -> Iterator[bytes]:
    """Yield ``data`` as LZW, piece by piece."""
    deflater = _Deflater()
    for start in range(0, len(data), PIECE_BYTES):
        yield deflater.take(data[start : start + PIECE_BYTES])
    yield deflater.finish()


class _Deflater:
    """The encoder between two pieces of its input."""

    __slots__ = ("_bits", "_current", "_have", "_highest", "_output", "_table", "_width")

    def __init__(self) -> None:
        self._output = bytearray()
        self._bits, self._have = CLEAR, FIRST_WIDTH
        self._current: int | None = None  # the code of the longest string that the last bytes are
        self._begin_table()

    def _begin_table(self) -> None:
        self._width, self._highest = FIRST_WIDTH, END
        self._table: dict[int, int] = {}  # code << 8 | next byte -> code of the longer string

    def take(self, data: bytes) -> bytes:
        """Encode ``data``; return the bytes that are ready."""
        current, table = self._current, self._table
        rest = iter(data)
        if current is None:
            current = next(rest)
        for byte in rest:
            key = current << 8 | byte
            longer = table.get(key)
            if longer is not None:
                current = longer
                continue
            self._put(current)
            current = byte
            if self._bump():
                table = self._table
            else:
                table[key] = self._highest
        self._current = current
        ready = bytes(self._output)
        self._output.clear()
        return ready

    def finish(self) -> bytes:
        """Return what is left, with the end code."""
        if self._current is not None:
            self._put(self._current)
            self._bump()
        self._put(END)
        return bytes(self._output) + self._bits.to_bytes((self._have + 7) // 8, "little")

    def _bump(self) -> bool:
        """Make room for one more code; return whether the table was given up for a new one."""
        self._highest += 1
        if self._highest == 1 << self._width:
            self._width += 1
        if self._highest < LAST_CODE:
            return False
        self._put(CLEAR)  # Go gives up its table one code before it is full
        self._begin_table()
        return True

    def _put(self, code: int) -> None:
        self._bits |= code << self._have
        self._have += self._width
        if self._have >= FLUSH_BYTES * 8:
            self._output += (self._bits & ((1 << FLUSH_BYTES * 8) - 1)).to_bytes(FLUSH_BYTES, "little")
            self._bits >>= FLUSH_BYTES * 8
            self._have -= FLUSH_BYTES * 8
