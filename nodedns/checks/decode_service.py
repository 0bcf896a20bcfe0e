"""From what a file or a request holds to a ``ServiceDefinition``.

Source: Consul's AgentRegisterService and NodeService.Validate, their order and texts
included. Names that DNS cannot spell are no error; ``service_warnings`` has them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from nodedns.checks.decode_check import decode_service_checks
from nodedns.checks.definition import ServiceDefinition
from nodedns.checks.fields import Fields, KeySet, object_of, objects_of
from nodedns.errors import DefinitionError, shorten
from nodedns.model.address import MAX_PORT
from nodedns.model.limits import MAX_NAME_CHARS, service_excess
from nodedns.model.meta import meta_faults
from nodedns.model.service import NamedPort, Service, ServiceAddress, Weights, ports_fault, weights_fault

__all__ = ["decode_service_untrusted", "decode_services_untrusted"]


_NO_ENTERPRISE = "it belongs to Consul Enterprise"
_NO_MESH = "there is no service mesh"
_KEYS = KeySet(
    names=frozenset(
        {"id", "name", "tags", "address", "port", "ports", "socket_path", "tagged_addresses", "meta", "weights"}
        | {"enable_tag_override", "token", "check", "checks"}
    ),
    absent={
        "kind": _NO_MESH,
        "proxy": _NO_MESH,
        "connect": _NO_MESH,
        "locality": _NO_MESH,
        "peer_name": "there are no peerings",
        "namespace": _NO_ENTERPRISE,
        "partition": _NO_ENTERPRISE,
    },
)
_ADDRESS_KEYS = KeySet(frozenset({"address", "port"}))
_WEIGHT_KEYS = KeySet(frozenset({"passing", "warning"}))
_PORT_KEYS = KeySet(frozenset({"name", "port", "default"}))
_VERSION_OF_TAG = {"lan_ipv4": 4, "wan_ipv4": 4, "lan_ipv6": 6, "wan_ipv6": 6}


def decode_service_untrusted(values: Mapping[str, object]) -> ServiceDefinition:
    """Return the service of a file or of a request.

    Raises:
        DefinitionError: With Consul's text.
    """
    fields = Fields(values, _KEYS)
    service = _decode_service(fields)
    checks = decode_service_checks(service, fields.raw("check"), fields.raw("checks"))
    return ServiceDefinition(service, checks, fields.text("token"))


def decode_services_untrusted(value: object) -> tuple[ServiceDefinition, ...]:
    """Return the services of a file: a list of objects, or one. Raises ``DefinitionError``."""
    found = []
    listed = value if isinstance(value, list) else [value]  # without a limit: a machine's own file may have many
    for position, each in enumerate(listed):
        try:
            found.append(decode_service_untrusted(object_of("service", each)))
        except DefinitionError as error:
            raise error.inside(f"[{position}]" if isinstance(value, list) else "") from None
    return tuple(found)


def _decode_service(fields: Fields) -> Service:
    name = fields.text("name")
    if not name:
        raise DefinitionError("Missing service name", "name")
    service_id = fields.text("id") or name
    for key, text in (("name", name), ("id", service_id)):
        if len(text) > MAX_NAME_CHARS:
            raise DefinitionError(f"{key} is too long (limit: {MAX_NAME_CHARS} characters)", key)
    address, port = _address(fields), fields.number("port")
    weights = _weights(fields)
    meta = _meta(fields)
    if not 0 <= port <= MAX_PORT:
        raise _failed(f"port must be between 0 and {MAX_PORT}", "port")
    ports = _ports(fields)
    if port and ports:
        raise _failed("Both port and ports cannot be set", "ports")
    service = Service(
        id=service_id,
        name=name,
        tags=fields.texts("tags"),
        address=address,
        port=port,
        meta=meta,
        tagged_addresses=_filled(_tagged_addresses(fields), address, port),
        weights=weights,
        enable_tag_override=fields.flag("enable_tag_override"),
        ports=ports,
        socket_path=fields.text("socket_path"),
    )
    excess = service_excess(service)
    if excess:
        raise _failed(excess, "")
    return service


def _address(fields: Fields) -> str:
    address = fields.text("address")
    ip = _ip(address)
    if (ip is not None and ip.is_unspecified) or len(address) > MAX_NAME_CHARS or not address.isprintable():
        raise DefinitionError("Invalid service address", "address")
    return address


def _weights(fields: Fields) -> Weights:
    if fields.raw("weights") is None:
        return Weights()
    given = Fields(object_of("weights", fields.raw("weights")), _WEIGHT_KEYS)
    weights = Weights(given.number("passing", 1), given.number("warning", 1))
    fault = weights_fault(weights)
    if fault:
        raise DefinitionError(fault, "weights", f"Invalid Weights: {fault}")
    return weights


def _meta(fields: Fields) -> dict[str, str]:
    pairs = fields.pairs("meta")
    faults = meta_faults(pairs)
    if faults:
        raise DefinitionError(faults[0], "meta", f"Invalid Service Meta: {faults[0]}")
    return pairs


def _ports(fields: Fields) -> tuple[NamedPort, ...]:
    value = fields.raw("ports")
    found: list[NamedPort] = []
    for each in [] if value is None else objects_of("ports", value):
        given = Fields(each, _PORT_KEYS)
        found.append(NamedPort(given.text("name"), given.number("port"), given.flag("default")))
    fault = ports_fault(found)
    if fault:
        raise _failed(fault, "ports")
    return tuple(found)


def _tagged_addresses(fields: Fields) -> dict[str, ServiceAddress]:
    value = fields.raw("tagged_addresses")
    found: dict[str, ServiceAddress] = {}
    for tag, each in ({} if value is None else object_of("tagged_addresses", value)).items():
        given = Fields(object_of(f"tagged_addresses.{shorten(tag)[1:-1]}", each), _ADDRESS_KEYS)
        found[tag] = ServiceAddress(given.text("address"), given.number("port"))
        fault = _fault_of_tagged(tag, found[tag])
        if fault:
            raise DefinitionError(fault, f"tagged_addresses.{shorten(tag)[1:-1]}")
    return found


def _fault_of_tagged(tag: str, address: ServiceAddress) -> str:
    version = _VERSION_OF_TAG.get(tag)
    ip = _ip(address.address)
    shown = shorten(tag)[1:-1]
    if version is not None and (ip is None or ip.version != version):
        return f'Service tagged address "{shown}" must be a valid ipv{version} address'
    if not 0 <= address.port <= MAX_PORT:
        return f'Service tagged address "{shown}" has a port that is not between 0 and {MAX_PORT}'
    is_kept = tag.isprintable() and address.address.isprintable() and len(tag) + len(address.address) <= MAX_NAME_CHARS
    return "" if is_kept else f'Service tagged address "{shown}" cannot be kept'


def _filled(tagged: dict[str, ServiceAddress], address: str, port: int) -> dict[str, ServiceAddress]:
    """Return the tags with those that an IP address stands for, as Consul's agent fills them in."""
    ip = _ip(address)
    if ip is not None:
        for net in ("lan", "wan"):
            tagged.setdefault(f"{net}_ipv{ip.version}", ServiceAddress(address, port))
    return tagged


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _failed(reason: str, path: str) -> DefinitionError:
    return DefinitionError(reason, path, f"Validation failed: {reason}")
