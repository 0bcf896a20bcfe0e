"""What one registration may hold: the limits that the HTTP API, configuration files and replication share.

Strategy: a function for each kind of thing says what of it is beyond a limit, in words for whoever wrote it. The API
and files refuse that; replication, where whoever wrote it is far away or hostile, takes it in as a deletion. Since the
functions look at nothing but the value, all agents do alike (ADR 0040).

The number of small things counts, for each becomes objects in every agent's memory and names in DNS. The length of
texts that are no names (notes, outputs) is bounded by that of an encoded entry; whether texts make sense is not
looked at here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from nodedns.errors import shorten
from nodedns.model.check import Check
from nodedns.model.meta import MAX_META_KEY_CHARS, MAX_META_PAIRS, MAX_META_VALUE_CHARS
from nodedns.model.service import Service

__all__ = [
    "MAX_DEFINITION_CHARS",
    "MAX_NAME_CHARS",
    "MAX_TAGS",
    "MAX_TAGS_TIMES_PORTS",
    "MAX_TAG_CHARS",
    "check_excess",
    "node_excess",
    "pairs_excess",
    "service_excess",
    "text_excess",
]

MAX_NAME_CHARS: Final = 512
"""Of a name, an ID or an address; ours, four times what Serf allows a node, and twice the longest DNS name."""
MAX_TAGS: Final = 256
"""Of one instance; ours, four times the pairs of its meta. Each has some thirty names in a published zone."""
MAX_TAG_CHARS: Final = 4_096
"""Ours, as long as the output of a check: proxies are told their rules by tags."""
MAX_PORTS: Final = 64
"""Named ones, of one instance; ours."""
MAX_TAGS_TIMES_PORTS: Final = 1_024
"""Of one instance, each pair of which has names in DNS; ours: 32 of both."""
MAX_ADDRESSES: Final = 64
"""Tagged ones, of one instance; ours, as many as pairs of meta."""
MAX_DEFINITION_CHARS: Final = 4_096
"""Of what is shown of a check's definition, as JSON; ours."""


def service_excess(service: Service) -> str:
    """Return what of an instance is beyond a limit; empty for what may be registered."""
    tags, ports, addresses = service.tags, service.ports, service.tagged_addresses
    if len(ports) > MAX_PORTS:
        return f"Service.Ports cannot contain more than {MAX_PORTS} ports"
    if len(addresses) > MAX_ADDRESSES:
        return f"Service.TaggedAddresses cannot contain more than {MAX_ADDRESSES} addresses"
    return (
        _tags_excess(tags)
        or _product_excess(len(tags), len(ports))
        or _names_excess(service)
        or pairs_excess(service.meta, "Service metadata", "metadata pair")
    )


def check_excess(check: Check) -> str:
    """Return likewise what of a check is beyond a limit."""
    excess = _tags_excess(check.service_tags)
    if not excess and check.definition and len(json.dumps(check.definition)) > MAX_DEFINITION_CHARS:
        excess = f"Definition is too long (limit: {MAX_DEFINITION_CHARS} characters)"
    return excess


def node_excess(name: str, address: str, tagged_addresses: Mapping[str, str], meta: Mapping[str, str]) -> str:
    """Return likewise what of an external node is beyond a limit."""
    return (
        text_excess("Node", (name,))
        or text_excess("Address", (address,))
        or pairs_excess(meta, "Node metadata", "metadata pair")
        or pairs_excess(tagged_addresses, "Tagged addresses", "tagged address")
    )


def pairs_excess(pairs: Mapping[str, str], all_of_them: str, one: str) -> str:
    """Return what of a map is beyond Consul's limits; empty for what may be kept.

    Args:
        pairs: The map.
        all_of_them: What the map is called in a refusal.
        one: What a pair is called there.
    """
    if len(pairs) > MAX_META_PAIRS:
        return f"{all_of_them} cannot contain more than {MAX_META_PAIRS} key/value pairs"
    for key, value in pairs.items():
        problem = ""
        if len(key) > MAX_META_KEY_CHARS:
            problem = f"Key is too long (limit: {MAX_META_KEY_CHARS} characters)"
        elif len(value) > MAX_META_VALUE_CHARS:
            problem = f"Value is too long (limit: {MAX_META_VALUE_CHARS} characters)"
        if problem:
            return f"Couldn't load {one} ({shorten(key)}, {shorten(value)}): {problem}"
    return ""


def text_excess(key: str, texts: Iterable[str], most: int = MAX_NAME_CHARS) -> str:
    """Return what to say of texts under ``key`` of which one has more than ``most`` characters; empty if none has."""
    for text in texts:
        if len(text) > most:
            return f"{key} is too long (limit: {most} characters)"
    return ""


def _names_excess(service: Service) -> str:
    one_each = (service.name, service.id, service.address, service.socket_path)
    ports = [port.name for port in service.ports]
    addresses = [*service.tagged_addresses, *[each.address for each in service.tagged_addresses.values()]]
    # All at once first: this is asked of every service that is heard of, and the answer is nearly always no.
    if max(map(len, (*one_each, *ports, *addresses))) <= MAX_NAME_CHARS:
        return ""
    keys = ("Service.Service", "Service.ID", "Service.Address", "Service.SocketPath")
    told = [(key, (text,)) for key, text in zip(keys, one_each, strict=True)]
    found = [text_excess(key, texts) for key, texts in (*told, ("Ports.Name", ports))]
    return next(filter(None, found), "") or text_excess("Service.TaggedAddresses", addresses)


def _tags_excess(tags: tuple[str, ...]) -> str:
    if len(tags) > MAX_TAGS:
        return f"Service.Tags cannot contain more than {MAX_TAGS} tags"
    return text_excess("Service.Tags", tags, MAX_TAG_CHARS)


def _product_excess(tags: int, ports: int) -> str:
    if tags * ports <= MAX_TAGS_TIMES_PORTS:
        return ""
    why = "a name in DNS for each pair"
    return f"Service.Tags times Service.Ports is {tags * ports} (limit: {MAX_TAGS_TIMES_PORTS}, {why})"
