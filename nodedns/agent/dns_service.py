"""``make_dns_servers``: where configuration becomes zones, answers and the servers that give them."""

from __future__ import annotations

import resource
from collections.abc import Callable
from random import Random

import trio

from nodedns.agent.dns_answers import DnsAnswers
from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.listeners import Listeners
from nodedns.agent.live_table import LiveTable
from nodedns.agent.query_log import QueryLog
from nodedns.config.cookies import CookieParams
from nodedns.config.schema import AgentConfig
from nodedns.dns.cookies import Cookies, RollingSecret
from nodedns.dns.missing_names import MissingNames
from nodedns.dns.rate_limit import SECRET_BYTES
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.net.dns_forward import Forwarder
from nodedns.net.dns_limits import DnsLimits
from nodedns.net.dns_tcp import TcpDnsServer
from nodedns.net.dns_tcp_limits import DnsTcpLimits, StreamCensus, within_descriptors
from nodedns.net.dns_udp import UdpDnsServer
from nodedns.observe.logs import logger
from nodedns.observe.metrics import Metrics

__all__ = ["make_dns_ledger", "make_dns_servers"]

_DNS = logger("dns")


def make_dns_ledger(config: AgentConfig, rng: Random, metrics: Metrics) -> DnsLedger:
    """Return what counts and tells of DNS queries, its query log on where the configuration says so."""
    query_log = QueryLog(trio.current_time)
    query_log.switch(is_on=config.dns_query_log)
    return DnsLedger(metrics, MissingNames(rng), query_log)


def make_dns_servers(
    config: AgentConfig,
    listeners: Listeners,
    table: LiveTable,
    rng: Random,
    metrics: Metrics,
    *,
    ledger: DnsLedger,
    entropy: Callable[[int], bytes],
    wall_clock: Callable[[], float],
) -> list[UdpDnsServer | TcpDnsServer]:
    """Return a server for each DNS listener, all giving the same answers; the servers own their sockets.

    Args:
        config: What is served, and how.
        listeners: The sockets.
        table: What the answers come from.
        rng: Chance, for answers that have a choice.
        metrics: Counts connections, what was dropped, and what was limited.
        ledger: Counts and tells of answers.
        entropy: Random bytes that no client can guess, for limits, for the cookies' secret where none is configured,
            and for queries to recursors.
        wall_clock: Seconds since 1970, which cookies hold.
    """
    # What trio.current_time looks up each time; it is asked for twice with every few queries.
    clock = trio.lowlevel.current_clock().current_time
    census = StreamCensus(_tcp_limits(config.dns_tcp))
    forward = Zone.of_domains((config.domain, *config.alt_domains))
    zones = Zones(forward, ReverseZones.of_prefixes(config.reverse_zones, forward[0].origin))
    forwarder = Forwarder(config.recursion, rng, entropy, metrics)
    limits = DnsLimits(config.dns, entropy(SECRET_BYTES), metrics, clock)
    answers = DnsAnswers(
        table,
        zones,
        config.dns,
        rng,
        ledger,
        limits=limits,
        clock=clock,
        cookies=_make_cookies(config.dns_cookies, entropy, wall_clock),
        recursion=config.recursion,
        ask=forwarder.forward,
        keepalive_s=census.idle_s,
    )
    return [
        *(UdpDnsServer(sock, answers.respond, metrics, answers, limits, clock=clock) for sock in listeners.dns_udp),
        *(TcpDnsServer(listener, answers.respond, metrics, census, answers.over_tcp) for listener in listeners.dns_tcp),
    ]


def _tcp_limits(configured: DnsTcpLimits) -> DnsTcpLimits:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    limits = within_descriptors(configured, files)
    if limits != configured:
        _DNS.warning("fewer DNS connections than configured", connections=limits.connections, open_files_limit=files)
    return limits


def _make_cookies(
    params: CookieParams, entropy: Callable[[int], bytes], wall_clock: Callable[[], float]
) -> Cookies | None:
    if not params.is_enabled:
        return None
    if not params.secrets:
        return Cookies(RollingSecret(entropy).at, wall_clock, is_required=params.is_required)
    secrets = tuple(secret.reveal() for secret in params.secrets)
    return Cookies.with_secrets(secrets, wall_clock, is_required=params.is_required)
