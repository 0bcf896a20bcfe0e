"""``nodedns dns query-log``: whether the agent logs each DNS query, and turning that on and off."""

from __future__ import annotations

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag

__all__ = ["dns_query_log"]

QUERY_LOG_PATH = "/v1/dns/query-log"


@click.command(
    cls=GoCommand,
    example="nodedns dns query-log -enable",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Turns the log of DNS queries on or off, until the agent is started anew; without a flag it says which it is.
    Each query is a line in the agent's log, with the client, the name and what was answered; at most 10,000 in 30
    seconds.""",
)
@bool_flag("enable", "Log each query.")
@bool_flag("disable", "Log none.")
@client_flags
@click.argument("args", nargs=-1)
def dns_query_log(*, enable: bool | None, disable: bool | None, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Do so, and print what it is now."""
    if args:
        raise CommandError(f"Too many arguments (expected 0, got {len(args)})", show_help=True)
    if enable and disable:
        raise CommandError("Only one of -enable or -disable may be provided")
    client = AgentClient.from_flag(http_addr)
    try:
        if enable or disable:
            client.put(QUERY_LOG_PATH, [("enable", "true" if enable else "false")])
            click.echo(f"Query log is now {'enabled' if enable else 'disabled'}")
            return 0
        state = client.get_object(QUERY_LOG_PATH)
    except ClientError as error:
        raise CommandError(f"Error querying agent: {error}") from error
    word = "enabled" if state.get("Enabled") is True else "disabled"
    click.echo(f"Query log is {word}; {state.get('Lines')} lines written, {state.get('Suppressed')} held back")
    return 0
