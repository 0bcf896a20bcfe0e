"""Knot Resolver: ``policy.STUB`` in the Lua of version 5, a ``forward`` rule in the YAML of version 6.

* ``STUB``, and ``dnssec: false``, pass on what the agent says; ``policy.FORWARD`` would validate, and the root says,
  signed, that there is no such top-level domain.
* ``NO_CACHE``: it would keep an answer for 5 seconds whatever its TTL is; the agent answers from memory, and a
  node that joins or leaves is seen at once.
* Its own answers for private reverse zones come after all policies.

The configuration is one file, somebody's already. In Lua one line of it takes our file in; YAML has no such line.
Source: the Knot Resolver manuals of 5.6 and 6.0.
"""

from __future__ import annotations

from nodedns.cli.resolvers.facts import ResolverFacts
from nodedns.cli.resolvers.recipe import (
    PASSES_ON,
    ByHand,
    Command,
    DropIn,
    Recipe,
    Wishes,
    checks_of,
    first_line,
    resolv_conf_of,
)

__all__ = ["knot_resolver"]

FOLDER = "/etc/knot-resolver"
YAML_SINCE = 6


def knot_resolver(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe; of version 5 unless a newer one is wished for."""
    folder = wishes.folder or FOLDER
    if (wishes.version or 0) >= YAML_SINCE:
        return _of_yaml(facts, wishes, folder)
    path = f"{folder}/nodedns.lua"
    return Recipe(
        tool="knot-resolver",
        files=(DropIn(path, _lua(facts), folder),),
        edits=(
            ByHand(f"{folder}/kresd.conf", f"dofile('{path}')\n", "before any other policy.add"),
            resolv_conf_of(facts, wishes),
        ),
        commands=(Command(("systemctl", "restart", "kresd@*.service")),),
        checks=checks_of(facts, wishes),
        notes=("This is for version 5; for version 6, which has YAML, add -tool-version=6.", PASSES_ON),
    )


def _lua(facts: ResolverFacts) -> str:
    servers = ", ".join(f"'{server.joined('@')}'" for server in facts.servers)
    lines = [first_line("knot-resolver", "--"), "local names = policy.todnames({"]
    lines += [f"    '{zone}.'," for zone in facts.zones]
    lines += [
        "})",
        "policy.add(policy.suffix(policy.FLAGS({'NO_CACHE'}), names))",
        f"policy.add(policy.suffix(policy.STUB({{{servers}}}), names))",
        "",
    ]
    return "\n".join(lines)


def _of_yaml(facts: ResolverFacts, wishes: Wishes, folder: str) -> Recipe:
    lines = ["forward:", "  - subtree:", *(f"      - {zone}" for zone in facts.zones), "    servers:"]
    lines += [f"      - {server.joined('@')}" for server in facts.servers]
    lines += ["    options:", "      authoritative: true", "      dnssec: false", ""]
    return Recipe(
        tool="knot-resolver",
        edits=(
            ByHand(
                f"{folder}/config.yaml", "\n".join(lines), "at its outermost level; in its forward list if it has one"
            ),
            resolv_conf_of(facts, wishes),
        ),
        commands=(
            Command(("kresctl", "validate", f"{folder}/config.yaml"), is_check=True),
            Command(("kresctl", "reload")),
        ),
        checks=checks_of(facts, wishes),
        notes=(
            "This is for version 6; for version 5, which has Lua, add -tool-version=5.",
            "Version 6 keeps an answer for 5 seconds, whatever its TTL is, unless cache: ttl-min: 0s says otherwise.",
        ),
    )
