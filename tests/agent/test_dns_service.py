"""A DNS service that takes another configuration answers as one that was started with it, and keeps what it must."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import attrs
import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nodedns.agent.coordinates import LiveCoordinates
from nodedns.agent.dns_service import DnsService, make_dns_ledger
from nodedns.agent.listeners import Listeners, bind_listeners
from nodedns.agent.live_table import LiveTable
from nodedns.agent.memory import KeptCeiling
from nodedns.agent.transfers import LiveTransfers
from nodedns.config.cookies import CookieParams
from nodedns.config.encryption import Secret
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import RRType
from nodedns.dns.rate_limit import RateLimitPolicy
from nodedns.dns.recursion import Recursion, Recursor
from nodedns.dns.transfer_params import NO_TRANSFER, AllowedClient, TransferParams
from nodedns.model.names import NodeName
from nodedns.net.dns_tcp_limits import DnsTcpLimits
from nodedns.net.dns_udp import UdpDnsServer
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import DNS_PACKED_HITS, Metrics
from nodedns.table.address_index import Digits
from nodedns.table.changes import ExternalNode, NodeRegistered
from nodedns.table.node_table import NodeTable
from nodedns.testing.coordinates import PlacedNodes
from nodedns.testing.dns_queries import OPT, query_wire
from nodedns.testing.signing import KEYS

COOKIE_OPT = OPT[:-2] + b"\0\x0c\0\x0a\0\x08clientck"
"""An OPT record with a client cookie and no server cookie."""
NOBODY = RateLimitPolicy(exempt=())
DEV = attrs.evolve(load(ConfigSources(dev=True, flags={"node": "me"})), dns_port=0, http_port=0, serf_lan_port=0)

CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "dns": st.sampled_from(
            [
                DnsPolicy(),
                DnsPolicy(node_ttl_s=5, ptr_ttl_s=6),
                DnsPolicy(soa_min_ttl_s=9, enable_additional_node_meta_txt=False),
                DnsPolicy(rate_limit=NOBODY),
                DnsPolicy(rate_limit=NOBODY, amplification_limit=0, nsid="x"),
                DnsPolicy(udp_payload_bytes=512, nearest_first=True),
            ]
        ),
        "reverse_zones": st.sampled_from([None, (), (Digits(4, "0a"),)]),
        "dns_cookies": st.sampled_from(
            [CookieParams(secrets=(Secret(bytes(16)),)), CookieParams(is_enabled=False), CookieParams(is_required=True)]
        ),
        "recursion": st.sampled_from([Recursion(), Recursion(recursors=(Recursor("192.0.2.53", 53),))]),
        "dns_query_log": st.booleans(),
        "dns_tcp": st.sampled_from([DnsTcpLimits(), DnsTcpLimits(idle_s=3.0)]),
        "transfer": st.sampled_from(
            [
                NO_TRANSFER,
                TransferParams(keys=KEYS, allow=(AllowedClient(None, KEYS[0].name),)),
                TransferParams(allow=(AllowedClient(ipaddress.ip_network("127.0.0.0/8")),)),
            ]
        ),
    },
)
QUERIES = [
    query_wire(name, rtype, opt=opt)
    for name, rtype in (
        ("a.node.consul", RRType.A),
        ("a.node.consul", RRType.TXT),
        ("missing.node.consul", RRType.A),
        ("1.0.0.10.in-addr.arpa", RRType.PTR),
        ("www.example.com", RRType.A),
        ("consul", RRType.AXFR),
    )
    for opt in (b"", OPT)
]


class Served:
    """A DNS service on sockets of its own, and a client of it.

    Args:
        config: What it is made with.
        listeners: Its sockets.
    """

    def __init__(self, config: AgentConfig, listeners: Listeners) -> None:
        self.metrics = Metrics()
        table = LiveTable(NodeTable("dc1", NodeName("me"), 1), self.metrics)
        table.apply([NodeRegistered(ExternalNode(NodeName("a"), "", "10.0.0.1", {}, {"long": "x" * 120}))])
        self.ledger = make_dns_ledger(config, Random(1), self.metrics)
        self.dns = DnsService(
            config,
            listeners,
            table,
            Random(1),
            self.metrics,
            ledger=self.ledger,
            entropy=Random(1).randbytes,
            wall_clock=lambda: 1e9,
            denies_names=lambda: False,
            coordinates=LiveCoordinates(PlacedNodes(), lambda: 0, first_index=1),
            transfers=LiveTransfers(
                config,
                table,
                KeptCeiling(None, "zone-serial"),
                self.metrics,
                entropy=Random(1).randbytes,
                wall_clock=lambda: 1e9,
            ),
        )
        server = self.dns.servers[0]
        assert isinstance(server, UdpDnsServer)
        self._server = server

    def ask(self, client: socket.socket, wire: bytes, nursery: trio.Nursery) -> bytes | None:
        """Return the reply to one query; None if there is none at once."""
        client.sendto(wire, ("127.0.0.1", self._server.local_address.port))
        self._server.answer_turn(RemoteLog(logger("dns"), trio.current_time), nursery, turn_s=0)
        try:
            return client.recv(65_535)
        except BlockingIOError:
            return None


@contextmanager
def served(config: AgentConfig) -> Iterator[Served]:
    listeners = bind_listeners(config)
    try:
        yield Served(config, listeners)
    finally:
        listeners.close()


@contextmanager
def client_at(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((host, 0))
        client.setblocking(False)
        yield client


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(CHANGES, min_size=1, max_size=4))
@example(changes=[{"dns": DnsPolicy(rate_limit=NOBODY)}, {"dns": DnsPolicy(node_ttl_s=5)}, {}])
def test_updated_service_answers_as_one_that_was_started_so(changes: list[dict[str, Any]]) -> None:
    async def main() -> None:
        with served(DEV) as updated, client_at() as client:
            async with trio.open_nursery() as nursery:
                for change in changes:
                    config = attrs.evolve(DEV, **change)
                    updated.dns.update(config)
                    with served(config) as fresh:
                        for wire in 2 * QUERIES:
                            wanted = fresh.ask(client, wire, nursery)
                            assert wanted == updated.ask(client, wire, nursery)
                    assert config.dns_query_log == updated.ledger.query_log.is_on
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_nothing_is_forgotten_where_nothing_about_answers_has_changed() -> None:
    async def main() -> None:
        with served(DEV) as one, client_at() as client:
            async with trio.open_nursery() as nursery:
                one.ask(client, QUERIES[0], nursery)
                one.dns.update(attrs.evolve(DEV, log_level="WARN", node_meta={"x": "y"}))
                one.ask(client, QUERIES[0], nursery)
            assert 1 == one.metrics.tally(DNS_PACKED_HITS).count

    trio.run(main)


@pytest.mark.parametrize("secrets", [(), (Secret(bytes(16)),)], ids=["own", "given"])
def test_cookies_outlive_every_other_change(secrets: tuple[Secret, ...]) -> None:
    config = attrs.evolve(DEV, dns_cookies=CookieParams(secrets=secrets))

    async def main() -> None:
        wire = query_wire("a.node.consul", opt=COOKIE_OPT)
        with served(config) as one, client_at() as client:
            async with trio.open_nursery() as nursery:
                first = one.ask(client, wire, nursery)
                required = attrs.evolve(config.dns_cookies, is_required=True)
                one.dns.update(attrs.evolve(config, dns=DnsPolicy(node_ttl_s=5), dns_cookies=required))
                one.dns.update(attrs.evolve(config, dns=DnsPolicy(node_ttl_s=6)))
                second = one.ask(client, wire, nursery)
        assert first is not None
        assert second is not None
        assert first[-16:] == second[-16:]

    trio.run(main)


def test_query_log_that_was_switched_by_hand_stays_so_until_its_key_changes() -> None:
    async def main() -> None:
        with served(DEV) as one:
            one.ledger.query_log.switch(is_on=True)
            one.dns.update(attrs.evolve(DEV, dns=DnsPolicy(node_ttl_s=5)))
            assert one.ledger.query_log.is_on
            one.dns.update(attrs.evolve(DEV, dns_query_log=True))
            one.dns.update(DEV)
            assert not one.ledger.query_log.is_on

    trio.run(main)


def test_what_one_client_may_have_is_not_given_to_the_first_that_may_not() -> None:
    policy = DnsPolicy(rate_limit=RateLimitPolicy(exempt=(ipaddress.ip_network("127.0.0.1/32"),)))

    async def main() -> None:
        wire = query_wire("a.node.consul", RRType.TXT)
        with served(attrs.evolve(DEV, dns=policy)) as one, client_at() as exempt, client_at("127.0.0.2") as other:
            async with trio.open_nursery() as nursery:
                whole = [one.ask(exempt, wire, nursery) for _ in range(2)]
                bounded = one.ask(other, wire, nursery)
        assert whole[0] == whole[1]
        assert whole[0] is not None
        assert bounded is not None
        assert len(bounded) <= 3 * len(wire) < len(whole[0])

    trio.run(main)
