"""Any bytes get a reply or none; every node is found by its name, in any letter case, and nothing else is."""

from __future__ import annotations

import struct
from collections.abc import Callable

import attrs
import dns.flags
import dns.message
import dns.rcode
from hypothesis import assume, given
from hypothesis import strategies as st

from nodedns.dns.forward import Forward, encode_upstream_query
from nodedns.dns.question import Transport
from nodedns.dns.recursion import Recursion, Recursor
from nodedns.dns.responder import Drop, QueryContext, Reply, respond
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode, NodeRegistered
from nodedns.table.node_table import NodeTable

MakeContext = Callable[..., QueryContext]

TRANSPORTS = st.sampled_from(Transport)
LABELS = st.one_of(
    st.sampled_from([b"foo", b"dual", b"google", b"node", b"consul", b"dc1", b"dc", b"ns", b"a", b"b", b"c"]),
    st.binary(min_size=1, max_size=63),
)
RTYPES = st.one_of(st.sampled_from([1, 2, 5, 6, 16, 28, 251, 252, 255]), st.integers(0, 65535))
CLASSES = st.one_of(st.just(1), st.integers(0, 65535))


def name_wire(labels: list[bytes]) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    labels = draw(st.lists(LABELS, max_size=5)) + draw(st.sampled_from([[], [b"consul"], [b"node", b"CONSUL"]]))
    name = name_wire(labels)
    assume(len(name) <= 255)
    options = b"".join(
        struct.pack("!HH", draw(st.integers(0, 65535)), len(data)) + data
        for data in draw(st.lists(st.binary(max_size=20), max_size=3))
    )
    opt = b""
    if draw(st.booleans()):
        size, extended = draw(st.integers(0, 65535)), draw(st.integers(0, 2**32 - 1))
        opt = struct.pack("!BHHIH", 0, 41, size, extended, len(options)) + options
    head = struct.pack(
        "!6H", draw(st.integers(0, 65535)), draw(st.integers(0, 0x7FFF)) & ~0x7800, 1, 0, 0, int(bool(opt))
    )
    return head + name + struct.pack("!HH", draw(RTYPES), draw(CLASSES)) + opt


@st.composite
def mutated_queries(draw: st.DrawFn) -> bytes:
    wire = bytearray(draw(queries()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(wire)))
        if draw(st.booleans()):
            wire[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
        elif at < len(wire):
            wire[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(wire)


def checked(wire: bytes, context: QueryContext, transport: Transport) -> Reply | Drop:
    context = QueryContext(None, transport, context.view, context.zones, context.policy, context.rng)
    reply = respond(wire, context)
    assert not isinstance(reply, Forward)
    if isinstance(reply, Reply):
        assert wire[:2] == reply.wire[:2]
        assert len(reply.wire) <= (65_535 if transport is Transport.TCP else 1232)
        parsed = dns.message.from_wire(reply.wire)
        assert not parsed.flags & (dns.flags.RA | dns.flags.AD | 0x40)
        assert parsed.flags & dns.flags.QR
    return reply


@given(wire=st.binary(max_size=600), transport=TRANSPORTS)
def test_any_bytes_get_a_reply_that_parses_or_none(context: QueryContext, wire: bytes, transport: Transport) -> None:
    checked(wire, context, transport)


@given(wire=mutated_queries(), transport=TRANSPORTS)
def test_any_mutated_query_gets_a_reply_that_parses_or_none(
    context: QueryContext, wire: bytes, transport: Transport
) -> None:
    checked(wire, context, transport)


@given(wire=queries(), transport=TRANSPORTS)
def test_any_well_formed_query_gets_its_own_question_back(
    context: QueryContext, wire: bytes, transport: Transport
) -> None:
    reply = checked(wire, context, transport)
    assert isinstance(reply, Reply)
    end = 12
    while wire[end]:
        end += 1 + wire[end]
    end += 5
    assert wire[12:end] == reply.wire[12:end]


@given(wire=queries())
def test_reply_without_edns_fits_512_bytes_and_has_no_opt(context: QueryContext, wire: bytes) -> None:
    assume(not struct.unpack_from("!H", wire, 10)[0])
    reply = checked(wire, context, Transport.UDP)
    assert isinstance(reply, Reply)
    assert len(reply.wire) <= 512
    assert dns.message.from_wire(reply.wire).edns < 0


@given(wire=st.one_of(queries(), mutated_queries()), transport=TRANSPORTS)
def test_only_questions_that_are_not_ours_go_to_recursors(
    context: QueryContext, wire: bytes, transport: Transport
) -> None:
    recursion = Recursion(recursors=(Recursor("192.0.2.53", 53),))
    client = Address.from_text("127.0.0.1", 40_000)
    outcome = respond(wire, attrs.evolve(context, client=client, transport=transport, recursion=recursion))
    if isinstance(outcome, Forward):
        assert context.zones.covering(outcome.asked.folded, context.view) is None
        assert wire[2] & 1  # RD
        upstream = encode_upstream_query(outcome, 0x1234)
        dns.message.from_wire(upstream)


NODE_LABEL = st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1, max_size=8)
NODE_NAMES = st.lists(NODE_LABEL, min_size=1, max_size=3).map(".".join)


NODATA = -1
EMPTY = NodeTable("dc1", NodeName("one"), 1).view


def ascii_folded(name: str) -> bytes:
    return name.encode().lower()


def rcode_of(name: str, context: QueryContext, *, swap_case: bool = False) -> int:
    labels = [*name.encode().split(b"."), b"node", b"consul"]
    if swap_case:
        labels = [label.swapcase() for label in labels]
    question = name_wire(labels) + b"\0\1\0\1"
    reply = respond(struct.pack("!6H", 1, 0, 1, 0, 0, 0) + question, context)
    assert isinstance(reply, Reply)
    assert question == reply.wire[12 : 12 + len(question)]
    return NODATA if reply.wire[6:8] == bytes(2) and not reply.rcode else int(reply.rcode)


@given(names=st.lists(NODE_NAMES, max_size=8), strangers=st.lists(NODE_NAMES, max_size=8))
def test_every_node_of_a_table_is_found_and_nothing_else(
    make_context: MakeContext, names: list[str], strangers: list[str]
) -> None:
    changes = tuple(NodeRegistered(ExternalNode(NodeName(name), "", "10.0.0.1")) for name in names)
    context = make_context(changes)
    known = {ascii_folded(name) for name in names}
    for name in names:
        assert [dns.rcode.NOERROR] * 2 == [rcode_of(name, context), rcode_of(name, context, swap_case=True)]
    for name in strangers:
        folded = ascii_folded(name)
        if b"node" in folded.split(b".") or folded in known:
            continue
        is_between = any(other.endswith(b"." + folded) for other in known)
        assert (NODATA if is_between else dns.rcode.NXDOMAIN) == rcode_of(name, context)


@given(labels=st.lists(LABELS, max_size=4))
def test_zone_covers_exactly_what_ends_in_its_labels(labels: list[bytes]) -> None:
    zones = Zones((Zone.of_domain("a.consul"),))
    folded = tuple(label.lower() for label in labels)
    text = b"\0".join(folded)
    assert (text == b"a\0consul" or text.endswith(b"\0a\0consul")) == (zones.covering(folded, EMPTY) is not None)
