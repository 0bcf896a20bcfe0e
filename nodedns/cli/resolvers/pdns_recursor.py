"""PowerDNS Recursor: ``forward-zones-file`` of version 4, ``forward_zones`` in the YAML of version 5.

* Not ``forward-zones``: one drop-in cannot add to it. With ``=`` it forgets what stands there already, with ``+=``
  the recursor does not start where nothing does. The file's zones are in addition to it.
* Negative trust anchors: the root says, signed, that there is no such top-level domain; a validator would
  believe it, and by default it validates for each client that asks it to.
* A zone to forward is nearer than the private reverse zones that it serves by itself, and may be on this machine.

Source: the settings of PowerDNS Recursor 4.8 and 5.2.
"""

from __future__ import annotations

from nodedns.cli.resolvers.facts import ResolverFacts
from nodedns.cli.resolvers.recipe import (
    ByHand,
    Command,
    DropIn,
    Recipe,
    Wishes,
    checks_of,
    first_line,
    resolv_conf_of,
)

__all__ = ["pdns_recursor"]

FOLDER = "/etc/powerdns"
YAML_SINCE = 5
RESTART = Command(("systemctl", "restart", "pdns-recursor"))


def pdns_recursor(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe; of version 4 unless a newer one is wished for."""
    folder = wishes.folder or FOLDER
    if (wishes.version or 0) >= YAML_SINCE:
        return _of_yaml(facts, wishes, folder)
    zones = f"{folder}/nodedns.forward"
    servers = ";".join(server.bracketed for server in facts.servers)
    head = first_line("pdns-recursor")
    return Recipe(
        tool="pdns-recursor",
        files=(
            DropIn(zones, "\n".join([head, *(f"{zone}={servers}" for zone in facts.zones), ""]), folder),
            DropIn(
                f"{folder}/recursor.d/nodedns.conf", f"{head}\nforward-zones-file={zones}\n", f"{folder}/recursor.d"
            ),
        ),
        edits=(
            ByHand(
                f"{folder}/recursor.lua",
                "".join(f'addNTA("{zone}", "nodedns")\n' for zone in facts.zones),
                "at the end; it is the file that lua-config-file names",
            ),
            resolv_conf_of(facts, wishes),
        ),
        commands=(RESTART,),
        checks=checks_of(facts, wishes),
        notes=(
            "The directories are Debian's; -dir names another for /etc/powerdns.",
            "If forward-zones-file is set already, put our zones into that file instead: there can be one.",
            "This is for version 4; for version 5, which has YAML, add -tool-version=5.",
        ),
    )


def _of_yaml(facts: ResolverFacts, wishes: Wishes, folder: str) -> Recipe:
    lines = [first_line("pdns-recursor"), "recursor:", "  forward_zones:"]
    for zone in facts.zones:
        lines += [f"    - zone: {zone}", "      forwarders:"]
        lines += [f"        - '{server.bracketed}'" for server in facts.servers]
    lines += ["dnssec:", "  negative_trustanchors:"]
    for zone in facts.zones:
        lines += [f"    - name: {zone}", "      reason: nodedns"]
    path = f"{folder}/recursor.d/nodedns.yml"
    return Recipe(
        tool="pdns-recursor",
        files=(DropIn(path, "\n".join([*lines, ""]), f"{folder}/recursor.d"),),
        edits=(resolv_conf_of(facts, wishes),),
        commands=(RESTART,),
        checks=checks_of(facts, wishes),
        notes=(
            "The directory is read once recursor.conf (or recursor.yml) has include_dir: /etc/powerdns/recursor.d in "
            "its recursor section, as Debian's has. Lists in it are added to those that are there.",
            "This is for version 5 with settings in YAML; for version 4 add -tool-version=4.",
        ),
    )
