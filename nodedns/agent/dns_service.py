"""``DnsService``: where configuration becomes zones, answers and the servers that give them, now and at a reload.

What is rebuilt at a reload is what its part of the configuration changed for: the
secrets of cookies and the counts of responses outlive every other change.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from random import Random

import trio

from nodedns.agent.coordinates import LiveCoordinates
from nodedns.agent.distances import Distances
from nodedns.agent.dns_answers import DnsAnswers
from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.listeners import Listeners
from nodedns.agent.live_table import LiveTable
from nodedns.agent.query_log import QueryLog
from nodedns.agent.transfer_desk import TransferDesk
from nodedns.agent.transfers import LiveTransfers
from nodedns.config.cookies import CookieParams
from nodedns.config.schema import AgentConfig
from nodedns.dns.cookies import Cookies, RollingSecret
from nodedns.dns.missing_names import MissingNames
from nodedns.dns.rate_limit import SECRET_BYTES
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.transfer import Transfers
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.net.dns_forward import Forwarder
from nodedns.net.dns_limits import DnsLimits
from nodedns.net.dns_tcp import TcpDnsServer
from nodedns.net.dns_tcp_limits import DnsTcpLimits, StreamCensus, within_descriptors
from nodedns.net.dns_udp import UdpDnsServer
from nodedns.net.vitals import Vital
from nodedns.observe.logs import logger
from nodedns.observe.metrics import Metrics

__all__ = ["DnsService", "make_dns_ledger"]

_DNS = logger("dns")


def make_dns_ledger(config: AgentConfig, rng: Random, metrics: Metrics) -> DnsLedger:
    """Return what counts and tells of DNS queries, its query log on where the configuration says so."""
    query_log = QueryLog(trio.current_time)
    query_log.switch(is_on=config.dns_query_log)
    return DnsLedger(metrics, MissingNames(rng), query_log)


class DnsService:
    """The DNS servers of an agent, all giving the same answers.

    Args:
        config: What is served, and how.
        listeners: The sockets, which the servers own from now on.
        table: What the answers come from.
        rng: Chance, for answers that have a choice.
        metrics: Counts connections, what was dropped, and what was limited.
        ledger: Counts and tells of answers.
        entropy: Random bytes that no client can guess, for limits, for the cookies' secret where none is configured,
            and for queries to recursors.
        wall_clock: Seconds since 1970, which cookies hold.
        denies_names: Whether clients may not read our names now.
        coordinates: How far nodes are from each other.
        transfers: Publishes what is served for secondaries.

    Attributes:
        servers: One for each listener.
        transfers: As given; to be run beside them.
    """

    def __init__(
        self,
        config: AgentConfig,
        listeners: Listeners,
        table: LiveTable,
        rng: Random,
        metrics: Metrics,
        *,
        ledger: DnsLedger,
        entropy: Callable[[int], bytes],
        wall_clock: Callable[[], float],
        denies_names: Callable[[], bool],
        coordinates: LiveCoordinates,
        transfers: LiveTransfers,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._wall_clock = wall_clock
        self._rolling_secret = RollingSecret(entropy)
        # What trio.current_time looks up each time; it is asked for twice with every few queries.
        clock = trio.lowlevel.current_clock().current_time
        self._distances = Distances(coordinates, config.node_name, clock)
        self._census = census = StreamCensus(_tcp_limits(config.dns_tcp))
        self._forwarder = Forwarder(config.recursion, rng, entropy, metrics)
        self._limits = limits = DnsLimits(config.dns, entropy(SECRET_BYTES), metrics, clock)
        self._cookies = self._make_cookies(config.dns_cookies)
        self.transfers = transfers
        zones = self._zones(config)
        transfers.serve(config, zones)
        self._desk = TransferDesk(self._transfers(config), metrics, clock)
        self._answers = answers = DnsAnswers(
            table,
            zones,
            config.dns,
            rng,
            ledger,
            limits=limits,
            clock=clock,
            cookies=self._cookies,
            recursion=config.recursion,
            ask=self._forwarder.forward,
            keepalive_s=census.idle_s,
            denies_names=denies_names,
            distances=self._distances,
            serials=transfers,
            desk=self._desk,
        )
        self.servers: tuple[UdpDnsServer | TcpDnsServer, ...] = (
            *(UdpDnsServer(sock, answers.respond, metrics, answers, limits, clock=clock) for sock in listeners.dns_udp),
            *(
                TcpDnsServer(listener, answers.respond, metrics, census, answers.over_tcp)
                for listener in listeners.dns_tcp
            ),
        )

    def vitals(self) -> tuple[Vital, ...]:
        """Return the signs by which to tell whether the servers turn."""
        return tuple(server.vital() for server in self.servers)

    def update(self, config: AgentConfig) -> None:
        """Serve by another configuration of the same zones and listeners from the next message on."""
        before, self._config = self._config, config
        if config.dns_query_log != before.dns_query_log:
            self._ledger.query_log.switch(is_on=config.dns_query_log)
        if config.dns_tcp != before.dns_tcp:
            self._census.limits = _tcp_limits(config.dns_tcp)
        if config.dns_cookies != before.dns_cookies:
            self._cookies = self._make_cookies(config.dns_cookies)
        if config.transfer != before.transfer:
            self._desk.transfers = self._transfers(config)
        if _rules(config) != _rules(before):
            self._limits.update(config.dns)
            self._forwarder.update(config.recursion)
            zones = self._zones(config)
            self.transfers.serve(config, zones)
            self._answers.update(zones, config.dns, self._cookies, config.recursion)

    def _zones(self, config: AgentConfig) -> Zones:
        edition_of = self.transfers.edition
        forward = Zone.of_domains((config.domain, *config.alt_domains), self._distances.to, edition_of)
        return Zones(forward, ReverseZones.of_prefixes(config.reverse_zones, forward[0].origin, edition_of))

    def _transfers(self, config: AgentConfig) -> Transfers:
        return Transfers(config.transfer, self.transfers.published, self._wall_clock)

    def _make_cookies(self, params: CookieParams) -> Cookies | None:
        if not params.is_enabled:
            return None
        if not params.secrets:
            return Cookies(self._rolling_secret.at, self._wall_clock, is_required=params.is_required)
        secrets = tuple(secret.reveal() for secret in params.secrets)
        return Cookies.with_secrets(secrets, self._wall_clock, is_required=params.is_required)


def _rules(config: AgentConfig) -> tuple[object, ...]:
    """Return all that answers depend on besides the table."""
    return config.dns, config.dns_cookies, config.recursion, config.reverse_zones, config.transfer


def _tcp_limits(configured: DnsTcpLimits) -> DnsTcpLimits:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    limits = within_descriptors(configured, files)
    if limits != configured:
        _DNS.warning("fewer DNS connections than configured", connections=limits.connections, open_files_limit=files)
    return limits
