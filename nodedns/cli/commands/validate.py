"""``nodedns validate``: reads configuration as the agent would, and says everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import click

from nodedns.cli.goflags import CommandError, GoCommand, bool_flag, text_flag

__all__ = ["validate"]


@click.command(
    cls=GoCommand,
    usage="[flags] <file or directory> ...",
    example="nodedns validate /etc/consul.d",
    help="""Checks that an agent could start with these files and directories and no flags. All problems are printed
    at once, each with its file, its key and the rule that it breaks; the certificates of tls.https are read as well.
    Exits with 1 if there is a problem.""",
)
@text_flag("config-format", "hcl|json", "Read every file as this, whatever its name ends in.")
@bool_flag("quiet", "Print nothing when all is well, warnings neither.")
@click.argument("args", nargs=-1)
def validate(*, config_format: str | None, quiet: bool | None, args: tuple[str, ...]) -> int:
    """Load, and say how it went."""
    if not args:
        raise CommandError("Must specify at least one config file or directory", show_help=True)
    # Imported here, as in the agent's command: the help should not wait for the whole configuration room.
    from nodedns.config.load import load  # noqa: PLC0415
    from nodedns.config.sources import ConfigSources  # noqa: PLC0415
    from nodedns.errors import AgentError, ConfigError  # noqa: PLC0415
    from nodedns.net.tls import server_context  # noqa: PLC0415

    try:
        config = load(ConfigSources(paths=tuple(map(Path, args)), file_format=config_format or ""))
        if config.https is not None:
            server_context(config.https)
    except ConfigError as error:
        raise CommandError(f"Config validation failed: {_listed(error.problems)}") from error
    except AgentError as error:
        raise CommandError(f"Config validation failed: {error}") from error
    if not quiet:
        for warning in config.warnings:
            click.echo(warning)
        click.echo("Configuration is valid!")
    return 0


def _listed(problems: tuple[object, ...]) -> str:
    if len(problems) == 1:
        return str(problems[0])
    return "\n".join([f"{len(problems)} problems", *(f"  * {problem}" for problem in problems)])
