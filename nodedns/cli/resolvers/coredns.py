"""CoreDNS: a server block of the agent's zones with the plugin *forward*, which the Corefile imports.

The block has no cache, so that a node that joins or leaves is seen at once. *forward* takes a server for well that
answers its probes with anything, REFUSED too. Source: the manual of CoreDNS 1.11; the syntax alone is checked.
"""

from __future__ import annotations

from nodedns.cli.resolvers.facts import RecipeError, ResolverFacts
from nodedns.cli.resolvers.recipe import PASSES_ON, ByHand, Command, DropIn, Recipe, Wishes, checks_of, first_line

__all__ = ["coredns"]

FOLDER = "/etc/coredns"
MAX_SERVERS = 15
"""What *forward* takes at most."""


def coredns(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe.

    Raises:
        RecipeError: There are more servers than it takes.
    """
    if len(facts.servers) > MAX_SERVERS:
        raise RecipeError(f"CoreDNS forwards to at most {MAX_SERVERS} servers, and {len(facts.servers)} were given")
    folder = wishes.folder or FOLDER
    path = f"{folder}/nodedns.conf"
    lines = [
        first_line("coredns"),
        f"{' '.join(facts.zones)} {{",
        "    errors",
        f"    forward . {' '.join(server.bracketed for server in facts.servers)}",
        "}",
        "",
    ]
    notes = [PASSES_ON]
    if any(server.is_loopback for server in facts.servers):
        notes.append(
            "In a container or a pod, 127.0.0.1 is the container: name an address there on which the agent is reached "
            "from it, with -dns-addr=<IP:port>."
        )
    return Recipe(
        tool="coredns",
        files=(DropIn(path, "\n".join(lines), folder),),
        edits=(ByHand(f"{folder}/Corefile", f"import {path}\n", "outside of all blocks"),),
        commands=(Command(("systemctl", "restart", "coredns")),),
        checks=checks_of(facts, wishes),
        notes=tuple(notes),
    )
