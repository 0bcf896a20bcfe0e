"""The probes of ISC's EDNS compliance tester, as bytes, and the exact bytes that must come back.

What each must bring is from RFC 8906 section 8, RFC 6891 and RFC 3225.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import attrs
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from nodedns.dns.cookies import Cookies
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.model.address import Address

FIRST_INDEX = 1_700_000_000

ID = b"\xbe\xef"
QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
DO = 0x8000
ASK_SOA = b"\6consul\0\0\6\0\1"
ASK_DNSKEY = b"\6consul\0\0\x30\0\1"
ASK_666 = b"\6consul\0\2\x9a\0\1"
SOA = (
    b"\xc0\x0c\0\6\0\1\0\0\0\0\0\x26\2ns\xc0\x0c\x0ahostmaster\xc0\x0c"
    + struct.pack("!5I", FIRST_INDEX, 3600, 600, 86400, 0)
)  # fmt: skip
NSID, ECS, EXPIRE, UNKNOWN = b"\0\3\0\0", b"\0\x08\0\4\0\1\0\0", b"\0\x09\0\0", b"\0\x64\0\0"
# A client, a time, a secret and a cookie that RFC 9018 appendix A.1 publishes.
CLIENT, NOW_S = Address.from_text("198.51.100.100", 5353), 1_559_731_985.0
SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
COOKIE = b"\0\x0a\0\x08" + bytes.fromhex("2464c4abcf10c957")
COOKIE_BACK = b"\0\x0a\0\x18" + bytes.fromhex("2464c4abcf10c957010000005cf79f111f8130c3eee29480")


def query(question: bytes, flags: int = 0, opt: bytes = b"") -> bytes:
    return ID + struct.pack("!5H", flags, 1, 0, 0, int(bool(opt))) + question + opt


def opt(size: int = 1232, version: int = 0, flags: int = 0, options: bytes = b"", high_rcode: int = 0) -> bytes:
    return struct.pack("!BHHBBHH", 0, 41, size, high_rcode, version, flags, len(options)) + options


def reply(question: bytes, flags: int, counts: tuple[int, int, int], rest: bytes) -> bytes:
    return ID + struct.pack("!5H", QR | flags, 1, *counts) + question + rest


def positive(flags: int = 0, end: bytes = b"") -> bytes:
    return reply(ASK_SOA, AA | flags, (1, 0, int(bool(end))), SOA + end)


def negative(question: bytes, end: bytes = b"") -> bytes:
    return reply(question, AA, (0, 1, int(bool(end))), SOA + end)


def bad_version(flags: int = 0) -> bytes:
    return reply(ASK_SOA, 0, (0, 0, 1), opt(flags=flags, high_rcode=1))


def header_only(flags: int) -> bytes:
    return ID + struct.pack("!5H", QR | flags, 0, 0, 0, 0)


PLAIN_OPT = opt(4096)
ALL_OPTIONS = NSID + ECS + EXPIRE + COOKIE

PROBES: dict[str, tuple[bytes, bytes]] = {
    "dns": (query(ASK_SOA), positive()),
    "aa": (query(ASK_SOA, AA), positive()),
    "ad": (query(ASK_SOA, AD), positive()),
    "cd": (query(ASK_SOA, CD), positive(CD)),
    "ra": (query(ASK_SOA, RA), positive()),
    "rd": (query(ASK_SOA, RD), positive(RD)),
    "tc": (query(ASK_SOA, TC), positive()),
    "zflag": (query(ASK_SOA, Z), positive()),
    "opcode": (ID + struct.pack("!5H", 15 << 11, 0, 0, 0, 0), header_only(15 << 11 | 4)),
    "opcodeflg": (
        ID + struct.pack("!5H", 15 << 11 | TC | RD | RA | CD | AD | AA | Z, 0, 0, 0, 0),
        header_only(15 << 11 | 4),
    ),
    "type666": (query(ASK_666), negative(ASK_666)),
    "edns": (query(ASK_SOA, opt=PLAIN_OPT), positive(end=opt())),
    "edns1": (query(ASK_SOA, opt=opt(4096, version=1)), bad_version()),
    "edns@512": (query(ASK_DNSKEY, opt=opt(512, flags=DO)), negative(ASK_DNSKEY, opt(flags=DO))),
    "ednsopt": (query(ASK_SOA, opt=opt(4096, options=UNKNOWN)), positive(end=opt())),
    "edns1opt": (query(ASK_SOA, opt=opt(4096, version=1, options=UNKNOWN)), bad_version()),
    "do": (query(ASK_SOA, opt=opt(4096, flags=DO)), positive(end=opt(flags=DO))),
    "docd": (query(ASK_SOA, CD, opt(4096, flags=DO)), positive(CD, opt(flags=DO))),
    "edns1do": (query(ASK_SOA, opt=opt(4096, version=1, flags=DO)), bad_version(DO)),
    "ednsflags": (query(ASK_SOA, opt=opt(4096, flags=0x0080)), positive(end=opt())),
    "optlist": (query(ASK_SOA, opt=opt(4096, options=ALL_OPTIONS)), positive(end=opt(options=ECS + COOKIE_BACK))),
    "ednsnsid": (query(ASK_SOA, opt=opt(4096, options=NSID)), positive(end=opt())),
    "ednscookie": (query(ASK_SOA, opt=opt(4096, options=COOKIE)), positive(end=opt(options=COOKIE_BACK))),
    "ednsexpire": (query(ASK_SOA, opt=opt(4096, options=EXPIRE)), positive(end=opt())),
    "ednssubnet": (query(ASK_SOA, opt=opt(4096, options=ECS)), positive(end=opt(options=ECS))),
    "edns1nsid": (query(ASK_SOA, opt=opt(4096, version=1, options=NSID)), bad_version()),
    "edns1cookie": (query(ASK_SOA, opt=opt(4096, version=1, options=COOKIE)), bad_version()),
    "edns1expire": (query(ASK_SOA, opt=opt(4096, version=1, options=EXPIRE)), bad_version()),
    "edns1subnet": (query(ASK_SOA, opt=opt(4096, version=1, options=ECS)), bad_version()),
    "bind11": (
        query(ASK_SOA, opt=opt(4096, flags=DO, options=COOKIE)),
        positive(end=opt(flags=DO, options=COOKIE_BACK)),
    ),
    "dig11": (query(ASK_SOA, RD | AD, opt(4096, options=COOKIE)), positive(RD, opt(options=COOKIE_BACK))),
    "edns100": (query(ASK_SOA, opt=opt(4096, version=100)), bad_version()),
    "edns100opt": (query(ASK_SOA, opt=opt(4096, version=100, options=UNKNOWN)), bad_version()),
    # A later version may have another form for its options.
    "edns1garbage": (query(ASK_SOA, opt=opt(4096, version=1, options=b"\3abc")), bad_version()),
}


@pytest.fixture(scope="module")
def asked(context: QueryContext) -> QueryContext:
    cookies = Cookies.with_secrets((SECRET,), lambda: NOW_S, is_required=False)
    return attrs.evolve(context, client=CLIENT, cookies=cookies)


@pytest.mark.parametrize("transport", Transport)
@pytest.mark.parametrize(("wire", "expected"), PROBES.values(), ids=PROBES)
def test_probe_gets_these_bytes(asked: QueryContext, wire: bytes, expected: bytes, transport: Transport) -> None:
    outcome = respond(wire, attrs.evolve(asked, transport=transport))
    assert isinstance(outcome, Reply)
    assert expected.hex(" ") == outcome.wire.hex(" ")


def test_ednsnsid_tells_the_name_where_there_is_one(asked: QueryContext) -> None:
    wire = query(ASK_SOA, opt=opt(4096, options=NSID))
    outcome = respond(wire, attrs.evolve(asked, policy=DnsPolicy(nsid="one")))
    assert isinstance(outcome, Reply)
    assert positive(end=opt(options=b"\0\3\0\3one")) == outcome.wire


def test_signed_probe_is_told_that_there_is_no_such_key(asked: QueryContext) -> None:
    algorithm, stamp = b"\x0bhmac-sha256\0", bytes.fromhex("00006553f100012c")
    rdata = algorithm + stamp + b"\0\x20" + bytes(32) + ID + bytes(4)
    wire = query(ASK_SOA, opt=b"\0\0\xfa\0\xff\0\0\0\0" + struct.pack("!H", len(rdata)) + rdata)
    said = algorithm + stamp + b"\0\0" + ID + b"\0\x11\0\0"
    record = b"\0\0\xfa\0\xff\0\0\0\0" + struct.pack("!H", len(said)) + said
    outcome = respond(wire, asked)
    assert isinstance(outcome, Reply)
    assert reply(ASK_SOA, 9, (0, 0, 1), record).hex(" ") == outcome.wire.hex(" ")


TYPES = """
    A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP NSAP-PTR SIG KEY PX GPOS
    AAAA LOC NXT SRV NAPTR KX CERT A6 DNAME APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA
    SMIMEA HIP CDS CDNSKEY OPENPGPKEY SPF NID L32 L64 LP EUI48 EUI64 URI CAA AVC TYPE259 DLV TYPE666 TYPE1000 TYPE0
    TYPE65535
"""


@pytest.mark.parametrize("rtype", TYPES.split())
def test_every_type_is_answered_or_denied_with_soa(ask: Callable[..., dns.message.Message], rtype: str) -> None:
    seen = ask(f"consul. {rtype}")
    assert dns.rcode.NOERROR == seen.rcode()
    assert [dns.rdatatype.SOA] * (not seen.answer) == [rrset.rdtype for rrset in seen.authority]
