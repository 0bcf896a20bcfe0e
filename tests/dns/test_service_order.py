"""Services by distance: the nearest first, equals in any order, and what a limit leaves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from random import Random

import attrs
import dns.message
import pytest

from nodedns.dns.dependency import DISTANCES
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import Change, ExternalNode, NodeRegistered, ServiceRegistered

Ask = Callable[..., dns.message.Message]
MakeContext = Callable[..., QueryContext]

NEAR = DnsPolicy(nearest_first=True)
FAR_S = {"a": 0.3, "b": 0.1, "c": 0.2}


def on(name: str, ip: str, *ids: str, host: str = "") -> tuple[Change, ...]:
    """Return a node with instances of ``web``, one unless more IDs are given."""
    services = [Service(each, "web", port=80 + number, address=host) for number, each in enumerate(ids or ("web",))]
    registered = [ServiceRegistered(NodeName(name), service) for service in services]
    return (NodeRegistered(ExternalNode(NodeName(name), "", ip)), *registered)


NODES = (*on("a", "10.0.0.1"), *on("b", "10.0.0.2"), *on("c", "10.0.0.3"), *on("d", "10.0.0.4"), *on("e", "10.0.0.5"))


@pytest.fixture
def make_near(make_context: MakeContext) -> MakeContext:
    def make(changes: tuple[Change, ...] = NODES, policy: DnsPolicy = NEAR, **given: Transport) -> QueryContext:
        zones = Zones(Zone.of_domains(("consul",), lambda name: FAR_S.get(name, math.inf)))
        return attrs.evolve(make_context(changes, policy=policy, **given), zones=zones)

    return make


def lines(message: dns.message.Message) -> list[str]:
    return [line.split(" ", 4)[4] for rrset in message.answer for line in rrset.to_text().split("\n")]


def reply_of(context: QueryContext, what: str) -> Reply:
    name, rtype = what.split()
    reply = respond(dns.message.make_query(name, rtype).to_wire(), context)
    assert isinstance(reply, Reply)
    return reply


def test_nearest_is_first_and_the_unknown_are_last_in_any_order(ask: Ask, make_near: MakeContext) -> None:
    there = make_near()
    found = Counter(tuple(lines(ask("web.service.consul. A", there))) for _ in range(400))
    first = ("10.0.0.2", "10.0.0.3", "10.0.0.1")
    assert {(*first, "10.0.0.4", "10.0.0.5"), (*first, "10.0.0.5", "10.0.0.4")} == set(found)
    assert all(count > 100 for count in found.values())


def test_order_is_any_unless_distance_is_wanted(ask: Ask, make_near: MakeContext) -> None:
    there = make_near(policy=DnsPolicy())
    assert 5 == len({lines(ask("web.service.consul. A", there))[0] for _ in range(200)})
    keys = reply_of(there, "web.service.consul. A").keys
    assert keys is not None
    assert DISTANCES not in keys


def test_srv_and_its_addresses_are_by_distance(ask: Ask, make_near: MakeContext) -> None:
    reply = ask("_web._tcp.service.consul. SRV", make_near(NODES[:6], transport=Transport.TCP))
    assert [f"1 1 80 {name}.node.dc1.consul." for name in "bca"] == lines(reply)
    assert [f"{name}.node.dc1.consul." for name in "bca"] == [str(rrset.name) for rrset in reply.additional]


@pytest.mark.parametrize("policy", [attrs.evolve(NEAR, a_record_limit=2), attrs.evolve(NEAR, udp_answer_limit=2)])
def test_cut_answer_keeps_the_nearest(ask: Ask, make_near: MakeContext, policy: DnsPolicy) -> None:
    there = make_near(policy=policy)
    assert {("10.0.0.2", "10.0.0.3")} == {tuple(lines(ask("web.service.consul. A", there))) for _ in range(50)}


def test_of_equals_a_cut_answer_has_others_each_time(make_near: MakeContext) -> None:
    there = make_near(policy=attrs.evolve(NEAR, a_record_limit=4))
    spread = reply_of(there, "web.service.consul. A").spread
    assert spread is not None
    made = [lines(dns.message.from_wire(wire)) for wire in spread.variants(Random(1))]
    assert [["10.0.0.4"], ["10.0.0.5"]] == sorted(order[3:] for order in made)
    assert {("10.0.0.2", "10.0.0.3", "10.0.0.1")} == {tuple(order[:3]) for order in made}


def test_variants_give_each_of_a_rank_the_same_turns(make_near: MakeContext) -> None:
    two, three = (tuple(f"w{number}" for number in range(count)) for count in (2, 3))
    there = make_near((*on("b", "10.0.0.2", *two), *on("a", "10.0.0.1", *three)))
    spread = reply_of(there, "web.service.consul. SRV").spread
    assert spread is not None
    made = [lines(dns.message.from_wire(wire)) for wire in spread.variants(Random(3))]
    assert 6 == len(made)
    assert [3, 3] == list(Counter(order[0] for order in made).values())
    assert [2, 2, 2] == list(Counter(order[2] for order in made).values())
    for order in made:
        assert ["b"] * 2 + ["a"] * 3 == [line.split()[3][0] for line in order]


def test_one_order_is_kept_as_it_is(make_near: MakeContext) -> None:
    reply = reply_of(make_near(NODES[:6]), "web.service.consul. A")
    assert None is reply.spread
    assert reply.keys is not None
    assert DISTANCES in reply.keys


def test_families_are_ranked_together(ask: Ask, make_near: MakeContext) -> None:
    there = make_near((*on("a", "10.0.0.1"), *on("b", "2001:db8::2"), *on("c", "10.0.0.3")))
    limited = attrs.evolve(there, policy=attrs.evolve(NEAR, a_record_limit=2))
    assert {"2001:db8::2", "10.0.0.3"} == set(lines(ask("web.service.consul. ANY", limited)))


def test_address_of_several_counts_as_the_nearest_of_them(ask: Ask, make_near: MakeContext) -> None:
    there = make_near((*on("a", "10.0.0.1"), *on("c", "10.0.0.3"), *on("b", "10.0.0.1")))
    assert ["10.0.0.1", "10.0.0.3"] == lines(ask("web.service.consul. A", there))


def test_alias_is_the_nearest_host_name(ask: Ask, make_near: MakeContext) -> None:
    there = make_near((*on("a", "10.0.0.1", host="far.example.com"), *on("b", "10.0.0.2", host="near.example.com")))
    assert {("near.example.com.",)} == {tuple(lines(ask("web.service.consul. A", there))) for _ in range(20)}


def test_answer_with_one_instance_does_not_hang_on_distances(make_near: MakeContext) -> None:
    keys = reply_of(make_near(NODES[:2]), "web.service.consul. A").keys
    assert keys is not None
    assert DISTANCES not in keys
