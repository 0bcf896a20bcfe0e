"""``nodedns catalog datacenters``: one name per line."""

from __future__ import annotations

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag

__all__ = ["catalog_datacenters"]


@click.command(
    cls=GoCommand,
    example="nodedns catalog datacenters",
    absent={**ABSENT_CLIENT_FLAGS, "datacenter": "an agent answers for its own datacenter."},
    help="Lists the datacenters that the agent knows, one per line.",
)
@bool_flag("stale", "Accepted for Consul's sake: every agent answers from its own memory, with or without it.")
@client_flags
@click.argument("args", nargs=-1)
def catalog_datacenters(*, stale: bool | None, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Print them."""
    del stale
    if args:
        raise CommandError(f"Too many arguments (expected 0, got {len(args)})")
    try:
        names = AgentClient.from_flag(http_addr).get_list("/v1/catalog/datacenters")
    except ClientError as error:
        raise CommandError(f"Error listing datacenters: {error}") from error
    for name in names:
        click.echo(name)
    return 0
