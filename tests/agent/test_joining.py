"""What a user types as an address to join."""

from __future__ import annotations

import pytest
import trio

from nodedns.agent.joining import parse_join_address, resolve_all
from nodedns.errors import JoinError
from nodedns.model.address import Address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", 8301)),
        ("10.0.0.1:7946", ("10.0.0.1", 7946)),
        ("::1", ("::1", 8301)),
        ("[::1]", ("::1", 8301)),
        ("[::1]:7946", ("::1", 7946)),
        ("host.example", ("host.example", 8301)),
        (" host.example:9000 ", ("host.example", 9000)),
    ],
)
def test_port_is_optional_and_ipv6_takes_brackets_with_one(text: str, expected: tuple[str, int]) -> None:
    assert expected == parse_join_address(text, 8301)


@pytest.mark.parametrize("text", ["", ":8301", "host:port", "host:0", "host:65536", "host:123456789"])
def test_what_is_no_address_says_so(text: str) -> None:
    with pytest.raises(JoinError):
        parse_join_address(text, 8301)


def test_good_addresses_are_kept_beside_bad_ones_and_none_twice() -> None:
    addresses, failures = trio.run(resolve_all, ["127.0.0.1", "127.0.0.1:8301", "bad:port", "[::1]:9"], 8301)
    assert addresses == [Address.from_text("127.0.0.1", 8301), Address.from_text("::1", 9)]
    assert [where for where, _ in failures] == ["bad:port"]


def test_name_that_does_not_exist_is_a_failure_with_its_reason() -> None:
    addresses, failures = trio.run(resolve_all, ["no-such-host.invalid"], 8301)
    assert addresses == []
    assert "looking up 'no-such-host.invalid' failed" in failures[0][1]
