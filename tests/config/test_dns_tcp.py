"""``dns_config.tcp``: what clients may hold over TCP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nodedns.config.dns_tcp import RANGES
from nodedns.config.load import load
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError
from nodedns.net.dns_tcp_limits import DnsTcpLimits


def limits(directory: Path, *blocks: dict[str, Any]) -> DnsTcpLimits:
    paths = []
    for number, block in enumerate(blocks):
        paths.append(directory / f"{number}.json")
        paths[-1].write_text(json.dumps({"dns_config": {"tcp": block}}))
    flags = {"data-dir": str(directory), "bind": "127.0.0.1"}
    return load(ConfigSources(paths=tuple(paths), flags=flags)).dns_tcp


def test_limits_are_the_servers_own_unless_told(tmp_path: Path) -> None:
    assert DnsTcpLimits() == limits(tmp_path) == limits(tmp_path, {})


def test_limits_take_their_keys_a_later_file_before_an_earlier(tmp_path: Path) -> None:
    first = {"max_connections": 9, "max_connections_per_client": 3, "idle_timeout": "1m30s"}
    expected = DnsTcpLimits(connections=10, connections_per_client=3, idle_s=90.0)
    assert expected == limits(tmp_path, first, {"max_connections": 10})


@pytest.mark.parametrize("key", RANGES)
def test_limit_beyond_its_bounds_is_a_problem(tmp_path: Path, key: str) -> None:
    _, low, high = RANGES[key]
    limits(tmp_path, {key: low if key != "idle_timeout" else f"{low}s"})
    limits(tmp_path, {key: high if key != "idle_timeout" else f"{high}s"})
    for value in (low - 1, high + 1):
        with pytest.raises(ConfigError, match=rf"dns_config.tcp.{key}: must be between {low}s? and {high}s?, not"):
            limits(tmp_path, {key: value if key != "idle_timeout" else f"{value}s"})
