"""``nodedns leave``: makes the running agent leave the cluster gracefully and stop."""

from __future__ import annotations

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import CommandError, GoCommand

__all__ = ["leave"]


@click.command(
    cls=GoCommand,
    example="nodedns leave",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Makes the running agent leave the cluster and stop. The others show it as left, not as failed, and its
    name is gone from DNS at once. It takes some seconds, in which the news spreads.""",
)
@client_flags
@click.argument("args", nargs=-1)
def leave(*, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Ask, and wait until it is done."""
    if args:
        raise CommandError(f"Error found unexpected args: [{' '.join(args)}]", show_help=True)
    try:
        AgentClient.from_flag(http_addr).put("/v1/agent/leave")
    except ClientError as error:
        raise CommandError(f"Error leaving: {error}") from error
    click.echo("Graceful leave complete")
    return 0
