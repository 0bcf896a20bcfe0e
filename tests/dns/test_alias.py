"""Nodes whose address is a host name: followed within our zones, and left where they lead out."""

from __future__ import annotations

from collections.abc import Callable

import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from nodedns.dns.alias import MAX_ALIASES, follow
from nodedns.dns.name import Labels, labels_of
from nodedns.dns.question import Question, Rcode, RRClass, RRType
from nodedns.dns.responder import QueryContext
from nodedns.model.names import NodeName
from nodedns.table.changes import Change, ExternalNode, NodeRegistered

Ask = Callable[..., dns.message.Message]
MakeContext = Callable[..., QueryContext]


def node(name: str, address: str, **meta: str) -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address, {}, meta))


def labels(name: str) -> Labels:
    found = labels_of(name)
    assert found is not None
    return found


def records(message: dns.message.Message) -> list[str]:
    return [line for rrset in message.answer for line in rrset.to_text().splitlines()]


POOL = (
    node("web", "10.1.1.1", key="value"),
    node("www", "Web.node.consul."),
    node("outer", "www.node.dc1.consul"),
    node("self", "self.node.consul"),
    node("ping", "pong.node.consul"),
    node("pong", "PING.node.consul"),
    node("lost", "nobody.node.consul"),
    node("out", "www.example.com"),
    node("far", "out.node.consul"),
    node("lookalike", "web.node.notconsul"),
)


@pytest.fixture
def pool(make_context: MakeContext) -> QueryContext:
    return make_context(POOL)


def test_alias_is_followed_to_its_address(ask: Ask, pool: QueryContext) -> None:
    assert [
        "outer.node.consul. 0 IN CNAME www.node.dc1.consul.",
        "www.node.dc1.consul. 0 IN CNAME Web.node.consul.",
        "Web.node.consul. 0 IN A 10.1.1.1",
    ] == records(ask("outer.node.consul A", pool))


def test_alias_to_a_name_without_the_type_is_no_data_with_soa(ask: Ask, pool: QueryContext) -> None:
    reply = ask("www.node.consul AAAA", pool)
    assert ["www.node.consul. 0 IN CNAME Web.node.consul."] == records(reply)
    assert (dns.rcode.NOERROR, [dns.rdatatype.SOA]) == (reply.rcode(), [rrset.rdtype for rrset in reply.authority])


def test_alias_to_a_missing_name_has_its_code(ask: Ask, pool: QueryContext) -> None:
    reply = ask("lost.node.consul A", pool)
    assert ["lost.node.consul. 0 IN CNAME nobody.node.consul."] == records(reply)
    assert (dns.rcode.NXDOMAIN, [dns.rdatatype.SOA]) == (reply.rcode(), [rrset.rdtype for rrset in reply.authority])


def test_asked_for_cname_the_alias_is_the_answer(ask: Ask, pool: QueryContext) -> None:
    assert ["www.node.consul. 0 IN CNAME Web.node.consul."] == records(ask("www.node.consul CNAME", pool))


def test_asked_for_any_the_alias_is_followed_as_consul_does(ask: Ask, pool: QueryContext) -> None:
    assert [
        "www.node.consul. 0 IN CNAME Web.node.consul.",
        "Web.node.consul. 0 IN A 10.1.1.1",
        'Web.node.consul. 0 IN TXT "key=value"',
    ] == records(ask("www.node.consul ANY", pool))


def test_alias_of_itself_ends(ask: Ask, pool: QueryContext) -> None:
    reply = ask("self.node.consul A", pool)
    assert ["self.node.consul. 0 IN CNAME self.node.consul."] == records(reply)
    assert dns.rcode.NOERROR == reply.rcode()


def test_aliases_of_each_other_end(ask: Ask, pool: QueryContext) -> None:
    assert [
        "ping.node.consul. 0 IN CNAME pong.node.consul.",
        "pong.node.consul. 0 IN CNAME ping.node.consul.",
    ] == records(ask("ping.node.consul A", pool))


def test_endless_chain_is_cut(ask: Ask, make_context: MakeContext) -> None:
    chain = tuple(node(f"n{number}", f"n{number + 1}.node.consul") for number in range(50))
    assert MAX_ALIASES + 1 == len(records(ask("n0.node.consul A", make_context(chain))))


def test_alias_out_of_our_zones_stands_alone_without_recursors(ask: Ask, pool: QueryContext) -> None:
    for name in ("out", "lookalike"):
        reply = ask(f"{name}.node.consul A", pool)
        assert (1, dns.rcode.NOERROR, []) == (len(records(reply)), reply.rcode(), reply.authority)


def test_end_outside_is_told_with_the_way_there(pool: QueryContext) -> None:
    question = Question(labels("far.node.consul"), labels("far.node.consul"), RRType.A, RRClass.IN)
    zone = pool.zones.covering(question.folded, pool.view)
    assert zone is not None
    answer = zone.answer(question, pool.view, pool.policy)
    followed = follow(answer, question, pool.zones, pool.view, pool.policy, rng=pool.rng)
    assert labels("www.example.com") == followed.outside
    assert [RRType.CNAME, RRType.CNAME] == [rrset.rtype for rrset in followed.answer.answer]
    assert Rcode.NOERROR == followed.answer.rcode


def test_answer_depends_on_every_node_on_the_way(pool: QueryContext) -> None:
    question = Question(labels("outer.node.consul"), labels("outer.node.consul"), RRType.A, RRClass.IN)
    zone = pool.zones.covering(question.folded, pool.view)
    assert zone is not None
    followed = follow(
        zone.answer(question, pool.view, pool.policy), question, pool.zones, pool.view, pool.policy, rng=pool.rng
    )
    assert {"node:outer", "node:www", "node:web"} <= set(followed.answer.keys or ())
