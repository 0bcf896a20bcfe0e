"""Filters: which members a query is for, by name or by a tag's value.

Strategy: a filter travels encoded inside the query, one type byte and a body.
Decoding gives a value; whether a member passes is for the query's receiver to
decide, since the expressions are Go's.

What it doesn't do: run the expressions. Source: Serf's filter types as seen on
the wire.
"""

from __future__ import annotations

import attrs

from nodedns.errors import GossipWireError
from nodedns.gossip.kinds import STR, ListOf, wire
from nodedns.gossip.wire import decode_body_untrusted, encode_body, value_decoder, value_encoder

__all__ = ["Filter", "NodeFilter", "TagFilter", "decode_filter_untrusted", "encode_filter"]

MAX_FILTER_NODES = 1024  # Serf's limit on an encoded query, in bytes


@attrs.frozen
class NodeFilter:
    """The query is for the members of these names."""

    nodes: tuple[str, ...]


@attrs.frozen
class TagFilter:
    """The query is for members whose ``tag`` has a match of ``expression`` (Go RE2) in it; a missing tag is empty."""

    tag: str = attrs.field(metadata=wire("Tag", STR))
    expression: str = attrs.field(metadata=wire("Expr", STR))


Filter = NodeFilter | TagFilter

_NODE = 0
_TAG = 1
_NODES = ListOf(STR, MAX_FILTER_NODES)
_encode_nodes = value_encoder(_NODES)
_decode_nodes_untrusted = value_decoder(_NODES, "node filter")


def encode_filter(condition: Filter) -> bytes:
    """Return type byte and body."""
    if isinstance(condition, NodeFilter):
        return bytes([_NODE]) + _encode_nodes(condition.nodes)
    return bytes([_TAG]) + encode_body(condition)


def decode_filter_untrusted(data: bytes) -> Filter:
    """Return the filter in ``data``.

    Raises:
        GossipWireError: Empty, an unknown type, or a bad body; such a filter lets nobody pass.
    """
    if not data:
        raise GossipWireError("query filter", 0, "empty")
    if data[0] == _NODE:
        return NodeFilter(_decode_nodes_untrusted(data[1:]))
    if data[0] == _TAG:
        return decode_body_untrusted(TagFilter, data[1:], "tag filter")
    raise GossipWireError("query filter", 0, f"unknown type {data[0]}")
