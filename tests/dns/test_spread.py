"""Replies in other orders: the same records, each the first as often as any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import attrs
import dns.message
import pytest

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.spread import MAX_VARIANTS, Spread
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import Change, ExternalNode, NodeRegistered, ServiceRegistered

MakeContext = Callable[..., QueryContext]


def instances(count: int, *, ipv6_from: int = 1_000_000) -> tuple[Change, ...]:
    changes: list[Change] = []
    for number in range(count):
        name = NodeName(f"node-{number}")
        address = f"2001:db8::{number:x}" if number >= ipv6_from else f"10.0.{number // 250}.{number % 250 + 1}"
        changes += [
            NodeRegistered(ExternalNode(name, "", address, {}, {"rack": f"r{number}"})),
            ServiceRegistered(name, Service("web", "web", port=8000 + number)),
        ]
    return tuple(changes)


def reply_to(context: QueryContext, rtype: str, name: str = "web.service.consul.") -> Reply:
    reply = respond(dns.message.make_query(name, rtype).to_wire(), context)
    assert isinstance(reply, Reply)
    return reply


def spread_of(context: QueryContext, rtype: str) -> Spread:
    spread = reply_to(context, rtype).spread
    assert spread is not None
    return spread


def records(wire: bytes) -> list[str]:
    message = dns.message.from_wire(wire)
    return [line for section in message.sections[1:] for rrset in section for line in rrset.to_text().split("\n")]


def firsts(wires: list[bytes]) -> Counter[str]:
    return Counter(records(wire)[0] for wire in wires)


@pytest.mark.parametrize("rtype", ["A", "SRV", "ANY"])
@pytest.mark.parametrize("transport", list(Transport))
def test_every_variant_has_the_same_records_and_each_is_first_once(
    make_context: MakeContext, rtype: str, transport: Transport
) -> None:
    there = make_context(instances(6), transport=transport)
    spread = spread_of(there, rtype)
    made = spread.variants(Random(1))
    assert 1 == len({tuple(sorted(records(wire))) for wire in made})
    assert {1} == set(firsts(made).values())
    assert 6 == len(firsts(made))


def test_names_in_additional_records_follow_the_records_that_they_point_into(make_context: MakeContext) -> None:
    spread = spread_of(make_context(instances(5), transport=Transport.TCP), "SRV")
    assert spread.pointers
    for seed in range(20):
        message = dns.message.from_wire(spread.drawn(Random(seed)))
        targets = {str(rdata.target) for rdata in message.answer[0]}
        assert targets == {str(rrset.name) for rrset in message.additional}
        assert 10 == len(message.additional)


def test_records_left_out_take_their_turns(make_context: MakeContext) -> None:
    there = make_context(instances(10), policy=DnsPolicy(a_record_limit=3))
    made = spread_of(there, "A").variants(Random(1))
    said = Counter(line for wire in made for line in records(wire))
    assert ({3}, {3}) == ({len(records(wire)) for wire in made}, set(said.values()))


def test_large_answers_have_so_many_variants_and_no_more(make_context: MakeContext) -> None:
    there = make_context(instances(300), policy=DnsPolicy(a_record_limit=2))
    assert MAX_VARIANTS == len(spread_of(there, "A").variants(Random(1)))
    whole = spread_of(make_context(instances(1_500), transport=Transport.TCP), "A")
    assert 10 == len(whole.variants(Random(1)))


def test_one_record_is_in_no_order(make_context: MakeContext) -> None:
    assert reply_to(make_context(instances(1)), "A").spread is None


def test_variants_of_two_families_are_even_only_where_all_are_said(make_context: MakeContext) -> None:
    there = make_context(instances(4, ipv6_from=2))
    assert spread_of(there, "ANY").is_even
    cut = attrs.evolve(there, policy=DnsPolicy(a_record_limit=2))
    assert not spread_of(cut, "ANY").is_even
    assert spread_of(cut, "A").is_even if reply_to(cut, "A").spread else True


def test_replies_drawn_give_each_instance_its_share(make_context: MakeContext) -> None:
    there = make_context(instances(4))
    found = Counter(records(reply_to(there, "A").wire)[0] for _ in range(4_000))
    assert 4 == len(found)
    assert all(900 < count < 1_100 for count in found.values())
