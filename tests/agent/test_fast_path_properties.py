"""Whatever is asked, and whatever happens to the table: the same bytes with packed answers and without."""

from __future__ import annotations

import socket
from collections.abc import Callable
from random import Random

import attrs
import dns.exception
import dns.message
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from nodedns.agent.coordinates import PERIOD_S, LiveCoordinates
from nodedns.agent.distances import Distances
from nodedns.agent.dns_answers import DnsAnswers
from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.agent.query_log import QueryLog
from nodedns.dns.adoption import give_up
from nodedns.dns.decode import HEADER_BYTES
from nodedns.dns.forward import Forward
from nodedns.dns.missing_names import MissingNames
from nodedns.dns.name import name_end
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Rcode, RRType
from nodedns.dns.rate_limit import RateLimitPolicy
from nodedns.dns.recursion import NO_RECURSION, Recursion, Recursor
from nodedns.dns.responder import Reply
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.net.dns_limits import DnsLimits
from nodedns.net.dns_tcp_replies import TcpReplies
from nodedns.net.dns_udp import UdpDnsServer, bind_dns_udp
from nodedns.observe.logs import RemoteLog, logger
from nodedns.observe.metrics import DNS_BOUNDED, DNS_PACKED_HITS, DNS_QUERIES, DNS_TRUNCATED, Metrics
from nodedns.table.changes import (
    Change,
    ExternalNode,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
    ServiceRegistered,
)
from nodedns.table.node_table import NodeTable
from nodedns.testing.coordinates import PlacedNodes
from nodedns.testing.dns_queries import OPT, query_wire
from nodedns.testing.service_strategies import SERVICE_NAMES, service_changes

CLIENT = Address.from_text("127.0.0.1", 50_000)
NODES = st.sampled_from(["a", "b", "me", "x.a", "y.x.a", "node", "ns"])
ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "www.example.com"])
PLACES = st.sampled_from(
    [
        *("node.consul", "node.dc1.consul", "node.dc1.dc.consul", "node.dc2.consul", "consul", "addr.consul"),
        *("node.lan", "addr.dc1.lan", "lan", "node.b.a.consul", "node.dc1.b.a.consul", "a.consul", "example.com"),
    ]
)
NAMES = st.one_of(
    st.builds("{}.{}".format, st.one_of(NODES, st.sampled_from(["c", "q", "qq", "c.a", "0a000001", "dc1"])), PLACES),
    st.sampled_from(["consul", "node.consul", "ns.consul", "dc1.consul", "2.0.0.10.in-addr.arpa", "b.a.consul", ""]),
    st.builds("{}.{}".format, st.sampled_from(SERVICE_NAMES), st.sampled_from(["consul", "lan"])),
    st.sampled_from(["web.service.consul", "db.service.consul", "a.service.consul", "w.service.consul"]),
)
TYPES = st.sampled_from(
    [
        RRType.A,
        RRType.A,
        RRType.AAAA,
        RRType.AAAA,
        RRType.ANY,
        RRType.TXT,
        RRType.NS,
        RRType.SOA,
        RRType.PTR,
        RRType.SRV,
        RRType.SRV,
        RRType.DS,
        15,
        65,
        97,
    ]
)
FLAGS = st.sampled_from([0, 0, 0x0100, 0x0100, 0x0100, 0x0110, 0x0120, 0x0130, 0x0200, 0x0040, 0x8000, 0x2800])
OPTS = st.sampled_from(
    [
        b"",
        b"",
        OPT,
        OPT[:-4] + b"\x80\0\0\0",
        OPT[:3] + b"\x02\0" + OPT[5:],
        OPT[:-1] + b"\4\0\3\0\0",
        OPT[:4] + b"A" + OPT[5:],
    ]
)


def mixed_case(name: str, pattern: int) -> str:
    return "".join(char.upper() if pattern >> (at % 16) & 1 else char for at, char in enumerate(name))


QUERIES = st.builds(
    lambda name, pattern, rtype, query_id, flags, opt: query_wire(
        mixed_case(name, pattern), rtype, query_id=query_id, flags=flags, opt=opt
    ),
    NAMES,
    st.integers(0, 0xFFFF),
    TYPES,
    st.integers(0, 0xFFFF),
    FLAGS,
    OPTS,
)
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(lambda name, ip: NodeRegistered(ExternalNode(NodeName(name), "", ip, {}, {"k": ip})), NODES, ADDRESSES),
    st.builds(lambda name: NodeDeregistered(NodeName(name)), NODES),
    st.builds(
        lambda name, status, tags: MemberUpserted(
            SerfMember(NodeName(name), Address.from_text("10.0.0.3", 8301), tags, status, Versions(b""))
        ),
        NODES,
        st.sampled_from([MemberStatus.ALIVE, MemberStatus.FAILED, MemberStatus.LEFT]),
        st.sampled_from([{"nodedns": "1"}, {"nodedns": "1", "server": "1"}, {"lan_ipv6": "2001:db8::3"}]),
    ),
    # Of host names one only: of several, one is drawn anew each time.
    service_changes(["a", "b", "me", "x.a"], ("", "", "10.0.0.9", "2001:db8::9", "www.example.com")),
)


RECURSORS = (Recursor("192.0.2.53", 53),)
RECURSIONS = st.sampled_from([NO_RECURSION, Recursion(recursors=RECURSORS), Recursion(recursors=RECURSORS, allowed=())])
NOBODY_EXEMPT = RateLimitPolicy(exempt=())
POLICIES = st.sampled_from(
    [
        DnsPolicy(),
        DnsPolicy(rate_limit=NOBODY_EXEMPT),
        DnsPolicy(rate_limit=attrs.evolve(NOBODY_EXEMPT, responses_per_second=2)),
        DnsPolicy(rate_limit=attrs.evolve(NOBODY_EXEMPT, responses_per_second=2, slip=1), amplification_limit=0),
        DnsPolicy(rate_limit=attrs.evolve(NOBODY_EXEMPT, responses_per_second=0), amplification_limit=2),
    ]
)


def ledger_of(metrics: Metrics) -> DnsLedger:
    return DnsLedger(metrics, MissingNames(Random(1)), QueryLog(trio.current_time))


def limits_of(policy: DnsPolicy, metrics: Metrics) -> DnsLimits:
    return DnsLimits(policy, bytes(16), metrics, trio.current_time)


def answers_of(
    table: LiveTable,
    ledger: DnsLedger,
    limits: DnsLimits,
    policy: DnsPolicy,
    recursion: Recursion = NO_RECURSION,
    *,
    denies_names: Callable[[], bool] = lambda: False,
    coordinates: LiveCoordinates | None = None,
) -> DnsAnswers:
    known = coordinates or LiveCoordinates(PlacedNodes(), lambda: 0, first_index=1)
    distances = Distances(known, "me", trio.current_time)
    zones = Zones(Zone.of_domains(("consul", "lan", "b.a.consul"), distances.to))

    async def refuse(forward: Forward, client: Address) -> Reply:
        await trio.lowlevel.checkpoint()
        return give_up(forward, None)

    return DnsAnswers(
        table,
        zones,
        policy,
        Random(1),
        ledger,
        limits=limits,
        clock=trio.current_time,
        recursion=recursion,
        ask=refuse,
        denies_names=denies_names,
        distances=distances,
    )


def counted(ledger: DnsLedger) -> dict[str, int]:
    return {each.name: each.count for each in ledger.missing.top(1_000).names}


STEPS = st.lists(st.one_of(CHANGES, st.integers(0, 15)), max_size=40)


@settings(max_examples=300)
@given(queries=st.lists(QUERIES, min_size=1, max_size=4), steps=STEPS, policy=POLICIES, recursion=RECURSIONS)
def test_packed_answers_are_the_answers(
    queries: list[bytes], steps: list[Change | int], policy: DnsPolicy, recursion: Recursion
) -> None:
    """A few queries, asked again and again in other letters while the table changes, by clients limited or not."""

    async def main() -> None:
        table = LiveTable(NodeTable("dc1", NodeName("me"), 1), Metrics())
        limits, alike = (limits_of(policy, Metrics()) for _ in range(2))
        ledgers = [ledger_of(Metrics()) for _ in range(2)]
        fast, plain = (
            answers_of(table, ledger, each, policy, recursion)
            for ledger, each in zip(ledgers, (limits, alike), strict=True)
        )
        server = UdpDnsServer(bind_dns_udp("127.0.0.1", 0), fast.respond, Metrics(), fast, limits)
        remote_log = RemoteLog(logger("dns"), trio.current_time)
        with server._sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", server.local_address.port))
            client.setblocking(False)
            async with trio.open_nursery() as nursery:
                for step in steps:
                    if not isinstance(step, int):
                        table.apply([step])
                        continue
                    query = in_other_letters(queries[step % len(queries)], step)
                    client.send(query)
                    server.answer_turn(remote_log, nursery, turn_s=0)
                    expected = plain.respond(query, server.local_address, False)
                    # What is for recursors comes later, from them.
                    replies = [expected] if isinstance(expected, bytes) else []
                    assert list(map(in_one_order, replies)) == list(map(in_one_order, received(client)))
        assert counted(ledgers[1]) == counted(ledgers[0])

    trio.run(main, clock=MockClock())  # time stands still, so both count alike


@settings(max_examples=300)
@given(queries=st.lists(QUERIES, min_size=1, max_size=4), steps=STEPS, recursion=RECURSIONS)
def test_packed_answers_over_tcp_are_the_answers(
    queries: list[bytes], steps: list[Change | int], recursion: Recursion
) -> None:
    async def main() -> None:
        table = LiveTable(NodeTable("dc1", NodeName("me"), 1), Metrics())
        ledgers = [ledger_of(Metrics()) for _ in range(2)]
        policy = DnsPolicy(rate_limit=attrs.evolve(NOBODY_EXEMPT, responses_per_second=1))
        fast, plain = (answers_of(table, ledger, limits_of(policy, Metrics()), policy, recursion) for ledger in ledgers)
        replies = TcpReplies(fast.respond, Metrics(), fast.over_tcp)
        for step in steps:
            if not isinstance(step, int):
                table.apply([step])
                continue
            query = in_other_letters(queries[step % len(queries)], step)
            replies.begin(CLIENT)
            expected, reply = plain.respond(query, CLIENT, True), replies.reply_to(query)
            if isinstance(expected, bytes):
                assert isinstance(reply, bytes)
                assert in_one_order(expected) == in_one_order(reply)
            else:
                assert callable(reply) if callable(expected) else expected == reply
            replies.finish()
        assert counted(ledgers[1]) == counted(ledgers[0])

    trio.run(main)


NODES_WITH_WEB = ("me", "a", "b", "c")
MOVES = st.tuples(st.sampled_from(NODES_WITH_WEB[1:]), st.integers(1, 90))
WEB = [NodeRegistered(ExternalNode(NodeName(name), "", f"10.0.0.{at}")) for at, name in enumerate(NODES_WITH_WEB)]
ASKED = [query_wire(name, rtype) for name in ("web.service.consul", "_web._tcp.lan") for rtype in (1, 33, 255)]


@given(
    query=st.sampled_from(ASKED),
    steps=st.lists(st.one_of(MOVES, st.none(), st.sampled_from([1.0, PERIOD_S])), max_size=40),
    limit=st.integers(0, 2),
    is_tcp=st.booleans(),
)
def test_packed_answers_by_distance_are_the_answers_in_their_very_order(
    query: bytes, steps: list[tuple[str, int] | float | None], limit: int, is_tcp: bool
) -> None:
    """Each node has one instance and a distance of its own, so there is one order, which moves with the coordinates."""

    clock = MockClock()

    async def main() -> None:
        nodes = PlacedNodes(**{name: place / 1_000 + 1 for place, name in enumerate(NODES_WITH_WEB)})
        nodes.place("me", 0.0)
        table = LiveTable(NodeTable("dc1", NodeName("me"), 1), Metrics())
        table.apply([*WEB, *(ServiceRegistered(NodeName(name), Service("web", "web")) for name in NODES_WITH_WEB)])
        policy = DnsPolicy(nearest_first=True, a_record_limit=limit)
        coordinates = LiveCoordinates(nodes, lambda: table.view.nodes_index, first_index=1)
        fast, plain = (
            answers_of(table, ledger_of(Metrics()), limits_of(policy, Metrics()), policy, coordinates=coordinates)
            for _ in range(2)
        )
        for number, step in enumerate(steps):
            if isinstance(step, tuple):
                name, place = step
                nodes.place(name, place + number / 1_000 + (ord(name[0]) - 96) / 10)
            elif isinstance(step, float):
                clock.jump(step)
            else:
                expected = plain.respond(query, CLIENT, is_tcp)
                packed = fast.over_tcp.packed_now() if is_tcp else fast.packed_now()
                assert packed is not None
                found = packed.find(query)
                if found is None:
                    assert expected == fast.respond(query, CLIENT, is_tcp)
                else:
                    head, question_end, tail, *_ = found
                    assert expected == query[:2] + head + query[12:question_end] + bytes(tail)

    trio.run(main, clock=clock)


def in_one_order(reply: bytes) -> bytes:
    """Return a reply as it is, but for the order of the records in its answer section, and of what points to them."""
    try:
        message = dns.message.from_wire(reply)
    except dns.exception.DNSException:
        return reply  # an option that dnspython does not know
    if sum(map(len, message.answer)) <= 1:
        return reply
    sections = [sorted(rrset.to_text().split("\n")) for section in message.sections[1:] for rrset in section]
    question_end = name_end(reply, HEADER_BYTES) + 4
    return reply[:question_end] + repr((len(reply), sections)).encode()


def in_other_letters(query: bytes, step: int) -> bytes:
    first_letter = query[13:14]
    return (
        query[:1] + bytes((step,)) + query[2:13] + (first_letter.swapcase() if step & 8 else first_letter) + query[14:]
    )


def received(client: socket.socket) -> list[bytes]:
    replies: list[bytes] = []
    while True:
        try:
            replies.append(client.recv(4096))
        except BlockingIOError:
            return replies


def test_packed_answers_over_tcp_are_used_and_counted() -> None:
    metrics = Metrics()

    async def main() -> None:
        table = LiveTable(NodeTable("dc1", NodeName("me"), 1), metrics)
        fast = answers_of(table, ledger_of(metrics), limits_of(DnsPolicy(), metrics), DnsPolicy())
        replies = TcpReplies(fast.respond, metrics, fast.over_tcp)
        table.apply([NodeRegistered(ExternalNode(NodeName("a"), "", "10.0.0.1"))])
        replies.begin(CLIENT)
        for name in ("a", "A", "missing", "MISTING"):
            replies.reply_to(query_wire(f"{name}.node.consul"))
        replies.finish()

    trio.run(main)
    assert 2 == metrics.tally(DNS_PACKED_HITS).count
    assert 4 == metrics.value("nodedns_dns_answer_seconds_count", transport="tcp")
    assert 2 == metrics.value("nodedns_dns_queries_total", transport="tcp", qtype="A", rcode="NOERROR")


@pytest.mark.parametrize("rate_limit", [RateLimitPolicy(), NOBODY_EXEMPT], ids=["exempt", "limited"])
def test_property_above_does_use_packed_answers(rate_limit: RateLimitPolicy) -> None:
    metrics = Metrics()
    policy = DnsPolicy(rate_limit=rate_limit)

    async def main() -> None:
        table = LiveTable(NodeTable("dc1", NodeName("me"), 1), metrics)
        limits = limits_of(policy, metrics)
        fast = answers_of(table, ledger_of(metrics), limits, policy)
        server = UdpDnsServer(bind_dns_udp("127.0.0.1", 0), fast.respond, metrics, fast, limits)
        table.apply([NodeRegistered(ExternalNode(NodeName("a"), "", "10.0.0.1"))])
        with server._sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", server.local_address.port))
            async with trio.open_nursery() as nursery:
                for name in ("a", "A", "missing", "MISTING"):
                    client.send(query_wire(f"{name}.node.consul"))
                    server.answer_turn(RemoteLog(logger("dns"), trio.current_time), nursery, turn_s=0)

    trio.run(main)
    assert 2 == metrics.tally(DNS_PACKED_HITS).count


def test_no_packed_answer_is_given_while_queries_are_logged() -> None:
    metrics = Metrics()

    async def main() -> None:
        table = LiveTable(NodeTable("dc1", NodeName("me"), 1), metrics)
        ledger = ledger_of(metrics)
        fast = answers_of(table, ledger, limits_of(DnsPolicy(), metrics), DnsPolicy())
        server = UdpDnsServer(bind_dns_udp("127.0.0.1", 0), fast.respond, metrics, fast)
        with server._sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", server.local_address.port))
            async with trio.open_nursery() as nursery:
                for is_on in (False, True, True, False):
                    ledger.query_log.switch(is_on=is_on)
                    client.send(query_wire("a.node.consul"))
                    server.answer_turn(RemoteLog(logger("dns"), trio.current_time), nursery, turn_s=0)
        assert 2 == ledger.query_log.state().lines

    trio.run(main)
    assert 1 == metrics.tally(DNS_PACKED_HITS).count


@pytest.mark.parametrize("is_tcp", [False, True])
def test_no_packed_answer_is_given_while_names_are_refused(*, is_tcp: bool) -> None:
    denied = False

    async def main() -> None:
        nonlocal denied
        table = LiveTable(NodeTable("dc1", NodeName("me"), 1), Metrics())
        table.apply([NodeRegistered(ExternalNode(NodeName("a"), "", "10.0.0.7"))])
        metrics = Metrics()
        fast = answers_of(
            table, ledger_of(metrics), limits_of(DnsPolicy(), metrics), DnsPolicy(), denies_names=lambda: denied
        )
        query, client = query_wire("a.node.consul"), Address.from_text("127.0.0.1", 53)
        path = fast.over_tcp if is_tcp else fast
        rcodes = []
        for denied in (False, True, False):
            reply = fast.respond(query, client, is_tcp)
            assert isinstance(reply, bytes)
            rcodes.append(reply[3] & 0x0F)
            packed = path.packed_now()
            assert denied is (packed is None)
            assert packed is None or packed.find(query) is not None
        assert [Rcode.NOERROR, Rcode.REFUSED, Rcode.NOERROR] == rcodes

    trio.run(main)


@pytest.mark.parametrize(("rate_limit", "bounded"), [(RateLimitPolicy(), 0), (NOBODY_EXEMPT, 3)], ids=["exempt", "not"])
def test_a_truncated_answer_is_counted_as_that_each_time_it_is_given(rate_limit: RateLimitPolicy, bounded: int) -> None:
    metrics = Metrics()
    policy = DnsPolicy(rate_limit=rate_limit)

    async def main() -> None:
        table = LiveTable(NodeTable("dc1", NodeName("me"), 1), metrics)
        table.apply([NodeRegistered(ExternalNode(NodeName("a"), "", "10.0.0.1", {}, {"long": "x" * 500}))])
        limits = limits_of(policy, metrics)
        fast = answers_of(table, ledger_of(metrics), limits, policy)
        server = UdpDnsServer(bind_dns_udp("127.0.0.1", 0), fast.respond, metrics, fast, limits)
        with server._sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", server.local_address.port))
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    client.send(query_wire("a.node.consul", RRType.TXT))
                    server.answer_turn(RemoteLog(logger("dns"), trio.current_time), nursery, turn_s=0)

    trio.run(main)
    assert 2 == metrics.tally(DNS_PACKED_HITS).count
    assert {"tcp": 0, "udp": 3} == metrics.counts(DNS_TRUNCATED)
    assert {"udp TXT NOERROR": 3} == metrics.counts(DNS_QUERIES)
    assert bounded == metrics.value(DNS_BOUNDED.name)
