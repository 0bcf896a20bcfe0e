"""A service with hundreds of instances: what is made of each is made once, and nothing that no reply can hold."""

from __future__ import annotations

import gc
import weakref

import attrs

from nodedns.dns.codec import encode_answer
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.publications import Publications
from nodedns.dns.question import Query, Question, RRClass, RRType, Transport
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.rrset import Answer, SrvData
from nodedns.dns.service_kind import MANY_INSTANCES, MAX_REPLY_BYTES
from nodedns.dns.zone import Zone
from nodedns.dns.zone_asker import MANY_RECORDS, ZoneAsker
from nodedns.dns.zones import Zones
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import Change, CheckRegistered, ExternalNode, NodeRegistered, ServiceRegistered
from nodedns.table.node_table import NodeTable
from nodedns.table.view import TableView

POLICY = DnsPolicy()
ZONE = Zone.of_domain("consul")


def table_of(count: int, name: str = "n", host: str = "") -> NodeTable:
    """Return a table with ``count`` nodes, and an instance of ``web`` on each."""
    table = NodeTable("dc1", NodeName("me"), 1)
    changes: list[Change] = []
    for number in range(count):
        node = NodeName(f"{name}{number}")
        changes.append(NodeRegistered(ExternalNode(node, "", f"10.1.{number // 250}.{number % 250}", {}, {"k": "v"})))
        changes.append(ServiceRegistered(node, Service("web", "web", port=80, address=host)))
    table.apply(changes)
    return table


def question(name: str, rtype: RRType) -> Question:
    labels = (*name.encode().split(b"."), b"consul")
    return Question(labels, labels, rtype, RRClass.IN)


def srv_answer(view: TableView) -> Answer:
    return ZONE.answer(question("web.service", RRType.SRV), view, POLICY)


def srvs_of(answer: Answer) -> list[SrvData]:
    (records,) = answer.answer
    return [rdata for rdata in records.rdatas if isinstance(rdata, SrvData)]


def test_records_of_instances_that_did_not_change_are_made_once() -> None:
    table = table_of(MANY_INSTANCES + 1)
    before = srvs_of(srv_answer(table.view))
    check = Check(id="c", name="c", status=CheckStatus.WARNING, service_id="web", service_name="web")
    table.apply([CheckRegistered(NodeName("n5"), check)])
    after = srvs_of(srv_answer(table.view))
    assert len(before) == len(after) == MANY_INSTANCES + 1
    assert before == after
    made_anew = [now.target[0] for was, now in zip(before, after, strict=True) if was is not now]
    assert [b"n5"] == made_anew


def test_what_is_remembered_is_told_apart_by_port_and_domain() -> None:
    table = table_of(MANY_INSTANCES + 1)
    other = Zone.of_domain("example")
    asked = question("web.service", RRType.SRV)
    elsewhere = attrs.evolve(asked, labels=(b"web", b"service", b"example"), folded=(b"web", b"service", b"example"))
    for zone, each in ((ZONE, asked), (other, elsewhere), (ZONE, asked)):
        targets = {srv.target[-1] for srv in srvs_of(zone.answer(each, table.view, POLICY))}
        assert {zone.origin[-1]} == targets


def test_set_that_no_reply_can_hold_has_no_addresses_beside_it() -> None:
    name = "n" * 50
    fitting = 500
    assert srv_answer(table_of(fitting, name).view).extra
    past_all = srv_answer(table_of(2 * fitting, name).view)
    assert MAX_REPLY_BYTES < sum(len(srv.packed) for srv in srvs_of(past_all)) + 12 * 2 * fitting
    assert ((), ()) == (past_all.extra, past_all.leads)
    query = Query(1, 0, question("web.service", RRType.SRV), b"\3web\7service\6consul\0\0\x21\0\1", None)
    encoded = encode_answer(query, past_all, Transport.TCP, 1232)
    assert encoded.is_truncated


def test_targets_that_only_other_zones_know_are_told_as_leads() -> None:
    answer = srv_answer(table_of(3, host="db.example.com").view)
    assert ((b"db", b"example", b"com"),) == answer.leads
    assert () == srv_answer(table_of(3).view).leads


class CountingZone:
    """A zone that counts how often it is asked."""

    def __init__(self) -> None:
        self.origin = ZONE.origin
        self.asked = 0

    def answer(self, question: Question, view: TableView, policy: DnsPolicy) -> Answer:
        self.asked += 1
        return ZONE.answer(question, view, policy)


def test_publishing_takes_a_step_for_each_question_with_many_answers() -> None:
    table = table_of(MANY_RECORDS + 1)
    zone = CountingZone()
    asker = ZoneAsker(zone, table.view, POLICY, is_forward=True)
    asked = [zone.asked for _ in asker.ask((b"web", b"service"))]
    # A step each for ANY and SRV, then for packing what either told.
    assert [1, 2, 2, 2] == asked
    assert 2 * (MANY_RECORDS + 1) == len(asker.records)
    assert [] == list(asker.ask((b"n5", b"node")))
    assert 2 == len(asker.records)


def test_zone_takes_those_steps_too() -> None:
    zones = Zones((ZONE,), ReverseZones.of_prefixes((), ZONE.origin))
    few, many = (
        sum(1 for _ in Publications("me", "dc1", 1).publish(zones, table_of(count).view, POLICY, 10))
        for count in (MANY_RECORDS, MANY_RECORDS + 1)
    )
    # web.service, and _web._tcp.service, take four steps more each.
    assert few + 8 <= many


def test_instance_that_was_asked_for_is_gone_with_the_last_view_of_it() -> None:
    table = table_of(MANY_INSTANCES + 1)
    group = table.view.service_folded("web")
    assert group is not None
    instance = weakref.ref(group.members["n5", "web"])
    del group
    srv_answer(table.view)
    gc.collect()
    gc.disable()
    try:
        table.apply([ServiceRegistered(NodeName("n5"), Service("web", "web", port=81))])
        table.apply([ServiceRegistered(NodeName("n5"), Service("web", "web", port=82))])
        assert instance() is None
    finally:
        gc.enable()
