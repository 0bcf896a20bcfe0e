"""Keys of gossip encryption: read, checked, and never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodedns.agent.statistics import debug_config
from nodedns.config.encryption import Secret
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError

KEY = b"0123456789abcdef"
TEXT = "MDEyMzQ1Njc4OWFiY2RlZg=="


def loaded(tmp_path: Path, text: str = "", *, dev: bool = False, **flags: Any) -> AgentConfig:
    path = tmp_path / "a.hcl"
    path.write_text(text)
    given = {"data-dir": str(tmp_path), "bind": "127.0.0.1"} | {name.replace("_", "-"): flags[name] for name in flags}
    return load(ConfigSources(paths=(path,), flags=given, dev=dev))


def problem(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        loaded(tmp_path, text)
    return str(refusal.value)


def test_without_a_key_nothing_is_encrypted_and_all_is_enforced(tmp_path: Path) -> None:
    settings = loaded(tmp_path).encryption
    assert (Secret(), True, True, True, "") == (
        settings.key,
        settings.verify_incoming,
        settings.verify_outgoing,
        settings.keyring_file,
        settings.label,
    )


def test_every_key_of_it_is_read(tmp_path: Path) -> None:
    text = f"""
        encrypt = "{TEXT}"
        encrypt_verify_incoming = false
        encrypt_verify_outgoing = false
        disable_keyring_file = true
        gossip_label = "blue"
    """
    settings = loaded(tmp_path, text).encryption
    assert KEY == settings.key.reveal()
    assert (False, False, False) == (settings.verify_incoming, settings.verify_outgoing, settings.keyring_file)
    assert "blue" == settings.label


def test_key_and_file_may_be_given_as_flags(tmp_path: Path) -> None:
    settings = loaded(tmp_path, encrypt=TEXT, disable_keyring_file=True).encryption
    assert (Secret(KEY), False) == (settings.key, settings.keyring_file)


def test_empty_key_is_warned_of(tmp_path: Path) -> None:
    config = loaded(tmp_path, encrypt="")
    assert not config.encryption.key
    assert ("encrypt is given and empty, so that gossip is not encrypted",) == config.warnings
    assert () == loaded(tmp_path).warnings


def test_dev_mode_keeps_no_keyring_file(tmp_path: Path) -> None:
    assert not loaded(tmp_path, dev=True).encryption.keyring_file


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('encrypt = "c2VjcmV0"', "encrypt: encrypt has invalid key: key size must be 16, 24 or 32 bytes"),
        ('encrypt = "secret*"', "encrypt: encrypt has invalid key: illegal base64 data at input byte 6"),
        ('encrypt = ["c2VjcmV0"]', "encrypt: must be text in quotes"),
    ],
)
def test_bad_key_is_refused_in_consuls_words_and_not_shown(tmp_path: Path, text: str, told: str) -> None:
    said = problem(tmp_path, text)
    assert said == f"{tmp_path / 'a.hcl'}: {told}"
    assert "c2Vj" not in said
    assert "secret" not in said


def test_label_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "gossip_label: cannot be longer than 255 bytes" in problem(tmp_path, f'gossip_label = "{"x" * 256}"')


def test_key_is_in_no_text_of_the_configuration(tmp_path: Path) -> None:
    config = loaded(tmp_path, encrypt=TEXT)
    shown = f"{config!r} {config} {debug_config(config)}"
    assert "hidden" in shown
    for spelled in (TEXT, KEY.decode(), repr(KEY), KEY.hex()):
        assert spelled not in shown


def test_secrets_compare_by_value() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert hash(Secret(KEY)) == hash(Secret(KEY))
    assert Secret(KEY) != Secret()
    assert (True, False) == (bool(Secret(KEY)), bool(Secret()))
