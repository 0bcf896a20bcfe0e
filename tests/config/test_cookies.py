"""``dns_config.cookies``, and what the agent says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nodedns import __version__
from nodedns.agent.statistics import debug_config
from nodedns.config.encryption import Secret
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError

SHARED = "e5e973e5a6b2a43f48e7dc849e37bfcf"
OTHER = "445536BCD2513298075A5D379663C962"


def loaded(directory: Path, *files: dict[str, Any], node: str = "one") -> AgentConfig:
    paths = []
    for number, values in enumerate(files):
        paths.append(directory / f"{number}.json")
        paths[-1].write_text(json.dumps({"dns_config": values}))
    flags = {"data-dir": str(directory), "bind": "127.0.0.1", "node": node}
    return load(ConfigSources(paths=tuple(paths), flags=flags))


def test_cookies_are_given_with_a_secret_of_our_own_unless_told(tmp_path: Path) -> None:
    params = loaded(tmp_path, {"node_ttl": "1s"}).dns_cookies
    assert (True, False, ()) == (params.is_enabled, params.is_required, params.secrets)
    assert params == loaded(tmp_path).dns_cookies == loaded(tmp_path, {"cookies": {}}).dns_cookies


def test_cookies_take_their_keys_and_secrets_in_order(tmp_path: Path) -> None:
    first = {"cookies": {"enabled": False, "required": True, "secrets": [SHARED]}}
    params = loaded(tmp_path, first, {"cookies": {"secrets": [OTHER]}}).dns_cookies
    assert (False, True) == (params.is_enabled, params.is_required)
    assert tuple(Secret(bytes.fromhex(text)) for text in (SHARED, OTHER)) == params.secrets


def test_nobody_is_shown_a_secret(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"cookies": {"secrets": [SHARED]}})
    shown = repr(config) + json.dumps(debug_config(config))
    assert "hidden" in shown
    assert SHARED not in shown.lower()
    assert repr(bytes.fromhex(SHARED)) not in shown


@pytest.mark.parametrize(
    ("secrets", "rule"),
    [
        ([SHARED[:-1]], "each must be 16 bytes as 32 hex digits"),
        ([SHARED + "00"], "each must be 16 bytes as 32 hex digits"),
        ([OTHER, "secret"], "each must be 16 bytes as 32 hex digits"),
        ([SHARED] * 5, "holds 5 secrets; at most 4 are used"),
        (SHARED, "must be a list of texts"),
        ([1], "must be a list of texts"),
    ],
)
def test_bad_secret_is_refused_and_not_shown(tmp_path: Path, secrets: object, rule: str) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, {"cookies": {"secrets": secrets}})
    assert [f"{tmp_path / '0.json'}: dns_config.cookies.secrets: {rule}"] == [str(it) for it in raised.value.problems]


def test_agent_tells_its_name_and_version_unless_told(tmp_path: Path) -> None:
    dns = loaded(tmp_path, node="Rack-A7").dns
    assert ("Rack-A7", f"nodedns {__version__}") == (dns.nsid, dns.version)


@pytest.mark.parametrize("said", ["", "other", "x" * 128])
def test_agent_tells_what_it_is_told(tmp_path: Path, said: str) -> None:
    dns = loaded(tmp_path, {"nsid": said, "version": said}).dns
    assert (said, said) == (dns.nsid, dns.version)


@pytest.mark.parametrize("key", ["nsid", "version"])
def test_what_is_too_long_to_say_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"dns_config\.{key}: cannot be longer than 128 bytes"):
        loaded(tmp_path, {key: "x" * 129})


def test_node_name_that_is_too_long_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, node="x" * 129)
    assert 1 == len(raised.value.problems)
