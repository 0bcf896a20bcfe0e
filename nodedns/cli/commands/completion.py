"""``nodedns completion``: the script that makes a shell complete ``nodedns`` command lines, and what it asks for."""

from __future__ import annotations

import click

from nodedns.cli.completion import candidates
from nodedns.cli.completion_scripts import SCRIPTS
from nodedns.cli.goflags import CommandError, GoCommand, bool_flag
from nodedns.cli.groups import CommandGroup
from nodedns.cli.tables import printable

__all__ = ["completion"]


@click.command(
    cls=GoCommand,
    usage="[flags] <bash|fish|zsh>",
    example="nodedns completion bash > ~/.local/share/bash-completion/completions/nodedns",
    help="""Prints a script that makes the shell complete commands, flags, and the names of nodes and services that the
    running agent knows. Without an agent, names are not completed, and nothing is said about it.

    The example is for bash with bash-completion; without that, put eval "$(nodedns completion bash)" into ~/.bashrc.
    For zsh, the same with zsh into ~/.zshrc, behind compinit. For fish, write the script to
    ~/.config/fish/completions/nodedns.fish. The Debian package has done it already.""",
)
@bool_flag("words", "For those scripts: print what the last of the words that follow, a command line's, can become.")
@click.argument("args", nargs=-1)
def completion(*, words: bool | None, args: tuple[str, ...]) -> int:
    """Print the script, or the candidates."""
    if not words:
        if len(args) != 1 or args[0] not in SCRIPTS:
            raise CommandError(f"One shell must be specified: {', '.join(SCRIPTS)}", show_help=True)
        click.echo(SCRIPTS[args[0]], nl=False)
        return 0
    root = click.get_current_context().find_root().command
    if not isinstance(root, CommandGroup):
        raise TypeError("the command at the root has no others below it")
    for found in candidates(root, args):
        # What an agent says must not end the line, nor move the cursor of the shell that shows it.
        note = printable(found.note)
        click.echo(f"{found.text}\t{note}" if note or not found.text else found.text)
    return 0
