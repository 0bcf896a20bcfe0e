"""Every address of every node has one PTR record, and an answer stays true until one of its keys is touched."""

from __future__ import annotations

import ipaddress

import attrs
import dns.reversename
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.dependency import keys_of_change, keys_of_service_change
from nodedns.dns.name import Labels
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRType
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.reverse_names import cut_reverse_zone
from nodedns.dns.rrset import Answer, RRset, SoaData
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address, parse_ip
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.changes import (
    Change,
    ExternalNode,
    MemberHidden,
    MemberShown,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
)
from nodedns.table.node_table import NodeTable
from nodedns.table.view import TableView
from nodedns.testing.service_strategies import service_changes

FORWARD = Zone.of_domain("consul")
EVERYTHING = [*cut_reverse_zone("0.0.0.0/0"), *cut_reverse_zone("::/0")]
ALL = Zones((FORWARD,), ReverseZones.of_prefixes(EVERYTHING, FORWARD.origin))
DERIVED = Zones((FORWARD,), ReverseZones.of_prefixes(None, FORWARD.origin))

NAMES = st.sampled_from(["one", "a", "B", "c.d", "x" * 64]).map(NodeName)
NEAR = st.sampled_from(["10.1.1.1", "10.1.1.2", "10.1.2.1", "2001:db8::1", "2001:db8::10", "2001:db8:0:1::1"])
HOSTS = st.one_of(NEAR, st.ip_addresses().map(str))
CHANGES = st.one_of(
    st.builds(
        lambda name, host, status, tags: MemberUpserted(
            SerfMember(name, Address.from_text(host, 1), tags, status, Versions(b""))
        ),
        NAMES,
        HOSTS,
        st.sampled_from([status for status in MemberStatus if status is not MemberStatus.NONE]),
        st.sampled_from([{}, {"nodedns": "1", "server": "1"}]),
    ),
    st.builds(lambda name, address: NodeRegistered(ExternalNode(name, "", address)), NAMES, HOSTS),
    NAMES.map(NodeDeregistered),
    NAMES.map(MemberHidden),
    NAMES.map(MemberShown),
    service_changes(
        ["one", "a", "B", "c.d"], ["10.1.1.1", "10.1.2.1", "10.9.9.9", "2001:db8::10", "2001:db8:9::1", "host.lan", ""]
    ),
)
ZONES = st.sampled_from([ALL, DERIVED])


@st.composite
def questions(draw: st.DrawFn) -> Question:
    labels: Labels = dns.reversename.from_address(draw(HOSTS)).labels[:-1]
    labels = labels[draw(st.integers(0, len(labels) - 2)) :]
    if draw(st.integers(0, 9)) == 0:
        labels = (draw(st.sampled_from([b"x", b"01", b"1"])), *labels)
    rtypes = [RRType.PTR, RRType.A, RRType.NS, RRType.SOA, RRType.ANY]
    return Question(labels, labels, draw(st.sampled_from(rtypes)), 1)


def answered(question: Question, zones: Zones, view: TableView) -> Answer | None:
    zone = zones.covering(question.folded, view)
    return zone.answer(question, view, DnsPolicy()) if zone is not None else None


def without_serial(answer: Answer | None) -> Answer | None:
    """Return what stays the same while nothing that it depends on changes."""
    if answer is None:
        return None

    def stilled(rrset: RRset) -> RRset:
        rdatas = [attrs.evolve(rdata, serial=0) if isinstance(rdata, SoaData) else rdata for rdata in rrset.rdatas]
        return attrs.evolve(rrset, rdatas=tuple(rdatas))

    return attrs.evolve(
        answer, answer=tuple(map(stilled, answer.answer)), authority=tuple(map(stilled, answer.authority))
    )


@given(
    changes=st.lists(CHANGES, max_size=6),
    then=st.lists(CHANGES, min_size=1, max_size=3),
    asked=st.lists(questions(), min_size=1, max_size=8),
    zones=ZONES,
)
def test_answer_whose_keys_are_untouched_is_still_true(
    changes: list[Change], then: list[Change], asked: list[Question], zones: Zones
) -> None:
    table = NodeTable("dc1", NodeName("one"), 1)
    before = table.apply(changes)
    after = table.apply(then)
    touched: set[str] = set()
    if after is not before:
        touched |= {key for change in table.row_changes for key in keys_of_change(change)}
        touched |= {key for service in table.service_changes for key in keys_of_service_change(service)}
    for question in asked:
        earlier = answered(question, zones, before)
        if earlier is None:
            continue  # what is refused is not kept
        assert earlier.keys is not None
        if touched.isdisjoint(earlier.keys):
            assert without_serial(earlier) == without_serial(answered(question, zones, after))


@given(changes=st.lists(CHANGES, max_size=8), stranger=HOSTS, zones=ZONES)
def test_every_address_has_one_pointer_and_no_other_has(changes: list[Change], stranger: str, zones: Zones) -> None:
    view = NodeTable("dc1", NodeName("one"), 1).apply(changes)
    owners: dict[str, set[Labels]] = {}
    of_services: dict[str, set[Labels]] = {}
    for instance in (instance for group in view.services() for instance in group.instances):
        if instance.service.address and not instance.row.is_hidden and instance.service.address != "host.lan":
            name = (instance.service.name.encode(), b"service", b"dc1", b"consul")
            of_services.setdefault(instance.service.address, set()).add(name)
    for row in view.nodes():
        for ip in row.ip_texts:
            spelt = () if len(row.name) > 63 else (*row.name.encode().split(b"."), b"node", b"dc1", b"consul")
            owners.setdefault(ip, set()).add(spelt)
    for ip, names in of_services.items():
        if not owners.get(ip, set()) - {()}:
            owners[ip] = names
    # A v4-mapped address has its name where the IPv4 address has it.
    for ip in {*owners, str(parse_ip(ipaddress.ip_address(stranger).packed))}:
        labels: Labels = dns.reversename.from_address(ip).labels[:-1]
        answer = answered(Question(labels, labels, RRType.PTR, 1), zones, view)
        if ip not in owners:
            assert answer is None or (Rcode.NXDOMAIN, ()) == (answer.rcode, answer.answer)
            continue
        assert answer is not None
        targets = [rdata for rrset in answer.answer for rdata in rrset.rdatas]
        named = owners[ip] - {()}
        assert len(targets) == bool(named)
        assert set(targets) <= named
