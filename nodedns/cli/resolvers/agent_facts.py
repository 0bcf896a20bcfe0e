"""Facts from what an agent says of itself over HTTP, or from what the user says of an agent that cannot be asked.

An agent that listens on several addresses is asked on the one that every program of this machine reaches: a
loopback address, or one for a wildcard; else on all of them. One on another machine is asked where others
reach it. Reverse zones that the agent was not told are
those of the nodes' addresses, as ``ReverseZones`` makes them; not of loopback and link-local ones, which belong
to each machine alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from nodedns.cli.resolvers.facts import (
    RecipeError,
    ResolverFacts,
    ReverseName,
    Server,
    domain_of,
    reverse_of,
    reverse_zones_of,
    server_of,
)
from nodedns.dns.reverse import DERIVED_DIGITS
from nodedns.model.names import is_dns_label
from nodedns.table.address_index import Digits, digits_of

__all__ = ["MAX_DERIVED_ZONES", "Given", "facts_from_afar", "facts_of_agent", "facts_of_flags"]

MAX_DERIVED_ZONES = 64
"""Reverse zones that nobody listed; more than a /26 makes, and already too many to look after by hand."""
DEFAULT_DOMAIN = "consul"
ADDRESS_TAGS = ("lan_ipv4", "lan_ipv6")
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what an agent may say
_ANY = ("0.0.0.0/0", "::/0")


@attrs.frozen
class Given:
    """What flags say; empty where they are absent.

    Attributes:
        servers: Where the agent serves DNS.
        domains: Its domains.
        reverse: Its reverse zones, as prefixes or by name.
        has_no_reverse: Whether there shall be none.
        recurses: Whether it answers for every other name too.
    """

    servers: Sequence[str] = ()
    domains: Sequence[str] = ()
    reverse: Sequence[str] = ()
    has_no_reverse: bool = False
    recurses: bool = False


def facts_of_flags(given: Given) -> ResolverFacts:
    """Return the facts of an agent that is not asked.

    Raises:
        RecipeError: A value cannot be used.
    """
    domains = tuple(map(domain_of, given.domains)) or (DEFAULT_DOMAIN,)
    servers = tuple(map(server_of, given.servers))
    return ResolverFacts(
        servers=servers,
        domains=domains,
        reverse=_reverse_given(given),
        recurses_for=_ANY if given.recurses else (),
        sample=f"ns.{domains[0]}",
        outer=tuple(server for server in servers if not server.is_loopback),
    )


def facts_of_agent(about: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]], given: Given) -> ResolverFacts:
    """Return the facts of an agent, with what flags say instead.

    Args:
        about: The answer of ``/v1/agent/self``.
        nodes: The answer of ``/v1/catalog/nodes``; looked at only where the agent has no list of reverse zones.
        given: What flags say.

    Raises:
        RecipeError: It serves no DNS, or a value cannot be used.
        KeyError: An answer is not an agent's.
        TypeError: Likewise.
        ValueError: Likewise.
    """
    config = about["DebugConfig"]
    domains = tuple(map(domain_of, given.domains or [config["domain"], *config["alt_domains"]]))
    name = str(about["Config"]["NodeName"]).lower()
    recursion = config["recursion"]
    return ResolverFacts(
        servers=_servers(config["dns_addrs"], int(config["dns_port"])),
        domains=domains,
        reverse=_reverse_of_agent(config["reverse_zones"], nodes, given),
        recurses_for=_ANY if given.recurses else tuple(recursion["allowed"]) if recursion["recursors"] else (),
        sample=f"{name}.node.{domains[0]}" if is_dns_label(name) else f"ns.{domains[0]}",
        outer=_outer(config["dns_addrs"], str(config["advertise_addr"]), int(config["dns_port"])),
    )


def facts_from_afar(facts: ResolverFacts, host: str) -> ResolverFacts:
    """Return the facts with the addresses on which other machines ask the agent.

    Args:
        facts: Of an agent on another machine.
        host: Which machine that is, for the failure's text.

    Raises:
        RecipeError: No other machine can ask it.
    """
    if not any(server.is_loopback for server in facts.servers):
        return facts
    if not facts.outer:
        raise RecipeError(
            f"the agent on {host} serves DNS on {facts.servers[0].bracketed}, for its own machine alone; run this "
            "there, let it listen for others (addresses.dns), or name what reaches it with -dns-addr=<IP:port>"
        )
    return attrs.evolve(facts, servers=facts.outer)


def _servers(hosts: Sequence[str], port: int) -> tuple[Server, ...]:
    if not hosts or port <= 0:
        raise RecipeError("the agent serves no DNS; start it with -dns-port=8600, or with another port")
    servers = [Server(str(ipaddress.ip_address(_WILDCARDS.get(host, host))), port) for host in hosts]
    near = [server for server in servers if server.is_loopback]
    near.sort(key=lambda server: ":" in server.host)
    return tuple(near[:1] or servers)


def _outer(hosts: Sequence[str], advertised: str, port: int) -> tuple[Server, ...]:
    found = [advertised if host in _WILDCARDS else host for host in hosts]
    servers = (Server(str(ipaddress.ip_address(host)), port) for host in dict.fromkeys(found))
    return tuple(server for server in servers if not server.is_loopback)


def _reverse_given(given: Given) -> tuple[ReverseName, ...]:
    if given.has_no_reverse:
        return ()
    return tuple(dict.fromkeys(zone for text in given.reverse for zone in reverse_zones_of(text)))


def _reverse_of_agent(
    listed: Sequence[Mapping[str, Any]] | None, nodes: Iterable[Mapping[str, Any]], given: Given
) -> tuple[ReverseName, ...]:
    if given.has_no_reverse or given.reverse:
        return _reverse_given(given)
    if listed is not None:
        return tuple(reverse_of(Digits(int(each["version"]), str(each["text"]))) for each in listed)
    found = sorted(_derived(nodes), key=lambda prefix: (prefix.version, prefix.text))
    if len(found) > MAX_DERIVED_ZONES:
        raise RecipeError(
            f"the nodes' addresses are in {len(found)} reverse zones, more than {MAX_DERIVED_ZONES}; list prefixes "
            "that hold them in dns_config.reverse_zones, or here with -reverse-zone=10.0.0.0/8 or -no-reverse"
        )
    return tuple(map(reverse_of, found))


def _derived(nodes: Iterable[Mapping[str, Any]]) -> frozenset[Digits]:
    found = set()
    for node in nodes:
        tagged = node.get("TaggedAddresses") or {}
        for text in (node["Address"], *(tagged.get(tag, "") for tag in ADDRESS_TAGS)):
            try:
                ip = ipaddress.ip_address(text)
            except ValueError:
                continue  # a host name
            if not ip.is_loopback and not ip.is_link_local and not ip.is_unspecified:
                digits = digits_of(str(ip))
                found.add(Digits(digits.version, digits.text[: DERIVED_DIGITS[digits.version]]))
    return frozenset(found)
