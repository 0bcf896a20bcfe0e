"""EDNS options: what each brings, what is malformed, and what a reply may be kept for."""

from __future__ import annotations

import struct
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.cookies import Cookies
from nodedns.dns.edns import Granted, Peer, grant_options
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Edns, Rcode, Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.model.address import Address

MakeContext = Callable[..., QueryContext]

CLIENT = Address.from_text("192.0.2.1", 5353)
UDP = Peer(CLIENT, Transport.UDP)
TCP = Peer(CLIENT, Transport.TCP, 10.0)
CLIENT_COOKIE = b"\1\2\3\4\5\6\7\x08"
QUESTION = b"\3foo\4node\6consul\0\0\1\0\1"


def jar(*, is_required: bool = False) -> Cookies:
    return Cookies.with_secrets((bytes(16),), lambda: 1e9, is_required=is_required)


def packed(code: int, content: bytes = b"") -> bytes:
    return struct.pack("!HH", code, len(content)) + content


def granted(
    *options: tuple[int, bytes], peer: Peer = UDP, nsid: str = "me", cookies: Cookies | None = None, version: int = 0
) -> Granted:
    edns = Edns(version, 1232, wants_dnssec=False, options=options)
    return grant_options(edns, peer, nsid, cookies)


def query(options: bytes = b"", question: bytes = QUESTION) -> bytes:
    opt = struct.pack("!BHHIH", 0, 41, 1232, 0, len(options)) + options
    return struct.pack("!6H", 7, 0, int(bool(question)), 0, 0, 1) + question + opt


def answered(wire: bytes, context: QueryContext) -> Reply:
    reply = respond(wire, context)
    assert isinstance(reply, Reply)
    return reply


def test_no_opt_and_no_options_bring_nothing() -> None:
    assert Granted() == grant_options(None, UDP, "me", jar())
    assert Granted() == granted(cookies=jar())


def test_unknown_options_bring_nothing() -> None:
    assert Granted() == granted((100, b"x"), (9, b""), (12, bytes(8)), (15, b"\0\1"), cookies=jar())


def test_later_version_is_bad_whatever_its_options() -> None:
    assert Granted(rcode=Rcode.BADVERS) == granted((10, b"bad"), version=1, cookies=jar())


def test_options_without_an_answer_or_a_question_stand_once_each() -> None:
    asked = [(3, b""), (8, b"\0\1\0\0"), (10, CLIENT_COOKIE), (11, b"")]
    twice = granted(*asked, *asked, peer=TCP, cookies=jar())
    assert granted(*asked, peer=TCP, cookies=jar()) == twice


@pytest.mark.parametrize(
    ("nsid", "options"), [("", b""), ("me", packed(3, b"me")), ("müller", packed(3, b"m\xc3\xbcller"))]
)
@pytest.mark.parametrize("asked", [b"", b"what clients must not send"])
def test_nsid_is_told_to_who_asks_if_there_is_one(nsid: str, options: bytes, asked: bytes) -> None:
    assert Granted(options=options) == granted((3, asked), nsid=nsid)


GOOD_SUBNETS = [
    b"\0\1\0\0",
    b"\0\1\x18\0\xc0\0\2",
    b"\0\1\x20\0\xc0\0\2\1",
    b"\0\1\1\0\x80",
    b"\0\2\0\0",
    b"\0\2\x38\0\x20\1\x0d\xb8\0\0\0",
    b"\0\2\x80\0" + bytes(range(16)),
    b"\0\0\0\0",
]
BAD_SUBNETS = {
    "empty": b"",
    "cut off": b"\0\1\0",
    "unknown family": b"\0\3\0\0",
    "scope is set": b"\0\1\0\x18",
    "prefix above 32": b"\0\1\x21\0" + bytes(5),
    "prefix above 128": b"\0\2\x81\0" + bytes(17),
    "prefix of no family": b"\0\0\x08\0\1",
    "address too short": b"\0\1\x18\0\xc0\0",
    "address too long": b"\0\1\x18\0\xc0\0\2\0",
    "address without a prefix": b"\0\1\0\0\0",
    "bits behind the prefix": b"\0\1\x14\0\xc0\0\x12",
    "bit behind the prefix": b"\0\2\1\0\xc0",
}


@pytest.mark.parametrize("subnet", GOOD_SUBNETS)
def test_subnet_comes_back_for_everyone(subnet: bytes) -> None:
    assert Granted(options=packed(8, subnet)) == granted((8, subnet))


@pytest.mark.parametrize("subnet", BAD_SUBNETS.values(), ids=BAD_SUBNETS)
def test_malformed_subnet_is_a_format_error_with_opt(context: QueryContext, subnet: bytes) -> None:
    reply = answered(query(packed(8, subnet)), context)
    assert (Rcode.FORMERR, None) == (reply.rcode, reply.keys)
    opt = struct.pack("!BHHIH", 0, 41, 1232, 0, 0)
    assert struct.pack("!6H", 7, 0x8001, 1, 0, 0, 1) + QUESTION + opt == reply.wire


@pytest.mark.parametrize(
    ("idle_s", "tenths"), [(0.0, 0), (0.1, 1), (10.0, 100), (29.96, 300), (6553.5, 65535), (1e6, 65535)]
)
def test_keepalive_is_told_over_tcp_to_who_asks(idle_s: float, tenths: int) -> None:
    peer = attrs.evolve(TCP, keepalive_s=idle_s)
    assert Granted(options=packed(11, struct.pack("!H", tenths)), is_lasting=False) == granted((11, b""), peer=peer)
    assert Granted() == granted(peer=peer)


def test_keepalive_is_ignored_over_udp() -> None:
    assert Granted() == granted((11, b""))


@pytest.mark.parametrize("size", [0, 7, 9, 15, 41])
def test_malformed_cookie_is_a_format_error(size: int) -> None:
    assert Granted(rcode=Rcode.FORMERR) == granted((10, bytes(size)), cookies=jar())


def test_cookie_is_an_unknown_option_where_they_are_off_or_the_client_is_not_known() -> None:
    assert Granted() == granted((10, b"bad"))
    assert Granted() == granted((10, b"bad"), peer=attrs.evolve(UDP, client=None), cookies=jar())


def full_cookie() -> bytes:
    return jar().judge_untrusted(CLIENT_COOKIE, CLIENT).content


@pytest.mark.parametrize("peer", [UDP, TCP])
def test_good_cookie_proves_the_client(peer: Peer) -> None:
    good = granted((10, full_cookie()), peer=peer, cookies=jar())
    assert (packed(10, full_cookie()), True, None) == (good.options, good.is_proved, good.rcode)
    assert not granted((10, CLIENT_COOKIE), peer=peer, cookies=jar()).is_proved


@pytest.mark.parametrize(
    ("cookie", "peer", "rcode"),
    [
        (CLIENT_COOKIE, UDP, Rcode.BADCOOKIE),
        (CLIENT_COOKIE + bytes(16), UDP, Rcode.BADCOOKIE),
        (full_cookie(), UDP, None),
        (CLIENT_COOKIE, TCP, None),
        (CLIENT_COOKIE + bytes(16), TCP, None),
    ],
)
def test_required_cookie_is_given_before_the_answer(cookie: bytes, peer: Peer, rcode: Rcode | None) -> None:
    seen = granted((10, cookie), peer=peer, cookies=jar(is_required=True))
    assert (rcode, packed(10, full_cookie())) == (seen.rcode, seen.options)


# --- in replies --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked(make_context: MakeContext) -> QueryContext:
    return attrs.evolve(make_context(policy=DnsPolicy(nsid="me")), client=CLIENT, cookies=jar())


def test_bad_cookie_reply_has_question_cookie_and_nothing_else(asked: QueryContext) -> None:
    there = attrs.evolve(asked, cookies=jar(is_required=True))
    reply = answered(query(packed(10, CLIENT_COOKIE)), there)
    options = packed(10, full_cookie())
    opt = struct.pack("!BHHBBHH", 0, 41, 1232, 1, 0, 0, len(options)) + options
    assert struct.pack("!6H", 7, 0x8007, 1, 0, 0, 1) + QUESTION + opt == reply.wire
    assert (Rcode.BADCOOKIE, False) == (reply.rcode, reply.is_proved)


def test_client_without_a_cookie_is_answered_where_cookies_are_required(asked: QueryContext) -> None:
    there = attrs.evolve(asked, cookies=jar(is_required=True))
    assert Rcode.NOERROR == answered(query(), there).rcode


@pytest.mark.parametrize(("cookie", "is_proved"), [(CLIENT_COOKIE, False), (full_cookie(), True)])
def test_reply_with_a_cookie_says_whether_the_client_is_proved_and_is_not_kept(
    asked: QueryContext, cookie: bytes, *, is_proved: bool
) -> None:
    reply = answered(query(packed(10, cookie)), asked)
    assert (is_proved, None, True) == (reply.is_proved, reply.keys, reply.has_answer)


def test_reply_with_nsid_and_subnet_may_be_kept(asked: QueryContext) -> None:
    reply = answered(query(packed(3) + packed(8, b"\0\1\0\0")), asked)
    assert answered(query(), asked).keys == reply.keys is not None


def test_options_stand_before_the_error_at_the_end(asked: QueryContext) -> None:
    name = b"\3a.b\4node\6consul\0"
    wire = query(packed(3) + packed(10, CLIENT_COOKIE) + packed(8, b"\0\1\0\0"), name + b"\0\1\0\1")
    outside = answered(query(packed(3) + packed(10, CLIENT_COOKIE), b"\7example\0\0\1\0\1"), asked)
    assert answered(wire, asked).wire.endswith(packed(10, full_cookie()))
    assert outside.wire.endswith(packed(3, b"me") + packed(10, full_cookie()) + packed(15, b"\0\x14"))


@pytest.mark.parametrize(
    ("name", "rtype", "info"),
    [(b"\7example\0", 1, 20), (b"\6consul\0", 252, 18), (b"\6consul\0", 251, 18), (b"\0", 2, 20)],
)
def test_refusal_says_why(context: QueryContext, name: bytes, rtype: int, info: int) -> None:
    reply = answered(query(question=name + struct.pack("!HH", rtype, 1)), context)
    assert (Rcode.REFUSED, struct.pack("!HHH", 15, 2, info)) == (reply.rcode, reply.wire[-6:])


def test_longest_options_to_the_longest_name_fit_512_bytes(asked: QueryContext) -> None:
    there = attrs.evolve(asked, policy=DnsPolicy(nsid="x" * 128))
    name = (b"\x3f" + b"a" * 63) * 3 + b"\x36" + b"a" * 54 + b"\6consul\0"
    assert 255 == len(name)
    options = packed(3) + packed(8, b"\0\2\x80\0" + bytes(16)) + packed(10, CLIENT_COOKIE) + packed(11)
    wire = query(options, name + b"\0\1\0\1").replace(b"\4\xd0", b"\2\0")
    reply = answered(wire, there)
    assert (Rcode.NXDOMAIN, True) == (reply.rcode, len(reply.wire) <= 512)
    assert reply.is_truncated


# --- no question -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cookie", "rcode", "is_proved"),
    [
        (CLIENT_COOKIE, Rcode.NOERROR, False),
        (full_cookie(), Rcode.NOERROR, True),
        (CLIENT_COOKIE + bytes(16), Rcode.BADCOOKIE, False),
    ],
)
@pytest.mark.parametrize("is_required", [False, True])
def test_client_may_ask_for_its_cookie_alone(
    asked: QueryContext, cookie: bytes, rcode: Rcode, *, is_proved: bool, is_required: bool
) -> None:
    there = attrs.evolve(asked, cookies=jar(is_required=is_required))
    reply = answered(query(packed(10, cookie), b""), there)
    options = packed(10, full_cookie())
    opt = struct.pack("!BHHBBHH", 0, 41, 1232, rcode >> 4, 0, 0, len(options)) + options
    assert struct.pack("!6H", 7, 0x8000 | rcode & 15, 0, 0, 0, 1) + opt == reply.wire
    assert (rcode, None, None, is_proved) == (reply.rcode, reply.qtype, reply.keys, reply.is_proved)


FORMERR = struct.pack("!6H", 7, 0x8001, 0, 0, 0, 0)
NO_COOKIE = {
    "no options": query(question=b""),
    "another option": query(packed(3), b""),
    "trailing byte": query(packed(10, CLIENT_COOKIE), b"") + b"\0",
    "answers": struct.pack("!6H", 7, 0, 0, 1, 0, 1) + query(packed(10, CLIENT_COOKIE), b"")[12:],
}


@pytest.mark.parametrize("wire", NO_COOKIE.values(), ids=NO_COOKIE)
def test_no_question_and_no_cookie_is_a_format_error(asked: QueryContext, wire: bytes) -> None:
    assert FORMERR == answered(wire, asked).wire


def test_no_question_is_a_format_error_where_there_are_no_cookies(context: QueryContext) -> None:
    assert FORMERR == answered(query(packed(10, CLIENT_COOKIE), b""), context).wire


def test_malformed_cookie_without_a_question_is_a_format_error(asked: QueryContext) -> None:
    assert Rcode.FORMERR == answered(query(packed(10, b"bad"), b""), asked).rcode


OPTIONS = st.lists(st.tuples(st.one_of(st.sampled_from([3, 8, 10, 11]), st.integers(0, 65535)), st.binary(max_size=44)))


@given(options=OPTIONS, is_tcp=st.booleans(), has_question=st.booleans())
def test_any_options_get_an_opt_with_only_what_we_know(
    asked: QueryContext, options: list[tuple[int, bytes]], *, is_tcp: bool, has_question: bool
) -> None:
    wire = query(b"".join(packed(*option) for option in options), QUESTION if has_question else b"")
    peer = TCP if is_tcp else UDP
    reply = answered(wire, attrs.evolve(asked, transport=peer.transport, keepalive_s=peer.keepalive_s))
    assert reply.rcode in (Rcode.NOERROR, Rcode.FORMERR, Rcode.BADCOOKIE)
    seen = granted(*options, peer=peer, cookies=jar())
    assert len(options) > 64 or reply.rcode is not Rcode.NOERROR or reply.wire.endswith(seen.options)
