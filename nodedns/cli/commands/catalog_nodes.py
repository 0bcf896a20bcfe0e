"""``nodedns catalog nodes``: every node of the catalog, whether it runs an agent or was registered over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, list_flag, text_flag
from nodedns.cli.parameters import meta_parameter
from nodedns.cli.tables import format_pairs, format_table

__all__ = ["catalog_nodes"]

NODES_PATH = "/v1/catalog/nodes"
SERVICE_PATH = "/v1/catalog/service/"
HEADER = ("Node", "ID", "Address", "DC")
DETAILED_HEADER = (*HEADER, "TaggedAddresses", "Meta")


@click.command(
    cls=GoCommand,
    example="nodedns catalog nodes -node-meta=rack=a7",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Lists the nodes of the catalog: members that run an agent, and nodes that were registered over HTTP and
    run none.""",
)
@text_flag("datacenter", "name", "Ask about this datacenter; the agent knows only its own.")
@bool_flag("detailed", "Show the whole ID, the tagged addresses and the meta.")
@text_flag("filter", "expression", "Only nodes that fit this expression, in the language of the HTTP API's filter.")
@text_flag("near", "node", "List the nodes nearest to this one first; _agent is the node of the agent that is asked.")
@list_flag("node-meta", "key=value", "Only nodes with this meta. May be repeated: all must match.")
@text_flag("service", "name", "Only nodes that have an instance of this service; -filter then sees its instances.")
@bool_flag("stale", "Accepted for Consul's sake: every agent answers from its own memory, with or without it.")
@client_flags
@click.argument("args", nargs=-1)
def catalog_nodes(
    *,
    datacenter: str | None,
    detailed: bool | None,
    filter: str | None,  # noqa: A002 - the flag's name
    near: str | None,
    node_meta: tuple[str, ...],
    service: str | None,
    stale: bool | None,
    http_addr: str | None,
    args: tuple[str, ...],
) -> int:
    """Print the table, or on stderr that there is nothing."""
    del stale
    if args:
        raise CommandError(f"Too many arguments (expected 0, got {len(args)})")
    named = (("dc", datacenter), ("filter", filter), ("near", near))
    query = [(name, value) for name, value in named if value]
    query += [("node-meta", meta_parameter(pair)) for pair in node_meta]
    try:
        nodes = _nodes(AgentClient.from_flag(http_addr), service, query)
        table = _render(nodes, detailed=bool(detailed))
    except ClientError as error:
        raise CommandError(f"Error listing nodes: {error}") from error
    if not nodes:
        click.echo("No nodes match the given query - try expanding your search.", err=True)
        return 0
    click.echo(table)
    return 0


def _nodes(client: AgentClient, service: str | None, query: Sequence[tuple[str, str]]) -> Sequence[Mapping[str, Any]]:
    if not service:
        return client.get_list(NODES_PATH, query)
    path = SERVICE_PATH + quote(service, safe="")
    try:
        # A node may have several instances; the first tells all that is shown of it.
        nodes: dict[str, Mapping[str, Any]] = {}
        for instance in client.get_list(path, query):
            nodes.setdefault(str(instance["Node"]), {**instance, "Meta": instance.get("NodeMeta")})
        return list(nodes.values())
    except (AttributeError, KeyError, TypeError):
        raise misshapen(path) from None


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
