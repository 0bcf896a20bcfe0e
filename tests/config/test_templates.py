from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest

from nodedns.config.interfaces import InterfaceAddress, is_private, is_public, list_interfaces
from nodedns.config.templates import TemplateError, expand


def at(name: str, text: str, *, up: bool = True, default: bool = False) -> InterfaceAddress:
    interface = ipaddress.ip_interface(text)
    return InterfaceAddress(
        name=name, ip=interface.ip, prefix_length=interface.network.prefixlen, is_up=up, is_default=default
    )


MACHINE = (
    at("lo", "127.0.0.1/8"),
    at("lo", "::1/128"),
    at("docker0", "172.17.0.1/16"),
    at("eth0", "10.0.0.5/24", default=True),
    at("eth0", "2a00:1450::5/64", default=True),
    at("eth0", "fe80::1/64", default=True),
    at("eth1", "8.8.4.4/29"),
    at("eth2", "192.168.7.7/24", up=False),
)


def machine() -> Sequence[InterfaceAddress]:
    return MACHINE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10.1.1.1", ("10.1.1.1",)),
        ("10.1.1.1  unix:///x", ("10.1.1.1", "unix:///x")),
        ("", ()),
        ("{{ GetPrivateIP }}", ("10.0.0.5",)),
        ("{{GetPrivateIP}} 127.0.0.1", ("10.0.0.5", "127.0.0.1")),
        ("{{ GetPrivateIPs }}", ("10.0.0.5", "172.17.0.1")),
        ("{{ GetPublicIP }}", ("2a00:1450::5",)),
        ("{{ GetPublicIPs }}", ("2a00:1450::5", "8.8.4.4")),
        ('{{ GetInterfaceIP "eth0" }}', ("10.0.0.5",)),
        ('{{ GetInterfaceIPs "eth0" }}', ("10.0.0.5", "2a00:1450::5")),
        ('{{ GetInterfaceIP "wlan0" }}', ()),
        ('{{ GetInterfaceIP "eth2" }}', ()),
        ('{{ GetAllInterfaces | include "network" "10.0.0.0/8" | attr "address" }}', ("10.0.0.5",)),
        ('{{ GetAllInterfaces | include "name" "^docker" | attr "address" }}', ("172.17.0.1",)),
        ('{{ GetAllInterfaces | include "flags" "up|loopback" | include "type" "ipv4" | attr "name" }}', ("lo",)),
        ('{{ GetAllInterfaces | include "flags" "down" | attr "address" }}', ("192.168.7.7",)),
        ('{{ GetAllInterfaces | include "address" "^8" | attr "address" }}', ("8.8.4.4",)),
        ('{{ GetPrivateInterfaces | exclude "name" "docker" | join "address" " " }}', ("10.0.0.5",)),
        ('{{ GetPrivateInterfaces | sort "-address" | limit 1 | attr "address" }}', ("172.17.0.1",)),
        ('{{ GetPrivateInterfaces | sort "name" | offset 1 | attr "address" }}', ("10.0.0.5",)),
        ('{{ GetDefaultInterfaces | include "type" "IPv6" | attr "address" }}', ("2a00:1450::5",)),
        ('{{ GetPublicInterfaces | include "type" "ipv4" | join "address" " " }}', ("8.8.4.4",)),
        ('{{ GetPublicInterfaces | limit 0 | attr "address" }}', ()),
    ],
)
def test_template_is_filled_in(text: str, words: tuple[str, ...]) -> None:
    assert words == expand(text, machine)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{{ GetPrivateIP", "not closed"),
        ("{{ }}", "empty part"),
        ('{{ GetInterfaceIP "eth0 }}', "quotes are not closed"),
        ("{{ GetInterfaceIP }}", "takes the name of one interface"),
        ("{{ GetEverything }}", "GetEverything"),
        ('{{ GetPrivateIP "x" }}', "GetPrivateIP"),
        ("{{ GetPrivateIP | limit 1 }}", "cannot follow text"),
        ("{{ GetAllInterfaces }}", "end the template"),
        ('{{ GetAllInterfaces | math "network" "+1" }}', "math"),
        ('{{ GetAllInterfaces | attr "size" }}', "size"),
        ('{{ GetAllInterfaces | sort "colour" }}', "colour"),
        ('{{ GetAllInterfaces | limit "x" }}', "limit"),
        ('{{ GetAllInterfaces | include "rfc" "1918" }}', "rfc"),
        ('{{ GetAllInterfaces | include "flags" "sideways" }}', "flags"),
        ('{{ GetAllInterfaces | include "network" "x" }}', "x"),
        ('{{ GetAllInterfaces | include "name" "(" }}', "regular expression"),
    ],
)
def test_unknown_template_is_refused_by_name(text: str, part: str) -> None:
    with pytest.raises(TemplateError, match=part.replace("(", r"\(")):
        expand(text, machine)


def test_interfaces_are_not_listed_without_a_template() -> None:
    def refuse() -> Sequence[InterfaceAddress]:
        raise AssertionError("listed")

    assert ("10.0.0.1",) == expand("10.0.0.1", refuse)


@pytest.mark.parametrize(
    ("text", "private", "public"),
    [
        ("10.0.0.1", True, False),
        ("100.64.0.1", True, False),
        ("192.168.0.1", True, False),
        ("fd00::1", True, False),
        ("8.8.8.8", False, True),
        ("2a00:1450::5", False, True),
        ("127.0.0.1", False, False),
        ("169.254.1.1", False, False),
        ("fe80::1", False, False),
        ("0.0.0.0", False, False),
    ],
)
def test_private_and_public_are_told_apart(text: str, private: bool, public: bool) -> None:
    ip = ipaddress.ip_address(text)
    assert (private, public) == (is_private(ip), is_public(ip))


def test_this_machine_lists_its_loopback() -> None:
    found = {str(address.ip): address for address in list_interfaces()}
    assert found["127.0.0.1"].is_up
    assert not found["127.0.0.1"].is_default
