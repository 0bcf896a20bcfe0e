"""``nodedns dns``: what the agent's DNS is asked, by kind."""

from __future__ import annotations

from collections.abc import Mapping

from nodedns.cli.groups import CommandGroup

__all__ = ["DNS_COMMANDS", "dns"]

DNS_COMMANDS: Mapping[str, str] = {
    "query-log": "Turns the log of queries on or off",
    "top": "Lists the names asked for most that do not exist",
}

dns = CommandGroup(
    name="dns",
    prefix="nodedns.cli.commands.dns_",
    synopses=DNS_COMMANDS,
    help="Shows what the agent's DNS is asked.",
)
