"""The data directory: whose it is, and what it remembers."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from nodedns.agent.memory import open_memory
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import DataDirError
from nodedns.observe.metrics import Metrics

ID = "11111111-2222-4333-8444-555555555555"
OTHER_ID = "99999999-2222-4333-8444-555555555555"


def config(directory: Path | None, name: str = "n1", node_id: str = "") -> AgentConfig:
    dev = load(ConfigSources(dev=True, flags={"node": name}))
    return attrs.evolve(dev, data_dir=directory, node_id=node_id)


def zeros(size: int) -> bytes:
    return bytes(size)


def opened(settings: AgentConfig) -> tuple[str, bool]:
    """Open and close the memory; return its node id and whether the cluster is known."""
    with open_memory(settings, Metrics(), zeros) as memory:
        return memory.node_id, memory.is_cluster_known()


def test_node_id_is_made_once_and_kept(tmp_path: Path) -> None:
    first, _ = opened(config(tmp_path))
    with open_memory(config(tmp_path), Metrics(), lambda size: b"\xff" * size) as memory:
        assert first == memory.node_id


def test_given_node_id_is_kept_for_later_starts(tmp_path: Path) -> None:
    assert (ID, False) == opened(config(tmp_path, node_id=ID))
    assert (ID, False) == opened(config(tmp_path))


def test_directory_of_another_node_is_refused_by_name_and_says_how_to_mend_it(tmp_path: Path) -> None:
    opened(config(tmp_path, "n1"))
    with pytest.raises(DataDirError, match=r"belongs to node 'n1', this agent is 'n2'.*-data-dir"):
        opened(config(tmp_path, "n2"))


def test_directory_of_another_node_is_refused_by_id(tmp_path: Path) -> None:
    opened(config(tmp_path, node_id=ID))
    with pytest.raises(DataDirError, match=f"id {ID}, not {OTHER_ID}"):
        opened(config(tmp_path, node_id=OTHER_ID))


def test_node_id_file_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node-id").write_text("no uuid\n", encoding="ascii")
    with pytest.raises(DataDirError, match="holds no UUID"):
        opened(config(tmp_path))


def test_directory_in_use_is_refused(tmp_path: Path) -> None:
    settings = config(tmp_path)
    with open_memory(settings, Metrics(), zeros), pytest.raises(DataDirError, match="in use by process"):
        opened(settings)


def test_cluster_once_known_stays_known(tmp_path: Path) -> None:
    with open_memory(config(tmp_path), Metrics(), zeros) as memory:
        assert memory.is_cluster_known() is False
        memory.note_cluster_known()
    assert opened(config(tmp_path))[1] is True


def test_dev_mode_keeps_nothing() -> None:
    with open_memory(config(None, node_id=ID), Metrics(), zeros) as memory:
        memory.note_cluster_known()
        assert (memory.node_id, memory.is_cluster_known(), memory.snapshot) == (ID, False, None)
        assert memory.external_nodes() == ()
        assert dict(memory.remembered().alive) == {}


def test_snapshot_of_an_earlier_run_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "serf").mkdir()
    (tmp_path / "serf" / "local.snapshot").write_bytes(b"alive: n2 10.0.0.2:8301\nclock: 7\nalive: torn 10.")
    with open_memory(config(tmp_path), Metrics(), zeros) as memory:
        state = memory.remembered()
    assert (dict(state.alive), state.clock, state.is_torn) == ({"n2": "10.0.0.2:8301"}, 7, True)
