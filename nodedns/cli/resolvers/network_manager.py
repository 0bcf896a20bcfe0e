"""NetworkManager: the dnsmasq that it runs itself, with the zones in its directory of dnsmasq files.

NetworkManager takes no servers with ports and no domains of its own but through such a helper. Where it hands
names over to systemd-resolved, the zones are told to that. Source: NetworkManager.conf(5).
"""

from __future__ import annotations

from nodedns.cli.resolvers.dnsmasq import zone_lines
from nodedns.cli.resolvers.facts import ResolverFacts
from nodedns.cli.resolvers.recipe import PASSES_ON, Command, DropIn, Recipe, Wishes, checks_of, first_line

__all__ = ["network_manager"]

TOOL = "networkmanager"
FOLDER = "/etc/NetworkManager"


def network_manager(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe."""
    folder = wishes.folder or FOLDER
    notes = [
        "Where NetworkManager hands names over to systemd-resolved (the link /etc/resolv.conf leads below "
        "/run/systemd/resolve), leave all this and take: nodedns resolver-config systemd-resolved",
        "The program dnsmasq must be there: package dnsmasq-base (Debian) or dnsmasq. It needs no service of its own, "
        "and must have none on 127.0.0.1.",
        PASSES_ON,
    ]
    if wishes.search:
        notes.append(
            "Search domains belong to connections (nmcli connection show): nmcli connection modify <connection> "
            f"+ipv4.dns-search {facts.search_domain}, then nmcli connection up <connection>."
        )
    return Recipe(
        tool=TOOL,
        files=(
            DropIn(f"{folder}/conf.d/nodedns.conf", f"{first_line(TOOL)}\n[main]\ndns=dnsmasq\n", folder),
            DropIn(f"{folder}/dnsmasq.d/nodedns.conf", zone_lines(facts, TOOL), folder),
        ),
        commands=(Command(("systemctl", "restart", "NetworkManager")),),
        checks=checks_of(facts, wishes),
        notes=tuple(notes),
    )
