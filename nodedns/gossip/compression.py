"""Compressed messages: the map of algorithm and bytes that wraps LZW data.

Strategy: the only algorithm is LZW. What unpacks is bounded by the caller, since
a packet and a stream have different bounds. A packet is done in one go, which is
0.3 ms at its largest; a stream's megabytes in pieces.

What it doesn't do: decide when compressing pays. Source: memberlist's compress
message.
"""

from __future__ import annotations

from collections.abc import Iterator

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip import lzw
from nodedns.gossip.bodies import decode_body_untrusted, encode_body
from nodedns.gossip.messages import Compressed
from nodedns.gossip.slices import Steps

__all__ = [
    "INFLATE_PIECE_US",
    "MAX_INFLATED_STREAM_BYTES",
    "compress",
    "compress_in_steps",
    "decompress_untrusted",
    "inflate_pieces_untrusted",
]

MAX_INFLATED_STREAM_BYTES = 40 * 1024 * 1024  # memberlist 0.5.4's bound on decompressed data

INFLATE_PIECE_US = 1.0 * lzw.PIECE_CODES
"""Whatever a piece's length: a code stands for any number of bytes, a clear code for none."""
DEFLATE_BYTE_US = 0.4

_LZW = 0


def compress(data: bytes) -> bytes:
    """Return ``data`` compressed, type byte included; it may be longer than ``data``.

    Raises:
        LocalProtocolError: ``data`` is empty: memberlist 0.2.2 crashes on it.
    """
    if not data:
        raise LocalProtocolError("nothing to compress")
    return _message(lzw.compress(data))


def compress_in_steps(data: bytes) -> Steps[bytes]:
    """As ``compress``, a piece at a time."""
    if not data:
        raise LocalProtocolError("nothing to compress")
    pieces = []
    piece_us = DEFLATE_BYTE_US * min(len(data), lzw.PIECE_BYTES)
    for piece in lzw.deflate_pieces(data):
        pieces.append(piece)
        yield piece_us
    return _message(b"".join(pieces))


def _message(deflated: bytes) -> bytes:
    return b"\x09" + encode_body(Compressed(_LZW, deflated))


def decompress_untrusted(data: bytes, limit_bytes: int = MAX_INFLATED_STREAM_BYTES) -> bytes:
    """Return what a compress body (without its type byte) holds: never empty.

    Raises:
        GossipWireError: A bad body, another algorithm, bad LZW, an empty result or one above ``limit_bytes``.
    """
    compressed = decode_body_untrusted(Compressed, data, "compressed message")
    return b"".join(inflate_pieces_untrusted(compressed, limit_bytes))


def inflate_pieces_untrusted(compressed: Compressed, limit_bytes: int) -> Iterator[bytes]:
    """Yield what a decoded compress map holds, never nothing, piece by piece.

    Raises:
        GossipWireError: As ``decompress_untrusted``, when it is come to.
    """
    if compressed.algo != _LZW:
        raise GossipWireError("compressed message", 0, f"unknown algorithm {compressed.algo}")
    is_empty = True
    for piece in lzw.inflate_pieces_untrusted(compressed.buf, limit_bytes):
        is_empty = is_empty and not piece
        yield piece
    if is_empty:
        raise GossipWireError("compressed message", 0, "nothing in it")
