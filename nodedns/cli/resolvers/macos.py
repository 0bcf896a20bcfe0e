"""macOS: a file for each of the agent's zones in ``/etc/resolver``. Source: resolver(5) of macOS.

``dig`` and ``host`` do not read them; everything that asks the system does.
"""

from __future__ import annotations

from nodedns.cli.resolvers.facts import RecipeError, ResolverFacts
from nodedns.cli.resolvers.recipe import Command, DropIn, Recipe, Wishes, first_line

__all__ = ["macos"]

FOLDER = "/etc/resolver"
MAX_SERVERS = 3
"""Its MAXNS, as everywhere since 4.3BSD."""


def macos(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe.

    Raises:
        RecipeError: There are more servers than it takes, or they have several ports.
    """
    port = facts.servers[0].port
    if len(facts.servers) > MAX_SERVERS or any(server.port != port for server in facts.servers):
        raise RecipeError(f"a file in {FOLDER} has one port and at most {MAX_SERVERS} servers; give fewer -dns-addr")
    folder = wishes.folder or FOLDER
    lines = [first_line("macos"), *(f"nameserver {server.host}" for server in facts.servers), f"port {port}", ""]
    notes = ["dig and host do not read these files; ping, ssh and browsers do. scutil --dns lists them."]
    if wishes.search:
        notes.append(
            "A search domain belongs to a network service (networksetup -listallnetworkservices), and this sets all of "
            f"its search domains: networksetup -setsearchdomains Wi-Fi {facts.search_domain}"
        )
    return Recipe(
        tool="macos",
        files=tuple(DropIn(f"{folder}/{zone}", "\n".join(lines), "/etc") for zone in facts.zones),
        commands=(Command(("dscacheutil", "-flushcache")), Command(("killall", "-HUP", "mDNSResponder"))),
        checks=(f"dscacheutil -q host -a name {facts.sample}",),
        notes=tuple(notes),
    )
