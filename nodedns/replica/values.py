"""Nodes, services and checks as plain lists, maps and scalars, and back from what strangers send.

Fields stand in a fixed order, which is part of the wire format: nothing is put
between them. Reading is strict: exact types, ranges, no field too many. Which
bytes carry the lists is for ``wire.py``.
"""

from __future__ import annotations

from typing import TypeVar

from nodedns.errors import shorten
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service, ServiceAddress, Weights
from nodedns.replica.entry import Kind, Value
from nodedns.table.changes import ExternalNode

__all__ = ["Malformed", "plain_value", "read_int", "read_list", "read_text", "read_value"]

MAX_PORT = 65_535
MAX_WEIGHT = 65_535  # RFC 2782: two bytes
MAX_DEFINITION_DEPTH = 8  # ours: Consul's deepest is a header's list of values, at three

T = TypeVar("T")


class Malformed(Exception):
    """A plain value is not what it has to be; never leaves the room."""


def plain_value(value: Value | None) -> object:
    """Return a value as plain lists; None for a tombstone."""
    match value:
        case ExternalNode():
            return [value.node_id, value.address, dict(value.tagged_addresses), dict(value.meta)]
        case Service():
            return _plain_service(value)
        case Check():
            return [
                value.name,
                value.status.value,
                value.notes,
                value.output,
                value.service_id,
                value.service_name,
                list(value.service_tags),
                value.type,
                value.interval,
                value.timeout,
                dict(value.definition),
            ]
        case None:
            return None


def _plain_service(service: Service) -> list[object]:
    return [
        service.name,
        list(service.tags),
        service.address,
        service.port,
        dict(service.meta),
        {tag: [address.address, address.port] for tag, address in service.tagged_addresses.items()},
        service.weights.passing,
        service.weights.warning,
        service.enable_tag_override,
        [[port.name, port.port, port.is_default] for port in service.ports],
        service.socket_path,
    ]


def read_value(kind: Kind, node: NodeName, item_id: str, plain: object) -> Value | None:
    """Return the value that ``plain`` stands for; it raises ``Malformed``."""
    if plain is None:
        return None
    if kind is Kind.NODE:
        return _read_node(node, plain)
    return _read_service(item_id, plain) if kind is Kind.SERVICE else _read_check(item_id, plain)


def _read_node(name: NodeName, plain: object) -> ExternalNode:
    node_id, address, tagged, meta = read_list(plain, 4)
    return ExternalNode(name, read_text(node_id), read_text(address), _read_texts(tagged), _read_texts(meta))


def _read_service(service_id: str, plain: object) -> Service:
    name, tags, address, port, meta, tagged, passing, warning, override, ports, socket_path = read_list(plain, 11)
    return Service(
        id=service_id,
        name=read_text(name),
        tags=_read_tags(tags),
        address=read_text(address),
        port=read_int(port, MAX_PORT),
        meta=_read_texts(meta),
        tagged_addresses={tag: _read_address(at) for tag, at in _read_map(tagged).items()},
        weights=Weights(read_int(passing, MAX_WEIGHT), read_int(warning, MAX_WEIGHT)),
        enable_tag_override=_exactly(bool, override),
        ports=tuple([_read_port(named) for named in read_list(ports)]),
        socket_path=read_text(socket_path),
    )


def _read_address(plain: object) -> ServiceAddress:
    address, port = read_list(plain, 2)
    return ServiceAddress(read_text(address), read_int(port, MAX_PORT))


def _read_port(plain: object) -> NamedPort:
    name, port, is_default = read_list(plain, 3)
    return NamedPort(read_text(name), read_int(port, MAX_PORT), _exactly(bool, is_default))


_STATUSES: dict[object, CheckStatus] = {status.value: status for status in CheckStatus}


def _read_check(check_id: str, plain: object) -> Check:
    name, status, notes, output, service_id, service_name, tags, kind, interval, timeout, definition = read_list(
        plain, 11
    )
    known = _STATUSES.get(read_text(status))
    if known is None:
        raise Malformed(f"no status is {shorten(status)}")
    _require_plain(_read_map(definition), MAX_DEFINITION_DEPTH)
    return Check(
        id=check_id,
        name=read_text(name),
        status=known,
        notes=read_text(notes),
        output=read_text(output),
        service_id=read_text(service_id),
        service_name=read_text(service_name),
        service_tags=_read_tags(tags),
        type=read_text(kind),
        interval=read_text(interval),
        timeout=read_text(timeout),
        definition=_read_map(definition),
    )


def _require_plain(plain: object, depth: int) -> None:
    """Let pass what JSON can say, to a depth."""
    if plain is None or type(plain) in (str, int, float, bool):
        return
    if depth == 0:
        raise Malformed("nested too deep")
    if type(plain) is list:
        for item in plain:
            _require_plain(item, depth - 1)
    else:
        for item in _read_map(plain).values():
            _require_plain(item, depth - 1)


def read_list(plain: object, length: int | None = None) -> list[object]:
    """Return ``plain`` if it is a list, of ``length`` items where that is given; else raise ``Malformed``."""
    items: list[object] = _exactly(list, plain)
    if length is not None and len(items) != length:
        raise Malformed(f"{len(items)} fields where {length} belong")
    return items


def read_text(plain: object) -> str:
    """Return ``plain`` if it is text; else raise ``Malformed``."""
    return _exactly(str, plain)


def read_int(plain: object, most: int, least: int = 0) -> int:
    """Return ``plain`` if it is an integer from ``least`` to ``most``; else raise ``Malformed``."""
    number = _exactly(int, plain)
    if not least <= number <= most:
        raise Malformed(f"{number} is not from {least} to {most}")
    return number


def _read_tags(plain: object) -> tuple[str, ...]:
    return tuple([read_text(tag) for tag in read_list(plain)])


def _read_map(plain: object) -> dict[str, object]:
    items: dict[str, object] = _exactly(dict, plain)
    for key in items:
        read_text(key)
    return items


def _read_texts(plain: object) -> dict[str, str]:
    return {key: read_text(text) for key, text in _read_map(plain).items()}


def _exactly(kind: type[T], plain: object) -> T:
    # Not isinstance: True is an int there.
    if type(plain) is not kind:
        raise Malformed(f"{shorten(plain)} is no {kind.__name__}")
    return plain
