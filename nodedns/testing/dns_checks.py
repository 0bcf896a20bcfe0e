"""What must hold of the reply to any bytes, and a pool to ask: one set of checks for properties, corpus and fuzzers.

Strategy: ``checked_reply`` asks ``respond`` and reads what comes back with
dnspython, which shares no line with our own reader and writer. ``sample_context``
makes a small pool in which every kind of answer can be had.

This draws no input. Source: RFC 1035 section 4.1.1, RFC 6891, RFC 8906.
"""

from __future__ import annotations

from collections import deque
from ipaddress import ip_network
from random import Random
from typing import Any

import attrs
import dns.flags
import dns.message

from nodedns.dns.cookies import Cookies
from nodedns.dns.forward import Forward
from nodedns.dns.framing import MAX_MESSAGE_BYTES, MAX_READ_BYTES, TcpFraming
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.publications import Publications
from nodedns.dns.question import Transport
from nodedns.dns.responder import Drop, QueryContext, Reply, respond
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.transfer import NO_TRANSFERS, Transfers
from nodedns.dns.transfer_params import AllowedClient, TransferParams
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import Change, ExternalNode, MemberUpserted, NodeRegistered, ServiceRegistered
from nodedns.table.member_facts import tags_for
from nodedns.table.node_table import NodeTable
from nodedns.testing.signing import KEYS

__all__ = ["checked_reply", "checked_stream", "readable", "sample_context"]

HEADER_BYTES = 12
FLAGS_AT = 2
QR = 0x80
OPCODE = 0x78
PLAIN_BYTES = 512
CLIENT = Address.from_text("192.0.2.1", 5353)
CLOCK_S = 1_700_000_000.0
# A client subnet of family 0 opts out without telling a family; dnspython has none but 1 and 2.
NO_FAMILY = b"\0\x08\0\4\0\0\0\0"
IPV4_FAMILY = b"\0\x08\0\4\0\1\0\0"
# RA, Z and AD: nothing here recurses or validates, and Z is nobody's.
NEVER = dns.flags.RA | dns.flags.AD | 0x40


def _member(name: str, host: str, *, is_server: bool, **meta: str) -> Change:
    tags = tags_for(version="0.1.0", datacenter="dc1", node_id="", is_server=is_server, dns_port=8600, meta=meta)
    address = Address.from_text(host, 8301)
    return MemberUpserted(SerfMember(NodeName(name), address, tags, MemberStatus.ALIVE, Versions(b"")))


def _external(name: str, address: str, tagged: dict[str, str] | None = None, **meta: str) -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address, tagged or {}, meta))


def _service(node: str, name: str, *, service_id: str = "", **given: Any) -> Change:  # noqa: ANN401 - fields of it
    return ServiceRegistered(NodeName(node), Service(service_id or name, name, port=8080, **given))


SAMPLE: tuple[Change, ...] = (
    *[_member(f"agent-{number}", f"10.1.0.{number}", is_server=True) for number in range(1, 8)],
    _member("agent-six", "2001:db8::6", is_server=False, rack="r2"),
    _external("foo", "127.0.0.1", key="value"),
    _external("dual", "10.1.1.1", {"lan_ipv6": "2001:db8::1"}, b="2", a="1"),
    _external("google", "www.google.com", key="value"),
    _external("a.b.c", "10.1.1.2"),
    _external("Under_Score", "10.1.1.3"),
    _external("müller", "10.1.1.4"),
    _external("talker", "10.1.1.5", {}, **{f"key{number}": "v" * 90 for number in range(30)}),
    _external("broken", "no..name"),
    *[_service(f"agent-{number}", "web", tags=("v1.primary",), meta={"path": "/"}) for number in range(1, 8)],
    *[_service("foo", "long", service_id=f"{'i' * 90}{number}", meta={"k": "v" * 200}) for number in range(12)],
    _service("google", "far"),
    _service("dual", "back", address="back.service.consul"),
    _service("broken", "web", service_id="lost"),
)


def sample_context(
    transport: Transport = Transport.UDP, *, is_known: bool = True, may_transfer: bool = False
) -> QueryContext:
    """Return a pool to ask at default settings, with cookies, as a stranger would.

    Args:
        transport: How the queries come.
        is_known: Whether the cluster is known; else every name of it is SERVFAIL.
        may_transfer: Whether the client may have the zones, and there are keys.
    """
    table = NodeTable("dc1", NodeName("agent-1"), 1_700_000_000, cluster_known=is_known)
    table.apply(SAMPLE)
    policy = DnsPolicy()
    zone = Zone.of_domain("consul")
    zones = Zones((zone,), ReverseZones.of_prefixes(None, zone.origin))
    transfers = NO_TRANSFERS
    if may_transfer:
        kept = Publications("agent-1", "dc1", int(CLOCK_S))
        deque(kept.publish(zones, table.view, policy, int(CLOCK_S)), maxlen=0)
        params = TransferParams(keys=KEYS, allow=(AllowedClient(ip_network(CLIENT.host)),))
        transfers = Transfers(params, kept.zone, lambda: CLOCK_S)
    return QueryContext(
        CLIENT,
        transport,
        table.view,
        zones,
        policy,
        Random(0),  # noqa: S311 - the same each time
        amplification_limit=policy.amplification_limit if transport is Transport.UDP else 0,
        cookies=Cookies.with_secrets((bytes(16),), lambda: CLOCK_S, is_required=False),
        transfers=transfers,
    )


def readable(reply: bytes) -> bytes:
    """Return a reply such that dnspython reads it: with a family in a client subnet that needs none."""
    return reply.replace(NO_FAMILY, IPV4_FAMILY)


def checked_reply(wire: bytes, context: QueryContext) -> Reply | Drop:
    """Ask, check what holds of every reply, and return it.

    Raises:
        AssertionError: Something does not hold, with what it is. Anything else that is raised is a fault as well.
    """
    outcome = respond(wire, context)
    if isinstance(outcome, Forward):
        raise AssertionError("somebody else is asked, where there is nobody")  # noqa: TRY004 - it is a finding
    if isinstance(outcome, Drop):
        _require(len(wire) < HEADER_BYTES or wire[FLAGS_AT] & QR, "silence to a query")
        return outcome
    reply = outcome.wire
    _require(wire[:FLAGS_AT] == reply[:FLAGS_AT], "another ID")
    _require(reply[FLAGS_AT] & QR, "no response")
    _require(wire[FLAGS_AT] & OPCODE == reply[FLAGS_AT] & OPCODE, "another opcode")
    parsed = dns.message.from_wire(readable(reply), keyring=False)
    _require(not parsed.flags & NEVER, "RA, Z or AD")
    _require(bool(parsed.flags & dns.flags.TC) == outcome.is_truncated, "TC that the metrics do not know")
    _require(int(parsed.rcode()) == int(outcome.rcode), "another code than the metrics have")
    _check_size(wire, outcome, context)
    return outcome


def _check_size(wire: bytes, outcome: Reply, context: QueryContext) -> None:
    size = len(outcome.wire)
    if context.transport is Transport.TCP:
        _require(size <= MAX_MESSAGE_BYTES, "longer than TCP can carry")
        return
    _require(size <= max(PLAIN_BYTES, context.policy.udp_payload_bytes), "longer than our own limit")
    if not outcome.is_proved and context.amplification_limit:
        _require(size <= context.amplification_limit * len(wire), "more than the amplification limit")


def checked_stream(data: bytes, context: QueryContext) -> int:
    """Feed a TCP stream as it comes, whole and in pieces; check each reply and return how many there were."""
    counts = [_answered(data, piece, context) for piece in (MAX_READ_BYTES, max(1, len(data) // 3))]
    _require(len(set(counts)) == 1, "other messages when fed in pieces")
    return counts[0]


def _answered(data: bytes, piece: int, context: QueryContext) -> int:
    framing = TcpFraming()
    over_tcp = attrs.evolve(context, transport=Transport.TCP)
    count = 0
    for start in range(0, len(data), piece):
        framing.receive_data(data[start : start + piece])
        while (message := framing.next_message()) is not None:
            checked_reply(message, over_tcp)
            count += 1
    return count


def _require(holds: object, what: str) -> None:
    if not holds:
        raise AssertionError(what)
