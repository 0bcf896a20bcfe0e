"""Whatever is asked over UDP, nobody who may be forged gets more than three bytes for one; who is proved gets all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from random import Random
from typing import Any

import attrs
import dns.edns
import dns.flags
import dns.message
import dns.rdatatype
import dns.tsig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.cookies import Cookies
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Transport
from nodedns.dns.responder import QueryContext, Reply, respond
from nodedns.dns.transfer import Transfers
from nodedns.dns.transfer_params import TransferParams
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.table.changes import Change, ExternalNode, NodeRegistered
from nodedns.testing.signing import KEYS, peer_key, signed_query

LIMIT = DnsPolicy().amplification_limit
TYPES = (1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 43, 48, 65, 250, 251, 252, 253, 255, 256, 65535)
NAMES = (
    ".",
    "consul.",
    "ns.consul.",
    "node.consul.",
    "dc1.consul.",
    "addr.consul.",
    "0a010101.addr.consul.",
    "20010db8000000000000000000000001.addr.consul.",
    "x.consul.",
    "nobody.node.consul.",
    "example.com.",
    "version.bind.",
    "1.1.1.10.in-addr.arpa.",
    "10.in-addr.arpa.",
    *(f"{name}.node.consul." for name in ("agent-one", "dual", "foo", "google", "talker", "hinted", "b", "c", "a.b.c")),
    *(f"{name}.node.dc1.consul." for name in ("agent-one", "dual", "talker")),
    "A" * 63 + ".node.consul.",
)


def option(code: int, content: bytes) -> dns.edns.Option:
    return dns.edns.GenericOption(dns.edns.OptionType.make(code), content)


OPTIONS = (
    option(3, b""),
    option(8, b"\0\1\x18\0\xc0\0\2"),
    option(10, bytes(8)),
    option(10, bytes(16)),
    option(11, b""),
    option(100, b"abc"),
)
EDNS_VARIANTS: tuple[dict[str, Any], ...] = (
    {"use_edns": -1},
    *[{"use_edns": 0, "payload": size} for size in (0, 512, 1232, 4096, 65535)],
    {"use_edns": 0, "want_dnssec": True},
    {"use_edns": 1},
    *[{"use_edns": 0, "payload": 4096, "options": [each]} for each in OPTIONS],
    {"use_edns": 0, "payload": 4096, "options": list(OPTIONS)},
)
TALKER = NodeRegistered(ExternalNode(NodeName("talker"), "", "10.9.9.9", {}, {f"k{n}": "v" * 60 for n in range(40)}))
HINTED = NodeRegistered(ExternalNode(NodeName("hinted"), "", "10.9.9.8", {}, {"hint": "h" * 60}))
SERVERS = 20
NOW = 1_800_000_000
CLIENT = Address.from_text("192.0.2.1", 5353)
JAR = Cookies.with_secrets((bytes(16),), lambda: 1e9, is_required=False)
GOOD_COOKIE = JAR.judge_untrusted(bytes(8), CLIENT).content


def every_query() -> Iterator[bytes]:
    for name, rtype, edns in product(NAMES, TYPES, EDNS_VARIANTS):
        query = dns.message.make_query(name, rtype, **edns)
        query.id = 7
        yield query.to_wire()
    for name in NAMES:
        query = dns.message.make_query(name, "A")
        query.use_tsig(dns.tsig.Key("key.", bytes(32)))
        yield query.to_wire()
    yield dns.message.Message(id=7).to_wire()
    alone = dns.message.Message(id=7)
    alone.use_edns(0, options=[option(10, bytes(8))])
    yield alone.to_wire()
    for opcode in range(16):
        query = dns.message.make_query("consul.", "SOA")
        query.id = 7
        query.flags |= opcode << 11
        yield query.to_wire()


@pytest.fixture(scope="module")
def rich(
    make_context: Callable[..., QueryContext], pool: tuple[Change, ...], server: Callable[[str, str], Change]
) -> QueryContext:
    """A pool in which an answer can be large in every section."""
    servers = tuple(server(f"server-{number}", f"10.0.0.{number}") for number in range(1, SERVERS))
    context = make_context((*pool, *servers, TALKER, HINTED), policy=DnsPolicy(nsid="n" * 64))
    return attrs.evolve(context, rng=Random(1), client=CLIENT, cookies=JAR)


def over(context: QueryContext, transport: Transport, limit: int) -> QueryContext:
    return attrs.evolve(context, transport=transport, amplification_limit=limit)


def replied(wire: bytes, context: QueryContext) -> Reply:
    reply = respond(wire, context)
    assert isinstance(reply, Reply)
    return reply


def test_no_reply_has_more_than_three_bytes_for_one(rich: QueryContext) -> None:
    bounded = over(rich, Transport.UDP, LIMIT)
    beyond = [
        (dns.message.from_wire(wire).question, len(wire), len(reply.wire))
        for wire in every_query()
        if not (reply := replied(wire, bounded)).is_proved and len(reply.wire) > LIMIT * len(wire)
    ]
    assert [] == beyond


def test_a_reply_that_is_cut_says_so_and_one_that_lacks_extras_does_not(rich: QueryContext) -> None:
    bounded, unbounded = over(rich, Transport.UDP, LIMIT), over(rich, Transport.UDP, 0)
    seen = set()
    for wire in every_query():
        whole, given_out = replied(wire, unbounded), replied(wire, bounded)
        if given_out.wire == whole.wire:
            assert given_out.keys in {None, whole.keys}
            continue
        assert given_out.is_bounded
        assert given_out.keys in {None, whole.keys}
        assert given_out.kind == whole.kind
        full, cut = dns.message.from_wire(whole.wire), dns.message.from_wire(given_out.wire)
        is_truncated = bool(cut.flags & dns.flags.TC)
        assert is_truncated == given_out.is_truncated
        assert is_truncated or (full.answer, full.authority) == (cut.answer, cut.authority)
        seen.add(is_truncated)
    assert {True, False} == seen


def test_tcp_clients_get_all_of_it(rich: QueryContext) -> None:
    for wire in every_query():
        assert replied(wire, over(rich, Transport.TCP, 0)) == replied(wire, over(rich, Transport.TCP, LIMIT))


def test_clients_with_a_good_cookie_get_all_of_it(rich: QueryContext) -> None:
    edns: dict[str, Any] = {"use_edns": 0, "payload": 1232, "options": [option(10, GOOD_COOKIE)]}
    for name, rtype in product(NAMES, TYPES):
        query = dns.message.make_query(name, dns.rdatatype.RdataType.make(rtype), **edns)
        query.id = 7
        reply = replied(query.to_wire(), over(rich, Transport.UDP, LIMIT))
        assert reply.is_proved
        assert reply == replied(query.to_wire(), over(rich, Transport.UDP, 0))


def test_a_signature_is_no_proof_of_an_address(rich: QueryContext) -> None:
    # Whoever has heard a signed query can send it again from another address.
    known = Transfers(TransferParams(keys=KEYS), wall_clock=lambda: NOW)
    bounded = attrs.evolve(over(rich, Transport.UDP, LIMIT), transfers=known)
    truncated = 0
    for name, rtype, edns, key in product(NAMES, TYPES, EDNS_VARIANTS[:5], KEYS):
        asked = signed_query(dns.message.make_query(name, rtype, **edns), peer_key(key), NOW)
        reply = replied(asked.wire, bounded)
        assert (False, True) == (reply.is_proved, len(reply.wire) <= LIMIT * len(asked.wire))
        truncated += bool(asked.read(reply.wire).flags & dns.flags.TC)
    assert truncated


@given(limit=st.integers(1, 100), at=st.integers(0, len(NAMES) * len(TYPES) * len(EDNS_VARIANTS) - 1))
def test_any_limit_is_kept(rich: QueryContext, limit: int, at: int) -> None:
    wire = QUERIES[at]
    reply = replied(wire, over(rich, Transport.UDP, limit))
    assert reply.is_proved or len(reply.wire) <= limit * len(wire)
    assert dns.message.from_wire(reply.wire).id == 7


QUERIES = tuple(every_query())
