"""Answers for services while they are kept: the orders they are given in, and what drops them."""

from __future__ import annotations

from collections import Counter
from random import Random

import attrs
import pytest

from nodedns.dns.apex import soa_serial
from nodedns.dns.dependency import NODE_KEY, SERVICE_KEY, keys_of_change, keys_of_service_change
from nodedns.dns.packed import KEY_AT, USES_OF_EACH, PackedAnswers
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Rcode, RRType, Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.service_kind import is_service_there
from nodedns.dns.spread import MAX_VARIANTS
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import Change, CheckRegistered, ExternalNode, NodeRegistered, ServiceDeregistered
from nodedns.table.changes import ServiceRegistered as Registered
from nodedns.table.node_table import NodeTable
from nodedns.testing.dns_queries import query_wire

TALLY = object()
RCODE_BITS = 0xF


@attrs.define
class Server:
    """A table, and answers to it with packed ones before the others, as the agent has them."""

    policy: DnsPolicy = attrs.Factory(DnsPolicy)
    table: NodeTable = attrs.Factory(lambda: NodeTable("dc1", NodeName("me"), 7))
    packed: PackedAnswers = attrs.field(init=False)
    asked: int = 0
    rng: Random = attrs.Factory(lambda: Random(3))

    def __attrs_post_init__(self) -> None:
        is_there = {NODE_KEY: lambda _: False, SERVICE_KEY: self.is_service_there}
        self.packed = PackedAnswers(is_there, self.rng)

    def is_service_there(self, label: str) -> bool:
        return is_service_there(self.table.view, label, self.policy)

    def change(self, *changes: Change) -> None:
        self.table.apply(changes)
        for change in self.table.row_changes:
            self.packed.drop(keys_of_change(change))
        for service in self.table.service_changes:
            self.packed.drop(keys_of_service_change(service))

    def ask(self, name: str, rtype: int = RRType.A) -> bytes:
        query = query_wire(f"{name}.consul", rtype)
        serial = soa_serial(self.table.view)
        self.packed.set_serials(serial, lambda _: serial)
        found = self.packed.find(query)
        if found is not None:
            head, question_end, tail, end, *_ = found
            wire = query[:KEY_AT] + head + query[12:question_end] + tail
            assert end == len(wire)
            return wire
        self.asked += 1
        zones = Zones((Zone.of_domain("consul"),))
        context = QueryContext(None, Transport.UDP, self.table.view, zones, self.policy, self.rng)
        reply = respond(query, context)
        assert isinstance(reply, Reply)
        self.packed.keep(query, reply, TALLY)
        return reply.wire

    def is_asked_anew(self, name: str, rtype: int = RRType.A) -> bool:
        before = self.asked
        self.ask(name, rtype)
        return self.asked != before

    def rcode(self, name: str) -> int:
        return self.ask(name)[3] & RCODE_BITS


def web(number: int, **given: object) -> tuple[Change, ...]:
    name = NodeName(f"n{number}")
    node = NodeRegistered(ExternalNode(name, "", f"10.0.{number // 250}.{number % 250 + 1}"))
    return node, Registered(name, attrs.evolve(Service("web", "web", port=80), **given))  # type: ignore[arg-type]


def check(number: int, status: CheckStatus, output: str = "") -> Change:
    return CheckRegistered(NodeName(f"n{number}"), Check("c", "c", status, output=output, service_id="web"))


def server(instances: int, **policy: int) -> Server:
    made = Server(DnsPolicy(**policy))  # type: ignore[arg-type] # numbers, all of them
    made.change(*(change for number in range(instances) for change in web(number)))
    return made


def test_answer_of_one_instance_is_kept_as_it_is() -> None:
    made = server(1)
    assert made.ask("web.service") == made.ask("web.service")
    assert 1 == made.asked


@pytest.mark.parametrize("rtype", [RRType.A, RRType.SRV])
def test_answer_of_several_is_given_in_turns_and_asked_for_once(rtype: int) -> None:
    made = server(5)
    made.ask("web.service", rtype)
    given = Counter(made.ask("web.service", rtype) for _ in range(50))
    assert ({10}, 5, 1) == (set(given.values()), len(given), made.asked)


def test_records_that_are_more_than_are_kept_come_in_with_time() -> None:
    count = MAX_VARIANTS + 72
    made = server(count, a_record_limit=1)
    uses = MAX_VARIANTS * USES_OF_EACH
    given = Counter(made.ask("web.service")[-4:] for _ in range(1 + 12 * (uses + 1)))
    assert 13 == made.asked
    assert count == len(given)


def test_word_of_a_check_drops_nothing_and_its_status_does() -> None:
    made = server(2)
    made.change(check(0, CheckStatus.PASSING))
    made.ask("web.service")
    made.change(check(0, CheckStatus.PASSING, "still well"))
    assert not made.is_asked_anew("web.service")
    made.change(check(0, CheckStatus.CRITICAL))
    assert made.is_asked_anew("web.service")


def test_change_of_another_service_drops_nothing() -> None:
    made = server(1)
    made.ask("web.service")
    made.change(Registered(NodeName("n0"), Service("db", "db")))
    assert not made.is_asked_anew("web.service")


def test_service_that_appears_is_not_hidden_by_the_template_of_missing_ones() -> None:
    made = server(0)
    assert [Rcode.NXDOMAIN, Rcode.NXDOMAIN] == [made.rcode("web.service"), made.rcode("abc.service")]
    assert 1 == made.asked
    made.change(*web(0))
    assert [Rcode.NOERROR, Rcode.NXDOMAIN] == [made.rcode("web.service"), made.rcode("abc.service")]
    made.change(check(0, CheckStatus.CRITICAL))
    assert Rcode.NXDOMAIN == made.rcode("web.service")
    made.change(check(0, CheckStatus.WARNING))
    assert Rcode.NOERROR == made.rcode("web.service")
    made.change(ServiceDeregistered(NodeName("n0"), "web"))
    assert Rcode.NXDOMAIN == made.rcode("web.service")


@pytest.mark.parametrize(
    ("missing", "there"),
    [
        ("web.web.service", "tag.web.service"),
        ("web._web._tcp", "n00._web._tcp"),
        ("web.service.db.port", "web.service"),
        ("_we.service", "_ta.service"),
        ("_web._udp", "_web._tag"),
    ],
)
def test_missing_part_of_a_service_is_no_template_for_what_is_there(missing: str, there: str) -> None:
    made = Server()
    made.change(*web(0, tags=("tag",)), *web(1))
    name = NodeName("n00")
    made.change(NodeRegistered(ExternalNode(name, "", "10.9.9.9")), Registered(name, Service("web", "web")))
    made.ask(missing)
    assert Rcode.NOERROR == made.rcode(there)


def test_names_that_any_word_makes_are_not_kept() -> None:
    made = server(0)
    for name in ("_abc.service", "_abc", "abc.port", "service.abc.port"):
        assert Rcode.NOERROR == made.rcode(name)
    assert 0 == len(made.packed)
