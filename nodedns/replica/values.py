"""Nodes, services and checks as plain lists, maps and scalars, and back from what strangers send.

Fields stand in a fixed order, which is part of the wire format: nothing is put
between them. Reading is strict: exact types, ranges, no field too many. What may be registered
at most is said by ``model/limits``. Which bytes carry the lists is for ``wire.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nodedns.errors import shorten
from nodedns.model.address import MAX_PORT
from nodedns.model.check import Check, CheckStatus
from nodedns.model.limits import check_excess, node_excess, service_excess
from nodedns.model.names import NodeName
from nodedns.model.service import MAX_WEIGHT, NamedPort, Service, ServiceAddress, Weights
from nodedns.replica.entry import Kind, Value
from nodedns.table.changes import ExternalNode

__all__ = ["Malformed", "excess_of", "plain_value", "read_fields", "read_int", "read_value"]

MAX_DEFINITION_DEPTH = 8  # ours: Consul's deepest is a header's list of values, at three


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


def excess_of(value: Value | None) -> str:
    """Return what of a value is beyond the limits of a registration; empty for what may be registered."""
    match value:
        case ExternalNode():
            return node_excess(value.name, value.address, value.tagged_addresses, value.meta)
        case Service():
            return service_excess(value)
        case Check():
            return check_excess(value)
        case None:
            return ""


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
    node_id, address, tagged, meta = read_fields(plain, _NODE_FIELDS)
    return ExternalNode(name, node_id, address, _texts(tagged), _texts(meta))


def _read_service(service_id: str, plain: object) -> Service:
    name, tags, address, port, meta, tagged, passing, warning, override, ports, socket_path = read_fields(
        plain, _SERVICE_FIELDS
    )
    return Service(
        service_id,
        name,
        _tags(tags),
        address,
        _port(port),
        _texts(meta),
        {_text(tag): _read_address(at) for tag, at in tagged.items()},
        Weights(read_int(passing, MAX_WEIGHT), read_int(warning, MAX_WEIGHT)),
        override,
        tuple([_read_port(named) for named in ports]),
        socket_path,
    )


def _read_address(plain: object) -> ServiceAddress:
    address, port = read_fields(plain, _ADDRESS_FIELDS)
    return ServiceAddress(address, _port(port))


def _read_port(plain: object) -> NamedPort:
    name, port, is_default = read_fields(plain, _PORT_FIELDS)
    return NamedPort(name, _port(port), is_default)


def _read_check(check_id: str, plain: object) -> Check:
    name, status, notes, output, service_id, service_name, tags, kind, interval, timeout, definition = read_fields(
        plain, _CHECK_FIELDS
    )
    known = _STATUSES.get(status)
    if known is None:
        raise Malformed(f"no status is {shorten(status)}")
    if definition:
        _require_plain(definition, MAX_DEFINITION_DEPTH)
    return Check(
        check_id,
        name,
        known,
        notes,
        output,
        service_id,
        service_name,
        _tags(tags),
        kind,
        interval,
        timeout,
        definition,
    )


def _require_plain(plain: object, depth: int) -> None:
    """Let pass what JSON can say, to a depth."""
    if plain is None or type(plain) in (str, int, bool):
        return
    if type(plain) is float and math.isfinite(plain):
        return  # no others can be written in JSON, and one would spoil the answer for all
    if depth == 0:
        raise Malformed("nested too deep")
    if type(plain) is list:
        for item in plain:
            _require_plain(item, depth - 1)
    elif type(plain) is dict:
        for key, item in plain.items():
            _text(key)
            _require_plain(item, depth - 1)
    else:
        raise Malformed(f"{shorten(plain)} is nothing plain")


def read_fields(plain: object, fields: Sequence[type]) -> list[Any]:
    """Return ``plain`` if it is a list of exactly these types in this order; else raise ``Malformed``."""
    # One comparison in C for all fields; not isinstance, because True is an int there.
    if type(plain) is not list or [*map(type, plain)] != fields:
        raise Malformed(f"{shorten(plain)} has not the fields that belong there")
    return plain


def read_int(plain: object, most: int, least: int = 0) -> int:
    """Return ``plain`` if it is an integer from ``least`` to ``most``; else raise ``Malformed``."""
    if type(plain) is not int or not least <= plain <= most:
        raise Malformed(f"{shorten(plain)} is not a number from {least} to {most}")
    return plain


def _port(plain: object) -> int:
    return read_int(plain, MAX_PORT)


def _text(plain: object) -> str:
    if type(plain) is not str:
        raise Malformed(f"{shorten(plain)} is no text")
    return plain


def _tags(plain: list[Any]) -> tuple[str, ...]:
    if not _TEXTS.issuperset(map(type, plain)):
        raise Malformed("a tag that is no text")
    return tuple(plain)


def _texts(plain: dict[Any, Any]) -> dict[str, str]:
    if not (_TEXTS.issuperset(map(type, plain)) and _TEXTS.issuperset(map(type, plain.values()))):
        raise Malformed("a key or value that is no text")
    return plain


_TEXTS = frozenset({str})
_STATUSES: dict[object, CheckStatus] = {status.value: status for status in CheckStatus}
_NODE_FIELDS = [str, str, dict, dict]
_SERVICE_FIELDS = [str, list, str, int, dict, dict, int, int, bool, list, str]
_ADDRESS_FIELDS = [str, int]
_PORT_FIELDS = [str, int, bool]
_CHECK_FIELDS = [str, str, str, str, str, str, list, str, str, str, dict]
