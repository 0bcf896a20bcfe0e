"""Class CH: version and identity, to who asks for them by TXT, and REFUSED for all else."""

from __future__ import annotations

import attrs
import pytest

from nodedns.dns.policy import DnsPolicy
from nodedns.dns.question import Rcode
from nodedns.dns.responder import QueryContext, Reply, respond

TOLD = DnsPolicy(nsid="one", version="nodedns 1")


def asked(name: bytes, rtype: bytes, context: QueryContext, policy: DnsPolicy = TOLD) -> Reply:
    wire = b"\0\7\1\0\0\1" + bytes(6) + name + rtype + b"\0\3"
    reply = respond(wire, attrs.evolve(context, policy=policy))
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize("rtype", [b"\0\x10", b"\0\xff"], ids=["TXT", "ANY"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"\7version\4bind\0", b"nodedns 1"),
        (b"\7VERSION\6Server\0", b"nodedns 1"),
        (b"\x08hostname\4bind\0", b"one"),
        (b"\2id\6server\0", b"one"),
    ],
)
def test_name_of_the_server_is_told(context: QueryContext, name: bytes, text: bytes, rtype: bytes) -> None:
    reply = asked(name, rtype, context)
    record = b"\xc0\x0c\0\x10\0\3\0\0\0\0" + bytes([0, len(text) + 1, len(text)]) + text
    assert b"\0\7\x85\0\0\1\0\1\0\0\0\0" + name + rtype + b"\0\3" + record == reply.wire
    assert (Rcode.NOERROR, (), True) == (reply.rcode, reply.keys, reply.has_answer)


@pytest.mark.parametrize(
    ("name", "rtype"),
    [
        (b"\7version\4bind\0", b"\0\1"),
        (b"\7version\0", b"\0\x10"),
        (b"\1a\7version\4bind\0", b"\0\x10"),
        (b"\6consul\0", b"\0\6"),
        (b"\0", b"\0\x10"),
    ],
)
def test_other_name_or_type_of_the_class_is_refused(context: QueryContext, name: bytes, rtype: bytes) -> None:
    assert Rcode.REFUSED == asked(name, rtype, context).rcode


@pytest.mark.parametrize("name", [b"\7version\4bind\0", b"\2id\6server\0"])
def test_what_is_configured_empty_is_refused(context: QueryContext, name: bytes) -> None:
    assert Rcode.REFUSED == asked(name, b"\0\x10", context, DnsPolicy()).rcode


@pytest.mark.parametrize("field", ["nsid", "version"])
def test_what_is_said_has_a_bound(field: str) -> None:
    assert "x" * 128 == getattr(DnsPolicy(**{field: "x" * 128}), field)  # type: ignore[arg-type] # one of two texts
    with pytest.raises(ValueError, match="at most 128 bytes"):
        DnsPolicy(**{field: "ü" * 65})  # type: ignore[arg-type] # likewise
