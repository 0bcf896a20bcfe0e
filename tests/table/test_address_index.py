"""The addresses in order, against a plain set of them."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from nodedns.table.address_index import AddressIndex, Digits, digits_of

FEW = st.sampled_from(["10.1.2.3", "10.1.2.4", "10.1.20.3", "10.16.2.3", "2001:db8::1", "2001:db8::10", "a01:203::"])
IPS = st.one_of(FEW, st.ip_addresses().map(str))


@given(steps=st.lists(st.sets(IPS, max_size=6), max_size=6), probe=IPS, length=st.integers(0, 32))
def test_prefix_is_found_exactly_while_an_address_is_in_it(steps: list[set[str]], probe: str, length: int) -> None:
    index, held = AddressIndex(), set[str]()
    for wanted in steps:
        before, index = index, index.changed(map(digits_of, held - wanted), map(digits_of, wanted - held))
        assert sorted(held) == sorted(texts_of(before))
        held = wanted
        prefix = Digits(digits_of(probe).version, digits_of(probe).text[:length])
        assert any(is_in(digits_of(ip), prefix) for ip in held) == index.has_under(prefix)


def is_in(address: Digits, prefix: Digits) -> bool:
    return address.version == prefix.version and address.text.startswith(prefix.text)


def texts_of(index: AddressIndex) -> list[str]:
    return [str(ipaddress.ip_address(bytes.fromhex(text))) for text in (*index.ipv4, *index.ipv6)]
