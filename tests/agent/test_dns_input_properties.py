"""Any datagram that a socket takes, and any message over TCP, is answered or not, and no fault of ours is counted."""

from __future__ import annotations

import socket
from pathlib import Path
from random import Random

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from nodedns.agent.dns_answers import DnsAnswers
from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.agent.query_log import QueryLog
from nodedns.dns.cookies import Cookies
from nodedns.dns.missing_names import MissingNames
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.rate_limit import RateLimitPolicy
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.net.dns_limits import DnsLimits
from nodedns.net.dns_tcp_replies import TcpReplies
from nodedns.net.dns_udp import UdpDnsServer, bind_dns_udp
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import DNS_ERRORS, Metrics
from nodedns.table.changes import ExternalNode, NodeRegistered
from nodedns.table.node_table import NodeTable
from nodedns.testing.source_tree import project_root

CORPUS = [
    path.read_bytes() for path in sorted((project_root(Path(__file__)) / "fuzz" / "corpus" / "queries").glob("*.bin"))
]
NODES = [NodeRegistered(ExternalNode(NodeName(name), "", "10.0.0.1", {}, {"k": "v" * 40})) for name in ("foo", "a.b.c")]
CLIENT = Address.from_text("192.0.2.1", 5353)
POLICIES = st.sampled_from(
    [
        DnsPolicy(),
        DnsPolicy(rate_limit=RateLimitPolicy(exempt=())),
        DnsPolicy(rate_limit=RateLimitPolicy(exempt=(), responses_per_second=3)),
    ]
)


@st.composite
def datagrams(draw: st.DrawFn) -> bytes:
    """Nonsense, or what a real program sends, with a few bytes changed, left out or repeated."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=700))
    wire = bytearray(draw(st.sampled_from(CORPUS)))
    for at in draw(st.lists(st.integers(0, len(wire) - 1), max_size=3)):
        wire[at] = draw(st.integers(0, 255))
    return bytes(wire[: draw(st.integers(0, len(wire)))] if draw(st.booleans()) else wire)


def answers_of(policy: DnsPolicy, metrics: Metrics) -> tuple[DnsAnswers, DnsLimits]:
    table = LiveTable(NodeTable("dc1", NodeName("me"), 1), metrics)
    table.apply(NODES)
    limits = DnsLimits(policy, bytes(16), metrics, trio.current_time)
    answers = DnsAnswers(
        table,
        Zones((Zone.of_domain("consul"),)),
        policy,
        Random(1),
        DnsLedger(metrics, MissingNames(Random(1)), QueryLog(trio.current_time)),
        limits=limits,
        clock=trio.current_time,
        cookies=Cookies.with_secrets((bytes(16),), lambda: 1e9, is_required=False),
    )
    return answers, limits


@given(wires=st.lists(datagrams(), min_size=1, max_size=20), policy=POLICIES)
def test_any_datagrams_are_answered_or_not(wires: list[bytes], policy: DnsPolicy) -> None:
    async def main() -> None:
        metrics = Metrics()
        answers, limits = answers_of(policy, metrics)
        server = UdpDnsServer(bind_dns_udp("127.0.0.1", 0), answers.respond, metrics, answers, limits)
        with server._sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", server.local_address.port))
            client.setblocking(False)
            async with trio.open_nursery() as nursery:
                for wire in wires:
                    client.send(wire)
                    server.answer_turn(RemoteLog(logger("dns"), trio.current_time), nursery, turn_s=0)
                    check_replies(wire, client)
        assert 0 == metrics.value(DNS_ERRORS.name, transport="udp")

    trio.run(main, clock=MockClock())


def check_replies(wire: bytes, client: socket.socket) -> None:
    try:
        reply = client.recv(65_535)
    except BlockingIOError:
        return
    assert wire[:2] == reply[:2]
    assert reply[2] & 0x80
    assert 12 <= len(reply) <= 1232


@given(wires=st.lists(datagrams(), min_size=1, max_size=20), policy=POLICIES)
def test_any_messages_over_tcp_are_answered_or_not(wires: list[bytes], policy: DnsPolicy) -> None:
    async def main() -> None:
        metrics = Metrics()
        answers, _ = answers_of(policy, metrics)
        replies = TcpReplies(answers.respond, metrics, answers.over_tcp)
        replies.begin(CLIENT)
        for wire in wires:
            reply = replies.reply_to(wire)
            assert reply is None or (isinstance(reply, bytes) and wire[:2] == reply[:2])
            assert (reply is None) == (len(wire) < 12 or bool(wire[2] & 0x80))
        assert 0 == metrics.value(DNS_ERRORS.name, transport="tcp")

    trio.run(main, clock=MockClock())
