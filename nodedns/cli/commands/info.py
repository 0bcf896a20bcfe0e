"""``nodedns info``: the running agent's figures, as ``/v1/agent/self`` gives them."""

from __future__ import annotations

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand

__all__ = ["info"]

SELF_PATH = "/v1/agent/self"


@click.command(
    cls=GoCommand,
    example="nodedns info",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Shows figures of the running agent, in groups: what it is, its build, its gossip (serf_lan), and the
    machine it runs on.""",
)
@client_flags
@click.argument("args", nargs=-1)
def info(*, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Print every group and figure, sorted."""
    if args:
        raise CommandError(f"Error found unexpected args: [{' '.join(args)}]", show_help=True)
    try:
        groups = AgentClient.from_flag(http_addr).get_object(SELF_PATH).get("Stats") or {}
        if not isinstance(groups, dict) or not all(isinstance(figures, dict) for figures in groups.values()):
            raise misshapen(SELF_PATH)
    except ClientError as error:
        raise CommandError(f"Error querying agent: {error}") from error
    for group in sorted(groups):
        click.echo(f"{group}:")
        for name in sorted(groups[group]):
            click.echo(f"\t{name} = {groups[group][name]}")
    return 0
