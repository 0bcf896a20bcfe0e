"""What an entry's value takes in memory, about; for the bound on all of them together.

Strategy: texts are what can be long, and what there can be many of. Each counts with its object and its place in a
container; all else is a constant.
"""

from __future__ import annotations

import json
from sys import getsizeof

from nodedns.model.check import Check
from nodedns.model.service import Service
from nodedns.replica.entry import Value
from nodedns.table.changes import ExternalNode

__all__ = ["weight_of"]

ENTRY_BYTES = 512
"""An entry, its key, its value and their containers, empty."""
PLACE_BYTES = 32
"""A text's place in a tuple or dict."""
DEFINITION_FACTOR = 16
"""Bytes of the lists and maps that a letter of JSON can stand for."""


def weight_of(value: Value | None) -> int:
    """Return about how many bytes of memory an entry with ``value`` takes."""
    texts = _texts_of(value)
    weight = ENTRY_BYTES + sum(map(getsizeof, texts)) + PLACE_BYTES * len(texts)
    if type(value) is Check and value.definition:
        weight += DEFINITION_FACTOR * len(json.dumps(value.definition))
    return weight


def _texts_of(value: Value | None) -> tuple[str, ...]:
    match value:
        case Service():
            return (*_texts_of_service(value), *value.tags, *value.meta, *value.meta.values())
        case Check():
            named = (value.id, value.name, value.service_id, value.service_name)
            return (*named, value.notes, value.output, value.type, value.interval, value.timeout, *value.service_tags)
        case ExternalNode():
            pairs = (*value.meta, *value.meta.values(), *value.tagged_addresses, *value.tagged_addresses.values())
            return (value.name, value.node_id, value.address, *pairs)
        case None:
            return ()


def _texts_of_service(service: Service) -> list[str]:
    texts = [service.id, service.name, service.address, service.socket_path, *service.tagged_addresses]
    texts += [each.address for each in service.tagged_addresses.values()]
    texts += [port.name for port in service.ports]
    return texts
