"""Go's flag grammar on top of click, so that command lines written for Consul work.

One or two dashes are the same; ``-flag=value`` or ``-flag value``; a boolean
is ``-flag`` or ``-flag=false`` and never takes the next word; flags stand
before positional arguments, and the first word that is no flag (or ``--``)
ends them. ``to_click_args`` rewrites a command line of that grammar to one that
click reads without doubt: ``--flag=value`` for each flag, then ``--``, then the rest.
click does the remaining work: types, repeats, and handing values over.

Source: the documentation of Go's ``flag`` package, and Consul's habit of
printing the error, then the help, and exiting with 1.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

__all__ = [
    "CommandError",
    "GoCommand",
    "GoOption",
    "bool_flag",
    "int_flag",
    "list_flag",
    "refuse_late_flags",
    "text_flag",
    "to_click_args",
]

HELP_COLUMNS = 100
HELP_NAMES = ("h", "help")
# The words that Go's strconv.ParseBool takes.
TRUE_WORDS = ("1", "t", "T", "true", "TRUE", "True")
FALSE_WORDS = ("0", "f", "F", "false", "FALSE", "False")

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class CommandError(click.ClickException):
    """A command cannot do what it was asked; the message goes to stderr.

    Args:
        message: Without a final newline.
        show_help: Whether the command's help follows the message.
        status: What the process exits with.
    """

    def __init__(self, message: str, *, show_help: bool = False, status: int = 1) -> None:
        super().__init__(message)
        self.show_help = show_help
        self.status = status
        self.ctx = click.get_current_context(silent=True)


def refuse_late_flags(args: Sequence[str], *, status: int = 1) -> None:
    """Refuse a flag behind an argument, where Go's rules make another argument of it.

    Args:
        args: The arguments, none of which may begin with a dash but the first.
        status: What the process exits with.

    Raises:
        CommandError: There is one.
    """
    for late in args[1:]:
        if late.startswith("-"):
            raise CommandError(f"{late} stands behind {args[0]}: flags come first", show_help=True, status=status)


class GoBool(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.2
    """Go's booleans."""

    name = "bool"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:  # noqa: ANN401 - click's signature
        """Return the boolean that ``value`` spells, else fail with Go's message."""
        if isinstance(value, bool):
            return value
        if value in TRUE_WORDS:
            return True
        if value in FALSE_WORDS:
            return False
        raise click.UsageError(f'invalid boolean value "{value}" for -{_name_of(param)}: parse error', ctx)


class GoInt(click.ParamType):  # type: ignore[type-arg] # as GoBool
    """Whole numbers, negative ones too."""

    name = "int"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's signature
        """Return the number that ``value`` spells, else fail with Go's message."""
        try:
            return int(value)
        except ValueError:
            raise click.UsageError(f'invalid value "{value}" for flag -{_name_of(param)}: parse error', ctx) from None


class GoOption(click.Option):
    """An option that knows whether it is a boolean in Go's sense."""

    @property
    def is_go_bool(self) -> bool:
        """Whether it may stand without a value."""
        return isinstance(self.type, GoBool)

    @property
    def go_names(self) -> tuple[str, ...]:
        """Its name without dashes, and behind it its other names."""
        return tuple(name.removeprefix("--") for name in self.opts)


def bool_flag(name: str, text: str) -> Callable[[_Decorated], _Decorated]:
    """Declare ``-name`` or ``-name=false``; ``None`` when absent."""
    return click.option(f"--{name}", cls=GoOption, type=GoBool(), default=None, help=text)


def text_flag(name: str, metavar: str, text: str) -> Callable[[_Decorated], _Decorated]:
    """Declare ``-name=TEXT``; ``None`` when absent, the last one wins."""
    return click.option(f"--{name}", cls=GoOption, type=click.STRING, default=None, metavar=metavar, help=text)


def int_flag(name: str, metavar: str, text: str) -> Callable[[_Decorated], _Decorated]:
    """Declare ``-name=NUMBER``; ``None`` when absent, the last one wins."""
    return click.option(f"--{name}", cls=GoOption, type=GoInt(), default=None, metavar=metavar, help=text)


def list_flag(name: str, metavar: str, text: str, *, alias: str = "") -> Callable[[_Decorated], _Decorated]:
    """Declare a flag that may be repeated; an empty tuple when absent.

    Args:
        name: Without dashes.
        metavar: What a value is called in the help.
        text: The help.
        alias: Another name; values given by either keep their order.
    """
    names = [f"--{name}", *([f"--{alias}"] if alias else []), name.replace("-", "_")]
    return click.option(*names, cls=GoOption, type=click.STRING, multiple=True, metavar=metavar, help=text)


class GoCommand(click.Command):
    """A command with Go's flags, a help that shows an example, and names for Consul's flags that it lacks.

    Args:
        usage: What stands behind the command's name in its usage line.
        example: One command line that works.
        absent: Consul's flags that nodedns does not have, each with the reason.
        settings: Passed on to click.
    """

    def __init__(
        self,
        *,
        usage: str = "[flags]",
        example: str = "",
        absent: Mapping[str, str] | None = None,
        **settings: Any,  # noqa: ANN401 - click's signature
    ) -> None:
        super().__init__(**settings)
        self._usage = usage
        self._example = example
        self._absent = absent or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrite ``args`` from Go's grammar, then let click parse them."""
        return super().parse_args(ctx, to_click_args(self.go_options(), self._absent, args, ctx))

    def get_help(self, ctx: click.Context) -> str:
        """Return the help: usage, what it does, an example, then one entry per flag."""
        blocks = [f"Usage: {ctx.command_path} {self._usage}".rstrip()]
        blocks += [_wrap(paragraph, "  ") for paragraph in (self.help or "").split("\n\n") if paragraph]
        if self._example:
            blocks.append(f"Example:\n\n    {self._example}")
        options = [param for param in self.params if isinstance(param, GoOption)]
        if options:
            blocks.append("Flags:")
            blocks += [_flag_help(option) for option in sorted(options, key=lambda option: option.go_names)]
        return "\n\n".join(blocks)

    def go_options(self) -> dict[str, GoOption]:
        """Return its flags by each of their names, without dashes."""
        return {name: param for param in self.params if isinstance(param, GoOption) for name in param.go_names}


def to_click_args(
    options: Mapping[str, GoOption], absent: Mapping[str, str], args: Sequence[str], ctx: click.Context | None = None
) -> list[str]:
    """Return ``args``, written in Go's grammar, as arguments that click cannot misread.

    Raises:
        click.UsageError: A flag is unknown, malformed, or lacks its value.
    """
    rewritten: list[str] = []
    rest = list(args)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
        if not name or name.startswith("-"):
            raise click.UsageError(f"bad flag syntax: {word}", ctx)
        if name in HELP_NAMES:
            return ["--help"]
        option = _known(options, absent, name, ctx)
        if not equals and option.is_go_bool:
            value = "true"
        elif not equals:
            if not rest:
                raise click.UsageError(f"flag needs an argument: -{name}", ctx)
            value = rest.pop(0)
        rewritten.append(f"--{name}={value}")
    return [*rewritten, "--", *rest]


def _known(
    options: Mapping[str, GoOption], absent: Mapping[str, str], name: str, ctx: click.Context | None
) -> GoOption:
    option = options.get(name)
    if option is not None:
        return option
    if name in absent:
        raise click.UsageError(f"Consul's flag -{name} is not in nodedns: {absent[name]}", ctx)
    raise click.UsageError(f"flag provided but not defined: -{name}", ctx)


def _flag_help(option: GoOption) -> str:
    value = "" if option.is_go_bool else f"=<{option.metavar}>"
    names = ", ".join(f"-{name}{value}" for name in option.go_names)
    return f"  {names}\n" + _wrap(option.help or "", "      ")


def _wrap(paragraph: str, indent: str) -> str:
    return textwrap.fill(
        " ".join(paragraph.split()),
        width=HELP_COLUMNS,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _name_of(param: click.Parameter | None) -> str:
    return param.go_names[0] if isinstance(param, GoOption) else ""
