"""systemd-resolved: a drop-in with routing domains, or from version 258 on a delegate of its own.

* ``~consul`` sends a domain to our servers and makes no search domain of it; reverse zones are domains like others.
* Before 246, ``DNS=`` takes no port, so the firewall has to lead 53 to the agent's.
* The drop-in adds our servers to the global ones, and those are asked about all other names too, beside the links'
  servers, whose answer then counts. A delegate is asked for its own domains only.
* Negative trust anchors: the root says, signed, that there is no such top-level domain; with ``DNSSEC=`` on
  it would be believed. This way validation stays on for all others. The first such file of a system puts an
  end to the anchors that are built in, so they stand in ours again.

Source: resolved.conf(5), systemd.dns-delegate(5), dnssec-trust-anchors.d(5).
"""

from __future__ import annotations

from collections.abc import Iterator

from nodedns.cli.resolvers.facts import DNS_PORT, ResolverFacts, Server
from nodedns.cli.resolvers.recipe import Command, DropIn, Recipe, Wishes, checks_of, first_line

__all__ = ["systemd_resolved"]

TOOL = "systemd-resolved"
FOLDER = "/etc/systemd"
ANCHORS = "/etc/dnssec-trust-anchors.d"
PORTS_SINCE = 246
DELEGATES_SINCE = 258
BUILT_IN_COMMENT = "; Those that are built in, and count only as long as there is no such file:"
BUILT_IN = (
    "home.arpa",
    "10.in-addr.arpa",
    *(f"{octet}.172.in-addr.arpa" for octet in range(16, 32)),
    "170.0.0.192.in-addr.arpa",
    "171.0.0.192.in-addr.arpa",
    "168.192.in-addr.arpa",
    "d.f.ip6.arpa",
    "ipv4only.arpa",
    "resolver.arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "lan",
    "local",
    "private",
    "test",
)
"""Negative trust anchors that systemd has without any file; ``resolver.arpa`` since 254."""


def systemd_resolved(facts: ResolverFacts, wishes: Wishes) -> Recipe:
    """Return the recipe; of version 246 to 257 unless another one is wished for."""
    folder = wishes.folder or FOLDER
    version = PORTS_SINCE if wishes.version is None else wishes.version
    head = first_line(TOOL)
    searched = [facts.search_domain] if wishes.search else []
    domains = " ".join([*searched, *(f"~{zone}" for zone in facts.zones)])
    if version >= DELEGATES_SINCE:
        path, section = f"{folder}/dns-delegate.d/nodedns.dns-delegate", "Delegate"
    else:
        path, section = f"{folder}/resolved.conf.d/nodedns.conf", "Resolve"
    servers = " ".join(_server(server, version) for server in facts.servers)
    anchors = [first_line(TOOL, ";"), *facts.zones, BUILT_IN_COMMENT]
    anchors += [name for name in BUILT_IN if name not in facts.zones]
    return Recipe(
        tool=TOOL,
        files=(
            DropIn(path, f"{head}\n[{section}]\nDNS={servers}\nDomains={domains}\n", folder),
            DropIn(f"{ANCHORS}/nodedns.negative", "\n".join([*anchors, ""]), folder),
        ),
        commands=(*_redirects(facts, version), Command(("systemctl", "restart", "systemd-resolved"))),
        checks=(f"resolvectl query {facts.sample}", *checks_of(facts, wishes)),
        notes=tuple(_notes(facts, version)),
    )


def _server(server: Server, version: int) -> str:
    return server.host if server.port == DNS_PORT or version < PORTS_SINCE else server.bracketed


def _redirects(facts: ResolverFacts, version: int) -> Iterator[Command]:
    if version >= PORTS_SINCE:
        return
    for server in facts.servers:
        if server.port != DNS_PORT:
            program = "ip6tables" if ":" in server.host else "iptables"
            for protocol in ("udp", "tcp"):
                rule = f"-t nat -A OUTPUT -d {server.host} -p {protocol} --dport 53 -j DNAT --to-destination"
                argv = (program, *rule.split(), server.bracketed)
                yield Command(argv, undo=tuple("-D" if word == "-A" else word for word in argv))


def _notes(facts: ResolverFacts, version: int) -> Iterator[str]:
    if version >= DELEGATES_SINCE:
        yield "This is for systemd 258 or newer (systemctl --version); for older ones add -tool-version=257."
    elif version >= PORTS_SINCE:
        yield (
            "This is for systemd 246 to 257 (systemctl --version); add -tool-version=245 for older ones, which take no "
            "port, and -tool-version=258 for newer ones, where the agent is asked for nothing but its own names."
        )
    elif not facts.is_on_dns_port:
        yield (
            "systemd 245 and older take no port after DNS=, so the rules lead port 53 of the agent's address to its "
            "own. They last until the next start: keep them where your firewall's are kept, or let the agent listen on "
            "port 53 (-dns-port=53) and leave them out."
        )
    if version < DELEGATES_SINCE:
        yield (
            "If resolvectl status shows other servers under Global, they would be asked for the agent's names in turn "
            "with it: move them to a link (a .network file or your network manager)."
        )
        yield (
            "Other names are asked of the agent too, beside the links' servers; it refuses them, and the others' "
            "answer counts. If no link has a server of its own, give the agent recursors: -recursor=<IP>."
        )
