"""``nodedns join``: tells the running agent to join other agents, one address after the other."""

from __future__ import annotations

from urllib.parse import quote

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag

__all__ = ["join"]


@click.command(
    cls=GoCommand,
    usage="[flags] <address> ...",
    example="nodedns join 172.20.20.11",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Tells the running agent to join the cluster of another agent. One address of one member is enough; the
    rest is learnt from it. An address is an IP or a host name, with the gossip port behind a colon if it is not
    8301. Each address is tried by itself, and the command succeeds if one of them works.""",
)
@bool_flag("wan", "Consul's second pool, between datacenters; nodedns has no such pool and refuses.")
@client_flags
@click.argument("args", nargs=-1)
def join(*, wan: bool | None, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Try each address and say how many worked."""
    if wan:
        raise CommandError("-wan: nodedns has one pool of members, the LAN's; there is no WAN pool to join.")
    if not args:
        raise CommandError("At least one address to join must be specified.", show_help=True)
    client = AgentClient.from_flag(http_addr)
    joined = sum(_try(client, address) for address in args)
    if not joined:
        raise CommandError("Failed to join any nodes.")
    click.echo(f"Successfully joined cluster by contacting {joined} nodes.")
    return 0


def _try(client: AgentClient, address: str) -> bool:
    try:
        client.put(f"/v1/agent/join/{quote(address, safe='')}")
    except ClientError as error:
        click.echo(f"Error joining address '{address}': {error}", err=True)
        return False
    return True
