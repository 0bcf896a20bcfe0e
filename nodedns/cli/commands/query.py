"""``nodedns query``: asks members something and prints their replies, in the manner of Serf's command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, int_flag, list_flag, text_flag
from nodedns.cli.pool_query import Reply, ask_pool
from nodedns.cli.tables import printable

__all__ = ["query"]

FORMATS = ("text", "json")
MAX_RELAY_FACTOR = 5
CONTINUED = "\n    "
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ms|us|ns|s|m|h)")
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@click.command(
    cls=GoCommand,
    usage="[flags] <name> [payload]",
    example="nodedns query -tag=role=^web uptime",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Asks the members of the cluster something by gossip and prints what they reply: an ack of each member that
    got the question, and the answers of those that have one. Agents of nodedns ack and have no answers of
    their own; serf agents answer by their event handlers (serf agent -event-handler 'query:uptime=uptime').

    Question and answer are small: 1024 bytes each, all included. The command ends when the query's time
    is over, since nobody knows who will still answer. A member that cannot be reached simply does not reply: see
    nodedns reachability.""",
)
@text_flag("format", "text|json", "text (the default): line by line as replies come. json: one object at the end.")
@bool_flag("no-ack", "Have members not say that they got the question; only answers are printed.")
@list_flag("node", "name", "Only this member. May be repeated: any of them.")
@int_flag(
    "relay-factor",
    "number",
    "Have each reply sent through so many other members besides, 0 to 5, for networks that lose packets. Default: 0.",
)
@list_flag("tag", "key=regexp", "Only members whose tag has a match of this. May be repeated: all must match.")
@text_flag(
    "timeout", "duration", "How long replies are waited for, such as 15s. Default: by the cluster's size, 3.2s up to 9."
)
@client_flags
@click.argument("args", nargs=-1)
def query(
    *,
    format: str | None,  # noqa: A002 - the flag's name
    no_ack: bool | None,
    node: tuple[str, ...],
    relay_factor: int | None,
    tag: tuple[str, ...],
    timeout: str | None,
    http_addr: str | None,
    args: tuple[str, ...],
) -> int:
    """Ask, and print replies."""
    _check(format_name=format, relay_factor=relay_factor, tags=tag, args=args)
    parameters = [("node", name) for name in node] + [("tag", pair) for pair in tag]
    parameters += [("no-ack", "true")] if no_ack else []
    parameters += [("relay-factor", str(relay_factor))] if relay_factor else []
    parameters += [("timeout", timeout)] if timeout else []
    payload = args[1].encode("utf-8", "surrogateescape") if len(args) > 1 else b""
    client = AgentClient.from_flag(http_addr)
    replies = ask_pool(client, args[0], payload, parameters, _seconds(timeout))
    try:
        if format == "json":
            _print_json(replies)
        else:
            _print_text(args[0], replies, wants_acks=not no_ack)
    except ClientError as error:
        raise CommandError(f"Error sending query: {error}") from error
    return 0


def _check(*, format_name: str | None, relay_factor: int | None, tags: Iterable[str], args: tuple[str, ...]) -> None:
    if not args:
        raise CommandError("A query name must be specified.", show_help=True)
    if len(args) > 2:
        raise CommandError(
            "Too many command line arguments. Only a name and payload must be specified.", show_help=True
        )
    if format_name is not None and format_name not in FORMATS:
        raise CommandError(f'-format takes text or json, not "{format_name}".', show_help=True)
    if relay_factor is not None and not 0 <= relay_factor <= MAX_RELAY_FACTOR:
        raise CommandError(f"-relay-factor takes a number from 0 to {MAX_RELAY_FACTOR}, not {relay_factor}.")
    for pair in tags:
        if not pair.partition("=")[1] or pair.startswith("="):
            raise CommandError(f"Error: Invalid tag: '{pair}'; -tag takes key=regexp.")


def _seconds(timeout: str | None) -> float:
    """Return the length of a duration; 0 for what is none: the agent will say so."""
    return sum(float(number) * _UNIT_S[unit] for number, unit in _DURATION_PART.findall(timeout or ""))


def _print_text(name: str, replies: Iterable[Reply], *, wants_acks: bool) -> None:
    acks = answers = 0
    for reply in replies:
        sender = printable(reply.node)
        match reply.kind:
            case "asked":
                click.echo(f"Query '{name}' dispatched")
            case "ack":
                acks += 1
                click.echo(f"Ack from '{sender}'")
            case "response":
                answers += 1
                click.echo(f"Response from '{sender}': {_shown(reply.payload)}")
    if wants_acks:
        click.echo(f"Total Acks: {acks}")
    click.echo(f"Total Responses: {answers}")


def _print_json(replies: Iterable[Reply]) -> None:
    acks: list[str] = []
    answers: dict[str, str] = {}
    for reply in replies:
        if reply.kind == "ack":
            acks.append(reply.node)
        elif reply.kind == "response":
            answers[reply.node] = reply.payload.decode("utf-8", "replace")
    click.echo(json.dumps({"Acks": acks, "Responses": answers}, indent=2))


def _shown(payload: bytes) -> str:
    """Return an answer for a terminal; its further lines are indented, lest one look like another member's answer."""
    text = payload.decode("utf-8", "backslashreplace").removesuffix("\n")
    return printable(text, kept="\n\t").replace("\n", CONTINUED)
