"""DNS queries of which the reply is kept: what is given again is what would be said anew, whatever changed meanwhile.

Each input is asked twice, the second time with another ID and in other letters, then the table changes under
names that it may have asked for, and it is asked once more; over UDP by a client that is held to
limits and one that is not, and over TCP. Records may come in another order.
"""

from __future__ import annotations

from functools import cache
from random import Random

import dns.exception
import dns.message

from nodedns.agent.dns_answers import DnsAnswers
from nodedns.agent.dns_ledger import DnsLedger
from nodedns.agent.live_table import LiveTable
from nodedns.agent.query_log import QueryLog
from nodedns.dns.cookies import Cookies
from nodedns.dns.decode import HEADER_BYTES
from nodedns.dns.missing_names import MissingNames
from nodedns.dns.packed import PackedAnswers
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.rate_limit import RateLimitPolicy
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.net.dns_limits import DnsLimits
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import (
    Change,
    ExternalNode,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
    ServiceRegistered,
)
from nodedns.table.node_table import NodeTable
from nodedns.testing.chance import seeded_random
from nodedns.testing.dns_checks import readable
from nodedns.testing.fuzzing.demands import demand
from nodedns.testing.table_agent import agent_member

__all__ = ["checked_packed"]

SECRET = bytes(16)
POLICY = DnsPolicy(rate_limit=RateLimitPolicy(responses_per_second=0))
STRANGER = Address.from_text("192.0.2.1", 5353)
FRIEND = Address.from_text("127.0.0.1", 5353)
ASKED_AGAIN_ID = b"\xa5\x5a"


def _node(name: str, address: str) -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address, {}, {"k": address}))


def _service(node: str, name: str, port: int, **meta: str) -> Change:
    return ServiceRegistered(NodeName(node), Service(name, name, port=port, tags=("v1",), meta=meta))


BEFORE: tuple[Change, ...] = (
    MemberUpserted(agent_member("agent-1", "10.1.0.1", is_server=True)),
    MemberUpserted(agent_member("agent-2", "10.1.0.2")),
    _node("foo", "127.0.0.1"),
    _node("a.b", "10.1.1.2"),
    _service("agent-1", "web", 80),
    _service("agent-2", "web", 80),
    _service("foo", "long", 81, k="v" * 200),
)
AFTER: tuple[Change, ...] = (
    _node("foo", "2001:db8::1"),
    _node("x.a.b", "10.1.1.3"),
    _node("new", "10.1.1.4"),
    NodeDeregistered(NodeName("a.b")),
    MemberUpserted(agent_member("agent-2", "10.1.0.2", status=MemberStatus.FAILED)),
    _service("foo", "web", 82),
    _service("foo", "fresh", 83),
)


@cache
def _ledger() -> tuple[Metrics, DnsLedger]:
    metrics = Metrics()
    return metrics, DnsLedger(metrics, MissingNames(Random(1)), QueryLog(_no_time))  # noqa: S311 - no secret


def _no_time() -> float:
    return 0.0


class _Pair:
    """Two ways to one reply.

    Args:
        table: What is asked about.
    """

    def __init__(self, table: LiveTable) -> None:
        metrics, ledger = _ledger()
        self._table = table
        zone = Zone.of_domain("consul")
        self._zones = Zones((zone,), ReverseZones.of_prefixes(None, zone.origin))
        self._limits = DnsLimits(POLICY, SECRET, metrics, _no_time)
        self._cookies = Cookies.with_secrets((SECRET,), lambda: 1.7e9, is_required=False)
        self._answers = DnsAnswers(
            table,
            self._zones,
            POLICY,
            seeded_random("packed"),
            ledger,
            limits=self._limits,
            clock=_no_time,
            cookies=self._cookies,
        )

    def long_way(self, wire: bytes, client: Address, *, is_tcp: bool) -> bytes | None:
        """Return what is said anew."""
        is_bounded = not self._limits.is_exempt(client.packed)
        context = QueryContext(
            client,
            Transport.TCP if is_tcp else Transport.UDP,
            self._table.view,
            self._zones,
            POLICY,
            seeded_random("anew"),
            cookies=self._cookies,
            amplification_limit=self._limits.amplification_limit if is_bounded else 0,
        )
        outcome = respond(wire, context)
        return outcome.wire if isinstance(outcome, Reply) else None

    def short_way(self, wire: bytes, client: Address, *, is_tcp: bool) -> bytes | None:
        """Return what is given, of what is kept if there is any, as the servers do."""
        found = None
        packed = self._kept(client, is_tcp=is_tcp)
        if packed is not None:
            found = packed.find(wire)
        if found is not None:
            head, question_end, tail, end, *_ = found
            reply = b"".join((wire[:2], head, wire[HEADER_BYTES:question_end], tail))
            demand(len(reply) == end, "another length than is known of it")
            return reply
        reply_now = self._answers.respond(wire, client, is_tcp)
        demand(reply_now is None or isinstance(reply_now, bytes), "something that is to be waited for")
        return reply_now if isinstance(reply_now, bytes) else None

    def _kept(self, client: Address, *, is_tcp: bool) -> PackedAnswers | None:
        if is_tcp:
            return self._answers.over_tcp.packed_now()
        is_exempt = self._limits.is_exempt(client.packed)
        return self._answers.packed_now() if is_exempt else self._answers.bounded_now()

    def compare(self, wire: bytes) -> None:
        """Ask in both ways."""
        for client, is_tcp in ((FRIEND, False), (STRANGER, False), (STRANGER, True)):
            given = self.short_way(wire, client, is_tcp=is_tcp)
            said = self.long_way(wire, client, is_tcp=is_tcp)
            demand(given == said or _sorted(given) == _sorted(said), "another reply by the short way")


def checked_packed(data: bytes) -> str:
    """Ask ``data`` again and again; return how the long way ends: ``reply`` or ``silence``.

    Raises:
        AssertionError: Something does not hold; any other error is one, too.
    """
    metrics, _ = _ledger()
    table = LiveTable(NodeTable("dc1", NodeName("agent-1"), 1_700_000_000), metrics)
    table.apply(BEFORE)
    pair = _Pair(table)
    again = ASKED_AGAIN_ID + data[2:HEADER_BYTES] + data[HEADER_BYTES:].swapcase()
    for wire in (data, data, again):
        pair.compare(wire)
    table.apply(AFTER)
    for wire in (again, data):
        pair.compare(wire)
    table.apply(BEFORE)
    pair.compare(data)
    return "silence" if pair.long_way(data, FRIEND, is_tcp=True) is None else "reply"


def _sorted(wire: bytes | None) -> object:
    if wire is None:
        return None
    try:
        message = dns.message.from_wire(readable(wire), one_rr_per_rrset=True)
    except dns.exception.DNSException as problem:
        raise AssertionError(f"dnspython cannot read the reply: {problem}") from problem
    sections = [sorted(rrset.to_text() for rrset in section) for section in message.sections]
    return message.id, message.flags, message.ednsflags, message.payload, len(wire), sections
