"""Services, instances and checks as the catalog's JSON has them.

Fields of what nodedns does not have, such as proxies, are there and empty where Consul always
writes them, and absent where Consul leaves out what is empty.

Source: Consul agent/structs (ServiceNode, NodeService, HealthCheck); api-docs of catalog and health.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from nodedns.api.context import Json
from nodedns.api.encode import node_shape, sorted_map
from nodedns.model.check import Check
from nodedns.model.service import Service, Weights
from nodedns.table.node_row import NodeRow
from nodedns.table.service_rows import CheckRow, Instance

__all__ = [
    "check_shape",
    "health_shape",
    "node_service_shape",
    "ports_shape",
    "service_node_shape",
    "shape_of_check",
    "tagged_addresses_shape",
    "weights_shape",
]

_NO_PROXY: Mapping[str, Json] = {"Mode": "", "MeshGateway": {}, "Expose": {}}


def node_service_shape(instance: Instance) -> Mapping[str, Json]:
    """Return an instance as the lists of a node's services, and of healthy services, have it."""
    service = instance.service
    shape: dict[str, Json] = {
        "ID": service.id,
        "Service": service.name,
        "Tags": list(service.tags),
        "Address": service.address,
    }
    if service.tagged_addresses:
        shape["TaggedAddresses"] = tagged_addresses_shape(service)
    shape |= {"Meta": sorted_map(service.meta), "Port": service.port}
    if service.ports:
        shape["Ports"] = ports_shape(service)
    if service.socket_path:
        shape["SocketPath"] = service.socket_path
    shape |= {
        "Weights": weights_shape(service.weights),
        "EnableTagOverride": service.enable_tag_override,
        "Proxy": _NO_PROXY,
        "Connect": {},
        "PeerName": "",
        "CreateIndex": instance.create_index,
        "ModifyIndex": instance.modify_index,
    }
    return shape


def service_node_shape(instance: Instance) -> Mapping[str, Json]:
    """Return an instance with its node, as ``/v1/catalog/service/NAME`` lists it."""
    service, row = instance.service, instance.row
    shape: dict[str, Json] = {
        "ID": row.node_id,
        "Node": row.name,
        "Address": row.address,
        "Datacenter": row.datacenter,
        "TaggedAddresses": sorted_map(row.tagged_addresses),
        "NodeMeta": sorted_map(row.meta),
        "ServiceKind": "",
        "ServiceID": service.id,
        "ServiceName": service.name,
        "ServiceTags": list(service.tags),
        "ServiceAddress": service.address,
    }
    if service.tagged_addresses:
        shape["ServiceTaggedAddresses"] = tagged_addresses_shape(service)
    shape |= {
        "ServiceWeights": weights_shape(service.weights),
        "ServiceMeta": sorted_map(service.meta),
        "ServicePort": service.port,
    }
    if service.ports:
        shape["ServicePorts"] = ports_shape(service)
    shape |= {
        "ServiceSocketPath": service.socket_path,
        "ServiceEnableTagOverride": service.enable_tag_override,
        "ServiceProxy": _NO_PROXY,
        "ServiceConnect": {},
        "CreateIndex": instance.create_index,
        "ModifyIndex": instance.modify_index,
    }
    return shape


def health_shape(instance: Instance) -> Mapping[str, Json]:
    """Return an instance with its node and every check that counts for it."""
    row = instance.row
    return {
        "Node": node_shape(row),
        "Service": node_service_shape(instance),
        "Checks": [check_shape(row, check) for check in instance.checks],
    }


def check_shape(row: NodeRow, kept: CheckRow) -> Mapping[str, Json]:
    """Return a check of the node ``row``."""
    return shape_of_check(kept.check, row.name, kept.create_index, kept.modify_index)


def shape_of_check(check: Check, node: str, create_index: int = 0, modify_index: int = 0) -> Mapping[str, Json]:
    """Return a check of the node of this name."""
    return {
        "Node": node,
        "CheckID": check.id,
        "Name": check.name,
        "Status": check.status.value,
        "Notes": check.notes,
        "Output": check.output,
        "ServiceID": check.service_id,
        "ServiceName": check.service_name,
        "ServiceTags": list(check.service_tags),
        "Type": check.type,
        "Interval": check.interval,
        "Timeout": check.timeout,
        "ExposedPort": 0,
        "Definition": _definition(check.definition),
        "CreateIndex": create_index,
        "ModifyIndex": modify_index,
    }


def _definition(told: Mapping[str, object]) -> Json:
    return {key: _json(value) for key, value in told.items()}


def _json(value: object) -> Json:
    if isinstance(value, Mapping):
        return {str(key): _json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # no JSON can say it
    return value if isinstance(value, bool | int | float | str) else None


def tagged_addresses_shape(service: Service) -> Json:
    """Return the other addresses of a service, by tag."""
    return {tag: {"Address": told.address, "Port": told.port} for tag, told in sorted(service.tagged_addresses.items())}


def ports_shape(service: Service) -> Json:
    """Return the ports of a service that has several."""
    return [{"Name": port.name, "Port": port.port, "Default": port.is_default} for port in service.ports]


def weights_shape(weights: Weights) -> Json:
    """Return the weights of a service."""
    return {"Passing": weights.passing, "Warning": weights.warning}
