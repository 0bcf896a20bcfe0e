"""Whom a query is for: whether its filters let one member through.

All filters must pass; one that cannot be read, or whose expression RE2 would
refuse, does not. Without filters a query is for everyone.

Source: Serf's shouldProcessQuery (gossip-protocol 4.7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nodedns.errors import GossipWireError
from nodedns.model.names import NodeName
from nodedns.serf.filter_budget import COMPILE_STEPS, FilterTooCostly
from nodedns.serf.filters import NodeFilter, TagFilter, decode_filter_untrusted, encode_filter
from nodedns.serf.regex import BadPattern, compile_pattern

__all__ = ["encode_filters", "passes_filters"]

MAX_FILTERS_TRIED = 16  # ours: bounds the time one query can cost; Serf's limit on a query leaves room for few


def encode_filters(nodes: Sequence[str], tags: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the filters that let through the named nodes (all, if none) whose tags match.

    Args:
        nodes: Node names.
        tags: RE2 expressions by tag.
    """
    filters = [encode_filter(NodeFilter(tuple(nodes)))] if nodes else []
    filters += [encode_filter(TagFilter(tag, expression)) for tag, expression in tags.items()]
    return tuple(filters)


def passes_filters(
    filters: Sequence[bytes], name: NodeName, tags: Mapping[str, str], may_spend: Callable[[int], bool]
) -> bool:
    """Whether a query with ``filters`` is for the member ``name`` with ``tags``.

    Args:
        filters: As they came.
        name: The member.
        tags: Its tags.
        may_spend: Asked before each pattern and each match, with the steps that it may take at most.

    Raises:
        FilterTooCostly: ``may_spend`` said no.
    """
    return len(filters) <= MAX_FILTERS_TRIED and all(_passes(packed, name, tags, may_spend) for packed in filters)


def _passes(packed: bytes, name: NodeName, tags: Mapping[str, str], may_spend: Callable[[int], bool]) -> bool:
    try:
        wanted = decode_filter_untrusted(packed)
        if isinstance(wanted, NodeFilter):
            return name in wanted.nodes
        _pay(COMPILE_STEPS, may_spend)
        pattern = compile_pattern(wanted.expression)
    except (GossipWireError, BadPattern):
        return False
    text = tags.get(wanted.tag, "")
    _pay(pattern.states * (len(text) + 1), may_spend)
    return pattern.search(text)


def _pay(steps: int, may_spend: Callable[[int], bool]) -> None:
    if not may_spend(steps):
        raise FilterTooCostly("there is more to match than there is time for")
