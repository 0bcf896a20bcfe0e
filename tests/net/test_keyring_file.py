"""The keyring file: whole, private, and never written over when it makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from nodedns.errors import DataDirError
from nodedns.net.keyring_file import KeyringFile
from nodedns.observe.metrics import SNAPSHOT_ERRORS, Metrics

KEYS = (b"0123456789abcdef", b"fedcba9876543210" * 2)


def test_stored_keys_are_loaded_again_in_their_order(tmp_path: Path) -> None:
    file = KeyringFile(tmp_path / "serf" / "local.keyring", Metrics())
    file.store(KEYS)
    assert KEYS == file.load()
    file.store(KEYS[:1])
    assert KEYS[:1] == file.load()
    assert ["local.keyring"] == [path.name for path in file.path.parent.iterdir()]


def test_file_is_as_serf_writes_it_and_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "local.keyring"
    path.write_text("[]")
    path.chmod(0o644)
    trio.run(KeyringFile(path, Metrics()).save, KEYS[:1])
    assert b'[\n  "MDEyMzQ1Njc4OWFiY2RlZg=="\n]' == path.read_bytes()
    assert 0o600 == path.stat().st_mode & 0o777


def test_no_file_is_no_keys(tmp_path: Path) -> None:
    assert KeyringFile(tmp_path / "local.keyring", Metrics()).load() is None


@pytest.mark.parametrize("content", [b"", b"[]", b"[", b'["c2VjcmV0"]', b"\xff", b'{"keys": []}'])
def test_damaged_file_is_refused_with_its_name_and_how_to_mend_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "local.keyring"
    path.write_bytes(content)
    with pytest.raises(DataDirError) as refusal:
        KeyringFile(path, Metrics()).load()
    said = str(refusal.value)
    assert said.startswith(f"keyring file {path} cannot be used: ")
    assert "put a good copy in its place" in said
    assert "\n" not in said
    assert "c2Vj" not in said
    assert content == path.read_bytes()


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataDirError, match=r"cannot read .*EISDIR"):
        KeyringFile(tmp_path, Metrics()).load()


def test_failed_write_is_counted_and_leaves_the_old_file(tmp_path: Path) -> None:
    metrics = Metrics()
    file = KeyringFile(tmp_path / "local.keyring", metrics)
    file.store(KEYS)
    (tmp_path / "local.keyring.tmp").mkdir()
    with pytest.raises(DataDirError, match=r"cannot write .*EISDIR"):
        file.store(KEYS[:1])
    assert KEYS == file.load()
    assert [1] == list(metrics.counts(SNAPSHOT_ERRORS).values())
