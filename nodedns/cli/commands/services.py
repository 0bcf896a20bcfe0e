"""``nodedns services``: registers services with the agent, and deregisters them."""

from __future__ import annotations

from collections.abc import Mapping

from nodedns.cli.groups import CommandGroup

__all__ = ["SERVICES_COMMANDS", "services"]

SERVICES_COMMANDS: Mapping[str, str] = {
    "deregister": "Deregisters services from the agent",
    "register": "Registers services with the agent",
}

services = CommandGroup(
    name="services",
    prefix="nodedns.cli.commands.services_",
    synopses=SERVICES_COMMANDS,
    help="""Registers services with the agent on this machine over its HTTP API. They stay over restarts of the agent
until they are deregistered; services that belong to the machine for good are better defined in its -config-dir.""",
)
