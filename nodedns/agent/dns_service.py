"""``make_dns_servers``: where configuration becomes zones, answers and the servers that give them."""

from __future__ import annotations

from random import Random

import trio

from nodedns.agent.dns_answers import DnsAnswers
from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.listeners import Listeners
from nodedns.agent.live_table import LiveTable
from nodedns.config.schema import AgentConfig
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.net.dns_tcp import TcpDnsServer
from nodedns.net.dns_udp import UdpDnsServer
from nodedns.observe.metrics import Metrics

__all__ = ["make_dns_servers"]


def make_dns_servers(
    config: AgentConfig, listeners: Listeners, table: LiveTable, rng: Random, metrics: Metrics
) -> list[UdpDnsServer | TcpDnsServer]:
    """Return a server for each DNS listener, all giving the same answers; the servers own their sockets."""
    zone = Zone.of_domain(config.domain)
    zones = Zones((zone,), ReverseZones.of_prefixes(config.reverse_zones, zone.origin))
    answers = DnsAnswers(table, zones, config.dns, rng, DnsLedger(metrics), clock=trio.current_time)
    return [
        *(UdpDnsServer(sock, answers.respond, metrics) for sock in listeners.dns_udp),
        *(TcpDnsServer(listener, answers.respond, metrics) for listener in listeners.dns_tcp),
    ]
