"""Which address or prefix a name spells, and which zones a line of configuration stands for."""

from __future__ import annotations

import ipaddress

import dns.reversename
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.name import Labels
from nodedns.dns.reverse_names import ReverseName, address_text, cut_reverse_zone, reverse_labels, spelt_by
from nodedns.errors import LocalProtocolError
from nodedns.table.address_index import Digits, digits_of

V6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"


def labels(text: str) -> Labels:
    return tuple(text.encode().split(b"."))


@given(ip=st.ip_addresses())
def test_name_that_an_independent_program_makes_of_an_address_spells_it(ip: ipaddress.IPv4Address) -> None:
    name = tuple(dns.reversename.from_address(str(ip)).labels[:-1])
    if getattr(ip, "ipv4_mapped", None):
        return  # dnspython takes it for IPv4
    assert ReverseName(digits_of(str(ip)), is_whole=True) == spelt_by(name)
    assert (str(ip), name) == (address_text(digits_of(str(ip))), reverse_labels(digits_of(str(ip))))


@pytest.mark.parametrize(
    ("name", "version", "digits", "is_whole"),
    [
        ("in-addr.arpa", 4, "", True),
        ("10.in-addr.arpa", 4, "0a", True),
        ("3.2.1.10.in-addr.arpa", 4, "0a010203", True),
        ("255.in-addr.arpa", 4, "ff", True),
        ("x.3.2.1.10.in-addr.arpa", 4, "0a010203", False),
        ("4.3.2.1.10.in-addr.arpa", 4, "0a010203", False),
        ("01.10.in-addr.arpa", 4, "0a", False),
        ("00.in-addr.arpa", 4, "", False),
        ("256.10.in-addr.arpa", 4, "0a", False),
        ("-1.10.in-addr.arpa", 4, "0a", False),
        ("a.10.in-addr.arpa", 4, "0a", False),
        ("\u0661.10.in-addr.arpa", 4, "0a", False),
        ("1.x.10.in-addr.arpa", 4, "0a", False),
        ("0/26.2.0.192.in-addr.arpa", 4, "c00002", False),
        ("ip6.arpa", 6, "", True),
        ("d.f.ip6.arpa", 6, "fd", True),
        ("00.f.ip6.arpa", 6, "f", False),
        ("g.f.ip6.arpa", 6, "f", False),
        (V6, 6, "20010db8000000000000000000000001", True),
        (f"0.{V6}", 6, "20010db8000000000000000000000001", False),
    ],
)
def test_name_spells_the_longest_prefix_from_the_suffix_on(
    name: str, version: int, digits: str, *, is_whole: bool
) -> None:
    assert ReverseName(Digits(version, digits), is_whole) == spelt_by(labels(name))


@pytest.mark.parametrize("name", ["arpa", "10.arpa", "in-addr.arpa.consul", "xin-addr.arpa", "e164.arpa", ""])
def test_other_names_spell_nothing(name: str) -> None:
    assert None is spelt_by(labels(name))


def zones(text: str) -> list[str]:
    return [b".".join(reverse_labels(prefix)).decode() for prefix in cut_reverse_zone(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.0/8", ["10.in-addr.arpa"]),
        ("10.1.0.0/16", ["1.10.in-addr.arpa"]),
        ("0.0.0.0/0", ["in-addr.arpa"]),
        ("10.1.2.3/32", ["3.2.1.10.in-addr.arpa"]),
        ("192.168.2.0/23", ["2.168.192.in-addr.arpa", "3.168.192.in-addr.arpa"]),
        ("10.1.0.0/255.255.0.0", ["1.10.in-addr.arpa"]),
        ("192.0.2.0/30", [f"{last}.2.0.192.in-addr.arpa" for last in range(4)]),
        ("172.16.0.0/12", [f"{octet}.172.in-addr.arpa" for octet in range(16, 32)]),
        ("fd00::/8", ["d.f.ip6.arpa"]),
        ("::/0", ["ip6.arpa"]),
        ("2001:DB8::/32", ["8.b.d.0.1.0.0.2.ip6.arpa"]),
        ("2001:db8::/31", ["8.b.d.0.1.0.0.2.ip6.arpa", "9.b.d.0.1.0.0.2.ip6.arpa"]),
        ("2001:db8::1/128", [V6]),
        ("1.10.in-addr.arpa", ["1.10.in-addr.arpa"]),
        ("1.10.IN-ADDR.arpa.", ["1.10.in-addr.arpa"]),
        ("D.F.ip6.arpa", ["d.f.ip6.arpa"]),
        ("ip6.arpa", ["ip6.arpa"]),
    ],
)
def test_prefix_is_cut_into_the_zones_of_the_next_border(text: str, expected: list[str]) -> None:
    assert expected == zones(text)


def test_prefix_before_the_least_border_becomes_a_zone_for_each_address() -> None:
    assert (16, 64) == (len(zones("10.1.16.0/20")), len(zones("192.0.2.64/26")))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("10.1.2.3/16", "10.1.2.3/16 has bits beyond its length; write 10.1.0.0/16"),
        ("10.1.2.3", "10.1.2.3 has no length; write 10.1.2.3/32, or the prefix that it is in"),
        ("fd00::1/8", "fd00::1/8 has bits beyond its length; write fd00::/8"),
        ("::ffff:10.1.0.0/112", "::ffff:10.1.0.0/112 is IPv4; write 10.1.0.0/16"),
        ("0/26.2.0.192.in-addr.arpa", "'0/26.2.0.192.in-addr.arpa' is no zone of whole octets or nibbles; write it as"),
        ("01.10.in-addr.arpa", "'01.10.in-addr.arpa' is no zone of whole octets or nibbles; write it as a prefix"),
        ("arpa", "'arpa' is no zone of whole octets or nibbles; write it as a prefix"),
        ("10.0.0.0/33", "'10.0.0.0/33' is no prefix; write a prefix such as 10.1.0.0/16, or a zone such as 1.10.in-"),
        ("consul", "'consul' is no prefix; write a prefix such as 10.1.0.0/16, or a zone such as 1.10.in-addr.arpa"),
        ("", "'' is no prefix; write a prefix such as 10.1.0.0/16, or a zone such as 1.10.in-addr.arpa"),
    ],
)
def test_what_is_no_zone_is_refused_with_what_to_write(text: str, advice: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        cut_reverse_zone(text)
    assert str(caught.value).startswith(advice)
