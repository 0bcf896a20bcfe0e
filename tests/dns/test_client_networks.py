"""Which addresses lie in which networks, in both forms that an IPv4 address has."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.client_networks import MAPPED_PREFIX, MAX_NETWORKS, ClientNetworks, IpNetwork

ADDRESSES = st.ip_addresses()


@st.composite
def networks(draw: st.DrawFn) -> IpNetwork:
    address = draw(ADDRESSES)
    length = draw(st.integers(0, address.max_prefixlen))
    return ipaddress.ip_network((address, length), strict=False)


@given(st.lists(networks(), max_size=5), st.data())
def test_address_is_covered_exactly_if_it_lies_in_a_network(found: list[IpNetwork], data: st.DataObject) -> None:
    inside = [network.network_address for network in found] + [network.broadcast_address for network in found]
    address = data.draw(st.one_of(ADDRESSES, *([st.sampled_from(inside)] if inside else [])))
    # An IPv4 client that comes in 16 bytes is an IPv4 client, and no other address is one.
    expected = any(address in network for network in found if network.version == address.version)
    covered = ClientNetworks(tuple(found))
    if address.version == 4:
        assert expected == covered.covers(address.packed)
        mapped = any(address in network for network in found if network.version == 4)
        wide = any(ipaddress.IPv6Address(MAPPED_PREFIX + address.packed) in n for n in found if n.version == 6)
        assert (mapped or wide) == covered.covers(MAPPED_PREFIX + address.packed)
    elif not address.packed.startswith(MAPPED_PREFIX):
        assert expected == covered.covers(address.packed)


def test_no_networks_cover_nothing() -> None:
    assert not ClientNetworks(()).covers(bytes(4))
    assert not ClientNetworks(()).covers(bytes(16))


def test_more_networks_than_the_limit_are_refused() -> None:
    network = ipaddress.ip_network("10.0.0.0/8")
    with pytest.raises(ValueError, match="at most 64"):
        ClientNetworks((network,) * (MAX_NETWORKS + 1))
