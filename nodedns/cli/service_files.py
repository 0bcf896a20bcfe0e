"""The services that configuration files define, for the commands that register and deregister them.

A file is read as the agent reads it, HCL or JSON; what else is in it is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nodedns.checks.decode_service import decode_services_untrusted
from nodedns.checks.definition import ServiceDefinition
from nodedns.cli.goflags import CommandError
from nodedns.config.sources import COMMAND_LINE, ConfigSources, read_layers
from nodedns.errors import DefinitionError

__all__ = ["services_of_files"]

KEYS = ("service", "services")


def services_of_files(paths: Sequence[str]) -> list[ServiceDefinition]:
    """Return the services of files and directories, in their order.

    Raises:
        CommandError: A file cannot be read, makes no sense, or there is no service in any.
    """
    layers, problems, _ = read_layers(ConfigSources(paths=tuple(map(Path, paths))))
    if problems:
        raise CommandError("Error: " + "\n".join(str(problem) for problem in problems))
    found: list[ServiceDefinition] = []
    for layer in layers:
        for key in KEYS:
            if layer.source == COMMAND_LINE or key not in layer.values:
                continue
            try:
                found += decode_services_untrusted(layer.values[key])
            except DefinitionError as error:
                place = error.inside(key)
                raise CommandError(f"Error: {layer.source}: {place.path}: {place.reason}") from error
    if not found:
        raise CommandError(f"Error: no service is defined in {', '.join(paths)}")
    return found
