"""Signed queries: BADKEY for each that is whole, FORMERR for each that is not."""

from __future__ import annotations

import struct

import attrs
import dns.message
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.question import Rcode, Transport
from nodedns.dns.responder import QueryContext, Reply, respond

QUESTION = b"\6consul\0\0\6\0\1"
ALGORITHM = b"\x0bhmac-sha256\0"
STAMP = bytes.fromhex("00006553f100012c")
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def rdata(mac: bytes = bytes(32), algorithm: bytes = ALGORITHM, other: bytes = b"", error: int = 0) -> bytes:
    tail = struct.pack("!HHH", 7, error, len(other)) + other
    return algorithm + STAMP + struct.pack("!H", len(mac)) + mac + tail


def record(key: bytes = b"\3key\0", content: bytes | None = None, rclass: int = 255) -> bytes:
    content = rdata() if content is None else content
    return key + struct.pack("!HHIH", 250, rclass, 0, len(content)) + content


def query(*records: bytes, question: bytes = QUESTION) -> bytes:
    return struct.pack("!6H", 7, 0, 1, 0, 0, len(records)) + question + b"".join(records)


def answered(wire: bytes, context: QueryContext) -> Reply:
    reply = respond(wire, context)
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize(
    ("key", "algorithm", "mac"),
    [
        (b"\0", ALGORITHM, bytes(32)),
        (b"\3key\0", ALGORITHM, b""),
        (b"\3KEY\xc0\x0c", b"\3odd\1\xff\0", bytes(500)),
    ],
)
def test_signed_query_is_told_that_there_is_no_such_key(
    context: QueryContext, key: bytes, algorithm: bytes, mac: bytes
) -> None:
    reply = answered(query(record(key, rdata(mac, algorithm))), context)
    spelt = key.replace(b"\xc0\x0c", b"\6consul\0")
    said = record(spelt, rdata(b"", algorithm, error=17))
    assert struct.pack("!6H", 7, 0x8009, 1, 0, 0, 1) + QUESTION + said == reply.wire
    assert (Rcode.NOTAUTH, 6, None, False) == (reply.rcode, reply.qtype, reply.keys, reply.is_proved)


def test_opt_stands_before_tsig_in_the_reply(context: QueryContext) -> None:
    reply = answered(query(OPT, record()), context)
    assert struct.pack("!6H", 7, 0x8009, 1, 0, 0, 2) + QUESTION + OPT == reply.wire[: 12 + len(QUESTION) + len(OPT)]


def test_record_that_does_not_fit_is_left_out(context: QueryContext) -> None:
    long = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    wire = query(record(long, rdata(algorithm=long)))
    assert struct.pack("!6H", 7, 0x8009, 1, 0, 0, 0) + QUESTION == answered(wire, context).wire
    over_tcp = answered(wire, attrs.evolve(context, transport=Transport.TCP))
    assert over_tcp.wire.endswith(record(long, rdata(b"", long, error=17)))


def test_client_that_signs_understands_the_answer(context: QueryContext) -> None:
    keys = dns.tsigkeyring.from_text({"key.consul.": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
    asked = dns.message.make_query("consul.", "SOA", use_edns=0)
    asked.use_tsig(keys)
    reply = answered(asked.to_wire(), context)
    with pytest.raises(dns.tsig.PeerBadKey):
        dns.message.from_wire(reply.wire, keyring=keys, request_mac=asked.mac)


MALFORMED = {
    "class in": query(record(rclass=1)),
    "not the last": query(record(), OPT),
    "twice": query(record(), record()),
    "algorithm alone": query(record(content=ALGORITHM)),
    "no algorithm": query(record(content=b"")),
    "mac cut off": query(record(content=ALGORITHM + STAMP + b"\0\x20" + bytes(31))),
    "no tail": query(record(content=ALGORITHM + STAMP + b"\0\0")),
    "longer than it says": query(record(content=rdata() + b"\0")),
    "shorter than it says": query(record(content=rdata(other=b"12")[:-1])),
    "key is a pointer to itself": query(record(b"\xc0\x18")),
    "key is a pointer forward": query(record(b"\xc0\x30")),
    "key is a circle": query(record(b"\1a\xc0\x18")),
    "key points into the header": query(record(b"\xc0\x00"), question=b"\x40a\0\0\6\0\1"),
    "key of 256 bytes": query(record((b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0")),
    "key is an unknown label": query(record(b"\x80")),
    "key points to rubbish": struct.pack("!6H", 0x4040, 0, 1, 0, 0, 1) + QUESTION + record(b"\xc0\x00"),
    "algorithm has an unknown label": query(record(content=b"\x40" + rdata())),
}


@pytest.mark.parametrize("wire", MALFORMED.values(), ids=MALFORMED)
def test_malformed_signature_is_a_format_error(context: QueryContext, wire: bytes) -> None:
    reply = answered(wire, context)
    assert (Rcode.FORMERR, 12) == (reply.rcode, len(reply.wire))


@given(key=st.binary(max_size=24), content=st.binary(max_size=80), transport=st.sampled_from(Transport))
def test_any_signature_gets_one_of_the_two(
    context: QueryContext, key: bytes, content: bytes, transport: Transport
) -> None:
    reply = answered(query(record(key, content)), attrs.evolve(context, transport=transport))
    parsed = dns.message.from_wire(reply.wire, keyring=False)
    assert parsed.rcode() in (dns.rcode.FORMERR, dns.rcode.NOTAUTH, dns.rcode.NOERROR)


@pytest.mark.parametrize("rtype", [1, 24, 65535])
def test_other_additional_record_is_stepped_over(context: QueryContext, rtype: int) -> None:
    other = b"\xc0\x0c" + struct.pack("!HHIH", rtype, 1, 0, 4) + bytes(4)
    for wire in (query(other), query(other, OPT), query(OPT, other)):
        assert Rcode.NOERROR == answered(wire, context).rcode
