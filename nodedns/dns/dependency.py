"""What an answer depends on, as keys, so that a packed answer can be dropped when that changes.

A zone names the keys of each answer it makes; a change of the table names the
keys it touches. An answer without a key in common with a change is still true,
but for the serial of a SOA it holds, which moves with every change.
"""

from __future__ import annotations

from nodedns.table.address_index import Digits, digits_of
from nodedns.table.node_row import NodeRow, RowChange
from nodedns.table.service_rows import ServiceChange

__all__ = [
    "DISTANCES",
    "NODE_KEY",
    "SERVERS",
    "SERVICES",
    "SERVICE_KEY",
    "ip_key",
    "keys_of_change",
    "keys_of_service_change",
    "moves_servers",
    "node_key",
    "part_key",
    "prefix_key",
    "service_key",
]

OCTET_DIGITS, IPV4_DIGITS = 2, 8
NIBBLE_DIGITS, IPV6_DIGITS = 1, 32

SERVERS = "servers"
"""The name servers of the zone and their addresses."""
DISTANCES = "distances"
"""How far nodes are from this one."""
SERVICES = "services"
"""Which services there are, with instances that are well."""
NODE_KEY = "node:"
SERVICE_KEY = "service:"
"""How keys begin that a name's first label makes by itself."""


def node_key(folded_name: str) -> str:
    """Return the key of a node name, and of the names that exist because of dots in node names."""
    return NODE_KEY + folded_name


def service_key(folded_name: str) -> str:
    """Return the key of a service's name: its instances, their health and nodes, and whether there are any."""
    return SERVICE_KEY + folded_name


def part_key(folded_name: str) -> str:
    """Return the key of all names that stand for some of a service: those with a tag, a type, an instance in them.

    It is another than ``service_key``, though the same changes touch it: that one, alone in an answer, says that the
    name hangs on its first label and nothing else.
    """
    return "part:" + folded_name


def ip_key(ip_text: str) -> str:
    """Return the key of an address: the nodes and services that have it."""
    return "ip:" + ip_text


def prefix_key(prefix: Digits) -> str:
    """Return the key of a prefix: whether some address lies in it. It ends at an octet (IPv4) or nibble (IPv6)."""
    return f"prefix:{prefix.version}:{prefix.text}"


def keys_of_change(change: RowChange) -> tuple[str, ...]:
    """Return every key that the change of one row touches, each once."""
    labels = change.folded.split(".")
    keys = [node_key(".".join(labels[position:])) for position in range(len(labels))]
    rows = [row for row in (change.before, change.after) if row is not None]
    keys += [ip_key(ip) for row in rows for ip in _ips(row)]
    keys += _moved_prefixes(change)
    if moves_servers(change):
        keys.append(SERVERS)
    return tuple(dict.fromkeys(keys))


def moves_servers(change: RowChange) -> bool:
    """Whether the name servers of zones, or their addresses, may be others after the change of one row."""
    return change.is_local or any(row is not None and row.is_server for row in (change.before, change.after))


def keys_of_service_change(change: ServiceChange) -> tuple[str, ...]:
    """Return every key that the change of one service touches; none for what DNS says nothing of."""
    if not change.moves_instances:
        return ()
    keys = [service_key(change.folded), part_key(change.folded), SERVICES]
    keys += map(ip_key, change.moved_ips)
    return (*keys, *_keys_above(change.moved_ips))


def _moved_prefixes(change: RowChange) -> list[str]:
    """Return the keys of the prefixes that have an address of the row in one of its two states only."""
    before, after = _ips(change.before), _ips(change.after)
    if before == after:
        return []
    left, reached = _keys_above(before), _keys_above(after)
    return [key for key in left if key not in reached] + [key for key in reached if key not in left]


def _ips(row: NodeRow | None) -> tuple[str, ...]:
    return row.ip_texts if row is not None else ()


def _keys_above(ips: tuple[str, ...]) -> dict[str, None]:
    keys: dict[str, None] = {}
    for ip in ips:
        whole = prefix_key(digits_of(ip))
        step, length = (OCTET_DIGITS, IPV4_DIGITS) if "." in ip else (NIBBLE_DIGITS, IPV6_DIGITS)
        keys |= dict.fromkeys([whole[:-short] for short in range(length - step, 0, -step)])
    return keys
