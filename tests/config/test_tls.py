"""``tls`` and ``ports.https``: the keys, their defaults, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nodedns.config.load import load
from nodedns.config.schema import OFF, AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import ConfigError
from nodedns.net.tls import TlsParams

PAIR = {"cert_file": "/c.crt", "key_file": "/c.key"}


def loaded(tmp_path: Path, values: dict[str, Any], **flags: Any) -> AgentConfig:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(values))
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    return load(ConfigSources(paths=(path,), flags={"bind": "127.0.0.1", **named}, dev=True))


def problems(tmp_path: Path, values: dict[str, Any], **flags: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, values, **flags)
    return [str(problem).rpartition(".json: ")[2] for problem in caught.value.problems]


def test_https_is_off_unless_its_port_is_given(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"tls": {"https": PAIR}})
    assert (OFF, (), None) == (config.https_port, config.https_addrs, config.https)
    assert "tls.https is not used: ports.https is not given" in config.warnings


def test_https_keys_are_read(tmp_path: Path) -> None:
    https = {
        **PAIR,
        "ca_file": "/ca.crt",
        "ca_path": "/ca",
        "verify_incoming": True,
        "tls_min_version": "TLSv1_3",
        "tls_cipher_suites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    }
    values = {"tls": {"https": https}, "ports": {"http": -1}, "addresses": {"https": "127.0.0.2"}}
    config = loaded(tmp_path, values, https_port=8501)
    assert ((), ("127.0.0.2",), 8501) == (config.http_addrs, config.https_addrs, config.https_port)
    assert config.https == TlsParams(
        cert_file=Path("/c.crt"),
        key_file=Path("/c.key"),
        ca_file=Path("/ca.crt"),
        ca_path=Path("/ca"),
        is_1_3_only=True,
        ciphers=("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"),
        verifies_clients=True,
    )


def test_defaults_stand_for_what_https_does_not_say(tmp_path: Path) -> None:
    values = {
        "tls": {
            "defaults": {**PAIR, "verify_incoming": True, "ca_file": "/ca.crt"},
            "https": {"verify_incoming": False, "key_file": "/other.key"},
        }
    }
    config = loaded(tmp_path, values, https_port=8501)
    assert config.https == TlsParams(
        cert_file=Path("/c.crt"), key_file=Path("/other.key"), ca_file=Path("/ca.crt"), verifies_clients=False
    )


def test_https_takes_the_client_addresses_without_unix_sockets(tmp_path: Path) -> None:
    values = {"tls": {"https": PAIR}, "addresses": {"dns": "127.0.0.1"}}
    config = loaded(tmp_path, values, https_port=8501, client="127.0.0.1 unix:///run/x.sock")
    assert ("127.0.0.1",) == config.https_addrs


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (
            {"tls": {"https": {"cert_file": "/c.crt"}}},
            "-https-port: tls.https.key_file must be given, or there is nothing to encrypt with",
        ),
        (
            {"tls": {"https": {**PAIR, "verify_incoming": True}}},
            "needs tls.https.ca_file or ca_path: the authorities of the clients' certificates",
        ),
        (
            {"tls": {"https": PAIR, "defaults": {"tls_min_version": "TLSv1_1"}}},
            "tls.defaults.tls_min_version: must be TLSv1_2 or TLSv1_3, not 'TLSv1_1'; older versions are not safe",
        ),
        ({"tls": {"https": PAIR}, "ports": {"http": 8501}}, "HTTPS address 127.0.0.1:8501 already configured for HTTP"),
        (
            {"tls": {"https": PAIR}, "addresses": {"https": "unix:///x"}},
            "addresses.https: HTTPS address cannot be a unix socket",
        ),
        (
            {"tls": {"https": PAIR}, "cert_file": "/c"},
            "cert_file: Consul's key cert_file is not in nodedns: "
            "it is the older name of a key of the same name in tls.https or tls.defaults.",
        ),
    ],
)
def test_wrong_tls_is_named(tmp_path: Path, values: dict[str, Any], problem: str) -> None:
    (told,) = problems(tmp_path, values, https_port=8501)
    assert told.endswith(problem)


def test_unknown_cipher_is_named_with_those_there_are(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, {"tls": {"https": {**PAIR, "tls_cipher_suites": "RC4"}}}, https_port=8501)
    assert told.startswith("tls.https.tls_cipher_suites: unsupported cipher 'RC4'; supported: TLS_ECDHE_ECDSA_")
