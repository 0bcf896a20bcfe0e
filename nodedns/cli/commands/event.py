"""``nodedns event``: fires a user event, in Consul's form or as a plain Serf event."""

from __future__ import annotations

import re
from urllib.parse import quote

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, text_flag
from nodedns.cli.tables import printable

__all__ = ["event"]

_BAD_FILTER = re.compile(r"\(Invalid (node|service|tag) filter: (.*)\)", re.DOTALL)


@click.command(
    cls=GoCommand,
    usage="[flags] [payload]",
    example="nodedns event -name=deploy -node='^web-' 1.4.2",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Tells every agent of the cluster that something happened, and prints the event's ID. An event has a name and
    perhaps a payload of up to 300 bytes; gossip carries it, so it reaches nearly everybody within a second or two, and
    those who were away for a short while later. Nobody says that it arrived: ask with nodedns query where that matters.

    Each agent keeps the last 256 events that were meant for its node; read them at /v1/event/list. Consul's agents in
    the same cluster take the event too. The handlers of serf agents see it as consul:event:NAME with a packed payload;
    for them fire a plain Serf event with -plain.""",
)
@bool_flag(
    "coalesce",
    "With -plain: whether a serf agent that gets several events of this name within seconds may hand only the last "
    "one to its handlers. Default: true, as in serf event.",
)
@text_flag("datacenter", "name", "Fire in this datacenter; the agent knows only its own.")
@text_flag("name", "name", "What happened. Required.")
@text_flag("node", "regexp", "Only for nodes whose name has a match of this.")
@bool_flag(
    "plain",
    "Fire a plain Serf event, with the name and payload as they are: for the event handlers of serf agents. It cannot "
    "be filtered; name and payload may have about 480 bytes together.",
)
@text_flag("service", "regexp", "Only for nodes with a service whose name has a match of this.")
@text_flag("tag", "regexp", "Only where such a service has a tag with a match of this; needs -service.")
@client_flags
@click.argument("args", nargs=-1)
def event(
    *,
    coalesce: bool | None,
    datacenter: str | None,
    name: str | None,
    node: str | None,
    plain: bool | None,
    service: str | None,
    tag: str | None,
    http_addr: str | None,
    args: tuple[str, ...],
) -> int:
    """Fire it and print its ID."""
    _check(name=name, service=service, tag=tag, is_plain=bool(plain), coalesce=coalesce, args=args)
    pairs = {"dc": datacenter, "node": node, "service": service, "tag": tag}
    query = [(key, value) for key, value in pairs.items() if value]
    if plain:
        query += [("plain", "true"), ("coalesce", "false" if coalesce is False else "true")]
    payload = args[0].encode("utf-8", "surrogateescape") if args else b""
    path = f"/v1/event/fire/{quote(name or '', safe='')}"
    try:
        fired = AgentClient.from_flag(http_addr).put_for_object(path, query, payload)
        if not isinstance(fired.get("ID"), str):
            raise misshapen(path)
    except ClientError as error:
        raise CommandError(_explain(error)) from error
    click.echo(f"Event ID: {printable(fired['ID'])}")
    return 0


def _check(
    *,
    name: str | None,
    service: str | None,
    tag: str | None,
    is_plain: bool,
    coalesce: bool | None,
    args: tuple[str, ...],
) -> None:
    if not name:
        raise CommandError("Event name must be specified", show_help=True)
    if tag and not service:
        raise CommandError("Cannot provide tag filter without service filter.", show_help=True)
    if coalesce is not None and not is_plain:
        raise CommandError("-coalesce goes with -plain: agents never coalesce events in Consul's form.")
    if len(args) > 1:
        raise CommandError("Too many command line arguments.", show_help=True)


def _explain(error: ClientError) -> str:
    bad = _BAD_FILTER.search(str(error))
    if bad:
        return f"Failed to compile {bad[1]} filter regexp: {bad[2]}"
    return f"Error firing event: {error}"
