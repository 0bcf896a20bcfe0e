"""``nodedns catalog``: what the cluster holds, by kind."""

from __future__ import annotations

from collections.abc import Mapping

from nodedns.cli.groups import CommandGroup

__all__ = ["CATALOG_COMMANDS", "catalog"]

CATALOG_COMMANDS: Mapping[str, str] = {
    "datacenters": "Lists the datacenters that are known",
    "nodes": "Lists the nodes, members or not",
    "services": "Lists the services by name",
}

catalog = CommandGroup(
    name="catalog",
    prefix="nodedns.cli.commands.catalog_",
    synopses=CATALOG_COMMANDS,
    help="Shows what the catalog holds: every node, every service and the datacenters.",
)
