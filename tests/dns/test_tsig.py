"""Signed queries: those that are whole and of no key of ours, those that are not whole, those of keys of ours."""

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
from nodedns.dns.recursion import Recursion, Recursor
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.transfer import Transfers
from nodedns.dns.transfer_params import TransferParams, TsigKey
from nodedns.dns.tsig import RequestSigner, TsigError
from nodedns.errors import LocalProtocolError
from nodedns.model.address import Address
from nodedns.model.secret import Secret
from nodedns.testing.signing import KEYS, TSIG_256, TSIG_512, peer_key, signed_query, verified

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


# --- keys of ours ---------------------------------------------------------------------------

NOW = 1_800_000_000
SOA = dns.message.make_query("consul.", "SOA", use_edns=0)
each_key = pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm.value)


@pytest.fixture(scope="session")
def keyed(context: QueryContext) -> QueryContext:
    return attrs.evolve(context, transfers=Transfers(TransferParams(keys=KEYS), wall_clock=lambda: NOW))


@each_key
@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize(
    ("name", "rtype"), [("consul.", "SOA"), ("foo.node.consul.", "A"), ("nobody.node.consul.", "A"), ("x.test.", "A")]
)
def test_signed_query_gets_what_an_unsigned_one_gets_and_is_signed(
    keyed: QueryContext, key: TsigKey, transport: Transport, name: str, rtype: str
) -> None:
    context = attrs.evolve(keyed, transport=transport)
    plain = dns.message.make_query(name, rtype, use_edns=0, id=7)
    asked = signed_query(plain, peer_key(key), NOW)
    reply = answered(asked.wire, context)
    message = asked.read(reply.wire)
    assert message.tsig
    message.tsig = None
    assert dns.message.from_wire(answered(plain.to_wire(), context).wire) == message
    is_proved = transport is Transport.TCP
    assert (None, is_proved, True, TsigError.NONE) == (reply.keys, reply.is_proved, reply.is_sealed, reply.tsig_error)


def test_name_of_the_key_is_known_in_any_letters(keyed: QueryContext) -> None:
    key = dns.tsig.Key("SEC.Example.", peer_key(TSIG_256).secret, "HMAC-SHA256")
    asked = signed_query(SOA, key, NOW)
    assert asked.read(answered(asked.wire, keyed).wire).tsig


@pytest.mark.parametrize("size", [512, 600, 1232])
def test_signed_reply_over_udp_keeps_to_the_clients_size(keyed: QueryContext, size: int) -> None:
    plain = dns.message.make_query("dual.node.consul.", "ANY", use_edns=0, payload=size)
    for key in KEYS:
        asked = signed_query(plain, peer_key(key), NOW)
        reply = answered(asked.wire, keyed)
        assert asked.read(reply.wire).tsig
        assert len(reply.wire) <= size


@each_key
def test_wrong_secret_is_badsig_and_the_answer_is_not_signed(keyed: QueryContext, key: TsigKey) -> None:
    forged = dns.tsig.Key(peer_key(key).name, b"x" * 32, key.algorithm.value)
    asked = signed_query(SOA, forged, NOW)
    reply = answered(asked.wire, keyed)
    with pytest.raises(dns.tsig.PeerBadSignature):
        dns.message.from_wire(reply.wire, keyring=forged, request_mac=asked.mac)
    tsig = dns.message.from_wire(reply.wire, keyring=False).tsig
    assert tsig is not None
    assert (Rcode.NOTAUTH, TsigError.BADSIG, b"") == (reply.rcode, reply.tsig_error, tsig[0].mac)
    assert not reply.is_proved


def test_query_that_was_changed_on_its_way_is_badsig(keyed: QueryContext) -> None:
    asked = signed_query(SOA, peer_key(TSIG_256), NOW)
    changed = asked.wire.replace(b"\6consul", b"\6konsul", 1)
    assert TsigError.BADSIG is answered(changed, keyed).tsig_error


@pytest.mark.parametrize(
    "key",
    [
        dns.tsig.Key("other.", bytes(range(32)), "hmac-sha256"),
        dns.tsig.Key("sec.example.", bytes(range(32)), "hmac-sha512"),
        dns.tsig.Key("sec.example.", bytes(range(32)), "hmac-sha1"),
        dns.tsig.Key("sec.example.", bytes(range(32)), "hmac-sha256-128"),
    ],
)
def test_other_name_or_algorithm_is_badkey(keyed: QueryContext, key: dns.tsig.Key) -> None:
    asked = signed_query(SOA, key, NOW)
    reply = answered(asked.wire, keyed)
    with pytest.raises(dns.tsig.PeerBadKey):
        dns.message.from_wire(reply.wire, keyring=key, request_mac=asked.mac)
    assert (Rcode.NOTAUTH, TsigError.BADKEY) == (reply.rcode, reply.tsig_error)


@pytest.mark.parametrize("skew", [-301, 301, -4_000, 1 - NOW])
def test_skewed_clock_is_badtime_signed_and_told_our_time(keyed: QueryContext, skew: int) -> None:
    asked = signed_query(SOA, peer_key(TSIG_256), NOW + skew)
    reply = answered(asked.wire, keyed)
    parsed = dns.message.from_wire(reply.wire, keyring=False)
    assert parsed.tsig is not None
    record = parsed.tsig[0]
    assert (Rcode.NOTAUTH, TsigError.BADTIME) == (reply.rcode, reply.tsig_error)
    assert (NOW.to_bytes(6, "big"), NOW + skew) == (record.other, record.time_signed)
    bare = reply.wire[:10] + b"\0\1" + reply.wire[12 : reply.wire.rindex(b"\3sec\7example\0")]
    wanted, _ = dns.tsig.sign(bare, asked.key, record, NOW + skew, asked.mac)  # type: ignore[no-untyped-call]
    assert wanted.mac == record.mac


@pytest.mark.parametrize(("skew", "fudge"), [(-300, 300), (300, 300), (0, 0), (5, 10)])
def test_clock_within_the_fudge_is_good(keyed: QueryContext, skew: int, fudge: int) -> None:
    asked = signed_query(SOA, peer_key(TSIG_256), NOW + skew, fudge_s=fudge)
    assert Rcode.NOERROR == answered(asked.wire, keyed).rcode


@pytest.mark.parametrize(("key", "mac_bytes"), [(TSIG_256, 16), (TSIG_256, 31), (TSIG_512, 32), (TSIG_512, 63)])
def test_truncated_mac_is_badtrunc_and_signed(keyed: QueryContext, key: TsigKey, mac_bytes: int) -> None:
    asked = signed_query(SOA, peer_key(key), NOW, mac_bytes=mac_bytes)
    reply = answered(asked.wire, keyed)
    assert (Rcode.NOTAUTH, TsigError.BADTRUNC) == (reply.rcode, reply.tsig_error)
    with pytest.raises(dns.tsig.PeerBadTruncation):
        asked.read(reply.wire)
    assert reply.is_sealed


def test_truncated_mac_that_is_wrong_is_badsig(keyed: QueryContext) -> None:
    asked = signed_query(SOA, dns.tsig.Key("sec.example.", b"x" * 32, "hmac-sha256"), NOW, mac_bytes=16)
    assert TsigError.BADSIG is answered(asked.wire, keyed).tsig_error


@pytest.mark.parametrize(("key", "mac_bytes"), [(TSIG_256, 0), (TSIG_256, 15), (TSIG_512, 31)])
def test_mac_that_is_too_short_is_a_format_error(keyed: QueryContext, key: TsigKey, mac_bytes: int) -> None:
    asked = signed_query(SOA, peer_key(key), NOW, mac_bytes=mac_bytes)
    assert (Rcode.FORMERR, 12) == (answered(asked.wire, keyed).rcode, len(answered(asked.wire, keyed).wire))


def test_mac_that_is_too_long_is_a_format_error(keyed: QueryContext) -> None:
    wire = query(record(b"\3sec\7example\0", rdata(bytes(33))))
    assert Rcode.FORMERR == answered(wire, keyed).rcode


@pytest.mark.parametrize("error", [4_096, 65_535])
def test_error_that_is_no_rcode_is_a_format_error(keyed: QueryContext, error: int) -> None:
    wire = query(record(b"\3sec\7example\0", rdata(error=error)))
    assert Rcode.FORMERR == answered(wire, keyed).rcode


def test_error_that_is_an_rcode_does_no_harm(keyed: QueryContext) -> None:
    wire = query(record(b"\3sec\7example\0", rdata(error=4_095)))
    assert TsigError.BADSIG is answered(wire, keyed).tsig_error


def test_no_recursor_is_asked_for_a_signed_query(keyed: QueryContext) -> None:
    recursion = Recursion(recursors=(Recursor("192.0.2.53", 53),))
    context = attrs.evolve(keyed, recursion=recursion, client=Address.from_text("127.0.0.1", 5))
    asked = signed_query(dns.message.make_query("example.org.", "A"), peer_key(TSIG_256), NOW)
    assert Rcode.REFUSED == answered(asked.wire, context).rcode


@given(st.data())
def test_changed_query_is_verified_only_if_dnspython_verifies_it(keyed: QueryContext, data: st.DataObject) -> None:
    key = peer_key(data.draw(st.sampled_from(KEYS)))
    good = signed_query(SOA, key, NOW).wire
    at, cut = data.draw(st.integers(2, len(good))), data.draw(st.integers(0, 3))
    changed = good[:at] + data.draw(st.binary(max_size=4)) + good[at + cut :]
    outcome = respond(changed, keyed)
    if isinstance(outcome, Reply) and outcome.is_sealed and not outcome.tsig_error:
        verified(changed, key, NOW)


@each_key
def test_request_of_ours_is_what_dnspython_verifies(key: TsigKey) -> None:
    wire, mac = RequestSigner(key).sign(SOA.to_wire(), NOW)
    other = signed_query(SOA, peer_key(key), NOW)
    assert (other.wire, other.mac) == (wire, mac)


@each_key
def test_response_to_a_request_of_ours_is_verified(keyed: QueryContext, key: TsigKey) -> None:
    signer = RequestSigner(key)
    wire, mac = signer.sign(SOA.to_wire(), NOW)
    reply = answered(wire, keyed).wire
    assert signer.proves(reply, mac, NOW)
    assert not signer.proves(reply, mac, NOW + 301)
    assert not signer.proves(reply, b"x" * len(mac), NOW)
    assert not signer.proves(reply[:-1], mac, NOW)
    assert not RequestSigner(TsigKey(name=key.name, secret=Secret(b"other"))).proves(reply, mac, NOW)
    assert not RequestSigner(TsigKey(name="other", secret=key.secret)).proves(reply, mac, NOW)


@given(cut=st.integers(0, 400), junk=st.binary(max_size=40))
def test_response_of_any_bytes_proves_nothing(cut: int, junk: bytes) -> None:
    signer = RequestSigner(TSIG_256)
    wire, mac = signer.sign(SOA.to_wire(), NOW)
    assert not signer.proves(wire[:cut] + junk, mac, NOW)


def test_response_that_is_not_signed_proves_nothing(keyed: QueryContext) -> None:
    signer = RequestSigner(TSIG_256)
    assert not signer.proves(answered(SOA.to_wire(), keyed).wire, bytes(32), NOW)
    skewed, mac = signer.sign(SOA.to_wire(), NOW + 4_000)
    assert not signer.proves(answered(skewed, keyed).wire, mac, NOW)


def test_key_that_dns_cannot_spell_is_a_mistake_of_ours() -> None:
    with pytest.raises(LocalProtocolError, match="not a domain name"):
        RequestSigner(TsigKey(name="a..b", secret=Secret(bytes(32))))


def test_signers_are_equal_if_their_keys_are() -> None:
    again = TsigKey(name=TSIG_256.name, secret=Secret(TSIG_256.secret.reveal()))
    assert RequestSigner(TSIG_256) == RequestSigner(again)
    assert 1 == len({RequestSigner(TSIG_256), RequestSigner(again)})
    assert RequestSigner(TSIG_256) != RequestSigner(attrs.evolve(TSIG_256, secret=Secret(b"other")))
