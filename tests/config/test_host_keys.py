"""A directory of host keys comes to fingerprints; private keys are not opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodedns.config.host_keys import MAX_HOST_KEYS
from nodedns.config.load import load
from nodedns.config.reload import reload
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError
from nodedns.model.host_key import fingerprint_of_public_key

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEBwjHVBAEAXq19IBqvn418MHLpjNg/N9yHKeqoEbLvO root@one\n"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEBwjHVBAEAXq19IBqvn418MHLpjNg/N9yHKeqoEbLvP root@two\n"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    directory = tmp_path / "ssh"
    directory.mkdir()
    return directory


def sources(keys: Path, *, meta: str = "") -> ConfigSources:
    file = keys.parent / "a.hcl"
    file.write_text(f'dns_config {{ ssh_host_keys = "{keys}" }}\n{meta}')
    flags = {"data-dir": str(keys.parent / "data"), "bind": "127.0.0.1"}
    return ConfigSources(paths=(file,), flags=flags)


def loaded(keys: Path, *, meta: str = "") -> AgentConfig:
    return load(sources(keys, meta=meta))


def test_public_host_keys_are_read_and_nothing_else(keys: Path) -> None:
    (keys / "ssh_host_ed25519_key.pub").write_text(ED25519)
    (keys / "user_ca.pub").write_text(OTHER)
    (keys / "ssh_host_ed25519_key-cert.pub").write_text(OTHER)
    # Reading one of these would never end.
    os.mkfifo(keys / "ssh_host_ed25519_key")
    os.mkfifo(keys / "ssh_host_rsa_key.pub")
    config = loaded(keys)
    assert ((fingerprint_of_public_key(ED25519),), ()) == (config.host_keys, config.warnings)


def test_file_that_is_no_public_key_is_passed_over_with_a_warning(keys: Path) -> None:
    (keys / "ssh_host_ed25519_key.pub").write_text(ED25519)
    (keys / "ssh_host_rsa_key.pub").write_bytes(b"\xff\0 rubbish")
    config = loaded(keys)
    assert 1 == len(config.host_keys)
    assert [True] == ["ssh_host_rsa_key.pub is passed over: no base64" in text for text in config.warnings]


def test_directory_without_keys_or_not_there_yet_is_a_warning(keys: Path) -> None:
    for directory in (keys, keys / "gone"):
        warning = f"dns_config.ssh_host_keys: no ssh_host_*_key.pub in {directory}, so no SSHFP records of this node"
        assert [True] == [text.startswith(warning) for text in loaded(directory).warnings]


def test_a_file_instead_of_the_directory_is_a_problem(keys: Path) -> None:
    file = keys / "ssh_host_rsa_key"
    file.write_text("secret")
    with pytest.raises(ConfigError, match="must be a directory with files"):
        loaded(file)


def test_more_keys_than_fit_into_gossip_are_a_warning(keys: Path) -> None:
    for number in range(MAX_HOST_KEYS + 1):
        (keys / f"ssh_host_{number}_key.pub").write_text(ED25519 if number else OTHER)
    assert [True] == ["more than 8 host keys" in text for text in loaded(keys).warnings]


def test_keys_that_change_are_read_at_a_reload_and_their_directory_is_watched(keys: Path) -> None:
    file = keys / "ssh_host_ed25519_key.pub"
    file.write_text(ED25519)
    given = sources(keys)
    running = load(given)
    file.write_text(OTHER)
    assert (fingerprint_of_public_key(OTHER),) == reload(given, running).config.host_keys
    assert (keys.parent / "a.hcl", keys) == running.watched_paths


def test_own_meta_that_is_no_fingerprint_is_a_warning(keys: Path) -> None:
    (keys / "ssh_host_ed25519_key.pub").write_text(ED25519)
    config = loaded(keys, meta='node_meta { "sshfp-4-2" = "xyz" }')
    assert ["node_meta: 'sshfp-4-2' is no fingerprint of an SSH host key: 'xyz'"] == [
        text.partition(";")[0] for text in config.warnings
    ]
