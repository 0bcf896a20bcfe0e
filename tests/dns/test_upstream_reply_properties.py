"""Any bytes from a recursor give a value or ``DnsWireError``, and what goes out of it parses."""

from __future__ import annotations

import struct

import attrs
import dns.message
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.adoption import adopt
from nodedns.dns.decode import decode_header_untrusted, decode_query_untrusted
from nodedns.dns.forward import Forward, encode_upstream_query
from nodedns.dns.question import Rcode, Transport
from nodedns.dns.rrset import Answer
from nodedns.dns.upstream_reply import decode_reply_untrusted, is_reply_to
from nodedns.errors import DnsWireError

CLIENT = dns.message.make_query("www.example.com", "A", use_edns=0)
WIRE = CLIENT.to_wire()
FORWARD = Forward(
    *(query := decode_query_untrusted(WIRE, decode_header_untrusted(WIRE)), query.question), Transport.UDP, 1232
)
UPSTREAM = encode_upstream_query(FORWARD, 0x1234)
QUESTION_END = len(UPSTREAM) - 11

NAMES = st.sampled_from([b"\xc0\x0c", b"\0", b"\1a\xc0\x10", b"\3www\0", b"\xc0\x21", b"\xff\xff", b"\x41"])
TYPES = st.sampled_from([1, 2, 5, 6, 12, 15, 16, 28, 33, 39, 41, 46, 250, 65280])
COUNTS = st.tuples(*[st.integers(0, 3)] * 3)


@st.composite
def records(draw: st.DrawFn) -> bytes:
    data = draw(st.one_of(st.binary(max_size=30), NAMES, st.tuples(NAMES, NAMES).map(b"".join)))
    length = draw(st.one_of(st.just(len(data)), st.integers(0, 40)))
    return draw(NAMES) + struct.pack("!HHIH", draw(TYPES), 1, draw(st.integers(0, 2**32 - 1)), length) + data


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    flags = 0x8000 | draw(st.integers(0, 0x7FF))
    header = struct.pack("!6H", 0x1234, flags, 1, *draw(COUNTS))
    return header + UPSTREAM[12:QUESTION_END] + b"".join(draw(st.lists(records(), max_size=6)))


@given(wire=st.one_of(replies(), st.binary(max_size=200)), is_alias=st.booleans())
def test_any_reply_is_refused_or_handed_on_in_bounds(wire: bytes, is_alias: bool) -> None:
    if not is_reply_to(wire, UPSTREAM):
        return
    try:
        reply = decode_reply_untrusted(wire)
    except DnsWireError:
        return
    if not reply.is_final:
        return
    prefix = Answer(rcode=Rcode.NOERROR, authoritative=True) if is_alias else None
    out = adopt(attrs.evolve(FORWARD, prefix=prefix), reply)
    assert len(out.wire) <= 1232
    assert WIRE[:2] == out.wire[:2]
    assert WIRE[12:QUESTION_END] == out.wire[12:QUESTION_END]
    if is_alias:
        dns.message.from_wire(out.wire)


@given(wire=st.binary(max_size=100))
def test_any_bytes_can_be_compared_with_the_query(wire: bytes) -> None:
    assert not is_reply_to(wire, UPSTREAM) or wire[:2] == UPSTREAM[:2]
