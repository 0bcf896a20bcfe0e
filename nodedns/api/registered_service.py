"""The ``Service`` of a catalog registration: from JSON to a checked instance.

Fields of what nodedns does not have, such as proxies, are passed over while they are empty, as Consul's clients send
them, and refused otherwise: taking and dropping them would promise what is not kept.

Source: Consul agent/structs (NodeService.Validate), agent/consul/catalog_endpoint.go (servicePreApply).
"""

from __future__ import annotations

import ipaddress

from nodedns.api.body import Body
from nodedns.api.registered_text import check_pairs, check_text, refuse_excess
from nodedns.errors import ApiError
from nodedns.model.address import MAX_PORT
from nodedns.model.limits import MAX_TAG_CHARS, service_excess
from nodedns.model.service import NamedPort, Service, ServiceAddress, Weights, ports_fault, weights_fault

__all__ = ["decode_service"]

TYPICAL_KINDS = ("", "typical")
UNSAID_WEIGHTS = Weights(0, 0)
"""What Consul's Go client sends where nobody has set weights: its type has no way of leaving them out."""


def decode_service(body: Body) -> Service:
    """Return the instance that a body describes.

    Raises:
        ApiError: 400 for what has the wrong type or is beyond a limit, 500 with Consul's text for the rest.
    """
    name, service_id = body.text("Service"), body.text("ID")
    if service_id and not name:
        raise ApiError(500, "Must provide service name (Service.Service) when service ID is provided")
    if not name:
        raise ApiError(500, "service name (Service.Service) is required")
    address, port, ports = body.text("Address"), _port(body, "Port"), _ports(body)
    if _is_unspecified(address):
        raise ApiError(500, "Invalid service address")
    if port and ports:
        raise ApiError(500, "Both port and ports cannot be set")
    _refuse_absent(body)
    tags, meta = body.texts("Tags"), body.pairs("Meta")
    for key, text in (("Service.Service", name), ("Service.ID", service_id), ("Service.Address", address)):
        check_text(key, text)
    for tag in tags:
        check_text("Service.Tags", tag, MAX_TAG_CHARS)
    check_text("Service.SocketPath", body.text("SocketPath"))
    check_pairs(meta, "Service metadata", "metadata pair")
    service = Service(
        id=service_id or name,
        name=name,
        tags=tags,
        address=address,
        port=port,
        meta=meta,
        tagged_addresses=_tagged_addresses(body),
        weights=_weights(body),
        enable_tag_override=body.flag("EnableTagOverride"),
        ports=ports,
        socket_path=body.text("SocketPath"),
    )
    refuse_excess(service_excess(service))
    return service


def _port(body: Body, key: str) -> int:
    port = body.number(key)
    if not 0 <= port <= MAX_PORT:
        raise ApiError(400, f"{key} must be between 0 and {MAX_PORT}")
    return port


def _is_unspecified(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return False


def _refuse_absent(body: Body) -> None:
    if body.text("Kind") not in TYPICAL_KINDS:
        raise ApiError(500, "Service.Kind: nodedns has no service mesh; nothing was registered")


def _weights(body: Body) -> Weights:
    told = body.body("Weights")
    if told is None:
        return Weights()
    weights = Weights(told.number("Passing", 1), told.number("Warning", 1))
    if weights == UNSAID_WEIGHTS:
        return Weights()
    problem = weights_fault(weights)
    if problem:
        raise ApiError(500, f"Invalid Weights: {problem}")
    return weights


def _ports(body: Body) -> tuple[NamedPort, ...]:
    told = body.bodies("Ports")
    ports = tuple(NamedPort(port.text("Name"), _port(port, "Port"), port.flag("Default")) for port in told)
    problem = ports_fault(ports)
    if problem:
        raise ApiError(500, problem)
    for port in ports:
        check_text("Ports.Name", port.name)
    return ports


def _tagged_addresses(body: Body) -> dict[str, ServiceAddress]:
    told = body.bodies_by_key("TaggedAddresses")
    found = {tag: ServiceAddress(inner.text("Address"), _port(inner, "Port")) for tag, inner in told.items()}
    for tag, address in found.items():
        check_text("Service.TaggedAddresses", tag)
        check_text("Service.TaggedAddresses", address.address)
    return found
