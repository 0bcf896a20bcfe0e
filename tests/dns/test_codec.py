"""Packing that no zone of nodes reaches, and reading that needs no zone."""

from __future__ import annotations

import dns.message
import pytest

from nodedns.dns.codec import encode_answer
from nodedns.dns.decode import HEADER_BYTES, decode_header_untrusted, decode_query_untrusted
from nodedns.dns.question import Edns, Query, Question, Rcode, RRType, Transport
from nodedns.dns.rrset import Answer, RRset
from nodedns.errors import DnsWireError

NAME = (b"Foo", b"consul")
QUESTION_WIRE = b"\x03Foo\x06consul\x00\x00\x10\x00\x01"
QUERY = Query(7, 0, Question(NAME, (b"foo", b"consul"), RRType.TXT, 1), QUESTION_WIRE, None)


def test_query_is_read_with_both_spellings_and_its_opt() -> None:
    opt = b"\x00\x00\x29\x10\x00\x00\x00\x80\x00\x00\x00"
    wire = b"\x00\x07\x00\x00\x00\x01" + bytes(5) + b"\x01" + QUESTION_WIRE + opt
    query = decode_query_untrusted(wire, decode_header_untrusted(wire))
    assert Query(7, 0, QUERY.question, QUESTION_WIRE, Edns(0, 4096, True)) == query


def test_root_is_a_name_without_labels() -> None:
    wire = b"\x00\x07\x00\x00\x00\x01" + bytes(6) + b"\x00\x00\x02\x00\x01"
    assert () == decode_query_untrusted(wire, decode_header_untrusted(wire)).question.labels


def test_what_is_wrong_is_told_with_its_place() -> None:
    wire = b"\x00\x07\x00\x00\x00\x01" + bytes(6) + QUESTION_WIRE + b"!"
    with pytest.raises(DnsWireError, match=f"trailing bytes .at byte {HEADER_BYTES + len(QUESTION_WIRE)}"):
        decode_query_untrusted(wire, decode_header_untrusted(wire))


def test_name_out_of_a_pointers_reach_is_spelt_out_again() -> None:
    far = (b"far", b"away")
    filling = RRset(NAME, RRType.TXT, 0, tuple((bytes([number]) * 255,) for number in range(70)))
    answer = Answer(
        rcode=Rcode.NOERROR,
        answer=(filling, RRset(NAME, RRType.NS, 0, (far,)), RRset(far, RRType.PTR, 0, (far,))),
    )
    wire = encode_answer(QUERY, answer, Transport.TCP, 1232).wire
    assert 0x4000 < wire.index(b"\x03far\x04away\x00")
    assert ["Foo.consul. 0 IN NS far.away.", "far.away. 0 IN PTR far.away."] == [
        rrset.to_text() for rrset in dns.message.from_wire(wire).answer[1:]
    ]


def test_sections_after_the_first_missing_set_are_left_out() -> None:
    large = RRset(NAME, RRType.TXT, 0, ((b"x" * 255,), (b"y" * 255,)))
    small = RRset(NAME, RRType.A, 0, (b"\x0a\x00\x00\x01",))
    answer = Answer(
        rcode=Rcode.NOERROR, answer=(small, large, small), authority=(small,), glue=(small,), extra=(small,)
    )
    encoded = encode_answer(QUERY, answer, Transport.UDP, 1232)
    message = dns.message.from_wire(encoded.wire)
    assert (True, ["Foo.consul. 0 IN A 10.0.0.1"], [], []) == (
        encoded.is_truncated,
        [rrset.to_text() for rrset in message.answer],
        message.authority,
        message.additional,
    )
