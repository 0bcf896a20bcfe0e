"""Replies to queries with a cookie: the same bytes, whether the rest of them was packed or made anew."""

from __future__ import annotations

from random import Random

import attrs
import dns.edns
import dns.message
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from nodedns.agent.dns_answers import DnsAnswers
from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.agent.query_log import QueryLog
from nodedns.dns.cookies import Cookies
from nodedns.dns.missing_names import MissingNames
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import RRType, Transport
from nodedns.dns.rate_limit import RateLimitPolicy
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.net.dns_limits import DnsLimits
from nodedns.observe.metrics import DNS_PACKED_HITS, DNS_QUERIES, Metrics
from nodedns.table.changes import Change, ExternalNode, NodeDeregistered, NodeRegistered
from nodedns.table.node_table import NodeTable
from nodedns.testing.dns_queries import OPT, query_wire

CLIENT = Address.from_text("127.0.0.1", 5353)
ZONES = Zones(Zone.of_domains(("consul",)))
SECRET = bytes(range(16))
GOOD = Cookies.with_secrets((SECRET,), lambda: 1_000_000.0, is_required=False).judge_untrusted(bytes(8), CLIENT).content
CONTENTS = st.sampled_from([bytes(8), b"12345678", GOOD, GOOD[:-1] + b"\0", bytes(24), bytes(7), bytes(17)])
LIMITS = st.sampled_from([DnsPolicy(), DnsPolicy(rate_limit=RateLimitPolicy(exempt=(), responses_per_second=0))])


def with_cookie(name: str, rtype: int, size: int, content: bytes, rclass: bytes = b"\0\1") -> bytes:
    option = b"\0\x0a" + len(content).to_bytes(2, "big") + content
    opt = OPT[:3] + size.to_bytes(2, "big") + OPT[5:-2] + len(option).to_bytes(2, "big") + option
    query = query_wire(name, rtype, opt=opt)
    return query[: -len(opt) - 2] + rclass + opt


def node(name: str, text: str = "v") -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", "10.0.0.1", {}, {"k": text}))


QUERIES = st.builds(
    with_cookie,
    st.sampled_from(["a.node.consul", "A.node.consul", "b.node.consul", "zz.node.consul", "consul", "example.com"]),
    st.sampled_from([RRType.A, RRType.A, RRType.AAAA, RRType.TXT, RRType.SOA, 65]),
    st.sampled_from([512, 1232, 4096]),
    CONTENTS,
    st.sampled_from([b"\0\1", b"\0\1", b"\0\3"]),
)
# With some of these a reply of at most 512 bytes has room for the text and not for the cookie.
TEXTS = st.one_of(st.just("v"), st.integers(415, 465).map("w".__mul__))
CHANGES = st.one_of(
    st.builds(node, st.sampled_from(["a", "b"]), TEXTS),
    st.builds(lambda name: NodeDeregistered(NodeName(name)), st.sampled_from(["a", "b"])),
)


@attrs.define(slots=False)
class Asked:
    """An agent's answers, and the responder's own for the same table."""

    policy: DnsPolicy = attrs.Factory(DnsPolicy)
    is_required: bool = False
    metrics: Metrics = attrs.Factory(Metrics)

    def __attrs_post_init__(self) -> None:
        self.table = LiveTable(NodeTable("dc1", NodeName("me"), 1), Metrics())
        self.cookies = Cookies.with_secrets((SECRET,), lambda: 1_000_000.0, is_required=self.is_required)
        self.limits = DnsLimits(self.policy, bytes(16), self.metrics, trio.current_time)
        self.ledger = DnsLedger(self.metrics, MissingNames(Random(1)), QueryLog(trio.current_time))
        self.answers = DnsAnswers(
            self.table,
            ZONES,
            self.policy,
            Random(1),
            self.ledger,
            limits=self.limits,
            clock=trio.current_time,
            cookies=self.cookies,
        )

    def as_made_anew(self, query: bytes) -> bytes | None:
        is_exempt = self.limits.is_exempt(CLIENT.packed)
        limit = 0 if is_exempt else self.limits.amplification_limit
        context = QueryContext(CLIENT, Transport.UDP, self.table.view, ZONES, self.policy, Random(1))
        outcome = respond(query, attrs.evolve(context, cookies=self.cookies, amplification_limit=limit))
        return outcome.wire if isinstance(outcome, Reply) else None


@settings(max_examples=300)
@given(
    queries=st.lists(QUERIES, min_size=1, max_size=3),
    steps=st.lists(st.one_of(CHANGES, st.integers(0, 2)), max_size=25),
    policy=LIMITS,
    is_required=st.booleans(),
)
def test_reply_is_the_same_as_made_anew(
    queries: list[bytes], steps: list[Change | int], policy: DnsPolicy, is_required: bool
) -> None:
    async def main() -> None:
        asked = Asked(policy, is_required)
        for step in steps:
            if not isinstance(step, int):
                asked.table.apply([step])
                continue
            query = queries[step % len(queries)]
            assert asked.as_made_anew(query) == asked.answers.respond(query, CLIENT, False)

    trio.run(main)


def test_kept_refusal_with_an_extended_error_has_its_cookie_beside_it() -> None:
    async def main() -> list[dns.message.Message]:
        asked = Asked()
        query = with_cookie("version.bind", RRType.TXT, 1232, bytes(8), b"\0\3")
        replies = [asked.answers.respond(query, CLIENT, False) for _ in range(2)]
        return [dns.message.from_wire(reply) for reply in replies if isinstance(reply, bytes)]

    wanted = [dns.edns.OptionType.COOKIE, dns.edns.OptionType.EDE]
    assert [wanted] * 2 == [[option.otype for option in message.options] for message in trio.run(main)]


def test_second_query_with_another_cookie_is_a_hit_and_counted() -> None:
    async def main() -> Metrics:
        asked = Asked()
        asked.table.apply([node("a")])
        for content in (bytes(8), b"12345678", GOOD):
            assert asked.answers.respond(with_cookie("a.node.consul", RRType.A, 1232, content), CLIENT, False)
            assert asked.answers.respond(with_cookie("nobody.node.consul", RRType.A, 1232, content), CLIENT, False)
        assert 3 == asked.ledger.missing.top(1).names[0].count
        return asked.metrics

    metrics = trio.run(main)
    assert 4 == metrics.tally(DNS_PACKED_HITS).count
    assert {"udp A NOERROR": 3, "udp A NXDOMAIN": 3} == metrics.counts(DNS_QUERIES)


def test_stranger_without_a_good_cookie_is_not_a_hit_and_with_one_is() -> None:
    async def main() -> Metrics:
        asked = Asked(DnsPolicy(rate_limit=RateLimitPolicy(exempt=())))
        asked.table.apply([node("a")])
        for content in (bytes(8), bytes(8), GOOD):
            assert asked.answers.respond(with_cookie("a.node.consul", RRType.A, 1232, content), CLIENT, False)
        return asked.metrics

    assert 1 == trio.run(main).tally(DNS_PACKED_HITS).count
