"""Which program a mend is for: the one that a server is, as ``nodedns resolver-config`` calls it.

Pure.
"""

from __future__ import annotations

from typing import Final

from nodedns.cli.doctor.facts import HostFacts, ServerFacts

__all__ = ["DOCKER", "RESOLVED", "RESOLV_CONF", "TOOLS", "configure", "flush", "tool_of"]

RESOLVED: Final = "systemd-resolved"
NETWORK_MANAGER: Final = "networkmanager"
DNSMASQ: Final = "dnsmasq"
UNBOUND: Final = "unbound"
DOCKER: Final = "docker"
RESOLV_CONF: Final = "resolv.conf"
TOOLS: Final = (
    RESOLVED,
    NETWORK_MANAGER,
    DNSMASQ,
    UNBOUND,
    "bind",
    "knot-resolver",
    "pdns-recursor",
    "coredns",
    DOCKER,
    RESOLV_CONF,
)
"""All that may be named."""
_BY_PROGRAM: Final = {
    "systemd-resolve": RESOLVED,
    "dnsmasq": DNSMASQ,
    "unbound": UNBOUND,
    "named": "bind",
    "isc-net": "bind",
    "kresd": "knot-resolver",
    "pdns_recursor": "pdns-recursor",
    "pdns-recursor": "pdns-recursor",
    "coredns": "coredns",
}
"""Beginnings of programs' names; the kernel keeps fifteen letters of each, BIND renames its threads."""
_BY_ADDRESS: Final = {"127.0.0.53": RESOLVED, "127.0.0.54": RESOLVED, "127.0.0.11": DOCKER}
_FLUSH: Final = {
    RESOLVED: "resolvectl flush-caches",
    DNSMASQ: "kill -HUP its process",
    NETWORK_MANAGER: "nmcli general reload dns-full",
    UNBOUND: "unbound-control flush_zone {domain}",
    "bind": "rndc flushtree {domain}",
    "knot-resolver": "cache.clear('{domain}') at its control socket",
    "pdns-recursor": "rec_control wipe-cache {domain}$",
}


def tool_of(server: ServerFacts, host: HostFacts) -> str:
    """Return the tool that configures a server; empty where it cannot be told."""
    program = server.program
    tool = next((tool for start, tool in _BY_PROGRAM.items() if program.startswith(start)), "")
    tool = tool or _BY_ADDRESS.get(server.host, "")
    if tool == DNSMASQ and server.is_local and host.writer == "NetworkManager":
        return NETWORK_MANAGER
    return tool


def configure(server: ServerFacts, host: HostFacts, domain: str) -> str:
    """Return how to have a server ask the agent for names in ``domain``."""
    tool = tool_of(server, host)
    if tool and server.is_local:
        return f"have {tool} ask the agent: nodedns resolver-config {tool} prints what to put where"
    if tool:
        return (
            f"have {tool} on {server.host} ask an agent for {domain}: nodedns resolver-config {tool} prints how; or "
            f"run a resolver on this host that does, such as {DNSMASQ}"
        )
    if host.writer == "NetworkManager" and not server.is_local:
        return (
            f"have {server.host} ask an agent for {domain}, or have this host do so: nodedns resolver-config "
            f"{NETWORK_MANAGER} prints how"
        )
    return (
        f"have {server.host} ask an agent for {domain}, or name the agent in its place: nodedns resolver-config "
        f"{RESOLV_CONF} prints how; nodedns resolver-config -list shows what else it knows"
    )


def flush(server: ServerFacts, host: HostFacts, domain: str) -> str:
    """Return how to have a server forget what it remembers of ``domain``."""
    return _FLUSH.get(tool_of(server, host), "restart it").format(domain=domain)
