"""Any bytes get a reply or none; every node is found by its name, in any letter case, and nothing else is."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import attrs
import dns.message
import dns.rcode
from hypothesis import assume, given
from hypothesis import strategies as st

from nodedns.dns.forward import Forward, encode_upstream_query
from nodedns.dns.framing import frame
from nodedns.dns.question import Transport
from nodedns.dns.recursion import Recursion, Recursor
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.zone import Zone
from nodedns.dns.zones import Zones
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode, NodeRegistered
from nodedns.table.node_table import NodeTable
from nodedns.testing.dns_checks import checked_reply, checked_stream, sample_context
from nodedns.testing.source_tree import project_root

MakeContext = Callable[..., QueryContext]

TRANSPORTS = st.sampled_from(Transport)
CONTEXTS = st.sampled_from(
    [sample_context(transport, is_known=is_known) for transport in Transport for is_known in (True, False)]
    + [sample_context(transport, may_transfer=True) for transport in Transport]
)
STRANGER = sample_context()
CORPUS = sorted((project_root(Path(__file__)) / "fuzz" / "corpus" / "queries").glob("*.bin"))
LABELS = st.one_of(
    st.sampled_from([b"foo", b"dual", b"google", b"node", b"consul", b"dc1", b"dc", b"ns", b"a", b"b", b"c"]),
    st.sampled_from(
        [b"service", b"web", b"long", b"far", b"back", b"v1", b"primary", b"_web", b"_tcp", b"_udp", b"port"]
    ),
    st.sampled_from([b"_services", b"_dns-sd", b"_sub", b"_long", b"agent-1", b"foo:", b"broken:lost"]),
    st.binary(min_size=1, max_size=63),
)
ENDS = [[], [b"consul"], [b"node", b"CONSUL"], [b"web", b"service", b"consul"], [b"_web", b"_tcp", b"consul"]]
RTYPES = st.one_of(st.sampled_from([1, 2, 5, 6, 12, 16, 28, 33, 33, 251, 252, 255]), st.integers(0, 65535))
CLASSES = st.one_of(st.just(1), st.integers(0, 65535))


def name_wire(labels: list[bytes]) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


OPTION_CODES = st.one_of(st.sampled_from([3, 8, 9, 10, 11, 12, 15]), st.integers(0, 65535))
OPTION_DATA = st.one_of(
    st.binary(max_size=40),
    st.binary(min_size=8, max_size=8),  # a client cookie
    st.binary(min_size=24, max_size=24),  # with a server cookie
    st.builds(  # a client subnet
        lambda family, bits, scope, address: struct.pack("!HBB", family, bits, scope) + address,
        st.integers(0, 3),
        st.integers(0, 130),
        st.sampled_from([0, 0, 0, 24]),
        st.binary(max_size=17),
    ),
)
SIGNED_TAIL = b"\3key\0\0\xfa\0\xff\0\0\0\0"


@st.composite
def additional_records(draw: st.DrawFn) -> bytes:
    """Any record but OPT, a TSIG record among them, whole or nearly so."""
    data = draw(st.binary(max_size=60))
    head = draw(st.one_of(st.just(SIGNED_TAIL), st.binary(min_size=11, max_size=20)))
    return head + struct.pack("!H", draw(st.one_of(st.just(len(data)), st.integers(0, 80)))) + data


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    labels = draw(st.lists(LABELS, max_size=5)) + draw(st.sampled_from(ENDS))
    name = name_wire(labels)
    assume(len(name) <= 255)
    options = b"".join(
        struct.pack("!HH", draw(OPTION_CODES), len(data)) + data for data in draw(st.lists(OPTION_DATA, max_size=3))
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
    if draw(st.booleans()):
        records = draw(st.lists(additional_records(), min_size=1, max_size=3))
        wire[11] = (wire[11] + len(records)) & 0xFF
        wire += b"".join(records)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(wire)))
        if draw(st.booleans()):
            wire[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
        elif at < len(wire):
            wire[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(wire)


@given(wire=st.binary(max_size=600), context=CONTEXTS)
def test_any_bytes_get_a_reply_that_holds_or_none(wire: bytes, context: QueryContext) -> None:
    checked_reply(wire, context)


@given(wire=mutated_queries(), context=CONTEXTS)
def test_any_mutated_query_gets_a_reply_that_holds_or_none(wire: bytes, context: QueryContext) -> None:
    checked_reply(wire, context)


@given(path=st.sampled_from(CORPUS), data=st.data())
def test_any_mutated_real_query_gets_a_reply_that_holds_or_none(path: Path, data: st.DataObject) -> None:
    wire = bytearray(path.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(wire) - 1), max_size=4)):
        wire[at] = data.draw(st.integers(0, 255))
    checked_reply(bytes(wire), data.draw(CONTEXTS))


@given(pieces=st.lists(st.one_of(st.binary(max_size=80), mutated_queries()), max_size=5), is_framed=st.booleans())
def test_any_stream_is_taken_apart_and_answered(pieces: list[bytes], is_framed: bool) -> None:
    data = b"".join(frame(piece) if is_framed else piece for piece in pieces)
    count = checked_stream(data, STRANGER)
    assert not is_framed or count == len(pieces)


@given(wire=queries(), transport=TRANSPORTS)
def test_any_well_formed_query_gets_its_own_question_back(
    context: QueryContext, wire: bytes, transport: Transport
) -> None:
    reply = checked_reply(wire, attrs.evolve(context, transport=transport))
    assert isinstance(reply, Reply)
    end = 12
    while wire[end]:
        end += 1 + wire[end]
    end += 5
    assert wire[12:end] == reply.wire[12:end]


@given(wire=queries())
def test_reply_without_edns_fits_512_bytes_and_has_no_opt(context: QueryContext, wire: bytes) -> None:
    assume(not struct.unpack_from("!H", wire, 10)[0])
    reply = checked_reply(wire, context)
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
