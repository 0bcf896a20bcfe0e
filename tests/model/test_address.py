"""Addresses keep their wire form and show one face to people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.address import Address, parse_ip, parse_port, split_port

MAPPED = bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 1])


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address(bytes([10, 0, 0, 1]), 8301), "10.0.0.1:8301"),
        (Address(MAPPED, 8301), "10.0.0.1:8301"),
        (Address.from_text("fe80::1%eth0", 1), "[fe80::1]:1"),
        (Address(b"short", 7), "<73686f7274>:7"),
    ],
)
def test_text_has_brackets_for_ipv6_and_hex_for_what_is_no_address(address: Address, text: str) -> None:
    assert text == str(address)


def test_both_forms_of_one_ipv4_are_one_endpoint_and_two_addresses() -> None:
    short, mapped = Address(bytes([10, 0, 0, 1]), 1), Address(MAPPED, 1)
    assert short.same_endpoint(mapped)
    assert short != mapped
    assert not short.same_endpoint(Address(MAPPED, 2))


@given(st.binary(max_size=20))
def test_only_4_or_16_bytes_are_an_ip(packed: bytes) -> None:
    address = Address(packed, 1)
    if address.is_valid:
        assert parse_ip(packed) == address.ip
    else:
        with pytest.raises(ValueError, match="4 or 16 bytes"):
            parse_ip(packed)


@given(st.ip_addresses())
def test_text_and_back_is_the_same_ip(ip: object) -> None:
    address = Address.from_text(str(ip), 5)
    assert address.host == str(getattr(ip, "ipv4_mapped", None) or ip)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", "")),
        ("10.0.0.1:7946", ("10.0.0.1", "7946")),
        ("fd00::1", ("fd00::1", "")),
        ("[fd00::1]", ("fd00::1", "")),
        ("[fd00::1]:7946", ("fd00::1", "7946")),
        ("host.example:http", ("host.example", "http")),
        ("", ("", "")),
    ],
)
def test_host_and_port_are_split_also_for_ipv6(text: str, expected: tuple[str, str]) -> None:
    assert expected == split_port(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), ("65535", 65535), ("0", 0), ("65536", 0), ("000001", 0), ("", 0), ("-1", 0), ("http", 0), ("٣", 0)],
)
def test_port_is_a_number_up_to_65535_or_none(text: str, expected: int) -> None:
    assert expected == parse_port(text)
