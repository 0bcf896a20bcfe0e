"""How members watch each other: profiles, single keys, and what does not fit together."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import pytest

from nodedns.config.gossip import RANGES
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.settings import GossipSettings
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError
from nodedns.gossip.params import DEV, LAN, LOCAL, WAN, GossipParams

Load = Callable[..., AgentConfig]
RECLAIM_S = 30.0


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Load one file of these values, with flags."""

    def load_values(values: Mapping[str, object], *, dev: bool = False, **flags: object) -> AgentConfig:
        path = tmp_path / "agent.json"
        path.write_text(json.dumps(values))
        named = {name.replace("_", "-"): value for name, value in flags.items()}
        base = {} if dev else {"data-dir": str(tmp_path)}
        return load(ConfigSources(paths=(path,), flags={"bind": "10.0.0.5", **base, **named}, dev=dev))

    return load_values


def problems(loaded: Load, values: Mapping[str, object], **flags: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(values, **flags)
    return [str(problem).partition("agent.json: ")[2] or str(problem) for problem in caught.value.problems]


# profiles


@pytest.mark.parametrize(("name", "profile"), [("lan", LAN), ("wan", WAN), ("local", LOCAL)])
def test_profile_sets_every_knob(loaded: Load, name: str, profile: GossipParams) -> None:
    expected = attrs.evolve(profile, dead_node_reclaim_s=RECLAIM_S)
    assert expected == loaded({"gossip_profile": name}).gossip
    assert expected == loaded({}, profile=name).gossip


def test_without_a_profile_it_is_the_lan_s_and_in_dev_mode_the_fast_one(loaded: Load) -> None:
    assert attrs.evolve(LAN, dead_node_reclaim_s=RECLAIM_S) == loaded({}).gossip
    assert attrs.evolve(DEV, dead_node_reclaim_s=RECLAIM_S) == loaded({}, dev=True).gossip


def test_profile_that_is_named_counts_in_dev_mode_too(loaded: Load) -> None:
    assert attrs.evolve(LOCAL, dead_node_reclaim_s=RECLAIM_S) == loaded({}, dev=True, profile="local").gossip


def test_keys_replace_what_the_profile_says(loaded: Load) -> None:
    config = loaded({"gossip_profile": "wan", "gossip_lan": {"probe_timeout": "2s", "gossip_nodes": 5}})
    assert attrs.evolve(WAN, dead_node_reclaim_s=RECLAIM_S, probe_timeout_s=2.0, gossip_nodes=5) == config.gossip


def test_unknown_profile_is_refused(loaded: Load) -> None:
    expected = "gossip_profile: gossip_profile must be lan, wan, local, not 'fast'"
    assert [expected] == problems(loaded, {"gossip_profile": "fast"})


# single keys


def test_every_key_has_bounds() -> None:
    assert [field.name for field in attrs.fields(GossipSettings)] == list(RANGES)


@pytest.mark.parametrize("key", sorted(RANGES))
def test_key_reaches_its_knob(loaded: Load, key: str) -> None:
    is_count = hasattr(LAN, key)
    value, expected = (7, 7) if is_count else ("7s", 7.0)
    others = {"probe_interval": "10s"}
    gossip = loaded({"gossip_lan": others | {key: value}}).gossip
    assert expected == getattr(gossip, key if is_count else f"{key}_s")


@pytest.mark.parametrize("key", ["push_pull_interval", "gossip_to_the_dead", "dead_node_reclaim"])
def test_zero_turns_it_off(loaded: Load, key: str) -> None:
    assert 0.0 == getattr(loaded({"gossip_lan": {key: "0s"}}).gossip, f"{key}_s")


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("gossip_interval", "1ms", "must be between 10ms and 1m0s, not 1ms"),
        ("gossip_nodes", 0, "must be between 1 and 128, not 0"),
        ("retransmit_mult", 65, "must be between 1 and 64, not 65"),
        ("suspicion_mult", 10_000_000, "must be between 1 and 128, not 10000000"),
        ("indirect_checks", -1, "must be between 0 and 64, not -1"),
        ("awareness_max_multiplier", 0, "must be between 1 and 64, not 0"),
        ("suspicion_max_timeout_mult", 0, "must be between 1 and 64, not 0"),
        ("tcp_timeout", "0s", "must be between 100ms and 10m0s, not 0s"),
        ("push_pull_interval", "100ms", "must be 0s or at least 1s, not 100ms"),
        ("dead_node_reclaim", "-1s", "must be between 0s and 720h0m0s, not -1s"),
    ],
)
def test_value_out_of_bounds_is_refused(loaded: Load, key: str, value: object, rule: str) -> None:
    assert [f"gossip_lan.{key}: {rule}"] == problems(loaded, {"gossip_lan": {key: value}})


# together


def test_time_out_follows_a_shorter_interval(loaded: Load) -> None:
    config = loaded({"gossip_lan": {"probe_interval": "200ms"}})
    assert (0.1, ()) == (config.gossip.probe_timeout_s, config.warnings)


@pytest.mark.parametrize(
    ("keys", "used"),
    [
        ({"probe_timeout": "2s"}, 0.5),
        ({"probe_interval": "1s", "probe_timeout": "1001ms"}, 0.5),
        ({"gossip_interval": "1s", "probe_interval": "0.6s", "probe_timeout": "601ms"}, 0.3),
    ],
)
def test_time_out_beyond_the_interval_is_shortened_with_a_warning(
    loaded: Load, keys: Mapping[str, str], used: float
) -> None:
    config = loaded({"gossip_lan": keys})
    (warning,) = config.warnings
    assert used == config.gossip.probe_timeout_s
    assert warning.startswith("gossip_lan.probe_timeout (")


def test_probe_may_take_the_whole_interval(loaded: Load) -> None:
    assert 0.5 == loaded({"gossip_lan": {"probe_interval": "500ms"}}).gossip.probe_timeout_s
    same = {"probe_interval": "0.7s", "probe_timeout": "700ms"}
    assert 0.7 == loaded({"gossip_lan": same}).gossip.probe_timeout_s


# networks


def test_networks_come_from_flags_and_files(loaded: Load) -> None:
    config = loaded({"serf_lan_allowed_cidrs": ["fd00::/8"]}, serf_lan_allowed_cidrs=["10.0.0.7/8"])
    assert (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")) == config.gossip.allowed_cidrs


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/33", "here", ""])
def test_what_is_no_network_is_refused(loaded: Load, text: str) -> None:
    (found,) = problems(loaded, {"serf_lan_allowed_cidrs": [text, "10.0.0.0/8"]})
    assert found.startswith("serf_lan_allowed_cidrs: serf_lan_allowed_cidrs: invalid cidr: ")


def test_own_address_must_be_allowed(loaded: Load) -> None:
    (found,) = problems(loaded, {"serf_lan_allowed_cidrs": ["192.168.0.0/16"]})
    assert "does not hold 10.0.0.5, which this agent advertises" in found


def test_empty_list_allows_all(loaded: Load) -> None:
    assert () == loaded({"serf_lan_allowed_cidrs": []}).gossip.allowed_cidrs


# address, and being remembered


def test_gossip_may_have_an_address_of_its_own(loaded: Load) -> None:
    config = loaded({"serf_lan": "10.0.0.6"})
    assert ("10.0.0.5", "10.0.0.6", "10.0.0.6") == (config.bind_addr, config.serf_lan_addr, config.advertise_addr)
    assert "10.0.0.7" == loaded({}, serf_lan_bind="10.0.0.7").serf_lan_addr
    assert "10.0.0.5" == loaded({}).serf_lan_addr


def test_gossip_s_own_address_must_be_one(loaded: Load) -> None:
    expected = "serf_lan: serf_lan must be an ip address, not 'eth0'"
    assert [expected] == problems(loaded, {"serf_lan": "eth0"})


def test_advertise_goes_before_gossip_s_own_address(loaded: Load) -> None:
    config = loaded({"serf_lan": "10.0.0.6", "advertise_addr": "10.0.0.9"})
    assert ("10.0.0.6", "10.0.0.9") == (config.serf_lan_addr, config.advertise_addr)


def test_client_may_say_how_long_it_is_remembered(loaded: Load) -> None:
    assert 0.0 == loaded({}).advertise_reconnect_timeout_s
    assert 28_800.0 == loaded({"advertise_reconnect_timeout": "8h"}).advertise_reconnect_timeout_s


def test_server_may_not_say_how_long_it_is_remembered(loaded: Load) -> None:
    values = {"server": True, "bootstrap": True, "advertise_reconnect_timeout": "8h"}
    expected = "advertise_reconnect_timeout: advertise_reconnect_timeout can only be used on a client"
    assert [expected] == problems(loaded, values)
