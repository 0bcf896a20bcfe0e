"""``nodedns demo``: two agents on loopback addresses, joined, in one process."""

from __future__ import annotations

import click

from nodedns.cli.goflags import CommandError, GoCommand

__all__ = ["demo"]


@click.command(
    cls=GoCommand,
    example="nodedns demo",
    help="""Runs two agents on loopback addresses of this machine, joins them, and prints lines to try in another
    terminal. They keep nothing on disk. Ctrl-C ends both.""",
)
@click.argument("args", nargs=-1)
def demo(*, args: tuple[str, ...]) -> int:
    """Run both until interrupted."""
    if args:
        raise CommandError(f"Error found unexpected args: [{' '.join(args)}]", show_help=True)
    # Imported here: the agent's imports cost more than the help of this command should.
    from nodedns.agent import run_demo  # noqa: PLC0415

    return run_demo()
