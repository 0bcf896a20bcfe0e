"""``nodedns maint``: takes the agent's node, or one of its services, out of service and back into it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, text_flag
from nodedns.cli.tables import printable
from nodedns.model.check import NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX

__all__ = ["maint"]

CHECKS_PATH = "/v1/agent/checks"
NODE_PATH = "/v1/agent/maintenance"
SERVICE_PATH = "/v1/agent/service/maintenance/"


@click.command(
    cls=GoCommand,
    example="nodedns maint -enable -service=web1 -reason='new disk'",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Takes the node of the agent out of service: DNS leaves its services out of every answer, and health queries
    call them critical, until it is put back with -disable. With -service it is one service of the agent. It stays so
    over restarts of the agent.

    Without a flag, lists what is in maintenance on this agent.""",
)
@bool_flag("disable", "End maintenance.")
@bool_flag("enable", "Begin maintenance.")
@text_flag("reason", "text", "With -enable: why, for people. It is shown in the notes of the check.")
@text_flag("service", "ID", "The ID of a service of this agent, instead of the whole node.")
@client_flags
@click.argument("args", nargs=-1)
def maint(
    *,
    disable: bool | None,
    enable: bool | None,
    reason: str | None,
    service: str | None,
    http_addr: str | None,
    args: tuple[str, ...],
) -> int:
    """Begin or end maintenance, or list it."""
    if args:
        raise CommandError(f"Too many arguments (expected 0, got {len(args)})")
    if enable and disable:
        raise CommandError("Only one of -enable or -disable may be provided")
    if reason and not enable:
        raise CommandError("Reason may only be provided with -enable")
    if service and not (enable or disable):
        raise CommandError("Service requires either -enable or -disable")
    client = AgentClient.from_flag(http_addr)
    if not (enable or disable):
        _list(client)
        return 0
    _switch(client, service or "", is_on=bool(enable), reason=reason or "")
    return 0


def _switch(client: AgentClient, service: str, *, is_on: bool, reason: str) -> None:
    query = [("enable", "true" if is_on else "false"), *([("reason", reason)] if reason else [])]
    kind, done = ("service", f' for "{printable(service)}"') if service else ("node", "")
    path = SERVICE_PATH + quote(service, safe="") if service else NODE_PATH
    try:
        client.put(path, query)
    except ClientError as error:
        doing = "enabling" if is_on else "disabling"
        raise CommandError(f"Error {doing} {kind} maintenance: {error}") from error
    state = "enabled" if is_on else "disabled"
    click.echo(f"{kind.capitalize()} maintenance is now {state}{done}")


def _list(client: AgentClient) -> None:
    try:
        checks = client.get_object(CHECKS_PATH)
    except ClientError as error:
        raise CommandError(f"Error getting checks: {error}") from error
    for check in checks.values():
        check_id = _text(check, "CheckID")
        if check_id == NODE_MAINTENANCE:
            _echo_block("Node:", ("Name:   ", _text(check, "Node")), ("Reason: ", _text(check, "Notes")))
        elif check_id.startswith(SERVICE_MAINTENANCE_PREFIX):
            _echo_block("Service:", ("ID:     ", _text(check, "ServiceID")), ("Reason: ", _text(check, "Notes")))


def _echo_block(title: str, *lines: tuple[str, str]) -> None:
    click.echo("\n".join([title, *(f"  {label}{printable(value)}" for label, value in lines), ""]))


def _text(check: Any, key: str) -> str:  # noqa: ANN401 - JSON has no type
    value = check.get(key) if isinstance(check, dict) else None
    if not isinstance(value, str):
        raise CommandError(f"Error getting checks: {misshapen(CHECKS_PATH)}")
    return value
