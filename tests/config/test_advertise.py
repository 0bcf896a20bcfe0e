"""Which address, and which port, the others are told."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from nodedns.config.interfaces import InterfaceAddress, route_to
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError


def interface(text: str, name: str = "eth0", *, default: bool = False) -> InterfaceAddress:
    return InterfaceAddress(name=name, ip=ipaddress.ip_address(text), prefix_length=24, is_default=default)


BRIDGE = interface("172.17.0.1", "docker0")
OFFICE = interface("10.0.0.5")
LAB = interface("192.168.7.5", "eth1")
UPLINK = interface("192.168.1.5", "wlan0", default=True)


def loaded(
    flags: Mapping[str, object],
    *interfaces: InterfaceAddress,
    routes: Mapping[str, str] | None = None,
) -> AgentConfig:
    return load(
        ConfigSources(
            flags={"data-dir": str(Path.cwd()), "node": "one", **flags},
            interfaces=lambda: interfaces,
            route=(routes or {}).get,
        )
    )


@pytest.mark.parametrize(
    ("given", "addr", "port"),
    [
        ("10.0.0.5", "10.0.0.5", 0),
        ("10.0.0.5:9301", "10.0.0.5", 9301),
        ("fd00::5", "fd00::5", 0),
        ("[fd00::5]", "fd00::5", 0),
        ("[fd00::5]:9301", "fd00::5", 9301),
        ('{{ GetInterfaceIP "eth1" }}', "192.168.7.5", 0),
        ('{{ GetInterfaceIP "eth1" }}:9301', "192.168.7.5", 9301),
    ],
)
def test_advertised_address_may_have_a_port_of_its_own(given: str, addr: str, port: int) -> None:
    config = loaded({"advertise": given}, LAB)

    assert (addr, port) == (config.advertise_addr, config.advertise_port)
    assert "" == config.advertise_note


@pytest.mark.parametrize(
    "given",
    ["10.0.0.5:0", "10.0.0.5:65536", "10.0.0.5:http", "[fd00::5]:-1", "10.0.0.5:123456789", "10.0.0.5:00655350"],
)
def test_bad_port_is_a_problem(given: str) -> None:
    with pytest.raises(ConfigError, match="has a bad port") as refusal:
        loaded({"advertise": given})

    assert 1 == len(refusal.value.problems)


@pytest.mark.parametrize(
    ("join", "routes", "chosen"),
    [
        ("10.0.0.1", {"10.0.0.1": "10.0.0.5"}, "10.0.0.5"),
        ("10.0.0.1:7946", {"10.0.0.1:7946": "192.168.7.5"}, "192.168.7.5"),
        ("seed.example", {"seed.example": "172.17.0.1"}, "172.17.0.1"),
    ],
)
def test_of_several_private_addresses_the_one_on_the_way_to_the_first_join_peer_is_chosen(
    join: str, routes: Mapping[str, str], chosen: str
) -> None:
    config = loaded({"retry-join": [join, "10.9.9.9"]}, BRIDGE, OFFICE, LAB, UPLINK, routes=routes)

    assert chosen == config.advertise_addr
    assert f"the way to {join}" in config.advertise_note
    others = [str(found.ip) for found in (BRIDGE, OFFICE, LAB, UPLINK) if str(found.ip) != chosen]
    assert f"also found {', '.join(others)}" in config.advertise_note


@pytest.mark.parametrize("routes", [{}, {"10.0.0.1": "127.0.0.1"}, {"10.0.0.1": "8.8.8.8"}])
def test_without_a_way_from_a_candidate_the_default_route_decides(routes: Mapping[str, str]) -> None:
    config = loaded({"retry-join": ["10.0.0.1"]}, BRIDGE, UPLINK, routes=routes)

    assert "192.168.1.5" == config.advertise_addr
    assert "default route; also found 172.17.0.1" in config.advertise_note


@pytest.mark.parametrize("defaults", [(), ("eth0", "wlan0")])
def test_choice_that_would_be_a_guess_is_refused_with_what_was_found(defaults: Sequence[str]) -> None:
    found = [interface("10.0.0.5", "eth0", default="eth0" in defaults)]
    found.append(interface("192.168.1.5", "wlan0", default="wlan0" in defaults))

    with pytest.raises(ConfigError, match=r"Multiple private IPv4 addresses found.*Found: 10\.0\.0\.5, 192\.168\.1\.5"):
        loaded({}, *found)


def test_only_address_is_taken_without_a_word() -> None:
    config = loaded({"retry-join": ["10.0.0.1"]}, OFFICE)

    assert ("10.0.0.5", "") == (config.advertise_addr, config.advertise_note)


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        (("fd00::1", "2a00:1450::5"), "2a00:1450::5"),
        (("fe80::1", "fd00::1"), "fd00::1"),
    ],
)
def test_ipv6_prefers_public_addresses_and_takes_a_unique_local_one(found: Sequence[str], chosen: str) -> None:
    assert chosen == loaded({"bind": "::"}, *map(interface, found)).advertise_addr


def test_several_public_ipv6_addresses_are_told_apart_by_the_way_to_the_peer() -> None:
    config = loaded(
        {"bind": "::", "retry-join": ["[2a00::1]:8301"]},
        interface("2a00::5"),
        interface("2a01::5", "eth1"),
        routes={"[2a00::1]:8301": "2a01::5"},
    )

    assert "2a01::5" == config.advertise_addr


@pytest.mark.parametrize("target", ["127.0.0.2", "127.0.0.2:8301", "localhost", "localhost:8301"])
def test_way_to_this_machine_is_a_loopback_address(target: str) -> None:
    assert (route_to(target) or "").startswith("127.")


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize("target", ["::1", "[::1]", "[::1]:8301"])
def test_way_is_found_for_ipv6_too(target: str) -> None:
    assert route_to(target) in ("::1", None)


def test_way_to_what_does_not_exist_is_none() -> None:
    assert route_to("no-such-host.invalid") is None


def test_service_is_not_asked_for_as_if_it_were_a_host() -> None:
    assert route_to("_gossip._tcp.localhost") is None


def of_family(tmp_path: Path, text: str) -> AgentConfig:
    path = tmp_path / "family.hcl"
    path.write_text(text)
    return load(
        ConfigSources(
            flags={"data-dir": str(tmp_path), "node": "one", "bind": "10.0.0.5"},
            paths=(path,),
            interfaces=lambda: (interface("2001:db8::5"),),
        )
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", "")),
        ('advertise_addr_ipv4 = "192.0.2.1"', ("192.0.2.1", "")),
        ('advertise_addr_ipv6 = "2001:DB8::0001"', ("", "2001:db8::1")),
        ('advertise_addr_ipv6 = "{{ GetInterfaceIP \\"eth0\\" }}"', ("", "2001:db8::5")),
    ],
)
def test_addresses_by_family_are_for_dns(tmp_path: Path, text: str, expected: tuple[str, str]) -> None:
    config = of_family(tmp_path, text)
    assert ("10.0.0.5", *expected) == (config.advertise_addr, config.advertise_addr_ipv4, config.advertise_addr_ipv6)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('advertise_addr_ipv4 = "2001:db8::1"', "advertise_addr_ipv4 must be an ipv4 address"),
        ('advertise_addr_ipv6 = "10.0.0.1"', "advertise_addr_ipv6 must be an ipv6 address"),
        ('advertise_addr_ipv6 = "::"', "advertise_addr_ipv6 cannot be ::, where nobody can be reached"),
        ('advertise_addr_ipv4 = "224.0.0.1"', "advertise_addr_ipv4 cannot be 224.0.0.1, where nobody can be reached"),
        ('advertise_addr_ipv4 = "a b"', "advertise_addr_ipv4 must be one ip address, not 'a b'"),
        (
            'advertise_addr_ipv4 = "10.0.0.1 10.0.0.2"',
            "advertise_addr_ipv4 must be one ip address, not '10.0.0.1 10.0.0.2'",
        ),
        ('advertise_addr_ipv6 = "{{ GetNothing }}"', "advertise_addr_ipv6: "),
    ],
)
def test_address_of_no_such_family_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        of_family(tmp_path, text)
    assert [True] == [each.message.startswith(problem) for each in refused.value.problems]
