"""Docker: containers ask the agent for every name, on an address of this machine that they reach.

Docker knows port 53 only, and a container's 127.0.0.1 is the container. What its daemon, or a service of Compose,
says of DNS is in one file, somebody's already. Source: dockerd's daemon.json, the Compose specification.
"""

from __future__ import annotations

import json

import attrs

from nodedns.cli.resolvers.facts import RecipeError, ResolverFacts
from nodedns.cli.resolvers.recipe import ByHand, Command, Recipe, Wishes
from nodedns.cli.resolvers.resolv_conf import refuse_for_whole_machines

__all__ = ["docker"]

A_CONTAINER = "172.17.0.2"
"""The first that the default bridge gives out."""


def docker(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe.

    Raises:
        RecipeError: Containers do not reach the agent, it is on another port, or has no recursors for them.
    """
    if not facts.outer:
        raise RecipeError(
            "containers do not reach 127.0.0.1 of this machine; let the agent listen on Docker's bridge as well "
            '(addresses { dns = "127.0.0.1 172.17.0.1" }), or name an address with -dns-addr=<IP>'
        )
    outer = attrs.evolve(facts, servers=facts.outer)
    refuse_for_whole_machines(outer, A_CONTAINER, "Docker", "a resolver on the bridge's address between")
    hosts = [server.host for server in outer.servers]
    searched = [facts.search_domain] if wishes.search else []
    daemon = {"dns": hosts, **({"dns-search": searched} if searched else {})}
    compose = ["dns:", *(f"  - {host}" for host in hosts)]
    compose += ["dns_search:", *(f"  - {domain}" for domain in searched)] if searched else []
    flags = [*(f"--dns={host}" for host in hosts), *(f"--dns-search={domain}" for domain in searched)]
    return Recipe(
        tool="docker",
        edits=(
            ByHand("/etc/docker/daemon.json", f"{json.dumps(daemon, indent=2)}\n", "its keys, for all containers"),
            ByHand("compose.yaml", "\n".join([*compose, ""]), "in a service instead, for that one alone"),
        ),
        commands=(Command(("systemctl", "restart", "docker")),),
        checks=(f"docker run --rm {' '.join(flags)} busybox nslookup {facts.sample}",),
        notes=(
            f"For one container: docker run {' '.join(flags)}",
            "Restarting Docker's daemon stops containers, unless live-restore is on.",
        ),
    )
