"""The data directory: whose it is, and what it remembers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from nodedns.agent.memory import open_memory
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import DataDirError
from nodedns.observe.metrics import Metrics
from nodedns.serf.keyring_file import encode_keyring_file
from nodedns.testing.log_lines import log_lines

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
        assert (memory.registrations, memory.earlier_external_nodes()) == (None, ())
        assert dict(memory.remembered().alive) == {}


def test_snapshot_of_an_earlier_run_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "serf").mkdir()
    (tmp_path / "serf" / "local.snapshot").write_bytes(b"alive: n2 10.0.0.2:8301\nclock: 7\nalive: torn 10.")
    with open_memory(config(tmp_path), Metrics(), zeros) as memory:
        state = memory.remembered()
    assert (dict(state.alive), state.clock, state.is_torn) == ({"n2": "10.0.0.2:8301"}, 7, True)


# --- gossip keys ---------------------------------------------------------------------------

OLD, NEW = b"0123456789abcdef", b"fedcba9876543210"


def keyring_of(directory: Path) -> Path:
    return directory / "serf" / "local.keyring"


def with_keyring_file(directory: Path | None, *, keyring_file: bool = True) -> AgentConfig:
    settings = config(directory)
    return attrs.evolve(settings, encryption=attrs.evolve(settings.encryption, keyring_file=keyring_file))


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    with log_lines("warn") as stream:
        yield stream


def start_keys(settings: AgentConfig, given: bytes) -> tuple[bytes, ...]:
    with open_memory(settings, Metrics(), zeros) as memory:
        return memory.gossip_keys(given)


def test_given_key_begins_a_keyring_file(tmp_path: Path) -> None:
    assert (OLD,) == start_keys(with_keyring_file(tmp_path), OLD)
    assert encode_keyring_file([OLD]) == keyring_of(tmp_path).read_bytes()
    assert (OLD,) == start_keys(with_keyring_file(tmp_path), b"")


def test_without_a_key_and_a_file_there_is_neither_afterwards(tmp_path: Path) -> None:
    assert () == start_keys(with_keyring_file(tmp_path), b"")
    assert not keyring_of(tmp_path).exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"another key, 16b", "keyring doesn't include key provided with -encrypt, using keyring"),
        (OLD, "key provided with -encrypt is not the primary key of the keyring, using keyring"),
        (NEW, None),
        (b"", None),
    ],
)
def test_keyring_file_counts_and_a_key_that_differs_is_warned_of(
    tmp_path: Path, lines: io.StringIO, given: bytes, told: str | None
) -> None:
    keyring_of(tmp_path).parent.mkdir()
    keyring_of(tmp_path).write_bytes(encode_keyring_file([NEW, OLD]))
    assert (NEW, OLD) == start_keys(with_keyring_file(tmp_path), given)
    assert encode_keyring_file([NEW, OLD]) == keyring_of(tmp_path).read_bytes()
    assert [] == lines.getvalue().splitlines() if told is None else told in lines.getvalue()


def test_disabled_keyring_file_is_neither_read_nor_written(tmp_path: Path) -> None:
    keyring_of(tmp_path).parent.mkdir()
    keyring_of(tmp_path).write_bytes(b"no keyring")
    settings = with_keyring_file(tmp_path, keyring_file=False)
    assert (OLD,) == start_keys(settings, OLD)
    assert () == start_keys(settings, b"")
    assert b"no keyring" == keyring_of(tmp_path).read_bytes()


def test_dev_mode_has_the_given_key_in_memory() -> None:
    assert (OLD,) == start_keys(with_keyring_file(None), OLD)
