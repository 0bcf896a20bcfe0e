"""``nodedns force-leave``: tells the cluster that a failed member has left for good."""

from __future__ import annotations

from urllib.parse import quote

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag

__all__ = ["force_leave"]


@click.command(
    cls=GoCommand,
    usage="[flags] <name>",
    example="nodedns force-leave -prune agent-two",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Turns a failed member into one that left, everywhere. Its name is then gone from DNS, and nobody tries to
    reach it any more. A member that is alive refutes it and stays. Prints nothing when it worked.""",
)
@bool_flag("prune", "Forget the member, so that it is not even listed as left.")
@bool_flag("wan", "Consul's second pool, between datacenters; nodedns has no such pool and refuses.")
@client_flags
@click.argument("args", nargs=-1)
def force_leave(*, prune: bool | None, wan: bool | None, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Ask the agent to say so."""
    if wan:
        raise CommandError("-wan: nodedns has one pool of members, the LAN's; there is no WAN pool.")
    if len(args) != 1:
        raise CommandError("A single node name must be specified to force leave.", show_help=True)
    query = [("prune", "1")] if prune else []
    try:
        AgentClient.from_flag(http_addr).put(f"/v1/agent/force-leave/{quote(args[0], safe='')}", query)
    except ClientError as error:
        raise CommandError(f"Error force leaving: {error}") from error
    return 0
