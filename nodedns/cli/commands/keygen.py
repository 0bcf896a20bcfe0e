"""``nodedns keygen``: a new gossip encryption key."""

from __future__ import annotations

import base64
import secrets

import click

from nodedns.cli.goflags import CommandError, GoCommand

__all__ = ["keygen"]

KEY_BYTES = 32  # AES-256


@click.command(
    cls=GoCommand,
    example="nodedns keygen",
    help="""Prints a new key of 32 random bytes in base64, for nodedns agent -encrypt and nodedns keyring -install. serf
    and Consul take the same.""",
)
@click.argument("args", nargs=-1)
def keygen(*, args: tuple[str, ...]) -> int:
    """Print one key."""
    if args:
        raise CommandError(f"Error found unexpected args: [{' '.join(args)}]", show_help=True)
    click.echo(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii"))
    return 0
