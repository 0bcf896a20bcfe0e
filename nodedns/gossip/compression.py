"""Compressed messages: the map of algorithm and bytes that wraps LZW data.

Strategy: the only algorithm is LZW. What unpacks is bounded by the caller, since
a packet and a stream have different bounds.

What it doesn't do: decide when compressing pays. Source: memberlist's compress
message.
"""

from __future__ import annotations

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip import lzw
from nodedns.gossip.bodies import decode_body_untrusted, encode_body
from nodedns.gossip.messages import Compressed

__all__ = ["MAX_INFLATED_STREAM_BYTES", "compress", "decompress_untrusted", "inflate_untrusted"]

MAX_INFLATED_STREAM_BYTES = 40 * 1024 * 1024  # memberlist 0.5.4's bound on decompressed data

_LZW = 0


def compress(data: bytes) -> bytes:
    """Return ``data`` compressed, type byte included; it may be longer than ``data``.

    Raises:
        LocalProtocolError: ``data`` is empty: memberlist 0.2.2 crashes on it.
    """
    if not data:
        raise LocalProtocolError("nothing to compress")
    return b"\x09" + encode_body(Compressed(_LZW, lzw.compress(data)))


def decompress_untrusted(data: bytes, limit_bytes: int = MAX_INFLATED_STREAM_BYTES) -> bytes:
    """Return what a compress body (without its type byte) holds: never empty.

    Raises:
        GossipWireError: A bad body, another algorithm, bad LZW, an empty result or one above ``limit_bytes``.
    """
    return inflate_untrusted(decode_body_untrusted(Compressed, data, "compressed message"), limit_bytes)


def inflate_untrusted(compressed: Compressed, limit_bytes: int) -> bytes:
    """Return what a decoded compress map holds: never empty.

    Raises:
        GossipWireError: As ``decompress_untrusted``.
    """
    if compressed.algo != _LZW:
        raise GossipWireError("compressed message", 0, f"unknown algorithm {compressed.algo}")
    plain = lzw.decompress_untrusted(compressed.buf, limit_bytes)
    if not plain:
        raise GossipWireError("compressed message", 0, "nothing in it")
    return plain
