"""The ladder of refusals, EDNS, and what is left out when a reply is too long."""

from __future__ import annotations

import struct
from collections.abc import Callable

import attrs
import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Rcode, Transport
from nodedns.dns.responder import Drop, DropReason, QueryContext, Reply, respond
from nodedns.model.address import Address
from nodedns.model.member import MemberStatus, SerfMember, Versions
from nodedns.model.names import NodeName
from nodedns.table.changes import ExternalNode, MemberUpserted, NodeRegistered

Ask = Callable[..., dns.message.Message]
MakeContext = Callable[..., QueryContext]

SOA_QUESTION = b"\x06consul\0\0\x06\0\x01"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010


def message(rest: bytes = SOA_QUESTION, flags: int = 0, counts: tuple[int, int, int, int] = (1, 0, 0, 0)) -> bytes:
    return struct.pack("!6H", 0xBEEF, flags, *counts) + rest


def record(name: bytes, rtype: int, rdata: bytes = b"") -> bytes:
    return name + struct.pack("!HHIH", rtype, 1, 0, len(rdata)) + rdata


def wire_of(wire: bytes, context: QueryContext) -> bytes:
    reply = respond(wire, context)
    assert isinstance(reply, Reply)
    return reply.wire


@pytest.mark.parametrize("wire", [b"", b"\0", message()[:11], bytes(11)])
def test_less_than_a_header_gets_no_reply(context: QueryContext, wire: bytes) -> None:
    assert Drop(DropReason.SHORT) == respond(wire, context)


@pytest.mark.parametrize("flags", [QR, QR | RD, 0xFFFF])
def test_response_gets_no_reply(context: QueryContext, flags: int) -> None:
    assert Drop(DropReason.RESPONSE) == respond(message(flags=flags), context)


@pytest.mark.parametrize("opcode", [opcode for opcode in range(1, 16) if opcode != 4])
@pytest.mark.parametrize("flags", [0, TC | RD | RA | CD | AD | AA | Z])
def test_other_opcode_gets_a_bare_notimp_with_clear_flags(context: QueryContext, opcode: int, flags: int) -> None:
    reply = respond(message(b"rubbish", opcode << 11 | flags, (7, 7, 7, 7)), context)
    assert Reply(struct.pack("!6H", 0xBEEF, QR | opcode << 11 | 4, 0, 0, 0, 0), Rcode.NOTIMP) == reply


FORMERR = {
    "no question": message(b"", counts=(0, 0, 0, 0)),
    "two questions": message(SOA_QUESTION * 2, counts=(2, 0, 0, 0)),
    "no question but one record": message(OPT, counts=(0, 0, 0, 1)),
    "answer in the query": message(SOA_QUESTION + record(b"\0", 1), counts=(1, 1, 0, 0)),
    "authority in the query": message(SOA_QUESTION + record(b"\0", 6), counts=(1, 0, 1, 0)),
    "promised record is missing": message(counts=(1, 0, 0, 1)),
    "two opt records": message(SOA_QUESTION + OPT * 2, counts=(1, 0, 0, 2)),
    "three additional records": message(SOA_QUESTION + record(b"\0", 1) * 3, counts=(1, 0, 0, 3)),
    "additional record cut off": message(SOA_QUESTION + record(b"\0", 1)[:-1], counts=(1, 0, 0, 1)),
    "additional record of an unknown label type": message(SOA_QUESTION + record(b"\x40", 1), counts=(1, 0, 0, 1)),
    "opt after a record, twice": message(SOA_QUESTION + OPT + OPT, counts=(1, 0, 0, 2)),
    "opt whose name is a pointer to the root": message(SOA_QUESTION + b"\xc0\x13" + OPT[1:], counts=(1, 0, 0, 1)),
    "opt among the answers": message(SOA_QUESTION + OPT, counts=(1, 1, 0, 0)),
    "opt in the authority section": message(SOA_QUESTION + OPT, counts=(1, 0, 1, 0)),
    "ixfr with an opt for a soa": message(b"\x06consul\0\0\xfb\0\1" + OPT, counts=(1, 0, 1, 0)),
    "opt with a name": message(SOA_QUESTION + b"\1a" + OPT, counts=(1, 0, 0, 1)),
    "opt cut off": message(SOA_QUESTION + OPT[:-1], counts=(1, 0, 0, 1)),
    "opt data cut off": message(SOA_QUESTION + OPT[:-1] + b"\4abc", counts=(1, 0, 0, 1)),
    "option head cut off": message(SOA_QUESTION + OPT[:-1] + b"\3abc", counts=(1, 0, 0, 1)),
    "option data cut off": message(SOA_QUESTION + OPT[:-1] + b"\5\0\3\0\2a", counts=(1, 0, 0, 1)),
    "more options than anyone sends": message(
        SOA_QUESTION + OPT[:-2] + struct.pack("!H", 4 * 65) + bytes(4 * 65), counts=(1, 0, 0, 1)
    ),
    "trailing byte": message(SOA_QUESTION + b"\0"),
    "trailing opt": message(SOA_QUESTION + OPT),
    "trailing byte after opt": message(SOA_QUESTION + OPT + b"\0", counts=(1, 0, 0, 1)),
    "question cut off": message(SOA_QUESTION[:-1]),
    "name cut off": message(b"\x06consul"),
    "label cut off": message(b"\x06con"),
    "header alone": message(b""),
    "pointer to itself": message(b"\xc0\x0c\0\1\0\1"),
    "pointer into the header": message(b"\xc0\x00\0\1\0\1"),
    "unknown label type": message(b"\x40consul\0\0\1\0\1"),
    "name of 256 bytes": message((b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0\0\1\0\1"),
    "ixfr whose soa is cut off": message(b"\x06consul\0\0\xfb\0\1\xc0\x0c", counts=(1, 0, 1, 0)),
    "ixfr whose soa has no end": message(b"\x06consul\0\0\xfb\0\1\x03abc", counts=(1, 0, 1, 0)),
    "ixfr whose soa data is cut off": message(
        b"\x06consul\0\0\xfb\0\1" + record(b"\xc0\x0c", 6, b"12345")[:-1], counts=(1, 0, 1, 0)
    ),
    "ixfr with two soas": message(b"\x06consul\0\0\xfb\0\1" + record(b"\0", 6) * 2, counts=(1, 0, 2, 0)),
}


def test_notify_is_told_that_no_zone_is_copied_here(context: QueryContext) -> None:
    reply = respond(message(b"rubbish", 4 << 11 | AA, (1, 0, 0, 0)), context)
    assert Reply(struct.pack("!6H", 0xBEEF, QR | 4 << 11 | 9, 0, 0, 0, 0), Rcode.NOTAUTH) == reply


@pytest.mark.parametrize("wire", FORMERR.values(), ids=FORMERR)
def test_malformed_query_gets_a_bare_formerr(context: QueryContext, wire: bytes) -> None:
    assert Reply(struct.pack("!6H", 0xBEEF, QR | 1, 0, 0, 0, 0), Rcode.FORMERR) == respond(wire, context)


def test_as_many_options_as_allowed_are_ignored(context: QueryContext) -> None:
    wire = message(SOA_QUESTION + OPT[:-2] + struct.pack("!H", 4 * 64) + bytes(4 * 64), counts=(1, 0, 0, 1))
    assert dns.rcode.NOERROR == dns.message.from_wire(wire_of(wire, context)).rcode()


def test_formerr_copies_rd_and_cd_and_no_other_flag(context: QueryContext) -> None:
    wire = message(b"", AA | TC | RD | RA | Z | AD | CD, (0, 0, 0, 0))
    assert QR | RD | CD | 1 == struct.unpack_from("!H", wire_of(wire, context), 2)[0]


@pytest.mark.parametrize("flags", [0, AA, TC, RA, Z, AD])
def test_flag_that_is_not_ours_to_copy_is_clear(context: QueryContext, flags: int) -> None:
    assert QR | AA == struct.unpack_from("!H", wire_of(message(flags=flags), context), 2)[0]


@pytest.mark.parametrize("flags", [RD, CD, RD | CD])
def test_rd_and_cd_are_copied(context: QueryContext, flags: int) -> None:
    assert QR | AA | flags == struct.unpack_from("!H", wire_of(message(flags=flags), context), 2)[0]


@pytest.mark.parametrize("rclass", [0, 2, 3, 4, 254, 65535])
def test_other_class_is_refused(context: QueryContext, rclass: int) -> None:
    wire = wire_of(message(b"\x06consul\0\0\x06" + struct.pack("!H", rclass)), context)
    assert (QR | 5, 1, 0, 0, 0) == struct.unpack_from("!5H", wire, 2)


def test_version_of_class_ch_is_refused(ask: Ask) -> None:
    query = dns.message.make_query("version.bind", "TXT", rdclass=dns.rdataclass.CH)
    assert dns.rcode.REFUSED == ask(query).rcode()


def test_class_any_is_answered_without_authority(context: QueryContext) -> None:
    reply = dns.message.from_wire(wire_of(message(b"\3foo\4node\x06consul\0\0\1\0\xff"), context))
    assert (dns.flags.QR, [dns.rdataclass.IN]) == (reply.flags, [rrset.rdclass for rrset in reply.answer])


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("rtype", ["AXFR", "IXFR"])
def test_transfer_is_refused(ask: Ask, rtype: str, transport: Transport) -> None:
    query = dns.message.make_query("consul.", rtype)
    assert dns.rcode.REFUSED == ask(query, transport=transport).rcode()


@pytest.mark.parametrize("owner", [b"\xc0\x0c", b"\x06consul\0", b"\0"])
def test_ixfr_with_the_clients_soa_is_refused_not_malformed(context: QueryContext, owner: bytes) -> None:
    wire = message(b"\x06consul\0\0\xfb\0\1" + record(owner, 6, bytes(22)) + OPT, counts=(1, 0, 1, 1))
    reply = respond(wire, context)
    assert isinstance(reply, Reply)
    assert (Rcode.REFUSED, 251) == (reply.rcode, reply.qtype)


def test_names_of_an_unknown_cluster_get_servfail_and_say_why(ask: Ask, make_context: MakeContext) -> None:
    there = make_context(cluster_known=False)
    reply = ask(dns.message.make_query("foo.node.consul", "A", use_edns=0), there)
    assert (dns.rcode.SERVFAIL, [], []) == (reply.rcode(), reply.answer, reply.authority)
    assert [dns.edns.EDEOption(dns.edns.EDECode.NOT_READY)] == list(reply.options)


def test_names_of_an_unknown_cluster_get_a_plain_servfail_without_edns(ask: Ask, make_context: MakeContext) -> None:
    reply = ask("consul. SOA", make_context(cluster_known=False))
    assert (dns.rcode.SERVFAIL, -1, []) == (reply.rcode(), reply.edns, reply.authority)
    assert not reply.flags & dns.flags.AA


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize(
    "what",
    [
        "consul. SOA",
        "consul. NS",
        "consul. A",
        "ns.consul. A",
        "node.consul. A",
        "agent-one.node.consul. A",
        "nobody.node.dc1.consul. A",
        "7f000001.addr.consul. A",
        "no.such.name.consul. ANY",
    ],
)
def test_no_name_of_ours_is_answered_before_the_cluster_is_known(
    ask: Ask, make_context: MakeContext, what: str, transport: Transport
) -> None:
    name, rtype = what.split()
    query = dns.message.make_query(name, rtype, use_edns=0)
    reply = ask(query, make_context(cluster_known=False, transport=transport))
    assert (dns.rcode.SERVFAIL, [[], [], []]) == (reply.rcode(), reply.sections[1:])
    assert [dns.edns.EDEOption(dns.edns.EDECode.NOT_READY)] == list(reply.options)


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("what", ["consul. SOA", "agent-one.node.consul. A", "no.such.name.consul. A"])
def test_names_that_may_not_be_read_are_refused_and_never_denied(
    context: QueryContext, what: str, transport: Transport
) -> None:
    name, rtype = what.split()
    query = dns.message.make_query(name, rtype, use_edns=0)
    outcome = respond(query.to_wire(), attrs.evolve(context, transport=transport, denies_names=True))
    assert isinstance(outcome, Reply)
    assert outcome.keys is None
    reply = dns.message.from_wire(outcome.wire)
    assert (dns.rcode.REFUSED, [[], [], []]) == (reply.rcode(), reply.sections[1:])
    assert [dns.edns.EDEOption(dns.edns.EDECode.PROHIBITED)] == list(reply.options)


def test_names_outside_and_the_version_do_not_depend_on_who_may_read_ours(context: QueryContext) -> None:
    for name, rclass in (("example.com", "IN"), ("version.bind", "CH")):
        query = dns.message.make_query(name, "TXT", rclass, use_edns=0).to_wire()
        assert respond(query, context) == respond(query, attrs.evolve(context, denies_names=True))


def test_name_outside_is_refused_even_before_the_cluster_is_known(ask: Ask, make_context: MakeContext) -> None:
    assert dns.rcode.REFUSED == ask("example.com. A", make_context(cluster_known=False)).rcode()


@pytest.mark.parametrize(
    "name",
    [b"\2a\xff\4node\x06consul\0", b"\3a.b\4node\x06consul\0", b"\2\0\x01\4NODE\x06conSUL\0", b"\x01\\\x06consul\0"],
)
def test_odd_labels_get_nxdomain_and_their_own_bytes_back(context: QueryContext, name: bytes) -> None:
    question = name + b"\0\1\0\1"
    wire = wire_of(message(question), context)
    assert (QR | AA | 3, 1, 0, 1, 0) == struct.unpack_from("!5H", wire, 2)
    assert question == wire[12 : 12 + len(question)]


def test_owner_of_the_answer_is_a_pointer_to_the_question(context: QueryContext) -> None:
    question = b"\3fOO\4NoDe\x06CONsul\0\0\1\0\1"
    wire = wire_of(message(question), context)
    assert question + b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" == wire[12 : 12 + len(question) + 16]


def test_names_in_negative_answers_are_compressed(context: QueryContext) -> None:
    wire = wire_of(message(b"\2no\4node\x06consul\0\0\1\0\1"), context)
    assert b"\xc0\x14\0\6\0\1\0\0\0\0\0\x26\2ns\xc0\x14\x0ahostmaster\xc0\x14" == wire[32:-20]


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize("wire", [message(), message(b""), message(flags=5 << 11)])
def test_client_is_proved_by_tcp_and_not_by_udp(context: QueryContext, wire: bytes, transport: Transport) -> None:
    reply = respond(wire, attrs.evolve(context, transport=transport))
    assert isinstance(reply, Reply)
    assert (transport is Transport.TCP) == reply.is_proved


@pytest.mark.parametrize(("name", "has_answer"), [(b"\3foo", True), (b"\2no", False)])
def test_reply_says_whether_it_answers(context: QueryContext, name: bytes, has_answer: bool) -> None:
    reply = respond(message(name + b"\4node\x06consul\0\0\1\0\1"), context)
    assert isinstance(reply, Reply)
    assert has_answer == reply.has_answer


def test_opt_is_in_refusals_too(ask: Ask) -> None:
    reply = ask(dns.message.make_query("example.com", "A", use_edns=0))
    assert (dns.rcode.REFUSED, 0, 1232) == (reply.rcode(), reply.edns, reply.payload)


def wide_node(records: int, length: int = 90) -> NodeRegistered:
    meta = {f"rfc1035-{number:02}": f"{number:02}" * (length // 2) for number in range(records)}
    return NodeRegistered(ExternalNode(NodeName("wide"), "", "10.0.0.1", {}, meta))


def edns_query(name: str, rtype: str, payload: int | None) -> dns.message.Message:
    if payload is None:
        return dns.message.make_query(name, rtype)
    return dns.message.make_query(name, rtype, use_edns=0, payload=payload)


@pytest.mark.parametrize(
    ("records", "sizes", "is_whole"),
    [
        (4, (None, 1232), True),
        (5, (None, 1232), False),
        (4, (512, 1232), True),
        (5, (512, 1232), False),
        (4, (0, 1232), True),
        (5, (0, 1232), False),
        (5, (600, 1232), True),
        (11, (1232, 1232), True),
        (12, (1232, 1232), False),
        (12, (4096, 1232), False),
        (12, (65535, 1232), False),
        (12, (4096, 4096), True),
    ],
)
def test_udp_reply_keeps_to_the_lesser_size_and_whole_sets(
    ask: Ask, make_context: MakeContext, records: int, sizes: tuple[int | None, int], is_whole: bool
) -> None:
    payload, ours = sizes
    query = edns_query("wide.node.consul.", "TXT", payload)
    reply = ask(query, make_context((wide_node(records),)), policy=DnsPolicy(udp_payload_bytes=ours))
    assert (is_whole, records * is_whole) == (
        not reply.flags & dns.flags.TC,
        sum(len(rrset) for rrset in reply.answer),
    )
    assert (payload is None) == (reply.edns < 0)


@pytest.mark.parametrize("length", range(425, 460))
def test_reply_is_cut_as_soon_as_it_would_not_fit_with_its_opt(make_context: MakeContext, length: int) -> None:
    meta = {"rfc1035-": "v" * length}
    there = make_context((NodeRegistered(ExternalNode(NodeName("w"), "", "10.0.0.1", {}, meta)),))
    reply = respond(
        message(b"\1w\4node\x06consul\0\0\x10\0\1" + b"\0\0\x29\2\0" + bytes(6), counts=(1, 0, 0, 1)), there
    )
    assert isinstance(reply, Reply)
    whole = 12 + 19 + 12 + length + 2 + 11  # header, question, record with two string lengths, OPT
    assert (whole > 512, True) == (reply.is_truncated, len(reply.wire) <= 512)


def test_truncated_reply_keeps_the_sets_that_fit_and_opt(ask: Ask, make_context: MakeContext) -> None:
    query = dns.message.make_query("wide.node.consul.", "ANY", use_edns=0, payload=512, want_dnssec=True)
    reply = ask(query, make_context((wide_node(20),)))
    assert ([dns.rdatatype.A], True, True) == (
        [rrset.rdtype for rrset in reply.answer],
        bool(reply.flags & dns.flags.TC),
        bool(reply.ednsflags & dns.flags.DO),
    )


def test_additional_meta_is_left_out_silently(ask: Ask, make_context: MakeContext) -> None:
    reply = ask("wide.node.consul. A", make_context((wide_node(20),)))
    assert (0, 1, []) == (reply.flags & dns.flags.TC, len(reply.answer), reply.additional)


def servers(count: int) -> tuple[MemberUpserted, ...]:
    tags = {"nodedns": "1", "server": "1"}
    return tuple(
        MemberUpserted(
            SerfMember(
                NodeName(f"{number:02}-{'x' * 30}"),
                Address.from_text("10.0.0.1", 1),
                tags,
                MemberStatus.ALIVE,
                Versions(b""),
            )
        )
        for number in range(count)
    )


def test_missing_glue_sets_tc(ask: Ask, make_context: MakeContext) -> None:
    there = make_context(servers(9), "none")
    reply = ask("consul. NS", there)
    assert (True, 9) == (bool(reply.flags & dns.flags.TC), len(reply.answer[0]))
    assert 9 > len(reply.additional)


def test_glue_that_fits_does_not_set_tc(ask: Ask, make_context: MakeContext) -> None:
    reply = ask(edns_query("consul.", "NS", 1232), make_context(servers(9), "none"))
    assert (0, 9) == (reply.flags & dns.flags.TC, len(reply.additional))


def test_everything_fits_through_tcp(ask: Ask, make_context: MakeContext) -> None:
    reply = ask("wide.node.consul. TXT", make_context((wide_node(60, 250),)), transport=Transport.TCP)
    assert (0, 60) == (reply.flags & dns.flags.TC, len(reply.answer[0]))


def test_compression_is_right_beyond_a_pointers_reach(ask: Ask, make_context: MakeContext) -> None:
    changes = (wide_node(64, 900),)
    reply = ask("wide.node.consul. TXT", make_context(changes), transport=Transport.TCP)
    assert ("wide.node.consul.", 64) == (reply.answer[0].name.to_text(), len(reply.answer[0]))


def test_reply_too_long_for_tcp_is_cut_between_records(ask: Ask, make_context: MakeContext) -> None:
    reply = ask("wide.node.consul. TXT", make_context((wide_node(99, 4000),)), transport=Transport.TCP)
    assert (True, 16) == (bool(reply.flags & dns.flags.TC), len(reply.answer[0]))


def test_additional_set_too_long_for_tcp_is_left_out_whole(ask: Ask, make_context: MakeContext) -> None:
    reply = ask("wide.node.consul. A", make_context((wide_node(99, 4000),)), transport=Transport.TCP)
    assert (0, []) == (reply.flags & dns.flags.TC, reply.additional)


def test_longest_name_is_denied_within_512_bytes(context: QueryContext) -> None:
    label = b"\x3f" + b"x" * 63
    name = label * 3 + b"\x36" + b"x" * 54 + b"\x06consul\0"
    assert 255 == len(name)
    wire = wire_of(message(name + b"\0\1\0\1"), context)
    assert (dns.rcode.NXDOMAIN, True) == (dns.message.from_wire(wire).rcode(), len(wire) <= 512)


def test_reply_tells_metrics_what_was_asked(context: QueryContext) -> None:
    reply = respond(message(), context)
    assert isinstance(reply, Reply)
    assert (Rcode.NOERROR, 6, False) == (reply.rcode, reply.qtype, reply.is_truncated)


def test_answer_comes_from_the_view_given(context: QueryContext, make_context: MakeContext) -> None:
    query = message(b"\3foo\4node\x06consul\0\0\1\0\1")
    empty = attrs.evolve(context, view=make_context(()).view)
    replies = [respond(query, context), respond(query, empty)]
    assert [Rcode.NOERROR, Rcode.NXDOMAIN] == [reply.rcode for reply in replies if isinstance(reply, Reply)]
