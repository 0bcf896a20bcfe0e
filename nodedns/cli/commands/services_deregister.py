"""``nodedns services deregister``: deregisters services from the agent, by ID or as files name them."""

from __future__ import annotations

from urllib.parse import quote

import click

from nodedns.cli.client import ABSENT_CLIENT_FLAGS, AgentClient, ClientError, client_flags
from nodedns.cli.goflags import CommandError, GoCommand, text_flag
from nodedns.cli.service_files import services_of_files
from nodedns.cli.tables import printable

__all__ = ["services_deregister"]

PATH = "/v1/agent/service/deregister/"


@click.command(
    cls=GoCommand,
    usage="[flags] [FILE...]",
    example="nodedns services deregister -id=web",
    absent=ABSENT_CLIENT_FLAGS,
    help="""Deregisters services from the agent, with their checks: one by its ID, or those that files define. A service
    of the agent's own configuration comes back when the agent reads that anew.""",
)
@text_flag("id", "ID", "Of the service.")
@client_flags
@click.argument("args", nargs=-1)
def services_deregister(*, id: str | None, http_addr: str | None, args: tuple[str, ...]) -> int:  # noqa: A002 - the flag's name
    """Deregister them one by one, and say so."""
    if not args and not id:
        raise CommandError("Service deregistration requires at least one argument or -id.")
    if args and id:
        raise CommandError("Service deregistration requires arguments or -id, not both.")
    found = [id] if id else [definition.service.id for definition in services_of_files(args)]
    client = AgentClient.from_flag(http_addr)
    for service_id in found:
        try:
            client.put(PATH + quote(service_id, safe=""))
        except ClientError as error:
            raise CommandError(f'Error deregistering service "{printable(service_id)}": {error}') from error
        click.echo(f"Deregistered service: {printable(service_id)}")
    return 0
