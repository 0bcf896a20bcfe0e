"""Writing a recipe's files and taking them back: the diff, the question, and the commands that make it effective."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs
import click

from nodedns.cli.drop_ins import Change, DropInError, DropIns, Wanted, unified_diff
from nodedns.cli.resolvers.recipe import Recipe, shown
from nodedns.cli.resolvers.tools import TOOLS

__all__ = ["Applying", "apply", "undo", "version_here"]

VERSION_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 120.0
"""Longer than systemd waits for a service to stop."""


@attrs.frozen
class Applying:
    """How files are to be written.

    Attributes:
        root: The root directory of the system to be changed.
        is_agreed: Whether nobody has to be asked.
        runs: Whether the commands are run as well.
        is_forced: Whether changes of others are lost.
    """

    root: str
    is_agreed: bool
    runs: bool
    is_forced: bool


def apply(recipe: Recipe, applying: Applying) -> int:
    """Write a recipe's files, if the user agrees; return the exit code.

    Raises:
        DropInError: They cannot be written, or a command failed.
    """
    if not recipe.files:
        raise DropInError("it has no directory for files of ours; put what is printed without -apply where it says")
    _refuse_commands(applying)
    drop_ins = DropIns(Path(applying.root), recipe.tool)
    wanted = [Wanted(file.path, file.text, file.sign) for file in recipe.files]
    changes = drop_ins.changes(wanted, is_forced=applying.is_forced)
    if not changes:
        click.echo(f"The files for {recipe.tool} are as they should be already.")
    elif not _is_agreed(changes, applying):
        return 1
    commands = [command.argv for command in recipe.commands]
    taking_back = [command.undo or command.argv for command in recipe.commands if not command.is_check]
    drop_ins.write(wanted, changes, taking_back)
    rest = attrs.evolve(recipe, files=(), commands=() if applying.runs else recipe.commands)
    click.echo(f"\nTo take it back: nodedns resolver-config -undo {recipe.tool}\n\n{shown(rest)}", nl=False)
    if applying.runs:
        _run(commands, f"the files are written; take them back with nodedns resolver-config -undo {recipe.tool}")
    return 0


def undo(tool: str, applying: Applying) -> int:
    """Take back what was written for a tool, if the user agrees; return the exit code.

    Raises:
        DropInError: It cannot be taken back, or a command failed.
    """
    _refuse_commands(applying)
    drop_ins = DropIns(Path(applying.root), tool)
    changes = drop_ins.undoing(is_forced=applying.is_forced)
    if changes and not _is_agreed(changes, applying):
        return 1
    drop_ins.take_back(changes)
    commands = drop_ins.undo_commands
    if applying.runs:
        _run(commands, "the files are taken back")
    elif commands:
        click.echo("\n".join(["\n==> then run <==", *(" ".join(command) for command in commands)]))
    return 0


def version_here(tool: str) -> int | None:
    """Return the first number of the version of the program here; ``None`` without one, or if it is of no matter."""
    known = TOOLS[tool]
    if not known.version_argv:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            known.version_argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(known.version_pattern, done.stdout, re.MULTILINE)
    return int(found[1]) if found else None


def _refuse_commands(applying: Applying) -> None:
    if applying.runs and Path(applying.root).resolve() != Path("/"):
        raise DropInError("-reload is for this system, and -root names another; leave one of them out")


def _is_agreed(changes: Sequence[Change], applying: Applying) -> bool:
    click.echo("\n".join(map(unified_diff, changes)), nl=False)
    if applying.is_agreed:
        return True
    click.echo("\nChange this? [y/N] ", nl=False)
    answer = sys.stdin.readline()
    if not answer:
        raise DropInError("nobody answered, so nothing was changed; -yes agrees beforehand")
    if answer.strip().lower() in ("y", "yes"):
        return True
    click.echo("Nothing was changed.")
    return False


def _run(commands: Sequence[Sequence[str]], state: str) -> None:
    for argv in commands:
        line = " ".join(argv)
        click.echo(f"+ {line}")
        try:
            code = subprocess.run(  # noqa: S603 - the recipe's own
                argv, stdin=subprocess.DEVNULL, timeout=COMMAND_TIMEOUT_S, check=False
            ).returncode
        except FileNotFoundError:
            raise DropInError(f"{line}: no such program here; {state}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DropInError(f"{line}: {error}; {state}") from error
        if code != 0:
            raise DropInError(f"{line} ended with {code}; {state}")
