"""What an answer depends on, as keys, so that a packed answer can be dropped when that changes.

A zone names the keys of each answer it makes; a change of the table names the
keys it touches. An answer without a key in common with a change is still true,
but for the serial of a SOA it holds, which moves with every change.
"""

from __future__ import annotations

from collections.abc import Sequence

from nodedns.table.view import NodeRow, RowChange

__all__ = ["SERVERS", "ip_key", "keys_of_change", "node_key"]

SERVERS = "servers"
"""The name servers of the zone and their addresses."""


def node_key(folded_name: str) -> str:
    """Return the key of a node name, and of the names that exist because of dots in node names."""
    return "node:" + folded_name


def ip_key(ip_text: str) -> str:
    """Return the key of an address: the nodes that have it."""
    return "ip:" + ip_text


def keys_of_change(change: RowChange) -> tuple[str, ...]:
    """Return every key that the change of one row touches, each once."""
    labels = change.folded.split(".")
    keys = [node_key(".".join(labels[position:])) for position in range(len(labels))]
    rows = [row for row in (change.before, change.after) if row is not None]
    keys += [ip_key(ip) for row in rows for ip in row.ip_texts]
    if change.is_local or _has_server(rows):
        keys.append(SERVERS)
    return tuple(dict.fromkeys(keys))


def _has_server(rows: Sequence[NodeRow]) -> bool:
    return any(row.is_server for row in rows)
