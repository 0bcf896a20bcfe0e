"""``nodedns dns top``: the names that do not exist and are asked for most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, int_flag
from nodedns.cli.tables import format_table

__all__ = ["dns_top"]

TOP_PATH = "/v1/dns/top"
HEADER = ("Count", "Name", "Asked by")


@click.command(
    cls=GoCommand,
    example="nodedns dns top -n 20",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Lists the names that DNS was asked for most and that do not exist: typing errors, machines that are gone,
    search lists. With each name stands a client that asked for it.""",
)
@int_flag("n", "count", "How many names to list, 10 unless given.")
@client_flags
@click.argument("args", nargs=-1)
def dns_top(*, n: int | None, http_addr: str | None, args: tuple[str, ...]) -> int:
    """Print the table and what is to be known of its counts."""
    if args:
        raise CommandError(f"Too many arguments (expected 0, got {len(args)})", show_help=True)
    query = [] if n is None else [("n", str(n))]
    try:
        summary = AgentClient.from_flag(http_addr).get_object(TOP_PATH, query)
        rows = _rows(summary)
    except ClientError as error:
        raise CommandError(f"Error querying agent: {error}") from error
    if not rows:
        click.echo("No name that does not exist was asked for")
        return 0
    click.echo(format_table(HEADER, rows))
    total = summary.get("Total")
    click.echo(f"\n{total} {'question' if total == 1 else 'questions'} for missing names in all{_doubt(summary)}")
    return 0


def _rows(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    try:
        return [(str(each["Count"]), str(each["Name"]), str(each["Client"]) or "-") for each in summary["Names"]]
    except (KeyError, TypeError):
        raise misshapen(TOP_PATH) from None


def _doubt(summary: Mapping[str, Any]) -> str:
    doubts = [f"counts may be {summary['Error']} too low"] if summary.get("Error") else []
    if summary.get("IsEstimate"):
        doubts.append("some were counted by samples")
    return f" ({'; '.join(doubts)})" if doubts else ""
