"""``nodedns reload``: makes the running agent read its configuration again."""

from __future__ import annotations

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import CommandError, GoCommand

__all__ = ["reload"]


@click.command(
    cls=GoCommand,
    example="nodedns reload",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Makes the running agent read its files again, by the flags that it was started with, and take what has
    changed, without missing a query. Where anything is wrong nothing changes, and the reason is printed; nodedns
    validate tells beforehand. What takes a restart is named in the agent's log. SIGHUP does the same.""",
)
@client_flags
@click.argument("args", nargs=-1)
def reload(*, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Ask, and wait until it is done."""
    if args:
        raise CommandError(f"Error found unexpected args: [{' '.join(args)}]", show_help=True)
    try:
        AgentClient.from_flag(http_addr).put("/v1/agent/reload")
    except ClientError as error:
        raise CommandError(f"Error reloading: {error}") from error
    click.echo("Configuration reload triggered")
    return 0
