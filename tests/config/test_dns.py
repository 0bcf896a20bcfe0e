"""What ``dns_config`` comes to: reverse zones, and the TTL of their records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError
from nodedns.table.address_index import Digits

LoadDns = Callable[..., AgentConfig]


@pytest.fixture
def load_dns(tmp_path: Path) -> LoadDns:
    """Load files, each with a ``dns_config`` of its own."""

    def loaded(*blocks: dict[str, object]) -> AgentConfig:
        paths = [tmp_path / f"{number}.json" for number in range(len(blocks))]
        for path, block in zip(paths, blocks, strict=True):
            path.write_text(json.dumps({"dns_config": block}))
        return load(ConfigSources(paths=tuple(paths), flags={"data-dir": str(tmp_path), "bind": "127.0.0.1"}))

    return loaded


def test_reverse_zones_follow_the_nodes_where_none_are_listed(load_dns: LoadDns) -> None:
    assert [None, None, ()] == [
        load_dns().reverse_zones,
        load_dns({}).reverse_zones,
        load_dns({"reverse_zones": []}).reverse_zones,
    ]


def test_listed_reverse_zones_of_all_files_are_cut_to_their_borders_and_each_is_there_once(load_dns: LoadDns) -> None:
    config = load_dns(
        {"reverse_zones": ["10.0.0.0/7", "fd00::/8"]}, {"reverse_zones": ["10.in-addr.arpa", "d.f.ip6.arpa"]}
    )
    assert (Digits(4, "0a"), Digits(4, "0b"), Digits(6, "fd")) == config.reverse_zones


def test_every_bad_reverse_zone_is_a_problem(load_dns: LoadDns) -> None:
    with pytest.raises(ConfigError) as caught:
        load_dns({"reverse_zones": ["10.0.0.1/8", "10.0.0.0/8", "consul"]})
    assert [
        "dns_config.reverse_zones: 10.0.0.1/8 has bits beyond its length; write 10.0.0.0/8",
        "dns_config.reverse_zones: 'consul' is no prefix; write a prefix such as 10.1.0.0/16, or a zone such as "
        "1.10.in-addr.arpa",
    ] == [str(problem).partition(": ")[2] for problem in caught.value.problems]


@pytest.mark.parametrize(("given", "taken"), [("500ms", "0.5s is taken for 0s"), ("1.5s", "1.5s is taken for 1s")])
def test_a_ttl_of_no_whole_seconds_is_a_warning(load_dns: LoadDns, given: str, taken: str) -> None:
    assert (f"dns_config.ptr_ttl is counted in whole seconds: {taken}",) == load_dns({"ptr_ttl": given}).warnings


@pytest.mark.parametrize(
    ("given", "ttl_s"),
    [({}, 0), ({"node_ttl": "10s"}, 10), ({"ptr_ttl": "1m"}, 60), ({"node_ttl": "10s", "ptr_ttl": "0s"}, 0)],
)
def test_pointers_have_the_ttl_of_nodes_unless_told_another(
    load_dns: LoadDns, given: dict[str, object], ttl_s: int
) -> None:
    assert ttl_s == load_dns(given).dns.ptr_ttl_s


@pytest.mark.parametrize(
    ("given", "grace_s"),
    [
        ({}, None),
        ({"failed_nodes": "keep"}, None),
        ({"failed_nodes": "drop"}, 30.0),
        ({"failed_nodes": "drop", "failed_nodes_grace": "5m"}, 300.0),
        ({"failed_nodes": "drop", "failed_nodes_grace": "0s"}, 0.0),
    ],
)
def test_failed_nodes_stay_unless_told_otherwise(
    load_dns: LoadDns, given: dict[str, object], grace_s: float | None
) -> None:
    config = load_dns(given)
    assert (grace_s, ()) == (config.failed_nodes_grace_s, config.warnings)


def test_grace_that_is_not_used_is_a_warning(load_dns: LoadDns) -> None:
    config = load_dns({"failed_nodes_grace": "1m"})
    unused = 'dns_config.failed_nodes_grace is not used: failed_nodes is not "drop"'
    assert (None, (unused,)) == (config.failed_nodes_grace_s, config.warnings)


def test_bad_policy_and_bad_grace_are_problems(load_dns: LoadDns) -> None:
    with pytest.raises(ConfigError) as caught:
        load_dns({"failed_nodes": "hide", "failed_nodes_grace": "-1s"})
    assert [
        """dns_config.failed_nodes: must be "keep" or "drop", not 'hide'""",
        "dns_config.failed_nodes_grace: cannot be negative: -1s",
    ] == [str(problem).partition(": ")[2] for problem in caught.value.problems]


def test_ttl_of_pointers_has_bounds(load_dns: LoadDns) -> None:
    with pytest.raises(ConfigError, match=r"dns_config\.ptr_ttl: must be between 0 and 2147483647, not -1"):
        load_dns({"ptr_ttl": "-1s"})
