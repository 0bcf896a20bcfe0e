"""The rules for recursors, with Consul's error texts where Consul has the rule."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from nodedns.config.interfaces import InterfaceAddress
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.dns.recursion import DEFAULT_ALLOWED, Recursion, Recursor, Strategy
from nodedns.errors import ConfigError

LAN = InterfaceAddress(name="eth0", ip=ipaddress.ip_address("10.0.0.5"), prefix_length=24, is_default=True)


def loaded(folder: Path, values: dict[str, Any] | None = None, **flags: Any) -> AgentConfig:
    file = folder / "agent.json"
    file.write_text(json.dumps(values or {}))
    own = {"data-dir": str(folder), "bind": "127.0.0.1"}
    return load(ConfigSources(paths=(file,), flags=own | flags, interfaces=lambda: (LAN,)))


def problem(folder: Path, values: dict[str, Any], **flags: Any) -> str:
    with pytest.raises(ConfigError) as refusal:
        loaded(folder, values, **flags)
    (only,) = refusal.value.problems
    return str(only)


def test_there_are_none_by_default(tmp_path: Path) -> None:
    assert Recursion() == loaded(tmp_path).recursion


@pytest.mark.parametrize(
    ("given", "recursor"),
    [
        ("8.8.8.8", Recursor("8.8.8.8", 53)),
        ("8.8.8.8:5353", Recursor("8.8.8.8", 5353)),
        ("2001:4860:4860::8888", Recursor("2001:4860:4860::8888", 53)),
        ("[2001:4860:4860::8888]", Recursor("2001:4860:4860::8888", 53)),
        ("[2001:4860:4860::8888]:5353", Recursor("2001:4860:4860::8888", 5353)),
        ("fe80::1%eth0", Recursor("fe80::1%eth0", 53)),
        ("[fe80::1%eth0]:5353", Recursor("fe80::1%eth0", 5353)),
        ("{{ GetPrivateIP }}", Recursor("10.0.0.5", 53)),
        ("{{ GetPrivateIP }}:54", Recursor("10.0.0.5", 54)),
        ("127.0.0.1", Recursor("127.0.0.1", 53)),
    ],
)
def test_recursor_is_an_address_with_a_port_or_without(tmp_path: Path, given: str, recursor: Recursor) -> None:
    assert (recursor,) == loaded(tmp_path, {"recursors": [given]}).recursion.recursors


def test_recursors_keep_their_order_and_lose_duplicates(tmp_path: Path) -> None:
    values = {"recursors": ["9.9.9.9", "8.8.8.8:53", "9.9.9.9:53", "8.8.8.8"]}
    assert ["9.9.9.9", "8.8.8.8"] == [one.host for one in loaded(tmp_path, values).recursion.recursors]


def test_flags_come_before_files(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"recursors": ["8.8.8.8"]}, recursor=["9.9.9.9", "1.1.1.1"])
    assert ["9.9.9.9", "1.1.1.1", "8.8.8.8"] == [one.host for one in config.recursion.recursors]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0.0.0.0", "DNS recursor address cannot be 0.0.0.0, :: or [::]"),
        ("::", "DNS recursor address cannot be 0.0.0.0, :: or [::]"),
        ("[::]:53", "DNS recursor address cannot be 0.0.0.0, :: or [::]"),
        ("unix:///run/dns", "DNS Recursors cannot be unix sockets: unix:///run/dns"),
        ("1.2.3.4::53", "Invalid recursor address: address '1.2.3.4::53': too many colons in address"),
        ("[1.2.3.4::53]", "Invalid recursor address: address '[1.2.3.4::53]': too many colons in address"),
        ("2001:db8:::53", "Invalid recursor address: address '2001:db8:::53': too many colons in address"),
        ("8.8.8.8:0", "Invalid recursor address: bad port '0', wanted 1 to 65535"),
        ("8.8.8.8:65536", "Invalid recursor address: bad port '65536', wanted 1 to 65535"),
        ("[::1]x", "Invalid recursor address: address '[::1]x': too many colons in address"),
        ("224.0.0.1", "Invalid recursor address: 224.0.0.1 is a multicast address"),
        (
            "dns.google",
            "Invalid recursor address: 'dns.google' is no IP, with a port or without; "
            "nodedns does not look up the names of recursors",
        ),
    ],
)
def test_what_is_no_recursor_is_refused(tmp_path: Path, given: str, message: str) -> None:
    assert problem(tmp_path, {"recursors": [given]}).endswith(message)


@pytest.mark.parametrize(
    ("client", "recursor"),
    [
        ("127.0.0.1", "127.0.0.1:8600"),
        ("10.0.0.5 ::1", "[::1]:8600"),
        ("0.0.0.0", "10.0.0.5:8600"),
        ("0.0.0.0", "127.9.9.9:8600"),
        ("::", "10.0.0.5:8600"),
        ("::", "[::1]:8600"),
    ],
)
def test_agent_is_not_its_own_recursor(tmp_path: Path, client: str, recursor: str) -> None:
    rule = f"recursor {recursor} is this agent's own DNS server, which would ask itself"
    assert problem(tmp_path, {"recursors": [recursor]}, client=client).endswith(rule)


@pytest.mark.parametrize(
    ("client", "recursor"),
    [
        ("127.0.0.1", "127.0.0.1:53"),
        ("127.0.0.1", "127.0.0.2:8600"),
        ("0.0.0.0", "10.0.0.6:8600"),
        ("0.0.0.0", "[::1]:8600"),
    ],
)
def test_another_server_of_this_machine_may_be_a_recursor(tmp_path: Path, client: str, recursor: str) -> None:
    assert 1 == len(loaded(tmp_path, {"recursors": [recursor]}, client=client).recursion.recursors)


def test_strategy_and_timeout_are_consuls(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"dns_config": {"recursor_strategy": "random", "recursor_timeout": "500ms"}})
    assert (Strategy.RANDOM, 0.5) == (config.recursion.strategy, config.recursion.timeout_s)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("recursor_strategy", "fastest", ': invalid strategy: \'fastest\'; it is "sequential" or "random"'),
        ("recursor_timeout", "0s", ": must be more than 0s and at most 60s, not 0s"),
        ("recursor_timeout", "61s", ": must be more than 0s and at most 60s, not 61s"),
        (
            "allow_recursion",
            ["10.0.0.0/33"],
            ": invalid cidr: '10.0.0.0/33'; it takes a network such as 10.0.0.0/8",
        ),
    ],
)
def test_wrong_value_is_refused(tmp_path: Path, key: str, value: object, message: str) -> None:
    found = problem(tmp_path, {"dns_config": {key: value}})
    assert found.endswith(f"json: dns_config.{key}{message}")


def test_private_networks_may_recurse_by_default(tmp_path: Path) -> None:
    assert DEFAULT_ALLOWED == loaded(tmp_path, {"recursors": ["9.9.9.9"]}).recursion.allowed


@pytest.mark.parametrize("given", [[], ["192.0.2.0/24", "2001:db8::1"]])
def test_list_of_networks_replaces_the_default(tmp_path: Path, given: list[str]) -> None:
    allowed = loaded(tmp_path, {"dns_config": {"allow_recursion": given}}).recursion.allowed
    assert tuple(ipaddress.ip_network(text) for text in given) == allowed
