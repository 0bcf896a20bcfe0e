from __future__ import annotations

import struct
from typing import cast

import dns.edns
import dns.message
import dns.rrset
import pytest

from nodedns.dns.name import labels_of
from nodedns.dns.rrset import SoaData
from nodedns.dns.upstream_records import decode_answer_untrusted, decode_soa_untrusted
from nodedns.dns.upstream_reply import decode_reply_untrusted, is_reply_to
from nodedns.errors import DnsWireError

NAME = b"\3www\7example\3com\0"
QUESTION = NAME + b"\0\1\0\1"
QUERY = struct.pack("!6H", 0x1234, 0x0100, 1, 0, 0, 1) + QUESTION + b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
QR, TC, OPCODE = 0x8000, 0x0200, 0x0800
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
TO_QUESTION = b"\xc0\x0c"


def reply(
    rest: bytes = b"",
    counts: tuple[int, int, int] = (0, 0, 0),
    *,
    query_id: int = 0x1234,
    flags: int = QR,
    question: bytes = QUESTION,
    questions: int = 1,
) -> bytes:
    return struct.pack("!6H", query_id, flags, questions, *counts) + question + rest


def record(rtype: int, data: bytes, owner: bytes = TO_QUESTION, rclass: int = 1, ttl: int = 60) -> bytes:
    return owner + struct.pack("!HHIH", rtype, rclass, ttl, len(data)) + data


A = record(1, b"\xc0\0\2\1")


@pytest.mark.parametrize(
    "wire",
    [reply(), reply(A, (1, 0, 0)), reply(question=QUESTION.upper()), reply(flags=QR | 5, question=b"", questions=0)],
)
def test_reply_to_the_query_is_known(wire: bytes) -> None:
    assert is_reply_to(wire, QUERY)


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        reply()[:11],
        reply(query_id=0x1235),
        reply(flags=0),
        reply(flags=QR | OPCODE),
        reply(question=b"", questions=0),
        reply(flags=QR | 3, question=b"", questions=0),
        reply(question=QUESTION * 2, questions=2),
        reply(question=QUESTION[:-1]),
        reply(question=NAME + b"\0\1\0\3"),
        reply(question=NAME + b"\0\x1c\0\1"),
        reply(question=b"\3wwx\7example\3com\0\0\1\0\1"),
        reply(question=b"\7example\3com\0\0\1\0\1"),
    ],
)
def test_anything_else_is_not_taken_for_the_reply(wire: bytes) -> None:
    assert not is_reply_to(wire, QUERY)


MALFORMED = {
    "records that are not there": reply(A, (2, 0, 0)),
    "trailing bytes": reply(A + b"\0", (1, 0, 0)),
    "data cut off": reply(A[:-1], (1, 0, 0)),
    "head cut off": reply(A[:8], (1, 0, 0)),
    "owner cut off": reply(b"\3ww", (1, 0, 0)),
    "owner points ahead": reply(record(1, bytes(4), b"\xc0\x40"), (1, 0, 0)),
    "owner points at itself": reply(record(1, bytes(4), b"\xc0\x21"), (1, 0, 0)),
    "pointer cut off": reply(b"\xc0", (1, 0, 0)),
    "unknown label type": reply(record(1, bytes(4), b"\x41" + bytes(65)), (1, 0, 0)),
    "opt in the answer": reply(OPT, (1, 0, 0)),
    "opt in the authority": reply(OPT, (0, 1, 0)),
    "two opt": reply(OPT * 2, (0, 0, 2)),
    "opt with a name": reply(b"\1a" + OPT, (0, 0, 1)),
}


@pytest.mark.parametrize("wire", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_reply_is_refused(wire: bytes) -> None:
    with pytest.raises(DnsWireError):
        decode_reply_untrusted(wire)


def test_truncated_reply_may_end_anywhere() -> None:
    read = decode_reply_untrusted(reply(A[:9], (1, 0, 0), flags=QR | TC))
    assert (True, (0, 0, 0), len(reply())) == (read.is_truncated, read.counts, read.records_end)


def test_bare_error_is_read() -> None:
    read = decode_reply_untrusted(reply(flags=QR | 2, question=b"", questions=0))
    assert (2, False) == (read.rcode, read.is_final)


def test_opt_record_and_what_follows_it_are_not_handed_on() -> None:
    read = decode_reply_untrusted(reply(A + A + OPT + A, (1, 0, 3)))
    assert ((1, 0, 1), len(reply(A + A))) == (read.counts, read.records_end)


def test_upper_bits_of_the_code_are_in_the_opt_record() -> None:
    badvers = b"\0\0\x29\x04\xd0\1\0\0\0\0\0"
    read = decode_reply_untrusted(reply(badvers, (0, 0, 1)))
    assert (16, False) == (read.rcode, read.is_final)


@pytest.mark.parametrize(
    ("options", "ede"),
    [
        (b"", None),
        (b"\0\x0f\0\2\0\x16", 22),
        (b"\0\x0a\0\1x\0\x0f\0\4\0\x17ab", 23),
        (b"\0\x0f\0\1\0", None),
        (b"\0\x0f\0\x09\0\x16", None),
        (b"\0\x0f\0", None),
    ],
)
def test_extended_error_is_found_if_it_is_there(options: bytes, ede: int | None) -> None:
    opt = OPT[:-2] + len(options).to_bytes(2, "big") + options
    assert ede == decode_reply_untrusted(reply(opt, (0, 0, 1))).ede


def answer_of(wire: bytes) -> list[tuple[bytes, int, int, object]]:
    rrsets = decode_answer_untrusted(decode_reply_untrusted(wire))
    return [(b".".join(found.owner), found.rtype, found.ttl_s, found.rdatas) for found in rrsets]


def test_names_in_data_are_spelt_out() -> None:
    wire = reply(
        record(5, b"\4mail\xc0\x10") + record(15, b"\0\x0a\xc0\x0c") + record(33, bytes(6) + b"\xc0\x10"), (3, 0, 0)
    )
    assert [
        (b"www.example.com", 5, 60, ((b"mail", b"example", b"com"),)),
        (b"www.example.com", 15, 60, (b"\0\x0a" + NAME,)),
        (b"www.example.com", 33, 60, (bytes(6) + NAME[4:],)),
    ] == answer_of(wire)


def test_records_of_one_name_and_type_go_together_unless_their_ttls_differ() -> None:
    later = record(1, b"\xc0\0\2\2", ttl=30)
    assert [
        (b"www.example.com", 1, 60, (b"\xc0\0\2\1", b"\xc0\0\2\1")),
        (b"www.example.com", 1, 30, (b"\xc0\0\2\2",)),
    ] == answer_of(reply(A + later + A, (3, 0, 0)))


def test_ttl_with_the_first_bit_set_is_zero() -> None:
    assert 0 == answer_of(reply(record(1, bytes(4), ttl=2**31), (1, 0, 0)))[0][2]


def test_other_class_is_left_out() -> None:
    assert [] == answer_of(reply(record(1, bytes(4), rclass=3), (1, 0, 0)))


def test_soa_of_the_authority_section_is_found() -> None:
    numbers = struct.pack("!5I", 1, 2, 3, 4, 5)
    wire = reply(record(2, b"\xc0\x10") + record(6, b"\2ns\xc0\x10\4root\xc0\x10" + numbers, b"\xc0\x10"), (0, 2, 0))
    (soa,) = decode_soa_untrusted(decode_reply_untrusted(wire))
    mname, rname = labels_of("ns.example.com"), labels_of("root.example.com")
    assert mname is not None
    assert rname is not None
    assert (SoaData(mname, rname, 1, 2, 3, 4, 5),) == soa.rdatas


UNREADABLE = {
    "address too short": record(1, b"abc"),
    "address too long": record(28, bytes(17)),
    "name cut off": record(5, b"\4mai"),
    "name that does not fill its record": record(5, b"\0a"),
    "name with nothing": record(5, b""),
    "name of unknown label type": record(5, b"\x80a\0"),
    "name that points at itself": record(5, b"\xc0\x2d"),
    "preference without a name": record(15, b"\0"),
    "text without a string": record(16, b""),
    "text cut off": record(16, b"\2a"),
    "soa without numbers": record(6, b"\0\0"),
    "name too long": record(5, (b"\x3f" + b"a" * 63) * 4 + b"\0"),
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_unreadable_data_are_refused(data: bytes) -> None:
    with pytest.raises(DnsWireError):
        answer_of(reply(data, (1, 0, 0)))


def test_dnspython_reads_the_same() -> None:
    query = dns.message.from_wire(QUERY)
    made = dns.message.make_response(query)
    made.answer.append(dns.rrset.from_text("www.example.com.", 60, "IN", "CNAME", "a.b.example.com."))
    made.answer.append(dns.rrset.from_text("a.b.example.com.", 60, "IN", "A", "192.0.2.1", "192.0.2.2"))
    alias, addresses = answer_of(made.to_wire())
    assert [
        (b"www.example.com", 5, 60, ((b"a", b"b", b"example", b"com"),)),
        (b"a.b.example.com", 1, 60, (b"\xc0\0\2\1", b"\xc0\0\2\2")),
    ] == [alias, (*addresses[:3], tuple(sorted(cast("tuple[bytes, ...]", addresses[3]))))]  # written in any order
