"""``dns_config.transfer``: what it takes, what it refuses, and that nobody is shown a secret."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from nodedns.agent.statistics import debug_config
from nodedns.config.load import load
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.dns.transfer_params import (
    MAX_ALLOWED,
    AllowedClient,
    NotifyTarget,
    TransferParams,
    TsigAlgorithm,
    TsigKey,
)
from nodedns.errors import ConfigError
from nodedns.model.address import Address
from nodedns.model.secret import Secret

SHARED = "qbXpmOpHP71ZyuADKVIiu3sVYYrMbYjnMZNjq3Wz8yU="
BYTES = bytes.fromhex("a9b5e998ea473fbd59cae003295222bb7b15618acc6d88e7319363ab75b3f325")
KEY = {"name": "Sec.Example.", "algorithm": "HMAC-SHA512", "secret": SHARED}


def loaded(directory: Path, *transfers: dict[str, Any]) -> AgentConfig:
    paths = []
    for number, values in enumerate(transfers):
        paths.append(directory / f"{number}.json")
        paths[-1].write_text(json.dumps({"dns_config": {"transfer": values}}))
    flags = {"data-dir": str(directory), "bind": "127.0.0.1", "node": "one"}
    return load(ConfigSources(paths=tuple(paths), flags=flags))


def test_nobody_may_have_a_zone_unless_told(tmp_path: Path) -> None:
    for config in (loaded(tmp_path), loaded(tmp_path, {}), loaded(tmp_path, {"keys": [KEY]})):
        assert not config.transfer.is_on
        assert not config.transfer.allows(Address.from_text("127.0.0.1", 1), None)


def test_entries_of_all_files_are_taken_in_order(tmp_path: Path) -> None:
    first = {
        "keys": [KEY, {"name": "k2", "secret": SHARED}],
        "allow": [{"address": "10.1.2.3", "key": "sec.example"}, {"address": "fd00::7/8"}, {"Key": "K2."}],
    }
    second = {
        "allow": {"address": "192.0.2.1"},
        "notify": [{"address": "192.0.2.1"}, {"address": "[::1]:5353", "key": "k2"}, {"address": "fd00::1"}],
    }

    params = loaded(tmp_path, first, second).transfer

    assert (
        TransferParams(
            keys=(
                TsigKey(name="sec.example", algorithm=TsigAlgorithm.HMAC_SHA512, secret=Secret(BYTES)),
                TsigKey(name="k2", algorithm=TsigAlgorithm.HMAC_SHA256, secret=Secret(BYTES)),
            ),
            allow=(
                AllowedClient(ipaddress.ip_network("10.1.2.3/32"), "sec.example"),
                AllowedClient(ipaddress.ip_network("fd00::/8")),
                AllowedClient(None, "k2"),
                AllowedClient(ipaddress.ip_network("192.0.2.1/32")),
            ),
            notify=(NotifyTarget("192.0.2.1"), NotifyTarget("::1", 5353, "k2"), NotifyTarget("fd00::1")),
        )
        == params
    )


@pytest.mark.parametrize(
    ("client", "key", "may"),
    [
        ("10.1.2.3", "sec.example", True),
        ("10.1.2.3", "", False),
        ("10.1.2.3", "k2", True),
        ("10.9.9.9", "sec.example", False),
        ("10.9.9.9", "k2", True),
        ("192.0.2.1", "", True),
        ("192.0.2.1", "sec.example", True),
        ("::ffff:192.0.2.1", "", True),
        ("192.0.2.2", "", False),
        ("fd01::1", "", True),
        ("fe80::1", "", False),
    ],
)
def test_address_and_key_of_an_entry_are_both_needed(tmp_path: Path, client: str, key: str, may: bool) -> None:
    allow = [{"address": "10.1.2.3", "key": "sec.example"}, {"address": "192.0.2.1"}, {"address": "fd00::/8"}]
    keys = [KEY, {"name": "k2", "secret": SHARED}]
    params = loaded(tmp_path, {"keys": keys, "allow": [*allow, {"key": "k2"}]}).transfer
    assert may is params.allows(Address.from_text(client, 53), params.key(key))


def test_client_whose_address_is_not_known_needs_a_key(tmp_path: Path) -> None:
    params = loaded(tmp_path, {"keys": [KEY], "allow": [{"address": "0.0.0.0/0"}, {"key": "sec.example"}]}).transfer
    assert not params.allows(None, None)
    assert params.allows(None, params.keys[0])


def test_nobody_is_shown_a_secret(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"keys": [KEY], "allow": [{"key": "sec.example"}]})
    shown = repr(config) + json.dumps(debug_config(config))
    assert "hidden" in shown
    assert "sec.example" in shown
    assert SHARED not in shown
    assert repr(BYTES) not in shown


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"keys": [{**KEY, "algorithm": "hmac-md5"}]}, "keys[0].algorithm: 'hmac-md5' is not taken; it is hmac-sha256"),
        ({"keys": [{**KEY, "secret": "c2hvcnQ="}]}, "keys[0].secret: must be 16 to 512 bytes in base64"),
        ({"keys": [{**KEY, "secret": f"{SHARED}?"}]}, "keys[0].secret: must be 16 to 512 bytes in base64"),
        ({"keys": [{"name": "a"}]}, "keys[0].secret: must be 16 to 512 bytes in base64"),
        ({"keys": [{**KEY, "name": ""}]}, "keys[0]: must have a name"),
        ({"keys": [{**KEY, "name": "a..b"}]}, "keys[0].name: 'a..b' is no domain name"),
        ({"keys": [{**KEY, "name": "ä"}]}, "is not ASCII"),
        ({"keys": [KEY, {**KEY, "name": "sec.EXAMPLE"}]}, "keys[1].name: there are two keys called 'sec.example'"),
        ({"keys": [{**KEY, "secert": "x"}]}, "keys[0].secert: invalid config key; there are name, algorithm, secret"),
        ({"keys": [{**KEY, "secret": 7}]}, "keys[0].secret: must be text in quotes"),
        ({"keys": [7]}, "keys[0]: must be a block of keys"),
        ({"allow": [{}]}, "allow[0]: must have an address, a key, or both"),
        ({"allow": [{"address": "host"}]}, "allow[0].address: 'host' is no IP and no network such as 10.0.0.0/8"),
        ({"allow": [{"key": "other"}]}, "allow[0].key: there is no key called 'other' in dns_config.transfer.keys"),
        ({"allow": [{"address": "::1"}] * (MAX_ALLOWED + 1)}, "allow: holds 257 entries; the most is 256"),
        ({"notify": [{"key": "other"}]}, "notify[0].key: there is no key called 'other'"),
        ({"notify": [{}]}, "notify[0]: must have an address: an IP, with a port or without"),
        ({"notify": [{"address": "10.0.0.0/8"}]}, "notify[0].address: '10.0.0.0/8' is no IP, with a port or without"),
        ({"notify": [{"address": "1.2.3.4:0"}]}, "notify[0].address: bad port '0', wanted 1 to 65535"),
        ({"notify": [{"address": "0.0.0.0"}]}, "notify[0].address: 0.0.0.0 is not the address of one machine"),
        ({"notify": [{"address": "224.0.0.1:53"}]}, "notify[0].address: 224.0.0.1 is not the address of one machine"),
        ({"deny": []}, "invalid config key dns_config.transfer.deny"),
    ],
)
def test_mistake_is_told_in_one_line_without_the_secret(tmp_path: Path, values: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, values)
    assert [rule] == [rule for problem in caught.value.problems if rule in str(problem) and "\n" not in str(problem)]
    assert SHARED not in str(caught.value)


def test_key_with_a_mistake_is_not_also_called_unknown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {"keys": [{"name": "a", "secret": "x"}], "allow": [{"key": "a"}]})
    assert 1 == len(caught.value.problems)
