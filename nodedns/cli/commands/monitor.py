"""``nodedns monitor``: the running agent's log, line by line, until interrupted."""

from __future__ import annotations

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, text_flag
from nodedns.cli.tables import printable

__all__ = ["monitor"]

MONITOR_PATH = "/v1/agent/monitor"
ENDED = "Remote side ended the monitor! This usually means that the remote side has exited or crashed."


@click.command(
    cls=GoCommand,
    example="nodedns monitor -log-level=debug",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Prints the agent's log from now on, at a level of its own: debug lines can be seen of an agent that
    writes none. It ends with Ctrl-C. Lines that come faster than they are read are dropped, and counted.""",
)
@bool_flag("log-json", "Each line is one JSON object.")
@text_flag("log-level", "trace|debug|info|warn|error", "The lowest level to show. Default: info.")
@client_flags
@click.argument("args", nargs=-1)
def monitor(*, log_json: bool | None, log_level: str | None, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Print lines as they come."""
    if args:
        raise CommandError(f"Too many arguments (expected 0, got {len(args)})", show_help=True)
    query = [("loglevel", log_level)] if log_level else []
    query += [("logjson", "true")] if log_json else []
    lines = AgentClient.from_flag(http_addr).get_lines(MONITOR_PATH, query)
    try:
        for line in lines:
            click.echo(printable(line.decode("utf-8", "replace"), kept="\t"))
    except KeyboardInterrupt:
        return 0
    except ClientError as error:
        if error.has_begun:
            raise CommandError(ENDED) from error
        raise CommandError(f"Error starting monitor: {error}") from error
    raise CommandError(ENDED)
