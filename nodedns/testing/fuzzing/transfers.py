"""Queries that are signed with a key of ours, or nearly so, and the zones that they get.

The first byte says how the rest is signed and who asks. No fuzzer finds a MAC, so it is made here. What is
signed is verified with dnspython, message by message, and what a secondary makes of a transfer is the
zone: all of it, or what it had with the changes.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from ipaddress import ip_network

import attrs
import dns.message
import dns.rdatatype
import dns.rrset

from nodedns.dns.additional import decode_tsig_untrusted
from nodedns.dns.cookies import Cookies
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.publications import Publications
from nodedns.dns.question import RRType, Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.transfer import MAX_MESSAGE_BYTES, TransferKind, Transfers, TransferStream
from nodedns.dns.transfer_params import AllowedClient, TransferParams, TsigKey
from nodedns.dns.tsig import RequestSigner, TsigError
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.errors import DnsWireError
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.model.secret import Secret
from nodedns.model.service import Service
from nodedns.table.changes import Change, ExternalNode, MemberUpserted, NodeRegistered, ServiceRegistered
from nodedns.table.node_table import NodeTable
from nodedns.testing.chance import seeded_random
from nodedns.testing.dns_checks import checked_reply, readable
from nodedns.testing.dns_queries import query_wire
from nodedns.testing.fuzzing.demands import demand
from nodedns.testing.signing import KEYS, TSIG_256, peer_key, verified
from nodedns.testing.table_agent import agent_member

__all__ = ["FIRST_S", "checked_transfer"]

FIRST_S = 1_700_000_000
"""Seconds since 1970; the serial of the first state is one more."""
NOW_S = FIRST_S + 1
CLIENT = Address.from_text("192.0.2.1", 5353)
HEADER_BYTES = 12
MAX_COUNT = 0xFFFF
NONE, WRONG = 3, 2
LATENESS_S = (0, 301, -100_000, 0)
STRANGE = attrs.evolve(TSIG_256, secret=Secret(bytes(32)))
SIGNERS: tuple[TsigKey, ...] = (*KEYS, STRANGE)

Records = frozenset[tuple[object, ...]]

BEFORE: tuple[Change, ...] = (
    MemberUpserted(agent_member("agent-1", "10.1.0.1", is_server=True)),
    NodeRegistered(ExternalNode(NodeName("foo"), "", "10.1.1.1", {}, {"key": "value"})),
    NodeRegistered(ExternalNode(NodeName("far"), "", "www.example.com")),
    ServiceRegistered(NodeName("foo"), Service("web", "web", port=80, tags=("v1",))),
)
AFTER: tuple[Change, ...] = (
    NodeRegistered(ExternalNode(NodeName("foo"), "", "2001:db8::1", {}, {"key": "v" * 300})),
    NodeRegistered(ExternalNode(NodeName("new"), "", "10.1.1.2")),
)


@attrs.frozen
class _Stage:
    """What is asked.

    Attributes:
        context: By a client that may have the zones.
        first_serials: What the zones had first.
        before: The records of each zone at the serial before, SOA included, by the zone's name.
        after: And those of now.
    """

    context: QueryContext
    first_serials: dict[str, int]
    before: dict[str, Records]
    after: dict[str, Records]


@cache
def _stage() -> _Stage:
    table = NodeTable("dc1", NodeName("agent-1"), FIRST_S)
    zone = Zone.of_domain("consul")
    zones = Zones((zone,), ReverseZones.of_prefixes(None, zone.origin))
    kept = Publications("agent-1", "dc1", FIRST_S)
    policy = DnsPolicy()
    params = TransferParams(keys=KEYS, allow=(AllowedClient(ip_network(CLIENT.host)),))
    states: list[dict[str, Records]] = []
    serials: list[dict[str, int]] = []
    context: QueryContext | None = None
    for changes, now_s in ((BEFORE, FIRST_S), (AFTER, NOW_S)):
        table.apply(changes)
        kept.start_over()
        deque(kept.publish(zones, table.view, policy, now_s), maxlen=0)
        context = QueryContext(
            CLIENT,
            Transport.TCP,
            table.view,
            zones,
            policy,
            seeded_random("transfers"),
            amplification_limit=policy.amplification_limit,
            cookies=Cookies.with_secrets((bytes(16),), lambda: NOW_S, is_required=False),
            transfers=Transfers(params, kept.zone, lambda: NOW_S),
        )
        serials.append({_text(origin): kept.serial_of(origin) for origin in kept.origins})
        states.append({name: _whole(name, context) for name in map(_text, kept.origins)})
    assert context is not None  # noqa: S101 - for the type checker; two states were just published
    return _Stage(context, serials[0], *states)


def _text(origin: tuple[bytes, ...]) -> str:
    return b".".join(origin).decode()


def _whole(name: str, context: QueryContext) -> Records:
    reply = respond(query_wire(name, RRType.AXFR), context)
    demand(isinstance(reply, Reply) and reply.transfer, "no transfer of a zone that is published")
    messages = [reply.wire] if isinstance(reply, Reply) else []
    while isinstance(reply, Reply) and reply.transfer and (wire := reply.transfer.next_message()) is not None:
        messages.append(wire)
    found = frozenset(_record(rrset) for wire in messages for rrset in _answers(wire))
    demand(len(found) > 2, "a zone without records")
    return found


def checked_transfer(data: bytes) -> str:
    """Ask ``data``, signed as its first byte says; return what came of it, in a word.

    Raises:
        AssertionError: Something does not hold; any other error is one, too.
    """
    how, query = data[0] if data else 0, data[1:]
    stage = _stage()
    transport = Transport.TCP if how & 0x10 else Transport.UDP
    context = attrs.evolve(stage.context, transport=transport)
    if how & 0x20:
        context = attrs.evolve(context, client=Address.from_text("192.0.2.2", 5353))
    key = None if how & 3 == NONE else SIGNERS[how & 3]
    mac, start = b"", len(query)
    if key is not None and len(query) >= HEADER_BYTES and int.from_bytes(query[10:12], "big") < MAX_COUNT:
        query, mac = RequestSigner(key).sign(query, NOW_S + LATENESS_S[how >> 2 & 3])
    outcome = checked_reply(query, context)
    if not isinstance(outcome, Reply):
        return "drop"
    if outcome.transfer is not None:
        demand(not how & 0x20, "a zone for who may not have it")
    is_good = mac and how & 3 != WRONG and not LATENESS_S[how >> 2 & 3] and _tsig_start(query) == start
    demand(not is_good or outcome.tsig_error is TsigError.NONE, "a good signature is refused")
    wires = _messages(outcome)
    # What dnspython cannot read it cannot verify.
    if is_good and key is not None and outcome.is_sealed and wires[0] == readable(wires[0]):
        _verify(wires, key, mac)
    if outcome.transfer is not None:
        _check_zone(outcome.transfer, wires, stage)
        return outcome.transfer.transfer.kind.value
    return outcome.rcode.name if outcome.tsig_error is TsigError.NONE else outcome.tsig_error.name


def _tsig_start(query: bytes) -> int | None:
    """Return where the record of the signature begins, if what stands before it is well-formed."""
    try:
        tsig = decode_tsig_untrusted(query)
    except DnsWireError:
        return None
    return None if tsig is None else tsig.start


def _messages(reply: Reply) -> list[bytes]:
    wires = [reply.wire]
    while reply.transfer is not None and (wire := reply.transfer.next_message()) is not None:
        demand(len(wire) <= MAX_MESSAGE_BYTES, "longer than TCP can carry")
        wires.append(wire)
    return wires


def _verify(wires: list[bytes], key: TsigKey, mac: bytes) -> None:
    context = None
    for wire in wires:
        _, context = verified(wire, peer_key(key), NOW_S, request_mac=mac, context=context)


def _answers(wire: bytes) -> list[dns.rrset.RRset]:
    return dns.message.from_wire(readable(wire), keyring=False, one_rr_per_rrset=True).answer


def _record(rrset: dns.rrset.RRset) -> tuple[object, ...]:
    return rrset.name, rrset.rdtype, rrset.ttl, rrset[0].to_digestable()


def _check_zone(stream: TransferStream, wires: list[bytes], stage: _Stage) -> None:
    transfer = stream.transfer
    name = _text(transfer.origin)
    told = [rrset for wire in wires for rrset in _answers(wire)]
    before, after = stage.before[name], stage.after[name]
    demand(told and told[0].rdtype == dns.rdatatype.SOA, "a transfer that does not begin with SOA")
    if transfer.kind is TransferKind.CURRENT:
        demand(len(told) == 1 and _record(told[0]) in after, "more than the SOA record of now")
        return
    demand(_record(told[0]) == _record(told[-1]), "a transfer that does not end as it begins")
    if transfer.kind is TransferKind.IXFR:
        demand(transfer.from_serial == stage.first_serials[name], "changes to a state that nobody published")
        demand(_after_changes(told[1:-1], set(before)) == after, "another zone by its changes")
    else:
        demand(frozenset(map(_record, told)) == after, "another zone")


def _after_changes(told: list[dns.rrset.RRset], held: set[tuple[object, ...]]) -> Records:
    """Return what a secondary has that had ``held`` (RFC 1995 section 4)."""
    is_removing = False
    for rrset in told:
        if rrset.rdtype == dns.rdatatype.SOA:
            is_removing = not is_removing
        record = _record(rrset)
        demand((record in held) == is_removing, "a change of what is not so")
        held ^= {record}
    return frozenset(held)
