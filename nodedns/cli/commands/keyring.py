"""``nodedns keyring``: the gossip keys of all members, listed and changed, with Consul's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags, misshapen
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, int_flag, text_flag
from nodedns.cli.tables import printable

__all__ = ["keyring"]

KEYRING_PATH = "/v1/operator/keyring"
MAX_RELAY_FACTOR = 5


@click.command(
    cls=GoCommand,
    example="nodedns keyring -install=pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Lists or changes the gossip keys of every member of an encrypted cluster. One action at a time: -install,
    -use, -remove, -list or -list-primary.

    To change the key of a running cluster: make one with nodedns keygen; -install it; see with -list that every member
    has it; -use it, so that members encrypt with it; see with -list-primary that all do; then -remove the old one. A
    key is changed on a member once it is in that member's keyring file. A change that failed on some members may be
    run again as it is.""",
)
@text_flag("install", "key", "Have every member know this key; it is not used for encryption yet.")
@bool_flag("list", "List the keys, each with how many members have it, and name the members that lag behind.")
@bool_flag("list-primary", "List the keys that members encrypt with, likewise.")
@bool_flag("local-only", "With -list, as in Consul: ask the local pool only. There is no other.")
@int_flag(
    "relay-factor", "number", "How many other members relay each answer besides, 0 to 5, for networks that lose much."
)
@text_flag("remove", "key", "Have every member forget this key, which must not be the primary.")
@text_flag("use", "key", "Have every member encrypt with this key, which must be installed.")
@client_flags
@click.argument("args", nargs=-1)
def keyring(
    *,
    install: str | None,
    list: bool | None,  # noqa: A002 - the flag's name
    list_primary: bool | None,
    local_only: bool | None,
    relay_factor: int | None,
    remove: str | None,
    use: str | None,
    http_addr: str | None,
    args: tuple[str, ...],
) -> int:
    """Do the one thing asked for."""
    if args:
        raise CommandError(f"Too many arguments (expected 0, got {len(args)})", show_help=True)
    actions = [bool(install), bool(list), bool(list_primary), bool(remove), bool(use)]
    if sum(actions) > 1:
        raise CommandError("Only a single action is allowed")
    if not any(actions):
        raise CommandError("One of -install, -use, -remove, -list and -list-primary must be given.", show_help=True)
    query = _query(relay_factor, local_only=bool(local_only), is_list=bool(list or list_primary))
    client = AgentClient.from_flag(http_addr)
    try:
        if list:
            return _list(client, query, "Keys", "Gathering installed encryption keys...")
        if list_primary:
            return _list(client, query, "PrimaryKeys", "Gathering installed primary encryption keys...")
        if install:
            _change(client, "POST", query, install, "Installing new gossip encryption key...")
        if use:
            _change(client, "PUT", query, use, "Changing primary gossip encryption key...")
        if remove:
            _change(client, "DELETE", query, remove, "Removing gossip encryption key...")
    except ClientError as error:
        raise CommandError(f"error: {error}") from error
    return 0


def _query(relay_factor: int | None, *, local_only: bool, is_list: bool) -> list[tuple[str, str]]:
    if not 0 <= (relay_factor or 0) <= MAX_RELAY_FACTOR:
        raise CommandError(f"Error parsing relay factor: Relay factor must be in range: [0, {MAX_RELAY_FACTOR}]")
    if local_only and not is_list:
        raise CommandError("Error validating local-only: local-only can only be set for list requests")
    query = [("relay-factor", str(relay_factor))] if relay_factor else []
    return [*query, ("local-only", "true")] if local_only else query


def _change(client: AgentClient, method: str, query: list[tuple[str, str]], key: str, progress: str) -> None:
    click.echo(f"==> {progress}")
    client.send(method, KEYRING_PATH, query, json.dumps({"Key": key}).encode())


def _list(client: AgentClient, query: list[tuple[str, str]], which: str, progress: str) -> int:
    click.echo(f"==> {progress}")
    pools = client.get_list(KEYRING_PATH, query)
    errors = []
    for pool in pools:
        try:
            click.echo(_render(pool, which))
            errors += [str(pool["Error"])] if pool.get("Error") else []
        except (AttributeError, KeyError, TypeError):
            raise misshapen(KEYRING_PATH) from None
    if errors:
        raise ClientError(printable("; ".join(errors)))
    return 0


def _render(pool: Mapping[str, Any], which: str) -> str:
    name = "WAN" if pool["WAN"] else f"{pool['Datacenter']} (LAN)"
    messages = pool.get("Messages") or {}
    lines = ["", f"{name}:"]
    lines += [f"  ===> {node}: {message}" for node, message in sorted(messages.items())]
    lines += [f"  {key} [{count}/{pool['NumNodes']}]" for key, count in sorted((pool[which] or {}).items())]
    return "\n".join(printable(line) for line in lines)
