from __future__ import annotations

import ipaddress

import pytest

from nodedns.dns.recursion import NO_RECURSION, Recursion, Recursor, with_ra
from nodedns.model.address import Address

RECURSORS = (Recursor("192.0.2.53", 53),)


def client(host: str) -> Address:
    return Address.from_text(host, 40_000)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.7.7",
        "169.254.1.1",
        "fd00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
    ],
)
def test_private_client_is_served_by_default(host: str) -> None:
    assert Recursion(recursors=RECURSORS).serves(client(host))


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "172.15.255.255", "172.32.0.1", "100.64.0.1", "2001:db8::1", "::", "::2", "0.0.0.0", "fec0::1"]
)
def test_stranger_is_not_served_by_default(host: str) -> None:
    assert not Recursion(recursors=RECURSORS).serves(client(host))


def test_listed_networks_replace_the_default() -> None:
    recursion = Recursion(recursors=RECURSORS, allowed=(ipaddress.ip_network("2001:db8::/32"),))
    assert recursion.serves(client("2001:db8:1::1"))
    assert not recursion.serves(client("127.0.0.1"))


def test_nobody_is_served_without_recursors() -> None:
    assert not NO_RECURSION.serves(client("127.0.0.1"))


def test_unknown_client_is_not_served() -> None:
    assert not Recursion(recursors=RECURSORS).serves(None)


def test_ra_is_set_and_nothing_else() -> None:
    assert b"\x12\x34\x85\x83rest" == with_ra(b"\x12\x34\x85\x03rest")
