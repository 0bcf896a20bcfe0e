"""Queries with a cookie and nothing else, taken apart."""

from __future__ import annotations

import pytest

from nodedns.dns.lone_cookie import find_lone_cookie
from nodedns.testing.dns_queries import OPT, query_wire

CLIENT = bytes(range(8))
WHOLE = bytes(range(24))
NAME = "a.node.consul"


def with_options(options: bytes) -> bytes:
    return query_wire(NAME, opt=OPT[:-2] + len(options).to_bytes(2, "big") + options)


def cookie(content: bytes) -> bytes:
    return b"\0\x0a" + len(content).to_bytes(2, "big") + content


@pytest.mark.parametrize("content", [CLIENT, WHOLE])
def test_query_with_a_cookie_is_the_query_without_and_the_cookie(content: bytes) -> None:
    found = find_lone_cookie(with_options(cookie(content)))
    assert found is not None
    assert (query_wire(NAME, opt=OPT), content) == (found.query, found.content)


@pytest.mark.parametrize(
    "query",
    [
        b"",
        bytes(12),
        query_wire(NAME),
        query_wire(NAME, opt=OPT),
        with_options(b"\0\x03\0\0" + cookie(CLIENT)),
        with_options(cookie(CLIENT) + b"\0\x03\0\0"),
        with_options(cookie(bytes(16))),
        with_options(cookie(CLIENT)) + b"!",
        with_options(cookie(CLIENT))[:-1],
        query_wire(NAME) + OPT[:-1] + b"\x0c" + cookie(CLIENT),
    ],
)
def test_other_queries_are_left_alone(query: bytes) -> None:
    assert None is find_lone_cookie(query)


def test_reply_has_the_cookie_where_there_is_room() -> None:
    found = find_lone_cookie(with_options(cookie(CLIENT)))
    assert found is not None
    bare = bytes(100) + OPT
    assert bytes(100) + OPT[:-2] + b"\0\x1c" + cookie(WHOLE) == found.reply(bare, WHOLE, 1232)
    assert 1232 == len(found.reply(bytes(1232 - 28 - 11) + OPT, WHOLE, 1232) or b"")
    assert None is found.reply(bytes(1232 - 28 - 10) + OPT, WHOLE, 1232)
    assert None is found.reply(bytes(1000) + OPT, WHOLE, 512)
