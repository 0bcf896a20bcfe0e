"""``nodedns catalog services``: the names of the services, in the whole cluster or on one node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, list_flag, text_flag
from nodedns.cli.parameters import meta_parameter
from nodedns.cli.tables import printable

__all__ = ["catalog_services"]

SERVICES_PATH = "/v1/catalog/services"
NODE_PATH = "/v1/catalog/node/"
TAGS_GAP = " " * 6


@click.command(
    cls=GoCommand,
    example="nodedns catalog services -tags",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Lists the services of the catalog by name, those of every node or of one.""",
)
@text_flag("datacenter", "name", "Ask about this datacenter; the agent knows only its own.")
@text_flag("node", "name", "Only services of this node.")
@list_flag("node-meta", "key=value", "Only services on nodes with this meta. May be repeated: all must match.")
@bool_flag("stale", "Accepted for Consul's sake: every agent answers from its own memory, with or without it.")
@bool_flag("tags", "Show the tags of each service beside its name.")
@client_flags
@click.argument("args", nargs=-1)
def catalog_services(
    *,
    datacenter: str | None,
    node: str | None,
    node_meta: tuple[str, ...],
    stale: bool | None,
    tags: bool | None,
    http_addr: str | None,
    args: tuple[str, ...],
) -> int:
    """Print the names, or on stderr that there are none."""
    del stale
    if args:
        raise CommandError(f"Too many arguments (expected 0, got {len(args)})")
    query = [("dc", datacenter)] if datacenter else []
    query += [("node-meta", meta_parameter(pair)) for pair in node_meta]
    client = AgentClient.from_flag(http_addr)
    try:
        services = _of_node(client, node, query) if node else _of_all(client, query)
    except ClientError as error:
        raise CommandError(f"Error listing services: {error}") from error
    if not services:
        click.echo("No services match the given query - try expanding your search.", err=True)
        return 0
    click.echo(_render(services, with_tags=bool(tags)))
    return 0


def _of_all(client: AgentClient, query: Sequence[tuple[str, str]]) -> dict[str, set[str]]:
    answer = client.get_object(SERVICES_PATH, query)
    try:
        return {name: set(map(str, tags or ())) for name, tags in answer.items()}
    except TypeError:
        raise misshapen(SERVICES_PATH) from None


def _of_node(client: AgentClient, node: str, query: Sequence[tuple[str, str]]) -> dict[str, set[str]]:
    path = NODE_PATH + quote(node, safe="")
    answer: Any = client.get(path, query)
    found: dict[str, set[str]] = {}
    try:
        for service in ((answer or {}).get("Services") or {}).values():
            found.setdefault(str(service["Service"]), set()).update(map(str, service.get("Tags") or ()))
    except (AttributeError, KeyError, TypeError):
        raise misshapen(path) from None
    return found


def _render(services: Mapping[str, set[str]], *, with_tags: bool) -> str:
    names = sorted(services)
    if not with_tags:
        return "\n".join(map(printable, names))
    width = max(len(printable(name)) for name in names)
    return "\n".join(
        f"{printable(name).ljust(width)}{TAGS_GAP}{printable(','.join(sorted(services[name])))}".rstrip()
        for name in names
    )
