"""Published zones are as if built afresh, as their differences make them, and say what live answers say."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from random import Random

import attrs
import dns.message
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.codec import encode_answer
from nodedns.dns.name import Labels, labels_of, packed_name
from nodedns.dns.policy import DnsPolicy, ServiceTtls
from nodedns.dns.publications import Publications
from nodedns.dns.published import PublishedZone
from nodedns.dns.question import Query, Question, Rcode, RRClass, RRType, Transport
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.reverse_names import cut_reverse_zone
from nodedns.dns.type_names import TYPE_NAMES
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.changes import (
    Change,
    ExternalNode,
    MemberForgotten,
    MemberHidden,
    MemberShown,
    MemberUpserted,
    NodeDeregistered,
    NodeRegistered,
)
from nodedns.table.node_table import NodeTable
from nodedns.table.view import TableView
from nodedns.testing.service_strategies import SERVICE_NAMES, service_changes
from nodedns.testing.static_zone import Record, StaticZone, read_records

NOW = 1_800_000_000
DOMAINS = ("consul", "b.a.consul", "lan")
PREFIXES = ("10.0.0.0/8", "10.0.0.0/24", "10.0.0.3/32", "2001:db8::/32")
NODES = ["me", "a", "A", "b.a", "c.b.a", "x", "*", "z.*", "_tcp", "7f000001.addr", "m\u00fcller", "broken", "l" * 64]
NODES += [".".join(["n" * 60] * 4)]
NODE = st.sampled_from([NodeName(name) for name in NODES])
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.1.1", "2001:db8::1", "www.example", "a.node.consul", "no..name")
METAS: Sequence[dict[str, str]] = (
    {},
    {"k": "v"},
    {"a": "1", "b": "2" * 300},
    {"sshfp-4-1": "0" * 40},
)


def externals(names: st.SearchStrategy[NodeName]) -> st.SearchStrategy[Change]:
    return st.builds(
        lambda name, address, tags, meta: NodeRegistered(ExternalNode(name, "", address, tags, meta)),
        names,
        st.sampled_from(ADDRESSES),
        st.sampled_from([{}, {}, {"lan_ipv6": "2001:db8::2"}]),
        st.sampled_from(METAS),
    )


MEMBERS = st.builds(
    lambda name, host, status, tags: MemberUpserted(
        SerfMember(name, Address.from_text(host, 8301), {"nodedns": "1", **tags}, status, Versions(b""))
    ),
    NODE,
    st.sampled_from(["10.0.0.1", "10.0.0.3", "10.0.2.1"]),
    st.sampled_from([MemberStatus.ALIVE, MemberStatus.ALIVE, MemberStatus.FAILED, MemberStatus.LEFT]),
    st.sampled_from([{}, {"server": "1"}, {"lan_ipv6": "2001:db8::3"}, {"nm_k": "v"}]),
)
CHANGE: st.SearchStrategy[Change] = st.one_of(
    externals(NODE),
    MEMBERS,
    st.builds(NodeDeregistered, NODE),
    st.builds(MemberForgotten, NODE),
    st.builds(MemberHidden, NODE),
    st.builds(MemberShown, NODE),
    service_changes(NODES),
    service_changes(NODES),
)
PEOPLE = ("me", "a", "b.a")
CHANGES = st.lists(CHANGE, max_size=10)
PEOPLED = st.tuples(
    *(externals(st.just(NodeName(name))) for name in PEOPLE),
    *(service_changes(PEOPLE) for _ in range(6)),
).map(list)
POLICIES = st.builds(
    DnsPolicy,
    node_ttl_s=st.sampled_from([0, 7]),
    ptr_ttl_s=st.sampled_from([0, 9]),
    soa_min_ttl_s=st.sampled_from([0, 3]),
    service_ttl=st.sampled_from([ServiceTtls(), ServiceTtls({"web": 5, "*": 6})]),
    only_passing=st.booleans(),
    nearest_first=st.booleans(),
)
DATACENTERS = st.sampled_from(["dc1", "dc1", "dc1", "DC", "node", "service", "addr", "port", "ns", "_x", "_tcp"])


def zones_of(edition_of: Publications, *, is_derived: bool) -> Zones:
    forward = Zone.of_domains(DOMAINS, edition_of=edition_of.edition)
    listed = [zone for prefix in PREFIXES for zone in cut_reverse_zone(prefix)]
    reverse = ReverseZones.of_prefixes(None if is_derived else listed, forward[0].origin, edition_of.edition)
    return Zones(forward, reverse)


@attrs.define
class Publisher:
    """A table and its published zones."""

    datacenter: str
    is_derived: bool
    table: NodeTable = attrs.field(init=False)
    kept: Publications = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.table = NodeTable(self.datacenter, NodeName("me"), 1)
        self.kept = Publications("me", self.datacenter, NOW)

    @property
    def zones(self) -> Zones:
        return zones_of(self.kept, is_derived=self.is_derived)

    def apply(self, changes: Sequence[Change]) -> None:
        before = self.table.view
        if self.table.apply(changes) is not before:
            self.kept.mark(self.table.row_changes, self.table.service_changes)

    def publish(self, policy: DnsPolicy) -> dict[Labels, PublishedZone]:
        for _ in self.kept.publish(self.zones, self.table.view, policy, NOW):
            pass
        return {origin: zone for origin in self.kept.origins if (zone := self.kept.zone(origin)) is not None}


def content(zone: PublishedZone) -> dict[bytes, set[bytes]]:
    records = {name: set(records) for name, records in zone.sets.items()}
    assert all(records.values())
    assert zone.wire_bytes == sum(map(len, zone.records()))
    return records


@given(
    first=PEOPLED,
    rounds=st.lists(st.tuples(st.one_of(CHANGES, PEOPLED), st.integers(0, 5)), min_size=1, max_size=3),
    policies=st.tuples(POLICIES, POLICIES),
    datacenter=DATACENTERS,
    is_derived=st.booleans(),
)
def test_zones_that_are_kept_up_with_changes_are_those_built_afresh(
    first: list[Change],
    rounds: list[tuple[list[Change], int]],
    policies: tuple[DnsPolicy, DnsPolicy],
    datacenter: str,
    is_derived: bool,
) -> None:
    kept, afresh = Publisher(datacenter, is_derived), Publisher(datacenter, is_derived)
    for changes, drawn in [(first, 0), *rounds]:
        policy = policies[drawn == 1]
        kept.apply(changes)
        published = kept.publish(policy)
        afresh.apply(changes)
        afresh.kept = Publications("me", datacenter, NOW)
        built = afresh.publish(policy)
        assert built.keys() == published.keys()
        for origin, zone in built.items():
            assert content(zone) == content(published[origin])


@given(rounds=st.lists(st.one_of(CHANGES, PEOPLED), min_size=2, max_size=4), policy=POLICIES, is_derived=st.booleans())
def test_differences_lead_from_every_serial_to_the_zone_of_now(
    rounds: list[list[Change]], policy: DnsPolicy, is_derived: bool
) -> None:
    kept = Publisher("dc1", is_derived)
    history: dict[Labels, list[PublishedZone]] = {}
    for changes in rounds:
        kept.apply(changes)
        for origin, zone in kept.publish(policy).items():
            history.setdefault(origin, []).append(zone)
    for origin, states in history.items():
        serials = [state.serial for state in states]
        assert serials == sorted(serials)
        assert len({id(state) for state in states}) == len(set(serials))
        now = kept.kept.zone(origin)
        for state in states if now is not None else ():
            assert now is not None
            differences = now.since(state.serial, state.mname)
            if differences is None:
                continue
            records, serial, soa = list(state.records()), state.serial, state.soa
            for difference in differences:
                assert (serial, soa) == (difference.before, difference.before_soa)
                for record in difference.removed:
                    records.remove(record)
                records += difference.added
                serial, soa = difference.after, difference.after_soa
            assert (now.serial, now.soa, sorted(now.records())) == (serial, soa, sorted(records))


TYPES = (*(rtype for rtype in TYPE_NAMES if rtype not in {41, 250, 251, 252}), 666)
LABELS = st.sampled_from(
    [
        *(b"a", b"b", b"c", b"x", b"me", b"node", b"addr", b"dc1", b"dc", b"ns", b"lan", b"*", b"z", b"broken"),
        *(b"service", b"web", b"db", b"primary", b"v1", b"_web", b"_db", b"_tcp", b"_udp", b"http", b"port"),
        *(b"_services", b"_dns-sd", b"lb", b"_sub", b"me:w2", b"0a000001", b"0a000009", b"zz000001", b"q"),
    ]
)
ENDS = [labels_of(name) or () for name in SERVICE_NAMES]
ENDS += [
    (b"0a000009", b"addr"),
    (b"lb", b"_dns-sd", b"_udp", b"q", b"port"),
    (b"primary", b"web", b"service", b"q", b"port"),
]
ENDS += [(), (b"node",), (b"addr",), (b"dc1",), (b"dc",), (b"dc1", b"dc"), (b"node", b"dc1"), (b"ns",), (b"b", b"a")]
RELATIVE = st.builds(
    lambda start, end, place: (*start, *end, *place),
    st.lists(LABELS, max_size=3),
    st.sampled_from(ENDS),
    st.sampled_from([(), (b"dc1",), (b"dc1", b"dc")]),
)
MOST_NAMES = 12


@attrs.define
class Pair:
    """The agent's zones, and a secondary with what was published of them."""

    zones: Zones
    view: TableView
    policy: DnsPolicy
    secondary: dict[Labels, StaticZone]

    @property
    def names(self) -> list[Labels]:
        return sorted({name for zone in self.secondary.values() for name in zone.names})

    def live(self, name: Labels, rtype: int) -> tuple[Rcode, frozenset[Record]]:
        """Return what the agent says, its records as an independent parser reads them."""
        question = Question(name, name, rtype, RRClass.IN)
        zone = self.zones.answering(question, self.view)
        assert zone is not None
        answer = zone.answer(question, self.view, self.policy)
        wire = packed_name(name) + rtype.to_bytes(2, "big") + b"\0\1"
        # Of several aliases every client is told one.
        rrsets = tuple(attrs.evolve(rrset, is_spread=False) for rrset in answer.answer)
        answer = attrs.evolve(answer, answer=rrsets, extra=(), most_spread=0)
        packed = encode_answer(Query(0, 0, question, wire, None), answer, Transport.TCP, 1232)
        assert not packed.is_truncated
        message = dns.message.from_wire(packed.wire, one_rr_per_rrset=True)
        said = ((name, int(rrset.rdtype), rrset.ttl, rrset[0].to_text()) for rrset in message.answer)
        return answer.rcode, frozenset(record for record in said if record[1] != RRType.SOA)

    def static(self, name: Labels, rtype: int) -> tuple[Rcode, frozenset[Record]]:
        """Return what the secondary says."""
        zone = self.zones.answering(Question(name, name, rtype, RRClass.IN), self.view)
        assert zone is not None
        answer = self.secondary[zone.origin].look_up(name, rtype)
        assert not answer.is_referral
        return answer.rcode, answer.records

    def is_said_otherwise(self, name: Labels, rtype: int) -> bool:
        """Whether the manual says that a secondary says something else here, and it says that."""
        (code, live), (static_code, static) = self.live(name, rtype), self.static(name, rtype)
        if {RRType.CNAME} == {record[1] for record in static}:
            return static <= self.live(name, RRType.CNAME)[1]
        if static_code is Rcode.NOERROR:
            return rtype == RRType.ANY and code is Rcode.NOERROR and live <= static
        if code is Rcode.NXDOMAIN or b"*" in name:
            return b"*" in name
        is_empty = not any(self.live(name, each)[1] for each in (RRType.ANY, RRType.SRV, RRType.PTR))
        return is_empty or (b"addr" in name and not self.view.has_ip(address_in(name)))


def address_in(name: Labels) -> str:
    return str(ipaddress.ip_address(bytes.fromhex(name[0].decode())))


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    made = Publisher(draw(DATACENTERS), draw(st.booleans()))
    made.apply(draw(PEOPLED) + draw(CHANGES))
    policy = draw(POLICIES)
    secondary = {
        origin: StaticZone(origin, read_records(origin, zone.records()))
        for origin, zone in made.publish(policy).items()
    }
    return Pair(made.zones, made.table.view, policy, secondary)


@given(pair=pairs(), drawn=st.lists(RELATIVE, min_size=3, max_size=8), chance=st.randoms(use_true_random=False))
def test_secondary_answers_as_the_agent_does(pair: Pair, drawn: list[Labels], chance: Random) -> None:
    names = [name + chance.choice(pair.zones.forward).origin for name in drawn]
    known = pair.names
    for name in (*chance.sample(known, min(MOST_NAMES, len(known))), *names):
        for rtype in (RRType.ANY, RRType.SRV, RRType.PTR, chance.choice(TYPES)):
            if pair.live(name, rtype) != pair.static(name, rtype):
                assert pair.is_said_otherwise(name, rtype), (name, rtype, pair.live(name, rtype))
