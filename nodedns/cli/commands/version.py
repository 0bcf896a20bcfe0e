"""``nodedns version``: the version, for people or as JSON."""

from __future__ import annotations

import json

import click

from nodedns import __version__
from nodedns.cli.goflags import CommandError, GoCommand, text_flag

__all__ = ["version"]

PROTOCOL = 2
PROTOCOL_MIN = 2
PROTOCOL_MAX = 3


@click.command(
    cls=GoCommand,
    example="nodedns version -format=json",
    help="Prints the version of nodedns and the versions of Consul's protocol that its members announce.",
)
@text_flag("format", "pretty|json", "pretty (the default) or json.")
@click.argument("args", nargs=-1)
def version(*, format: str | None, args: tuple[str, ...]) -> int:  # noqa: A002 - the flag's name
    """Print it."""
    if args:
        raise CommandError(f"Error found unexpected args: [{' '.join(args)}]", show_help=True)
    if format not in (None, "pretty", "json"):
        raise CommandError(f'-format takes pretty or json, not "{format}".', show_help=True)
    if format == "json":
        protocols = {"Default": PROTOCOL, "Min": PROTOCOL_MIN, "Max": PROTOCOL_MAX}
        click.echo(json.dumps({"Version": __version__, "Revision": "", "Prerelease": "", "RPC": protocols}, indent=3))
        return 0
    click.echo(f"nodedns v{__version__}")
    click.echo(f"Protocol {PROTOCOL} spoken by default, understands {PROTOCOL_MIN} to {PROTOCOL_MAX}")
    return 0
