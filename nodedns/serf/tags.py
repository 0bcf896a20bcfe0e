"""Tags: the text map that a member announces in its metadata.

Strategy: 0xff, then a MessagePack map, at most 512 bytes in all. Metadata that
does not start with 0xff is the oldest form (Serf protocol 2), in which the whole
is the value of the tag ``role``. Real agents show a member with broken metadata
as one without tags, and so does ``decode_tags_untrusted``;
``parse_tags_untrusted`` says what was wrong.

What it doesn't do: give tags a meaning. Source: Serf's tag encoding as seen on
the wire; memberlist's limit on metadata.
"""

from __future__ import annotations

from collections.abc import Mapping

from nodedns.errors import GossipWireError, TooBig
from nodedns.gossip.kinds import STR, MapOf
from nodedns.gossip.wire import value_decoder, value_encoder

__all__ = ["MAX_META_BYTES", "decode_tags_untrusted", "encode_tags", "parse_tags_untrusted"]

MAX_META_BYTES = 512  # memberlist's limit on a node's metadata
MAX_TAGS = 255  # a tag takes two bytes at least

_MAGIC = b"\xff"
_TAGS = MapOf(STR, MAX_TAGS)
_encode_map = value_encoder(_TAGS)
_decode_map_untrusted = value_decoder(_TAGS, "tags")


def encode_tags(tags: Mapping[str, str]) -> bytes:
    """Return the metadata that announces ``tags``, in order of their names.

    Raises:
        TooBig: More than 512 bytes.
    """
    meta = _MAGIC + _encode_map(tags)
    if len(meta) > MAX_META_BYTES:
        raise TooBig("encoded tags", len(meta), MAX_META_BYTES)
    return meta


def parse_tags_untrusted(meta: bytes) -> dict[str, str]:
    """Return the tags in ``meta``.

    Raises:
        GossipWireError: It starts with 0xff, and no map of text to text follows.
    """
    if not meta.startswith(_MAGIC):
        return {"role": meta.decode("utf-8", "surrogateescape")}
    tags: dict[str, str] = _decode_map_untrusted(meta[1:])
    return tags


def decode_tags_untrusted(meta: bytes) -> dict[str, str]:
    """Return the tags in ``meta``, none where it is malformed; never raises."""
    try:
        return parse_tags_untrusted(meta)
    except GossipWireError:
        return {}
