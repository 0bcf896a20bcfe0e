"""Services and checks of this agent as Consul's JSON has them.

An agent's own services have no index: what is registered with the agent is its own business,
the catalog's indexes are of what everybody sees. The hash of a service changes when anything shown of it does.

Source: Consul api/agent.go (AgentService), agent/structs (HealthCheck).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from nodedns.api.context import Json
from nodedns.api.encode import sorted_map
from nodedns.model.check import Check
from nodedns.model.service import Service, ServiceAddress

__all__ = ["content_hash", "local_check_shape", "local_service_shape"]

HASH_BYTES = 8
"""Of a content hash; 16 hexadecimal digits, as Consul's."""


def local_service_shape(service: Service, datacenter: str) -> dict[str, Json]:
    """Return a service as the agent lists it."""
    shape: dict[str, Json] = {
        "ID": service.id,
        "Service": service.name,
        "Tags": service.tags,
        "Meta": sorted_map(service.meta),
        "Port": service.port,
    }
    if service.ports:
        shape["Ports"] = [{"Name": port.name, "Port": port.port, "Default": port.is_default} for port in service.ports]
    shape["Address"] = service.address
    if service.socket_path:
        shape["SocketPath"] = service.socket_path
    if service.tagged_addresses:
        shape["TaggedAddresses"] = _tagged_shape(service.tagged_addresses)
    shape["Weights"] = {"Passing": service.weights.passing, "Warning": service.weights.warning}
    shape["EnableTagOverride"] = service.enable_tag_override
    shape["Datacenter"] = datacenter
    return shape


def local_check_shape(check: Check, node: str) -> dict[str, Json]:
    """Return a check as the agent lists it."""
    return {
        "Node": node,
        "CheckID": check.id,
        "Name": check.name,
        "Status": check.status.value,
        "Notes": check.notes,
        "Output": check.output,
        "ServiceID": check.service_id,
        "ServiceName": check.service_name,
        "ServiceTags": check.service_tags,
        "Type": check.type,
        "Interval": check.interval,
        "Timeout": check.timeout,
        "ExposedPort": 0,
        "Definition": {},
        "CreateIndex": 0,
        "ModifyIndex": 0,
    }


def content_hash(shape: Mapping[str, Json]) -> str:
    """Return a text that differs where shapes differ."""
    text = json.dumps(shape, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).hexdigest()


def _tagged_shape(addresses: Mapping[str, ServiceAddress]) -> Json:
    return {tag: {"Address": place.address, "Port": place.port} for tag, place in sorted(addresses.items())}
