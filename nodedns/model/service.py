"""``Service``: one instance of a service, as it is registered on a node.

Checked where it comes in; what is here may still be a name that DNS cannot spell.

Source: Consul's NodeService (agent/structs) and its definition (service_definition.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import attrs

from nodedns.model.address import MAX_PORT
from nodedns.model.names import fold

__all__ = ["MAX_WEIGHT", "NamedPort", "Service", "ServiceAddress", "Weights", "ports_fault", "weights_fault"]

MAX_WEIGHT = 65_535
"""RFC 2782: two bytes."""


def _own_copy(mapping: Mapping[str, str]) -> dict[str, str]:
    return dict(mapping)


def _own_addresses(mapping: Mapping[str, ServiceAddress]) -> dict[str, ServiceAddress]:
    return dict(mapping)


@attrs.frozen
class Weights:
    """How much of the work an instance is to get, by its health (RFC 2782's weight, 0 to 65535).

    Attributes:
        passing: While its checks pass, at least 1.
        warning: While one of them warns.
    """

    passing: int = 1
    warning: int = 1


def weights_fault(weights: Weights) -> str:
    """Return what is wrong with weights, as Consul words it; empty for what may be kept."""
    if weights.passing < 1:
        return "Passing must be greater than 0"
    if weights.warning < 0:
        return "Warning must be greater or equal than 0"
    if max(weights.passing, weights.warning) > MAX_WEIGHT:
        return f"DNS Weight must be between 0 and {MAX_WEIGHT}"
    return ""


@attrs.frozen
class ServiceAddress:
    """Another address of an instance.

    Attributes:
        address: IP text or host name.
        port: 0 to 65535.
    """

    address: str
    port: int = 0


@attrs.frozen
class NamedPort:
    """One of several ports of an instance.

    Attributes:
        name: Unique in the instance.
        port: 1 to 65535.
        is_default: Whether it is the one meant where none is named.
    """

    name: str
    port: int
    is_default: bool = False


def ports_fault(ports: Sequence[NamedPort]) -> str:
    """Return what is wrong with the named ports of an instance, as Consul words it; empty for what may be kept."""
    seen: set[str] = set()
    for port in ports:
        if not port.name:
            return "Ports.Name cannot be empty"
        if port.port <= 0:
            return "Ports.Port must be greater than zero"
        if port.port > MAX_PORT:
            return f"Ports.Port must be between 0 and {MAX_PORT}"
        if port.name in seen:
            return f'Ports.Name "{port.name}" has to be unique'
        seen.add(port.name)
    defaults = sum(port.is_default for port in ports)
    if defaults > 1:
        return "Only one port can be marked as default"
    return "One of the Ports must be marked as Default" if ports and not defaults else ""


@attrs.frozen
class Service:
    """One instance.

    Attributes:
        id: Unique on its node.
        name: What it is an instance of; looked up with ASCII case folded.
        tags: In the order given.
        address: IP text or host name; empty for the node's.
        port: 0 for none.
        meta: Service meta.
        tagged_addresses: By tag (``lan``, ``lan_ipv4``, ``wan`` ...).
        weights: See ``Weights``.
        enable_tag_override: Whether the catalog may change its tags.
        ports: Where it has several; ``port`` is 0 then.
        socket_path: A Unix socket instead of a port; empty for none.
    """

    id: str
    name: str
    tags: tuple[str, ...] = ()
    address: str = ""
    port: int = 0
    meta: Mapping[str, str] = attrs.field(factory=dict, converter=_own_copy)
    tagged_addresses: Mapping[str, ServiceAddress] = attrs.field(factory=dict, converter=_own_addresses)
    weights: Weights = Weights()
    enable_tag_override: bool = False
    ports: tuple[NamedPort, ...] = ()
    socket_path: str = ""

    @cached_property
    def folded_tags(self) -> tuple[str, ...]:
        """Its tags with ASCII case folded, as names in DNS say them."""
        return tuple(map(fold, self.tags))

    @cached_property
    def folded_port_names(self) -> tuple[str, ...]:
        """The names of its ports, likewise."""
        return tuple(fold(port.name) for port in self.ports)

    @property
    def default_port(self) -> int:
        """The port meant where none is named; 0 for none."""
        for port in self.ports:
            if port.is_default:
                return port.port
        return self.ports[0].port if self.ports else self.port
