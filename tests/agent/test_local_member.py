"""What an agent tells the pool of itself fits into gossip, or is refused in words."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from nodedns.agent.local_member import own_tags
from nodedns.agent.statistics import debug_config
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import AgentError
from nodedns.model.host_key import Fingerprint, encode_tag

KEYS = tuple(Fingerprint(algorithm, 2, bytes([algorithm]) * 32) for algorithm in (1, 3, 4))


@pytest.fixture
def config(tmp_path: Path) -> AgentConfig:
    loaded = load(ConfigSources(paths=(), flags={"data-dir": str(tmp_path), "bind": "127.0.0.1"}))
    return attrs.evolve(loaded, host_keys=KEYS)


def test_host_keys_are_told_in_one_tag(config: AgentConfig) -> None:
    assert encode_tag(KEYS) == own_tags(config, "")["sshfp"]


def test_host_keys_that_leave_no_room_for_meta_are_refused_whole(config: AgentConfig) -> None:
    meta = {"key": 300 * "x"}
    with pytest.raises(AgentError, match="node_meta, with the host keys of"):
        own_tags(attrs.evolve(config, node_meta=meta), "")
    assert "sshfp" not in own_tags(attrs.evolve(config, node_meta=meta, host_keys=()), "")


def test_host_keys_are_shown_in_hex(config: AgentConfig) -> None:
    shown = debug_config(config)["host_keys"]
    assert [{"algorithm": key.algorithm, "kind": 2, "digest": key.digest.hex()} for key in KEYS] == shown
