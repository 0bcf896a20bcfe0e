"""``/etc/resolv.conf``: the C library asks the agent itself, for every name.

It knows port 53 only, and sends everything to whoever it is told, so the agent needs recursors for the rest.
Source: resolv.conf(5).
"""

from __future__ import annotations

import ipaddress

from nodedns.cli.resolvers.facts import RecipeError, ResolverFacts
from nodedns.cli.resolvers.recipe import Recipe, Wishes, checks_of, resolv_conf_of

__all__ = ["refuse_for_whole_machines", "resolv_conf"]


def resolv_conf(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe.

    Raises:
        RecipeError: The agent is on another port, or has no recursors for this machine.
    """
    server = facts.servers[0]
    refuse_for_whole_machines(facts, server.host, "/etc/resolv.conf", "a resolver between")
    return Recipe(
        tool="resolv.conf",
        edits=(resolv_conf_of(facts, wishes, server),),
        checks=checks_of(facts, wishes),
        notes=(
            "Where /etc/resolv.conf is a link or says who made it (ls -l, head), that program makes it again: use its "
            "recipe instead. Otherwise keep a copy before you change it.",
            "A second nameserver line is asked when the first is silent or fails; one that does not know the agent's "
            "names would then deny them. Name another agent there, or none.",
        ),
    )


def refuse_for_whole_machines(facts: ResolverFacts, client: str, what: str, instead: str) -> None:
    """Refuse what sends every name to port 53, unless the agent is there and answers every name.

    Args:
        facts: Of the agent.
        client: An IP of those who ask.
        what: Names the port 53 only.
        instead: Can do otherwise.

    Raises:
        RecipeError: It is not, or does not.
    """
    if not facts.is_on_dns_port:
        raise RecipeError(
            f"{what} knows no port but 53, and the agent serves DNS on {facts.servers[0].bracketed}; start it with "
            f"-dns-port=53 and -recursor=<IP of your present resolver>, or put {instead}: "
            "nodedns resolver-config dnsmasq"
        )
    ip = ipaddress.ip_address(client)
    if not facts.recurses_for:
        raise RecipeError(
            f"{what} sends all names to the agent, and it has no recursors; start it with -recursor=<IP of your "
            f"present resolver>, or put {instead}: nodedns resolver-config dnsmasq"
        )
    if not any(ip in ipaddress.ip_network(network) for network in facts.recurses_for):
        raise RecipeError(
            f"{what} sends all names to the agent, and it asks its recursors for {', '.join(facts.recurses_for)} only; "
            f"add the network of {client} to dns_config.allow_recursion"
        )
