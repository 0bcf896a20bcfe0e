"""Certificates in files: the good ones make a context, of the others the file is named."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from nodedns.errors import AgentError
from nodedns.net.tls import CIPHERS, TlsParams, expiry_of, server_context
from nodedns.testing.certificates import Authority, Issued


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def issued(authority: Authority) -> Issued:
    return authority.issue("agent", "127.0.0.1")


@pytest.fixture
def params(issued: Issued, authority: Authority) -> TlsParams:
    return TlsParams(cert_file=issued.certificate, key_file=issued.key, ca_file=authority.certificate)


def refusal(params: TlsParams, **changes: Any) -> str:
    with pytest.raises(AgentError) as caught:
        server_context(attrs.evolve(params, **changes))
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("verifies", [False, True])
def test_context_is_made(params: TlsParams, verifies: bool) -> None:
    context = server_context(attrs.evolve(params, verifies_clients=verifies))
    assert (ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE) is context.verify_mode
    assert ssl.TLSVersion.TLSv1_2 is context.minimum_version
    assert 1 == len(context.get_ca_certs())


def test_version_and_ciphers_are_obeyed(params: TlsParams) -> None:
    wanted = CIPHERS["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    context = server_context(attrs.evolve(params, is_1_3_only=True, ciphers=(wanted,)))
    assert ssl.TLSVersion.TLSv1_3 is context.minimum_version
    assert [wanted] == [each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"]


@pytest.mark.parametrize("name", sorted(CIPHERS))
def test_cipher_is_known_to_openssl(params: TlsParams, name: str) -> None:
    context = server_context(attrs.evolve(params, ciphers=(CIPHERS[name],)))
    assert CIPHERS[name] in [each["name"] for each in context.get_ciphers()]


def test_directory_of_authorities_is_read(params: TlsParams, tmp_path: Path) -> None:
    for name in ("one", "two"):
        Authority(tmp_path, name)
    context = server_context(attrs.evolve(params, ca_file=None, ca_path=tmp_path))
    assert 2 == len(context.get_ca_certs())


@pytest.mark.parametrize("key", ["cert_file", "key_file", "ca_file", "ca_path"])
def test_missing_file_is_named(params: TlsParams, folder: Path, key: str) -> None:
    path = folder / "absent"
    assert f"tls {key} {path}: no such file or directory" == refusal(params, **{key: path})


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("cert_file", "holds no certificate in PEM"),
        ("key_file", "holds no private key in PEM"),
        ("ca_file", "holds no certificate in PEM"),
    ],
)
def test_file_of_another_kind_is_named(params: TlsParams, folder: Path, key: str, text: str) -> None:
    path = folder / "other"
    path.write_bytes(b"\x30\x82\xff nonsense")
    assert f"tls {key} {path} {text}" == refusal(params, **{key: path})


@pytest.mark.parametrize("key", ["cert_file", "key_file", "ca_file"])
def test_spoilt_pem_is_named(params: TlsParams, folder: Path, key: str) -> None:
    path = folder / "spoilt"
    lines = getattr(params, key).read_text().splitlines()
    path.write_text("\n".join([lines[0], "AAAA", lines[-1], ""]))
    assert str(path) in refusal(params, **{key: path})


def test_key_of_another_certificate_is_named(params: TlsParams, authority: Authority) -> None:
    other = authority.issue("other").key
    text = f"tls key_file {other} is not the key of the certificate in {params.cert_file}"
    assert text == refusal(params, key_file=other)


def test_locked_key_is_refused_without_asking_anybody(params: TlsParams, authority: Authority) -> None:
    locked = authority.issue("locked", password=b"secret").key
    text = f"tls key_file {locked} is locked by a password, and nobody is there to give it"
    assert text == refusal(params, key_file=locked)


def test_empty_directory_of_authorities_is_named(params: TlsParams, tmp_path: Path) -> None:
    text = f"tls ca_path {tmp_path} has 0 files; it takes 1 to 1000"
    assert text == refusal(params, ca_path=tmp_path)


def test_expiry_is_known(params: TlsParams) -> None:
    left = expiry_of(params) - datetime.now(UTC)  # noqa: TID251 - certificates are about the real clock
    assert timedelta(days=29) < left < timedelta(days=30)
