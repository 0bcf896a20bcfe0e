"""``nodedns services register``: registers services with the agent, from files or from flags."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from nodedns.checks.decode_service import decode_service_untrusted
from nodedns.checks.definition import ServiceDefinition
from nodedns.checks.encode import encode_service
from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import CommandError, GoCommand, int_flag, list_flag, text_flag
from nodedns.cli.service_files import services_of_files
from nodedns.cli.tables import printable
from nodedns.errors import DefinitionError

__all__ = ["services_register"]

PATH = "/v1/agent/service/register"
ABSENT = {**ABSENT_CLIENT_FLAGS, "kind": "there is no service mesh."}


def _service_flags(function: Callable[..., int]) -> Callable[..., int]:
    """Add the flags that describe one service."""
    for add in (
        text_flag("address", "address", "Where it is: an IP address or a host name. Default: the node's address."),
        text_flag("id", "ID", "Its ID, unique on the agent. Default: its name."),
        list_flag("meta", "key=value", "Something to know about it. May be repeated."),
        text_flag("name", "name", "What it is an instance of. Required where no file is given."),
        int_flag("port", "number", "Its port."),
        text_flag("socket", "path", "Its Unix socket, instead of address and port."),
        list_flag("tag", "tag", "A tag. May be repeated."),
        list_flag("tagged-address", "tag=address:port", "Another address of it; IPv6 in brackets. May be repeated."),
    ):
        function = add(function)
    return function


@click.command(
    cls=GoCommand,
    usage="[flags] [FILE...]",
    example="nodedns services register -name=web -port=8000 -tag=v1",
    absent=ABSENT,
    help="""Registers services with the agent: those that files of its configuration format define under service and
    services, with their checks, or one that flags describe, which has no checks. A service whose ID is registered
    already is replaced.""",
)
@_service_flags
@client_flags
@click.argument("args", nargs=-1)
def services_register(*, http_addr: str | None, args: tuple[str, ...], **flags: Any) -> int:  # noqa: ANN401 - as click hands them over
    """Register them one by one, and say so."""
    if not args and not flags["name"]:
        if any(flags.values()):
            raise CommandError("Service registration requires a name; give it with -name.")
        raise CommandError("Service registration requires at least one argument or flags.")
    if args and any(flags.values()):
        raise CommandError("Service registration requires arguments or flags, not both.")
    found = services_of_files(args) if args else [_of_flags(flags)]
    client = AgentClient.from_flag(http_addr)
    for definition in found:
        name = printable(definition.service.name)
        try:
            client.send("PUT", PATH, (), json.dumps(encode_service(definition)).encode())
        except ClientError as error:
            raise CommandError(f'Error registering service "{name}": {error}') from error
        click.echo(f"Registered service: {name}")
    return 0


def _of_flags(flags: dict[str, Any]) -> ServiceDefinition:
    body = {
        "name": flags["name"],
        "id": flags["id"] or "",
        "address": flags["address"] or "",
        "port": flags["port"] or 0,
        "socket_path": flags["socket"] or "",
        "tags": list(flags["tag"]),
        "meta": dict(_pairs("meta", flags["meta"])),
        "tagged_addresses": {tag: _place(text) for tag, text in _pairs("tagged-address", flags["tagged_address"])},
    }
    try:
        return decode_service_untrusted(body)
    except DefinitionError as error:
        raise CommandError(f"Error: {error}") from error


def _pairs(flag: str, values: Sequence[str]) -> Iterator[tuple[str, str]]:
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key:
            raise CommandError(f"Error: -{flag} takes key=value, not {value!r}")
        yield key, text


def _place(text: str) -> dict[str, object]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = text, "0"
    if not (port.isascii() and port.isdigit()):
        raise CommandError(f"Error: -tagged-address takes tag=address:port, not {text!r}")
    return {"address": host.removeprefix("[").removesuffix("]"), "port": int(port)}
