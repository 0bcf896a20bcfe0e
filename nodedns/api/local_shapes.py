"""Services of this agent as Consul's JSON has them.

An agent's own services have no index: what is registered with the agent is its own business,
the catalog's indexes are of what everybody sees. The hash of a service changes when anything shown of it does.

Source: Consul api/agent.go (AgentService).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from nodedns.api.context import Json
from nodedns.api.encode import sorted_map
from nodedns.api.shapes import ports_shape, tagged_addresses_shape, weights_shape
from nodedns.model.service import Service

__all__ = ["content_hash", "local_service_shape"]

HASH_BYTES = 8
"""Of a content hash; 16 hexadecimal digits, as Consul's."""


def local_service_shape(service: Service, datacenter: str) -> dict[str, Json]:
    """Return a service as the agent lists it."""
    shape: dict[str, Json] = {
        "ID": service.id,
        "Service": service.name,
        "Tags": list(service.tags),
        "Meta": sorted_map(service.meta),
        "Port": service.port,
    }
    if service.ports:
        shape["Ports"] = ports_shape(service)
    shape["Address"] = service.address
    if service.socket_path:
        shape["SocketPath"] = service.socket_path
    if service.tagged_addresses:
        shape["TaggedAddresses"] = tagged_addresses_shape(service)
    shape["Weights"] = weights_shape(service.weights)
    shape["EnableTagOverride"] = service.enable_tag_override
    shape["Datacenter"] = datacenter
    return shape


def content_hash(shape: Mapping[str, Json]) -> str:
    """Return a text that differs where shapes differ."""
    text = json.dumps(shape, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).hexdigest()
