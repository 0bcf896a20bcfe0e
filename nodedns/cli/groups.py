"""``CommandGroup``: a command that is only a list of others, imported one at a time."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from nodedns.cli.goflags import HELP_NAMES, CommandError

__all__ = ["CommandGroup"]


class CommandGroup(click.Command):
    """A command that only has commands below it, each imported when it is asked for.

    Args:
        name: Its own name.
        prefix: What their module's names start with; in each module the command has the module's own name.
        synopses: Their names and one line about each.
        missing_exit_code: Exit code when none, or an unknown one, is given.
        help: What they are for.
        epilog: Last lines of the overview.
    """

    def __init__(
        self,
        *,
        name: str,
        prefix: str,
        synopses: Mapping[str, str],
        missing_exit_code: int = 1,
        help: str = "",  # noqa: A002 - click's name
        epilog: str = "",
    ) -> None:
        super().__init__(name=name, help=help, epilog=epilog, add_help_option=False)
        self._prefix = prefix
        self._synopses = synopses
        self._missing_exit_code = missing_exit_code

    @property
    def synopses(self) -> Mapping[str, str]:
        """The names of its commands, and one line about each."""
        return self._synopses

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the first word as a command's name; the only flag here is the help's."""
        first = args[0] if args else ""
        if first.startswith("-") and first.lstrip("-") in HELP_NAMES:
            click.echo(self.get_help(ctx))
            ctx.exit(0)
        if first not in self._synopses:
            problem = [f"{ctx.command_path} has no command {first!r}.", ""] if first else []
            raise CommandError("\n".join([*problem, self.get_help(ctx)]), status=self._missing_exit_code)
        ctx.args = list(args)
        return ctx.args

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command that was named and return what it returns."""
        name, *rest = ctx.args
        with self.command(name).make_context(name, rest, parent=ctx) as below:
            return below.command.invoke(below)

    def command(self, name: str) -> click.Command:
        """Import and return one of the commands."""
        module_name = self._prefix + name.replace("-", "_")
        command = getattr(importlib.import_module(module_name), module_name.rpartition(".")[2])
        if not isinstance(command, click.Command):
            raise TypeError(f"{module_name} has no command of its name")
        return command

    def get_help(self, ctx: click.Context) -> str:
        """Return the overview."""
        width = max(len(name) for name in self._synopses)
        rows = [f"    {name.ljust(width)}  {self._synopses[name]}" for name in sorted(self._synopses)]
        blocks = [f"Usage: {ctx.command_path} <command> [flags] [arguments]", self.help or ""]
        blocks += ["Commands:\n\n" + "\n".join(rows), self.epilog or ""]
        return "\n\n".join(block for block in blocks if block)
