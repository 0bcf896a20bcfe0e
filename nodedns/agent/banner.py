"""The start-up banner: who this agent is and where it can be reached, in Consul's layout."""

from __future__ import annotations

from nodedns import __version__
from nodedns.agent.listeners import Listeners
from nodedns.config.schema import AgentConfig
from nodedns.model.address import Address
from nodedns.net.http_server import http_address
from nodedns.net.transport import address_of

__all__ = ["banner"]

LABEL_WIDTH = 20


def banner(config: AgentConfig, node_id: str, listeners: Listeners, *, is_encrypted: bool) -> str:
    """Return the banner.

    Args:
        config: The running configuration.
        node_id: UUID text.
        listeners: The bound sockets, whose addresses are shown.
        is_encrypted: Whether there is a gossip key.
    """
    http = [http_address(sock) for sock in listeners.http]
    dns = [str(address_of(sock.getsockname())) for sock in listeners.dns_udp]
    gossip = listeners.gossip_udp.local_address
    told = Address.from_text(config.advertise_addr, config.advertise_port or gossip.port)
    domains = [f"'{domain}'" for domain in (config.domain, *config.alt_domains)]
    served = f"domain{'s' * (len(domains) > 1)} {', '.join(domains)}"
    mode = f"{str(config.server).lower()} (Bootstrap: {str(config.bootstrap).lower()})"
    rows = [
        ("Version", f"'{__version__}'"),
        ("Node ID", f"'{node_id}'"),
        ("Node name", f"'{config.node_name}'"),
        ("Datacenter", f"'{config.datacenter}' (Segment: '{'<all>' if config.server else ''}')"),
        ("Server", mode),
        ("HTTP Addr", ", ".join(http) or "off"),
        *([("HTTPS Addr", ", ".join(http_address(sock) for sock in listeners.https))] if listeners.https else []),
        ("DNS Addr", f"{', '.join(dns)} (UDP and TCP, {served})" if dns else "off"),
        ("Cluster Addr", f"{gossip} (UDP and TCP; advertised as {told})"),
        ("Gossip Encryption", str(is_encrypted).lower()),
        ("Data Dir", f"'{config.data_dir}'" if config.data_dir else "none, nothing is kept (-dev)"),
    ]
    if config.advertise_note:
        rows.insert(-2, ("", f"{config.advertise_addr} is {config.advertise_note}"))
    lines = ["==> Starting nodedns agent..."]
    lines += [f"{label:>{LABEL_WIDTH}}: {value}" for label, value in rows]
    lines += ["", "==> Log data will now stream in as it occurs:", ""]
    return "\n".join(lines)
