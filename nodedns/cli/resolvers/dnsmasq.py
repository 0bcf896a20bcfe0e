"""dnsmasq: ``server=/zone/address#port``, in a directory that it reads whole.

A server for one zone also overrules ``bogus-priv`` there, and is not asked for DNSSEC: dnsmasq validates what
comes from such a server only where it has a trust anchor for the zone. Source: dnsmasq(8).
"""

from __future__ import annotations

from nodedns.cli.resolvers.facts import ResolverFacts
from nodedns.cli.resolvers.recipe import (
    PASSES_ON,
    Command,
    DropIn,
    Recipe,
    Wishes,
    checks_of,
    first_line,
    resolv_conf_of,
)

__all__ = ["FOLDER", "dnsmasq", "zone_lines"]

FOLDER = "/etc/dnsmasq.d"


def dnsmasq(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe."""
    folder = wishes.folder or FOLDER
    path = f"{folder}/nodedns.conf"
    check = Command(("dnsmasq", "--test", f"--conf-file={path}"), is_check=True)
    return Recipe(
        tool="dnsmasq",
        files=(DropIn(path, zone_lines(facts, "dnsmasq"), folder),),
        edits=(resolv_conf_of(facts, wishes),),
        commands=(check, Command(("systemctl", "restart", "dnsmasq"))),
        checks=checks_of(facts, wishes),
        notes=(
            "The directory is Debian's and Fedora's. Elsewhere dnsmasq reads it once /etc/dnsmasq.conf has the line "
            "conf-dir=/etc/dnsmasq.d,*.conf; -dir names another.",
            "dnsmasq reads such lines when it starts, and not on SIGHUP: hence restart.",
            PASSES_ON,
        ),
    )


def zone_lines(facts: ResolverFacts, tool: str) -> str:
    """Return the file: each zone at each server, and leave for names to have private addresses."""
    lines = [first_line(tool)]
    lines += [f"server=/{zone}/{server.joined('#')}" for zone in facts.zones for server in facts.servers]
    lines += [f"rebind-domain-ok=/{domain}/" for domain in facts.domains]
    return "\n".join([*lines, ""])
