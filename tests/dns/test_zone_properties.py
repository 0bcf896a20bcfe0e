"""What holds for every name of every zone: names form a tree, domains are alike, and answers name what they hang on."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from random import Random

import attrs
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.dependency import keys_of_change, keys_of_service_change
from nodedns.dns.name import Labels, fold_labels, labels_of
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Question, Rcode, RRClass, RRType
from nodedns.dns.responder import QueryContext
from nodedns.dns.rrset import Answer, Rdata, RRset, SoaData, SrvData
from nodedns.dns.zone import Zone
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.changes import Change, ExternalNode, MemberUpserted, NodeDeregistered, NodeRegistered
from nodedns.table.node_table import NodeTable
from nodedns.table.view import TableView
from nodedns.testing.service_strategies import SERVICE_NAMES, service_changes

MakeContext = Callable[..., QueryContext]

POLICY = DnsPolicy(node_ttl_s=7, soa_min_ttl_s=3)
WORDS = [
    b"foo",
    b"Dual",
    b"google",
    b"node",
    b"ADDR",
    b"dc1",
    b"dc",
    b"ns",
    b"a",
    b"b",
    b"c",
    b"x",
    b"er",
    b"test",
    b"deep",
    *(b"service", b"web", b"Db", b"primary", b"v1", b"_web", b"_DB", b"_tcp", b"_udp", b"http", b"port", b"w2"),
    *(b"_services", b"_dns-sd", b"lb", b"_sub", b"agent-two", b"agent-two:w2", b"broken"),
]
ADDRESS_WORDS = [b"7f000001", b"7F00000G", b"2607002040050808000000000000200e"]
ENDS = ["", "node", "node.dc1", "node.DC1.dc", "a.b.c.node", "addr.dc1", "dc1.dc", "deep.er", "test", "ns"]
ENDS += ["service", "service.dc1", "service.http.port", "web.service", "_web._tcp", "_tcp.dc1.dc", "_dns-sd._udp"]
RELATIVE = st.builds(
    lambda start, end: (*start, *(labels_of(end) or ())),
    st.lists(st.sampled_from(WORDS + ADDRESS_WORDS), max_size=3),
    st.sampled_from(ENDS),
)
RTYPES = st.sampled_from([1, 2, 5, 6, 12, 16, 28, 33, 255])
DOMAINS = ["consul", "test.consul", "deep.er.consul", "lan", "nodes.example.org"]


def answered(zone: Zone, relative: Labels, rtype: int, view: TableView, origin: Labels | None = None) -> Answer:
    labels = relative + (zone.origin if origin is None else origin)
    return zone.answer(Question(labels, fold_labels(labels), rtype, RRClass.IN), view, POLICY)


def rrsets_of(answer: Answer) -> tuple[RRset, ...]:
    return answer.answer + answer.authority + answer.glue + answer.extra


@given(relative=RELATIVE, rtype=RTYPES)
def test_every_name_above_one_that_exists_exists(context: QueryContext, relative: Labels, rtype: int) -> None:
    for zone in Zone.of_domains(DOMAINS):
        if answered(zone, relative, rtype, context.view).rcode is Rcode.NOERROR:
            above = [answered(zone, relative[start:], rtype, context.view) for start in range(len(relative) + 1)]
            assert {Rcode.NOERROR} == {answer.rcode for answer in above}


@given(relative=RELATIVE)
def test_whether_a_name_exists_does_not_hang_on_the_type(context: QueryContext, relative: Labels) -> None:
    zone = Zone.of_domain("consul")
    assert 1 == len(
        {answered(zone, relative, rtype, context.view).rcode for rtype in (1, 2, 6, 12, 16, 28, 33, 255, 666)}
    )


@given(relative=RELATIVE, rtype=RTYPES)
def test_answer_without_records_has_the_soa_and_one_with_records_has_none(
    context: QueryContext, relative: Labels, rtype: int
) -> None:
    answer = answered(Zone.of_domain("consul"), relative, rtype, context.view)
    assert answer.authoritative
    assert bool(answer.answer) != bool(answer.authority)
    assert answer.rcode is Rcode.NOERROR or not rrsets_of(answer)[1:]
    assert all(rrset.rtype is RRType.SOA for rrset in answer.authority)
    # RFC 1034 section 3.6.2, RFC 2181 section 10.1
    if any(rrset.rtype is RRType.CNAME for rrset in answer.answer):
        assert 1 == len(rrsets_of(answer))


@given(relative=RELATIVE, rtype=RTYPES, seed=st.integers(0, 9))
def test_every_domain_says_the_same_in_its_own_name(
    context: QueryContext, relative: Labels, rtype: int, seed: int
) -> None:
    first, other = Zone.of_domain("consul"), Zone.of_domain("Nodes.example")
    chance = Random(seed)
    spelt = tuple(bytes(chance.choice((chr(c), chr(c).upper())).encode()[0] for c in label) for label in other.origin)
    expected = answered(first, relative, rtype, context.view)
    assert expected == moved(answered(other, relative, rtype, context.view, spelt), spelt, first.origin)


def moved(answer: Answer, origin: Labels, to: Labels) -> Answer:
    """Return ``answer`` with every name that ends in ``origin`` ending in ``to``."""

    def name(labels: Labels) -> Labels:
        # What cannot be a pointer to the question is in the zone's own letters, whatever those of the question are.
        return labels[: -len(origin)] + to if fold_labels(labels[-len(origin) :]) == fold_labels(origin) else labels

    def rrset(old: RRset) -> RRset:
        rdatas: list[Rdata] = []
        for rdata in old.rdatas:
            if isinstance(rdata, SoaData):
                rdatas.append(attrs.evolve(rdata, mname=name(rdata.mname), rname=name(rdata.rname)))
            elif isinstance(rdata, SrvData):
                rdatas.append(attrs.evolve(rdata, target=name(rdata.target)))
            else:
                is_name = old.rtype in (RRType.NS, RRType.PTR) and isinstance(rdata, tuple)
                rdatas.append(name(rdata) if is_name and isinstance(rdata, tuple) else rdata)
        return attrs.evolve(old, owner=name(old.owner), rdatas=tuple(rdatas))

    def section(old: tuple[RRset, ...]) -> tuple[RRset, ...]:
        return tuple(map(rrset, old))

    return attrs.evolve(
        answer,
        answer=section(answer.answer),
        authority=section(answer.authority),
        glue=section(answer.glue),
        extra=section(answer.extra),
        leads=tuple(map(name, answer.leads)),
    )


@given(ip=st.ip_addresses(), place=st.sampled_from([(), (b"DC1",), (b"dc1", b"Dc")]), rtype=RTYPES)
def test_every_address_has_a_name(
    context: QueryContext,
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
    place: Labels,
    rtype: int,
) -> None:
    relative = (ip.packed.hex().upper().encode(), b"addr", *place)
    zone = Zone.of_domain("consul")
    answer = answered(zone, relative, rtype, context.view)
    own = RRType.A if ip.version == 4 else RRType.AAAA
    is_asked = rtype in (own, RRType.ANY)
    record = RRset((*relative, b"consul"), own, 7, (ip.packed,))
    assert (Rcode.NOERROR, (record,) if is_asked else (), () if is_asked else (record,)) == (
        answer.rcode,
        answer.answer,
        answer.extra,
    )
    assert Rcode.NXDOMAIN is answered(zone, (b"x", *relative), rtype, context.view).rcode


NAMES = ["me", "a", "A", "b.a", "c.b.a", "x"]
CHANGES = st.one_of(
    st.builds(
        lambda name, address, tags: NodeRegistered(ExternalNode(NodeName(name), "", address, tags)),
        st.sampled_from(NAMES),
        st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", "www.example"]),
        st.sampled_from([{}, {"lan_ipv6": "2001:db8::2"}]),
    ),
    st.builds(lambda name: NodeDeregistered(NodeName(name)), st.sampled_from(NAMES)),
    st.builds(
        lambda name, host, status, tags: MemberUpserted(
            SerfMember(NodeName(name), Address.from_text(host, 8301), {"nodedns": "1", **tags}, status, Versions(b""))
        ),
        st.sampled_from(NAMES),
        st.sampled_from(["10.0.0.1", "10.0.0.3"]),
        st.sampled_from([MemberStatus.ALIVE, MemberStatus.FAILED, MemberStatus.LEFT]),
        st.sampled_from([{}, {"server": "1"}, {"lan_ipv6": "2001:db8::3"}, {"nm_k": "v"}]),
    ),
    service_changes(NAMES),
)
QUESTIONS = [
    labels_of(name) or ()
    for name in (
        *("", "ns", "me.node", "a.node", "b.a.node.dc1", "c.b.a.node", "x.node", "node", "7f000001.addr", "dc1"),
        *SERVICE_NAMES,
    )
]


def touched_keys(table: NodeTable) -> set[str]:
    rows = {key for change in table.row_changes for key in keys_of_change(change)}
    return rows | {key for change in table.service_changes for key in keys_of_service_change(change)}


@given(before=st.lists(CHANGES, max_size=5), changes=st.lists(CHANGES, min_size=1, max_size=3))
def test_answer_whose_keys_no_change_touches_stays_but_for_the_serial(
    before: list[Change], changes: list[Change]
) -> None:
    table = NodeTable("dc1", NodeName("me"), 1)
    first = table.apply(before)
    second = table.apply(changes)
    touched = touched_keys(table) if second is not first else set()
    level = attrs.evolve(
        second,
        nodes_index=first.nodes_index,
        service_set=attrs.evolve(second._service_set, instances_index=first.instances_index),
    )
    zone = Zone.of_domain("consul")
    for relative in QUESTIONS:
        for rtype in (
            *(RRType.A, RRType.AAAA, RRType.NS, RRType.SOA),
            *(RRType.TXT, RRType.ANY, RRType.SRV, RRType.PTR),
        ):
            old = answered(zone, relative, rtype, first)
            if old.keys is not None and touched.isdisjoint(old.keys):
                assert old == answered(zone, relative, rtype, level)
