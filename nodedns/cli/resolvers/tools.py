"""The programs that there is a recipe for, by the names that ``nodedns resolver-config`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from nodedns.cli.resolvers.bind import bind
from nodedns.cli.resolvers.dnsmasq import dnsmasq
from nodedns.cli.resolvers.facts import ResolverFacts
from nodedns.cli.resolvers.knot_resolver import knot_resolver
from nodedns.cli.resolvers.pdns_recursor import pdns_recursor
from nodedns.cli.resolvers.recipe import Recipe, Wishes
from nodedns.cli.resolvers.resolv_conf import resolv_conf
from nodedns.cli.resolvers.unbound import unbound

__all__ = ["TOOLS", "Tool"]


@attrs.frozen
class Tool:
    """One program.

    Attributes:
        synopsis: What it is, in one line.
        recipe: Makes its recipe; raises ``RecipeError`` where there is none.
    """

    synopsis: str
    recipe: Callable[[ResolverFacts, Wishes], Recipe]


TOOLS: Mapping[str, Tool] = {
    "bind": Tool("BIND 9 (named)", bind),
    "dnsmasq": Tool("dnsmasq", dnsmasq),
    "knot-resolver": Tool("Knot Resolver (kresd)", knot_resolver),
    "pdns-recursor": Tool("PowerDNS Recursor", pdns_recursor),
    "resolv.conf": Tool("The C library alone: the agent on port 53, with recursors", resolv_conf),
    "unbound": Tool("Unbound", unbound),
}
"""Every program, by name."""
