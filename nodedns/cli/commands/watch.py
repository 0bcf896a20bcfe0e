"""``nodedns watch``: prints a list of the agent's, or runs a program whenever it changes."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import FALSE_WORDS, TRUE_WORDS, CommandError, GoCommand, bool_flag, list_flag, text_flag
from nodedns.cli.watching import Change, Watch

__all__ = ["watch"]

TYPES = ("checks", "event", "nodes", "service", "services")
KEY_TYPES = ("key", "keyprefix")
INDENT = 4
INDEX_VARIABLE = "CONSUL_INDEX"
Query = list[tuple[str, str]]

NO_KV = "there is no key-value store."


@click.command(
    cls=GoCommand,
    usage="[flags] [handler...]",
    example="nodedns watch -type=service -service=web -passingonly=true /usr/local/bin/reload-proxy",
    absent={**ABSENT_CLIENT_FLAGS, "key": NO_KV, "prefix": NO_KV},
    help="""Watches a list of the agent's: nodes, services, the instances of a service, checks, or events. Without
    a handler it prints the list as it is now, as JSON, and ends; with -follow it goes on and prints each
    further state as one line.

    With a handler it runs that for the list as it is and for each change: the JSON is the handler's standard input, and
    CONSUL_INDEX says the index. The words of the handler are joined and run by a shell, unless -shell=false. A handler
    that fails ends the watch.

    An agent that goes away later is asked again until it is back.""",
)
@text_flag("datacenter", "name", "Ask about this datacenter; the agent knows only its own.")
@text_flag("filter", "expression", "Only what Consul's filter expression selects.")
@bool_flag("follow", "Without a handler: go on, and print each state as one line of JSON.")
@text_flag("name", "name", "With -type=event: only events of this name.")
@text_flag("passingonly", "true|false", "With -type=service: only instances all of whose checks pass.")
@text_flag("service", "name", "With -type=service: the service, which must be given; with checks: only its checks.")
@bool_flag("shell", "Run the handler by a shell. Default: true.")
@bool_flag("stale", "Accepted for Consul's sake: every agent answers from its own memory, with or without it.")
@text_flag("state", "passing|warning|critical", "With -type=checks: only those in this state.")
@list_flag("tag", "tag", "With -type=service: only instances with this tag. May be repeated: all must be there.")
@text_flag("type", "|".join(TYPES), "What to watch; must be given.")
@client_flags
@click.argument("args", nargs=-1)
def watch(*, http_addr: str | None, args: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401 - texts and booleans
    """Print, follow or run the handler."""
    path, query = _plan(flags)
    handler = _handler(args, with_shell=flags["shell"] is not False)
    listing = Watch(
        AgentClient.from_flag(http_addr),
        path,
        query,
        pause=threading.Event().wait,
        complain=lambda text: click.echo(text, err=True),
    )
    try:
        for change in listing.changes():
            if handler:
                _run(handler, change)
            elif flags["follow"]:
                click.echo(json.dumps(change.value, separators=(",", ":")))
            else:
                click.echo(json.dumps(change.value, indent=INDENT))
                return 0
    except ClientError as error:
        raise CommandError(f"Error querying Consul agent: {error}") from error
    except KeyboardInterrupt:
        pass
    return 0


def _plan(flags: dict[str, Any]) -> tuple[str, Query]:
    """Return the path and the parameters of what is watched."""
    kind = flags["type"]
    if not kind:
        raise CommandError("Watch type must be specified", show_help=True)
    if kind in KEY_TYPES:
        raise CommandError(f"Watch type {kind} is not in nodedns: {NO_KV}")
    if kind not in TYPES:
        raise CommandError(f"Unsupported watch type: {kind}; supported: {', '.join(TYPES)}")
    query: Query = [("dc", flags["datacenter"])] if flags["datacenter"] else []
    query += [("filter", flags["filter"])] if flags["filter"] else []
    match kind:
        case "service":
            return _service_plan(flags, query)
        case "checks":
            return _checks_plan(flags, query)
        case "event":
            return "/v1/event/list", query + ([("name", flags["name"])] if flags["name"] else [])
    return f"/v1/catalog/{kind}", query


def _service_plan(flags: dict[str, Any], query: Query) -> tuple[str, Query]:
    if not flags["service"]:
        raise CommandError("Must specify a single service to watch")
    word = flags["passingonly"]
    if word is not None and word not in TRUE_WORDS + FALSE_WORDS:
        raise CommandError(f"Failed to parse passingonly: {word!r} is neither true nor false")
    query += [("tag", tag) for tag in flags["tag"]]
    query += [("passing", "1")] if word in TRUE_WORDS else []
    return f"/v1/health/service/{quote(flags['service'], safe='')}", query


def _checks_plan(flags: dict[str, Any], query: Query) -> tuple[str, Query]:
    if flags["service"] and flags["state"]:
        raise CommandError("Cannot specify service and state")
    if flags["service"]:
        return f"/v1/health/checks/{quote(flags['service'], safe='')}", query
    return f"/v1/health/state/{quote(flags['state'] or 'any', safe='')}", query


def _handler(args: Sequence[str], *, with_shell: bool) -> list[str]:
    return ["/bin/sh", "-c", " ".join(args)] if args and with_shell else list(args)


def _run(handler: list[str], change: Change) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - what the user gave
            handler,
            input=json.dumps(change.value, separators=(",", ":")).encode() + b"\n",
            env={**os.environ, INDEX_VARIABLE: str(change.modified_at)},
            check=False,
        )
    except OSError as error:
        raise CommandError(f"Error starting handler: {handler[0]}: {(error.strerror or str(error)).lower()}") from None
    if done.returncode:
        what = f"exit status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        raise CommandError(f"Error executing handler: {what}")
