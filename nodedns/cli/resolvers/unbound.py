"""unbound: a stub zone, or a forward zone, for each of the agent's zones.

* ``domain-insecure``: the root says, signed, that there is no such top-level domain; a validator would believe it.
* ``do-not-query-localhost``: unbound asks nobody on this machine until it may.
* ``local-zone`` as ``transparent``: it answers for private reverse zones and special names by itself (RFC 6303).
  Only our part is let through; for the rest of 10.in-addr.arpa nobody out there is bothered.
* ``private-domain``: with ``private-address`` set, names with private addresses are dropped elsewhere.

Source: unbound.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterator

from nodedns.cli.resolvers.facts import RecipeError, ResolverFacts, special_zone
from nodedns.cli.resolvers.recipe import (
    Command,
    DropIn,
    Recipe,
    Wishes,
    checks_of,
    first_line,
    resolv_conf_of,
)

__all__ = ["STYLES", "unbound"]

FOLDER = "/etc/unbound/unbound.conf.d"
STYLES = ("stub", "forward")


def unbound(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe.

    Raises:
        RecipeError: There is no such style.
    """
    style = wishes.style or STYLES[0]
    if style not in STYLES:
        raise RecipeError(f'unbound has no style "{style}"; -style takes {" or ".join(STYLES)}')
    folder = wishes.folder or FOLDER
    text = "\n".join([first_line("unbound"), "server:", *_server(facts), *_zones(facts, style), ""])
    return Recipe(
        tool="unbound",
        files=(DropIn(f"{folder}/nodedns.conf", text, folder),),
        edits=(resolv_conf_of(facts, wishes),),
        commands=(Command(("unbound-checkconf",), is_check=True), Command(("systemctl", "restart", "unbound"))),
        checks=checks_of(facts, wishes),
        notes=(
            "The directory is Debian's; -dir names another. Fedora and Red Hat have /etc/unbound/conf.d. Elsewhere "
            'unbound.conf needs the line include-toplevel: "/etc/unbound/unbound.conf.d/*.conf" (1.11 or newer).',
        ),
    )


def _server(facts: ResolverFacts) -> Iterator[str]:
    if any(server.is_loopback for server in facts.servers):
        yield "    do-not-query-localhost: no"
    for zone in facts.zones:
        yield f'    domain-insecure: "{zone}."'
    for zone in facts.zones:
        if special_zone(zone):
            yield f'    local-zone: "{zone}." transparent'
    for domain in facts.domains:
        yield f'    private-domain: "{domain}."'


def _zones(facts: ResolverFacts, style: str) -> Iterator[str]:
    for zone in facts.zones:
        yield f"{style}-zone:"
        yield f'    name: "{zone}."'
        for server in facts.servers:
            yield f"    {style}-addr: {server.joined('@')}"
