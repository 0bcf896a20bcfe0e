"""``nodedns catalog nodes``: every node of the catalog, whether it runs an agent or was registered over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, list_flag, text_flag
from nodedns.cli.tables import format_pairs, format_table

__all__ = ["catalog_nodes"]

NODES_PATH = "/v1/catalog/nodes"
HEADER = ("Node", "ID", "Address", "DC")
DETAILED_HEADER = (*HEADER, "TaggedAddresses", "Meta")
ABSENT = {
    **ABSENT_CLIENT_FLAGS,
    "filter": "there is no filter language.",
    "service": "there are no services.",
}


@click.command(
    cls=GoCommand,
    example="nodedns catalog nodes -node-meta=rack=a7",
    absent=ABSENT,
    help="""Lists the nodes of the catalog: members that run an agent, and nodes that were registered over HTTP and
    run none.""",
)
@text_flag("datacenter", "name", "Ask about this datacenter; the agent knows only its own.")
@bool_flag("detailed", "Show the whole ID, the tagged addresses and the meta.")
@text_flag("near", "node", "List the nodes nearest to this one first; _agent is the node of the agent that is asked.")
@list_flag("node-meta", "key=value", "Only nodes with this meta. May be repeated: all must match.")
@bool_flag("stale", "Accepted for Consul's sake: every agent answers from its own memory, with or without it.")
@client_flags
@click.argument("args", nargs=-1)
def catalog_nodes(
    *,
    datacenter: str | None,
    detailed: bool | None,
    near: str | None,
    node_meta: tuple[str, ...],
    stale: bool | None,
    http_addr: str | None,
    args: tuple[str, ...],
) -> int:
    """Print the table, or on stderr that there is nothing."""
    del stale
    if args:
        raise CommandError(f"Too many arguments (expected 0, got {len(args)})")
    query = [("dc", datacenter)] if datacenter else []
    query += [("near", near)] if near else []
    query += [("node-meta", _meta_parameter(pair)) for pair in node_meta]
    try:
        nodes = AgentClient.from_flag(http_addr).get_list(NODES_PATH, query)
        table = _render(nodes, detailed=bool(detailed))
    except ClientError as error:
        raise CommandError(f"Error listing nodes: {error}") from error
    if not nodes:
        click.echo("No nodes match the given query - try expanding your search.", err=True)
        return 0
    click.echo(table)
    return 0


def _meta_parameter(pair: str) -> str:
    key, equals, value = pair.partition("=")
    if not equals:
        raise CommandError(f'invalid value "{pair}" for flag -node-meta: it takes key=value', show_help=True)
    return f"{key}:{value}"


def _render(nodes: Sequence[Mapping[str, Any]], *, detailed: bool) -> str:
    try:
        if detailed:
            return format_table(DETAILED_HEADER, [_detailed_cells(node) for node in nodes])
        return format_table(HEADER, [_cells(node) for node in nodes])
    except (AttributeError, KeyError, TypeError):
        raise misshapen(NODES_PATH) from None


def _cells(node: Mapping[str, Any]) -> tuple[str, ...]:
    short_id = str(node.get("ID") or "").partition("-")[0]
    return (str(node["Node"]), short_id, str(node["Address"]), str(node["Datacenter"]))


def _detailed_cells(node: Mapping[str, Any]) -> tuple[str, ...]:
    name, _, address, datacenter = _cells(node)
    tagged = format_pairs(node.get("TaggedAddresses") or {}, ", ")
    return (name, str(node.get("ID") or ""), address, datacenter, tagged, format_pairs(node.get("Meta") or {}, ", "))
