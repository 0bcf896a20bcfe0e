"""Who may have another connection, and how long one may be silent."""

from __future__ import annotations

import pytest

from nodedns.model.address import Address
from nodedns.net.dns_tcp_limits import DnsTcpLimits, StreamCensus, within_descriptors


def client(host: str, port: int = 50_000) -> Address:
    return Address.from_text(host, port)


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("a00:1::", "10.0.0.1", False),
        ("fd00::1", "fd00::2", False),
        ("fe80::1", "fe80::2", False),
        ("fd00::1", "fd00::1", True),
        ("fec0::1", "fec0::2", True),
    ],
    ids=[
        "same address",
        "another",
        "same network",
        "another network",
        "IPv6 that begins like IPv4",
        "of one site",
        "of one link",
        "same address of a site",
        "a network beside the link-local one",
    ],
)
def test_client_is_an_address_or_an_ipv6_network(first: str, second: str, *, are_one: bool) -> None:
    census = StreamCensus(DnsTcpLimits(connections_per_client=1))
    census.opened(client(first))
    assert ("too-many-streams-of-client" if are_one else "") == census.refusal(client(second, 50_001))


def test_closed_connection_may_be_opened_again() -> None:
    census = StreamCensus(DnsTcpLimits(connections=1, connections_per_client=1))
    census.opened(client("10.0.0.1"))
    assert "too-many-streams" == census.refusal(client("10.0.0.2"))
    census.closed(client("10.0.0.1"))
    assert ("", 0) == (census.refusal(client("10.0.0.1")), census.total)


def test_more_than_half_full_grants_less_silence() -> None:
    census = StreamCensus(DnsTcpLimits(connections=4, idle_s=30.0, busy_idle_s=1.5))
    for _ in range(2):
        census.opened(client("10.0.0.1"))
    assert 30.0 == census.idle_s()
    census.opened(client("10.0.0.1"))
    assert 1.5 == census.idle_s()


def test_busy_never_grants_more_than_quiet() -> None:
    census = StreamCensus(DnsTcpLimits(connections=1, idle_s=1.0, busy_idle_s=2.0))
    census.opened(client("10.0.0.1"))
    assert 1.0 == census.idle_s()


@pytest.mark.parametrize(("descriptors", "connections"), [(64, 16), (3, 1), (4_096, 256), (-1, 256)])
def test_connections_leave_files_for_others(descriptors: int, connections: int) -> None:
    assert DnsTcpLimits(connections=connections) == within_descriptors(DnsTcpLimits(), descriptors)
