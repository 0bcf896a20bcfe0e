"""What a secondary is told: the zone, what has changed, or nothing new; who may ask, and in which messages it comes."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

import attrs
import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.xfr
import dns.zone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodedns.dns.cookies import Cookies
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.publications import Publications
from nodedns.dns.question import Rcode, Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.reverse import ReverseZones
from nodedns.dns.transfer import MAX_MESSAGE_BYTES, TransferKind, Transfers
from nodedns.dns.transfer_params import AllowedClient, TransferParams
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.table.changes import Change, ExternalNode, NodeDeregistered, NodeRegistered
from nodedns.table.node_table import NodeTable
from nodedns.testing.signing import KEYS, TSIG_256, TSIG_512, peer_key, signed_query

NOW = 1_800_000_000
SECONDARY = Address.from_text("192.0.2.53", 5300)
STRANGER = Address.from_text("198.51.100.1", 5300)
MNAME = "agent-one.node.dc1.consul."
PARAMS = TransferParams(
    keys=KEYS,
    allow=(AllowedClient(ipaddress.ip_network("192.0.2.0/24")), AllowedClient(None, TSIG_512.name)),
)


def external(name: str, address: str) -> Change:
    return NodeRegistered(ExternalNode(NodeName(name), "", address, {}, {}))


def numbered(count: int) -> list[Change]:
    return [external(f"n{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}") for number in range(count)]


class Primary:
    """A table, its published zones, and secondaries that ask for them."""

    def __init__(self, changes: Sequence[Change]) -> None:
        zone = Zone.of_domain("consul")
        self.zones = Zones((zone,), ReverseZones.of_prefixes(None, zone.origin))
        self.table = NodeTable("dc1", NodeName("agent-one"), 1)
        self.kept = Publications("agent-one", "dc1", NOW - 100)
        self.policy = DnsPolicy()
        self.now = NOW
        self.apply(*changes)

    def apply(self, *changes: Change) -> int:
        before = self.table.view
        if self.table.apply(changes) is not before:
            self.kept.mark(self.table.row_changes, self.table.service_changes)
        self.now += 1
        for _ in self.kept.publish(self.zones, self.table.view, self.policy, self.now):
            pass
        return self.serial

    @property
    def serial(self) -> int:
        zone = self.kept.zone((b"consul",))
        assert zone is not None
        return zone.serial

    def context(self, transport: Transport = Transport.TCP, client: Address | None = SECONDARY) -> QueryContext:
        transfers = Transfers(PARAMS, self.kept.zone, lambda: NOW)
        view = self.table.view
        return QueryContext(client, transport, view, self.zones, self.policy, Random(0), transfers=transfers)

    def ask(self, wire: bytes, transport: Transport = Transport.TCP, client: Address | None = SECONDARY) -> Reply:
        reply = respond(wire, self.context(transport, client))
        assert isinstance(reply, Reply)
        return reply

    def messages(self, wire: bytes, transport: Transport = Transport.TCP) -> list[bytes]:
        reply = self.ask(wire, transport)
        assert reply.transfer is not None
        messages = [reply.wire]
        while (message := reply.transfer.next_message()) is not None:
            messages.append(message)
        assert reply.transfer.is_finished
        assert (len(messages), sum(map(len, messages))) == (reply.transfer.messages, reply.transfer.wire_bytes)
        return messages

    def kind(self, wire: bytes, transport: Transport = Transport.TCP) -> TransferKind:
        reply = self.ask(wire, transport)
        assert reply.transfer is not None
        return reply.transfer.transfer.kind


@pytest.fixture
def primary(pool: Sequence[Change]) -> Primary:
    return Primary(pool)


def axfr(zone: str = "consul.", **options: int) -> dns.message.Message:
    return dns.message.make_query(zone, "AXFR", **options)  # type: ignore[arg-type]


def ixfr(
    serial: int, mname: str = MNAME, zone: str = "consul.", *, owner: str = "", opt: bool = False
) -> dns.message.Message:
    query = dns.message.make_query(zone, "IXFR", use_edns=0 if opt else -1)
    soa = query.find_rrset(
        query.authority, dns.name.from_text(owner or zone), dns.rdataclass.IN, dns.rdatatype.SOA, create=True
    )
    soa.add(dns.rdata.from_text("IN", "SOA", f"{mname} hostmaster.consul. {serial} 1 1 1 1"))
    return query


class Secondary:
    """dnspython's own reading of transfers, into a zone of its own."""

    def __init__(self, primary: Primary, origin: str = "consul.") -> None:
        self.zone = dns.zone.Zone(origin, relativize=False)
        self.origin = origin
        self.primary = primary
        self.serial = 0

    def transfer(self, query: dns.message.Message, *, is_udp: bool = False) -> None:
        rtype = query.question[0].rdtype
        wires = self.primary.messages(query.to_wire(), Transport.UDP if is_udp else Transport.TCP)
        with dns.xfr.Inbound(self.zone, rtype, serial=self.serial, is_udp=is_udp) as inbound:
            done = [inbound.process_message(dns.message.from_wire(wire, xfr=True)) for wire in wires]
        assert [False] * (len(wires) - 1) + [True] == done
        soa = self.zone.get_soa()
        assert soa is not None
        self.serial = soa.serial

    def lines(self) -> list[str]:
        return sorted(
            f"{name} {ttl} {dns.rdatatype.to_text(rdata.rdtype)} {rdata}"
            for name, ttl, rdata in self.zone.iterate_rdatas()
        )


def whole(primary: Primary) -> list[str]:
    """The zone as a secondary has it that knew nothing."""
    fresh = Secondary(primary)
    fresh.transfer(axfr())
    return fresh.lines()


# --- AXFR -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "zone", ["consul.", "CoNsUl.", "1.1.10.in-addr.arpa.", "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."]
)
def test_zone_is_told_as_it_was_published(primary: Primary, zone: str) -> None:
    published = primary.kept.zone(tuple(zone.lower().encode().split(b".")[:-1]))
    assert published is not None
    (wire,) = primary.messages(axfr(zone).to_wire())
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    records = published.records()
    assert len(records) + 2 == len(message.answer)
    assert message.answer[0] == message.answer[-1]
    assert (dns.rdatatype.SOA, published.serial) == (message.answer[0].rdtype, message.answer[0][0].serial)
    secondary = Secondary(primary, zone)
    secondary.transfer(axfr(zone))
    assert len(set(records)) + 1 == len(secondary.lines())
    assert published.serial == secondary.serial


def test_answers_of_the_zone_equal_live_ones(primary: Primary) -> None:
    zone = Secondary(primary)
    zone.transfer(axfr())
    for name in ("foo.node.consul.", "dual.node.dc1.consul.", "a.b.c.node.dc1.dc.consul."):
        live = dns.message.from_wire(primary.ask(dns.message.make_query(name, "ANY").to_wire()).wire)
        told = {(rdata.rdtype, str(rdata)) for rdataset in zone.zone.find_node(name) for rdata in rdataset}
        assert {(rrset.rdtype, str(rdata)) for rrset in live.answer for rdata in rrset} == told


def test_each_message_repeats_the_question_and_the_first_has_opt(primary: Primary) -> None:
    primary.apply(*numbered(1_200))
    query = axfr("ConSul.", use_edns=0)
    query.flags |= dns.flags.RD
    wires = primary.messages(query.to_wire())
    assert len(wires) > 3
    for position, wire in enumerate(wires):
        message = dns.message.from_wire(wire, xfr=True)
        assert (query.id, query.question) == (message.id, message.question)
        assert wire[12:].startswith(b"\6ConSul\0\0\xfc\0\1")
        assert dns.flags.QR | dns.flags.AA | dns.flags.RD == message.flags
        assert (0 if position == 0 else -1) == message.edns
        assert (1, 0) == (len(message.question), len(message.authority))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm.value)
def test_messages_are_filled_and_each_is_signed_from_the_one_before(primary: Primary, key: object) -> None:
    primary.apply(*numbered(1_200))
    signing = TSIG_256 if key is TSIG_256 else TSIG_512
    asked = signed_query(axfr(), peer_key(signing), NOW)
    wires = primary.messages(asked.wire)
    assert len(wires) > 3
    assert all(MAX_MESSAGE_BYTES - 1_000 < len(wire) <= MAX_MESSAGE_BYTES for wire in wires[:-1])
    records, context = 0, None
    for wire in wires:
        message, context = asked.read_next(wire, context)
        records += len(message.answer)
    assert primary.ask(asked.wire).transfer is not None
    with pytest.raises(dns.tsig.BadSignature):
        asked.read_next(wires[2], asked.read_next(wires[0], None)[1])


def test_signature_of_a_long_transfer_has_the_time_of_each_message(primary: Primary) -> None:
    primary.apply(*numbered(1_200))
    asked = signed_query(axfr(), peer_key(TSIG_256), NOW)
    times = iter(range(NOW, NOW + 1_000))
    context = attrs.evolve(
        primary.context(), transfers=Transfers(PARAMS, primary.kept.zone, lambda: float(next(times)))
    )
    reply = respond(asked.wire, context)
    assert isinstance(reply, Reply)
    assert reply.transfer is not None
    second = reply.transfer.next_message()
    assert second is not None
    tsig = dns.message.from_wire(second, keyring=False, xfr=True).tsig
    assert tsig is not None
    assert NOW + 2 == tsig[0].time_signed


def test_state_that_is_being_told_does_not_change(primary: Primary) -> None:
    primary.apply(*numbered(1_200))
    before = whole(primary)
    reply = primary.ask(axfr().to_wire())
    assert reply.transfer is not None
    primary.apply(external("later", "10.9.9.9"), NodeDeregistered(NodeName("n7")))
    wires = [reply.wire]
    while (wire := reply.transfer.next_message()) is not None:
        wires.append(wire)
    zone = dns.zone.Zone("consul.", relativize=False)
    with dns.xfr.Inbound(zone, dns.rdatatype.AXFR) as inbound:
        assert [inbound.process_message(dns.message.from_wire(wire, xfr=True)) for wire in wires][-1]
    secondary = Secondary(primary)
    secondary.zone = zone
    assert before == secondary.lines() != whole(primary)


# --- IXFR -----------------------------------------------------------------------------------


def test_changes_are_told_and_make_the_zone_of_now(primary: Primary) -> None:
    secondary = Secondary(primary)
    secondary.transfer(axfr())
    steps: list[list[Change]] = [
        [external("x", "10.1.1.99")],
        [external("foo", "10.1.1.98"), NodeDeregistered(NodeName("bar"))],
        numbered(50),
        [NodeDeregistered(NodeName(f"n{number}")) for number in range(25)],
    ]
    for step in steps:
        primary.apply(*step)
        assert TransferKind.IXFR is primary.kind(ixfr(secondary.serial).to_wire())
        secondary.transfer(ixfr(secondary.serial))
        assert primary.serial == secondary.serial
        assert whole(primary) == secondary.lines()


def test_several_changes_are_told_in_a_row(primary: Primary) -> None:
    secondary = Secondary(primary)
    secondary.transfer(axfr())
    serials = [secondary.serial, *(primary.apply(external("x", f"10.1.1.{number}")) for number in range(5))]
    (wire,) = primary.messages(ixfr(secondary.serial).to_wire())
    soas = [
        rrset[0].serial
        for rrset in dns.message.from_wire(wire, one_rr_per_rrset=True).answer
        if rrset.rdtype == dns.rdatatype.SOA
    ]
    pairs = [serial for before, after in pairwise(serials) for serial in (before, after)]
    assert [serials[-1], *pairs, serials[-1]] == soas
    secondary.transfer(ixfr(secondary.serial))
    assert whole(primary) == secondary.lines()


@pytest.mark.parametrize(
    ("ahead", "kind"),
    [
        (0, TransferKind.CURRENT),
        (1, TransferKind.CURRENT),
        (2**31 - 1, TransferKind.CURRENT),
        (-1, TransferKind.IXFR),
        (-2, TransferKind.WHOLE),
        (2**31, TransferKind.WHOLE),
        (2**31 + 1, TransferKind.WHOLE),
    ],
)
@pytest.mark.parametrize("transport", Transport)
def test_form_goes_by_the_clients_serial(
    primary: Primary, transport: Transport, ahead: int, kind: TransferKind
) -> None:
    primary.apply(external("x", "10.1.1.99"))
    wire = ixfr((primary.serial + ahead) % 2**32).to_wire()
    alone = kind is TransferKind.WHOLE and transport is Transport.UDP
    assert (TransferKind.CURRENT if alone else kind) is primary.kind(wire, transport)


@pytest.mark.parametrize("mname", [".", "ns.consul.", "agent-two.node.dc1.consul."])
def test_changes_of_another_publisher_are_never_told(primary: Primary, mname: str) -> None:
    before = primary.serial
    primary.apply(external("x", "10.1.1.99"))
    assert TransferKind.IXFR is primary.kind(ixfr(before, MNAME.upper()).to_wire())
    assert TransferKind.WHOLE is primary.kind(ixfr(before, mname).to_wire())
    assert TransferKind.CURRENT is primary.kind(ixfr(primary.serial, mname).to_wire())


def test_whole_zone_instead_of_changes_is_read_as_one(primary: Primary) -> None:
    secondary = Secondary(primary)
    secondary.transfer(axfr())
    primary.apply(external("x", "10.1.1.99"), NodeDeregistered(NodeName("bar")))
    secondary.transfer(ixfr(secondary.serial, "other.consul."))
    assert whole(primary) == secondary.lines()


def test_changes_over_udp_are_told_if_they_fit(primary: Primary) -> None:
    secondary = Secondary(primary)
    secondary.transfer(axfr())
    first = secondary.serial
    primary.apply(external("x", "10.1.1.99"))
    secondary.transfer(ixfr(first, opt=True), is_udp=True)
    assert whole(primary) == secondary.lines()
    primary.apply(*numbered(30))
    for opt in (True, False):
        (wire,) = primary.messages(ixfr(first, opt=opt).to_wire(), Transport.UDP)
        assert (1, primary.serial) == (wire[7], dns.message.from_wire(wire).answer[0][0].serial)


def test_changes_over_udp_keep_to_the_bound_for_clients_that_may_be_forged(primary: Primary) -> None:
    first = primary.serial
    primary.apply(*numbered(3))
    wire = ixfr(first, opt=True).to_wire()
    context = attrs.evolve(primary.context(Transport.UDP), amplification_limit=3)
    reply = respond(wire, context)
    assert isinstance(reply, Reply)
    assert 1 == dns.message.from_wire(reply.wire).answer[0][0].serial - first
    assert len(reply.wire) <= 3 * len(wire)
    assert not reply.is_proved


def test_signature_lifts_no_bound_over_udp_and_a_cookie_does(primary: Primary) -> None:
    first = primary.serial
    primary.apply(*numbered(3))
    jar = Cookies.with_secrets((bytes(16),), lambda: NOW, is_required=False)
    context = attrs.evolve(primary.context(Transport.UDP), amplification_limit=3, cookies=jar)
    query = ixfr(first, opt=True)
    signed = signed_query(query, peer_key(TSIG_256), NOW)
    reply = respond(signed.wire, context)
    assert isinstance(reply, Reply)
    assert len(reply.wire) <= 3 * len(signed.wire)
    assert 1 == len(signed.read(reply.wire).answer)
    cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, jar.judge_untrusted(bytes(8), SECONDARY).content)
    query.use_edns(0, options=[cookie])
    proved = signed_query(query, peer_key(TSIG_256), NOW)
    reply = respond(proved.wire, context)
    assert isinstance(reply, Reply)
    assert len(proved.read(reply.wire).answer) > 1


# --- who, and what not ----------------------------------------------------------------------

AXFR, IXFR = axfr().to_wire(), ixfr(1).to_wire()
BARE_IXFR = dns.message.make_query("consul.", "IXFR").to_wire()


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("wire", [AXFR, IXFR, BARE_IXFR], ids=["axfr", "ixfr", "without soa"])
def test_stranger_is_refused(primary: Primary, transport: Transport, wire: bytes) -> None:
    for client in (STRANGER, None):
        reply = primary.ask(wire, transport, client)
        assert (Rcode.REFUSED, None) == (reply.rcode, reply.transfer)
    said = dns.message.from_wire(primary.ask(axfr(use_edns=0).to_wire(), transport, STRANGER).wire)
    assert ["EDE 18 (Prohibited)"] == [str(option) for option in said.options]


def test_stranger_with_the_right_key_is_served_and_with_another_is_refused(primary: Primary) -> None:
    for key, rcode in ((TSIG_512, Rcode.NOERROR), (TSIG_256, Rcode.REFUSED)):
        asked = signed_query(axfr(), peer_key(key), NOW)
        reply = primary.ask(asked.wire, client=STRANGER)
        assert rcode == reply.rcode
        assert int(rcode) == int(asked.read(reply.wire).rcode())


@pytest.mark.parametrize(
    ("wire", "transport", "rcode"),
    [
        (AXFR, Transport.UDP, Rcode.NOTIMP),
        (BARE_IXFR, Transport.TCP, Rcode.FORMERR),
        (BARE_IXFR, Transport.UDP, Rcode.FORMERR),
        (ixfr(1, owner="x.consul.").to_wire(), Transport.TCP, Rcode.FORMERR),
        (axfr("foo.node.consul.").to_wire(), Transport.TCP, Rcode.NOTAUTH),
        (axfr("nobody.consul.").to_wire(), Transport.TCP, Rcode.NOTAUTH),
        (axfr("example.org.").to_wire(), Transport.TCP, Rcode.NOTAUTH),
        (axfr(".").to_wire(), Transport.TCP, Rcode.NOTAUTH),
        (ixfr(1, zone="x.consul.").to_wire(), Transport.UDP, Rcode.NOTAUTH),
        (axfr(rdclass=255).to_wire(), Transport.TCP, Rcode.NOTAUTH),
        (axfr(rdclass=3).to_wire(), Transport.TCP, Rcode.REFUSED),
    ],
)
def test_what_cannot_be_told_is_said_so(primary: Primary, wire: bytes, transport: Transport, rcode: Rcode) -> None:
    reply = primary.ask(wire, transport)
    assert (rcode, None) == (reply.rcode, reply.transfer)


@pytest.mark.parametrize("wire", [AXFR, IXFR])
def test_zone_that_is_not_known_or_not_published_yet_is_servfail(primary: Primary, wire: bytes) -> None:
    unknown = NodeTable("dc1", NodeName("agent-one"), 1, cluster_known=False).view
    waiting = attrs.evolve(primary.context(), transfers=Transfers(PARAMS, lambda _: None))
    nothing = attrs.evolve(primary.context(), transfers=Transfers(PARAMS))
    for context in (attrs.evolve(primary.context(), view=unknown), waiting, nothing):
        reply = respond(wire, context)
        assert isinstance(reply, Reply)
        assert (Rcode.SERVFAIL, None) == (reply.rcode, reply.transfer)


def test_zone_is_refused_where_clients_may_not_read_our_names(primary: Primary) -> None:
    reply = respond(AXFR, attrs.evolve(primary.context(), denies_names=True))
    assert isinstance(reply, Reply)
    assert Rcode.REFUSED == reply.rcode


@pytest.mark.parametrize(
    "soa",
    [
        b"",
        b"\xc0\x0c\0\6\0\1\0\0\0\0\0\x15" + bytes(21),
        b"\xc0\x0c\0\6\0\1\0\0\0\0\0\x17" + bytes(23),
        b"\xc0\x0c\0\6\0\1\0\0\0\0\0\x16" + bytes(22),
        b"\xc0\x0c\0\6\0\1\0\0\0\0\0\x17\xc0\x50" + bytes(21),
        b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + bytes(4),
    ],
)
def test_client_soa_is_read_exactly(primary: Primary, soa: bytes) -> None:
    wire = struct.pack("!6H", 7, 0, 1, 0, 1, 0) + b"\6consul\0\0\xfb\0\1" + soa
    is_whole = soa[10:12] == b"\0\x16"
    assert (Rcode.NOERROR if is_whole else Rcode.FORMERR) == primary.ask(wire).rcode


MAKE_QUERY: list[Callable[[], bytes]] = [
    lambda: AXFR,
    lambda: ixfr(NOW + 1).to_wire(),
    lambda: ixfr(NOW + 2, opt=True).to_wire(),
    lambda: signed_query(axfr(), peer_key(TSIG_256), NOW).wire,
    lambda: signed_query(ixfr(NOW + 1, opt=True), peer_key(TSIG_512), NOW).wire,
]
SMALL = Primary(numbered(3))
SMALL.apply(external("x", "10.1.1.99"))


@given(st.data())
def test_any_change_to_a_query_is_answered(data: st.DataObject) -> None:
    wire = bytearray(data.draw(st.sampled_from(MAKE_QUERY))())
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(2, len(wire)))
        wire[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    outcome = respond(bytes(wire), SMALL.context(data.draw(st.sampled_from(Transport))))
    while isinstance(outcome, Reply) and outcome.transfer is not None:
        dns.message.from_wire(outcome.wire, xfr=True, keyring=False)
        if outcome.transfer.next_message() is None:
            break


@settings(max_examples=30)
@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=4), max_size=6), st.randoms())
def test_any_changes_are_told_in_any_strides(steps: list[list[tuple[int, int]]], rng: Random) -> None:
    primary = Primary([external("agent-one", "10.0.0.1")])
    secondaries = [Secondary(primary) for _ in range(3)]
    for secondary in secondaries:
        secondary.transfer(axfr())
    for step in steps:
        changes = [
            external(f"n{node}", f"10.0.{node}.{host}") if host else NodeDeregistered(NodeName(f"n{node}"))
            for node, host in step
        ]
        primary.apply(*changes)
        for secondary in secondaries:
            if rng.random() < 0.5:
                secondary.transfer(ixfr(secondary.serial))
                assert whole(primary) == secondary.lines()
