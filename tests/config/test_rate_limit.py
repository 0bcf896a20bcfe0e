"""``dns_config.rate_limit``: every key reaches its knob, and what is out of range is told."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from nodedns.config.load import load
from nodedns.config.rate_limit import RANGES
from nodedns.config.settings import RateLimitSettings
from nodedns.config.sources import ConfigSources
from nodedns.dns.policy import DnsPolicy
from nodedns.dns.rate_limit import RateLimitPolicy
from nodedns.errors import ConfigError

Load = Callable[[dict[str, Any]], DnsPolicy]
KEYS = sorted(RANGES)


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Load one ``dns_config`` block."""

    def load_block(block: dict[str, Any]) -> DnsPolicy:
        path = tmp_path / "agent.json"
        path.write_text(json.dumps({"dns_config": block}))
        return load(ConfigSources(paths=(path,), flags={"bind": "10.0.0.5", "data-dir": str(tmp_path)})).dns

    return load_block


def in_file(key: str, value: int) -> int | str:
    return f"{value}s" if key == "window" else value


def problems(loaded: Load, block: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(block)
    return [str(problem).partition("agent.json: ")[2] for problem in caught.value.problems]


def test_without_keys_the_defaults_hold(loaded: Load) -> None:
    for policy in (loaded({}), loaded({"rate_limit": {}})):
        assert DnsPolicy().rate_limit == policy.rate_limit
        assert DnsPolicy().amplification_limit == policy.amplification_limit


def test_every_key_but_the_networks_has_bounds() -> None:
    assert {field.name for field in attrs.fields(RateLimitSettings)} == {*RANGES, "exempt"}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("end", [1, 2])
def test_key_reaches_its_knob(loaded: Load, key: str, end: int) -> None:
    knob, value = RANGES[key][0], int(RANGES[key][end])
    policy = loaded({"rate_limit": {key: in_file(key, value)}}).rate_limit
    changes: dict[str, Any] = {knob: value}
    assert attrs.evolve(RateLimitPolicy(), **changes) == policy


@pytest.mark.parametrize("key", KEYS)
def test_value_out_of_range_is_told(loaded: Load, key: str) -> None:
    _, low, high = RANGES[key]
    unit = "s" if key == "window" else ""
    for value in (low - 1, high + 1):
        told = problems(loaded, {"rate_limit": {key: in_file(key, value)}})
        assert len(told) == 1
        assert (
            f"dns_config.rate_limit.{key}: must be between {low}{unit} and {high}{unit}, not {value}{unit}" == told[0]
        )


def test_networks_replace_the_default_ones(loaded: Load) -> None:
    block = {"rate_limit": {"exempt": ["10.1.2.3/8", "fd00::/8", "192.0.2.1"]}}
    expected = tuple(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "fd00::/8", "192.0.2.1/32"))
    assert expected == loaded(block).rate_limit.exempt
    assert () == loaded({"rate_limit": {"exempt": []}}).rate_limit.exempt


def test_what_is_no_network_is_told(loaded: Load) -> None:
    told = problems(loaded, {"rate_limit": {"exempt": ["10.0.0.0/8", "lan"]}})
    assert ["dns_config.rate_limit.exempt: 'lan' is no network such as 10.0.0.0/8 or fd00::/8"] == told


def test_too_many_networks_are_told(loaded: Load) -> None:
    told = problems(loaded, {"rate_limit": {"exempt": [f"10.0.{number}.0/24" for number in range(65)]}})
    assert ["dns_config.rate_limit.exempt: holds 65 networks; the most is 64"] == told


@pytest.mark.parametrize("value", [0, 3, 100])
def test_amplification_limit_reaches_its_knob(loaded: Load, value: int) -> None:
    assert value == loaded({"amplification_limit": value}).amplification_limit


@pytest.mark.parametrize("value", [-1, 101])
def test_amplification_limit_out_of_range_is_told(loaded: Load, value: int) -> None:
    expected = f"dns_config.amplification_limit: must be between 0 and 100, not {value}"
    assert [expected] == problems(loaded, {"amplification_limit": value})
