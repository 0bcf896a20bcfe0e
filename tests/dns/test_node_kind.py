"""SSHFP records of nodes, read back by an independent parser; what else a node has is in ``test_zone``."""

from __future__ import annotations

from collections.abc import Callable

import dns.message
import dns.rdatatype
import pytest

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.responder import QueryContext
from nodedns.model.address import Address
from nodedns.model.host_key import Fingerprint
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.changes import Change, ExternalNode, MemberUpserted, NodeRegistered
from nodedns.table.member_facts import tags_for

Ask = Callable[..., dns.message.Message]
MakeContext = Callable[..., QueryContext]

SHA1, SHA256 = 40 * "1", 64 * "2"


def member(name: str, tags: dict[str, str]) -> Change:
    address = Address.from_text("10.1.1.2", 8301)
    return MemberUpserted(SerfMember(NodeName(name), address, tags, MemberStatus.ALIVE, Versions(b"")))


def node(name: str, address: str, **meta: str) -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address, {}, meta))


OWN_TAGS = tags_for(
    version="1",
    datacenter="dc1",
    node_id="",
    is_server=False,
    dns_port=0,
    meta={},
    host_keys=[Fingerprint(1, 2, bytes(32)), Fingerprint(4, 2, bytes(32))],
)
POOL = (
    node("web", "10.1.1.1", rack="r1", **{"sshfp-4-2": SHA256, "sshfp-1-1": SHA1, "sshfp-3-2": "none"}),
    node("alias", "web.node.consul", **{"sshfp-4-2": SHA256}),
    node("plain", "10.1.1.3", rack="r1"),
    member("agent", OWN_TAGS),
    member("serf", {"sshfp-4-2": SHA256}),
)


@pytest.fixture
def pool(make_context: MakeContext) -> QueryContext:
    return make_context(POOL, policy=DnsPolicy(node_ttl_s=9))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web.node.consul.", [f"1 1 {SHA1}", f"4 2 {SHA256}"]),
        ("Web.Node.dc1.consul.", [f"1 1 {SHA1}", f"4 2 {SHA256}"]),
        ("agent.node.consul.", [f"1 2 {64 * '0'}", f"4 2 {64 * '0'}"]),
        ("serf.node.consul.", [f"4 2 {SHA256}"]),
    ],
)
def test_fingerprints_in_meta_are_sshfp_records(ask: Ask, pool: QueryContext, name: str, expected: list[str]) -> None:
    (rrset,) = ask(f"{name} SSHFP", pool).answer
    said = sorted(record.to_text().replace(" ", "").lower() for record in rrset)
    assert (name, 9, sorted(text.replace(" ", "") for text in expected)) == (str(rrset.name), rrset.ttl, said)


def test_node_without_fingerprints_has_no_such_data(ask: Ask, pool: QueryContext) -> None:
    reply = ask("plain.node.consul SSHFP", pool)
    assert ([], [dns.rdatatype.SOA]) == (reply.answer, [rrset.rdtype for rrset in reply.authority])


def test_alias_has_those_of_its_target(ask: Ask, pool: QueryContext) -> None:
    reply = ask("alias.node.consul SSHFP", pool)
    assert [("alias", dns.rdatatype.CNAME), ("web", dns.rdatatype.SSHFP)] == [
        (rrset.name.labels[0].decode(), rrset.rdtype) for rrset in reply.answer
    ]


def test_any_has_addresses_texts_and_fingerprints_each_once(ask: Ask, pool: QueryContext) -> None:
    kinds = (dns.rdatatype.A, dns.rdatatype.TXT, dns.rdatatype.SSHFP)
    reply = ask("web.node.consul ANY", pool)
    assert list(kinds) == [rrset.rdtype for rrset in reply.answer]
    texts = [record.to_text() for record in reply.answer[1]]
    assert ['"rack=r1"', '"sshfp-3-2=none"'] == texts


def test_addresses_have_no_fingerprints_beside_them(ask: Ask, pool: QueryContext) -> None:
    reply = ask("agent.node.consul A", pool)
    assert [] == reply.additional
