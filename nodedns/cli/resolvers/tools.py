"""The programs that there is a recipe for, by the names that ``nodedns resolver-config`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from nodedns.cli.resolvers.bind import bind
from nodedns.cli.resolvers.coredns import coredns
from nodedns.cli.resolvers.dnsmasq import dnsmasq
from nodedns.cli.resolvers.docker import docker
from nodedns.cli.resolvers.facts import ResolverFacts
from nodedns.cli.resolvers.knot_resolver import knot_resolver
from nodedns.cli.resolvers.macos import macos
from nodedns.cli.resolvers.network_manager import network_manager
from nodedns.cli.resolvers.pdns_recursor import pdns_recursor
from nodedns.cli.resolvers.recipe import Recipe, Wishes
from nodedns.cli.resolvers.resolv_conf import resolv_conf
from nodedns.cli.resolvers.systemd_resolved import systemd_resolved
from nodedns.cli.resolvers.unbound import unbound

__all__ = ["TOOLS", "Tool"]


@attrs.frozen
class Tool:
    """One program.

    Attributes:
        synopsis: What it is, in one line.
        version_argv: Prints the program's version, where the recipe depends on it.
        version_pattern: Regular expression of what it prints; the group is the version's first number.
        recipe: Makes its recipe; raises ``RecipeError`` where there is none.
    """

    synopsis: str
    recipe: Callable[[ResolverFacts, Wishes], Recipe]
    version_argv: tuple[str, ...] = ()
    version_pattern: str = ""


TOOLS: Mapping[str, Tool] = {
    "bind": Tool("BIND 9 (named)", bind),
    "coredns": Tool("CoreDNS", coredns),
    "dnsmasq": Tool("dnsmasq", dnsmasq),
    "docker": Tool("Docker: the agent on port 53 of an address that containers reach, with recursors", docker),
    "knot-resolver": Tool("Knot Resolver (kresd)", knot_resolver, ("kresd", "--version"), r"version (\d+)\."),
    "macos": Tool("macOS, by /etc/resolver", macos),
    "networkmanager": Tool("NetworkManager with its own dnsmasq", network_manager),
    "pdns-recursor": Tool("PowerDNS Recursor", pdns_recursor, ("pdns_recursor", "--version"), r"Recursor (\d+)\."),
    "resolv.conf": Tool("The C library alone: the agent on port 53, with recursors", resolv_conf),
    "systemd-resolved": Tool("systemd-resolved", systemd_resolved, ("systemctl", "--version"), r"^systemd (\d+)"),
    "unbound": Tool("Unbound", unbound),
}
"""Every program, by name."""
