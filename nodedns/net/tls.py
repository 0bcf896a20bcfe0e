"""``server_context``: what the HTTP API is encrypted with, from certificate files.

Strategy: each file is read and looked at before OpenSSL gets it, because OpenSSL does not say which file is wrong. A
failure is one line that names the file and the key that set it. Files are read once; a changed certificate
counts when this is called again.

Speaks TLS 1.2 and 1.3, HTTP/1.1 only. Does not look for revoked certificates.

Source: Consul's tls keys (tlsutil); Go's names of ciphers; RFC 9325 for what is safe.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import attrs

from nodedns.errors import AgentError, shorten

__all__ = ["CIPHERS", "TlsParams", "expiry_of", "server_context"]

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Of one PEM file: the certificates of all public authorities together have a quarter of that."""
MAX_CA_FILES = 1_000
"""In ``ca_path``."""

CIPHERS: Mapping[str, str] = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
"""Ciphers of TLS 1.2 by their standard names, as Consul takes them, with OpenSSL's."""

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


@attrs.frozen(kw_only=True)
class TlsParams:
    """How the HTTP API is encrypted.

    Attributes:
        cert_file: The certificate, and behind it those above it, in PEM.
        key_file: Its private key, in PEM.
        ca_file: Authorities of clients' certificates, in PEM; None for none.
        ca_path: A directory of such files; None for none.
        is_1_3_only: Whether TLS 1.2 is refused.
        ciphers: Of TLS 1.2, OpenSSL's names; empty for OpenSSL's choice.
        verifies_clients: Whether a client must show a certificate of one of the authorities.
    """

    cert_file: Path
    key_file: Path
    ca_file: Path | None = None
    ca_path: Path | None = None
    is_1_3_only: bool = False
    ciphers: tuple[str, ...] = ()
    verifies_clients: bool = False


def server_context(params: TlsParams) -> ssl.SSLContext:
    """Return a context for the server's side of connections.

    Raises:
        AgentError: A file cannot be read or is not what it should be; the text names it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if params.is_1_3_only else ssl.TLSVersion.TLSv1_2
    # A client could have the server work for it without end.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    if params.ciphers:
        context.set_ciphers(":".join(params.ciphers))
    _load_own(context, params)
    authorities = _authorities(params)
    if authorities:
        try:
            context.load_verify_locations(cadata=authorities)
        except ssl.SSLError as error:
            raise AgentError(f"tls ca_file {params.ca_file or params.ca_path}: {_reason(error)}") from None
    context.verify_mode = ssl.CERT_REQUIRED if params.verifies_clients else ssl.CERT_NONE
    return context


def expiry_of(params: TlsParams) -> datetime:
    """Return until when our own certificate counts; call it after ``server_context``."""
    # Imported here: only an agent that has a certificate needs it.
    from cryptography import x509  # noqa: PLC0415

    return x509.load_pem_x509_certificate(params.cert_file.read_bytes()).not_valid_after_utc


def _load_own(context: ssl.SSLContext, params: TlsParams) -> None:
    if _CERTIFICATE not in _read(params.cert_file, "cert_file"):
        raise AgentError(f"tls cert_file {params.cert_file} holds no certificate in PEM")
    key = _read(params.key_file, "key_file")
    if _KEY not in key:
        raise AgentError(f"tls key_file {params.key_file} holds no private key in PEM")
    if any(mark in key for mark in _ENCRYPTED):
        raise AgentError(f"tls key_file {params.key_file} is locked by a password, and nobody is there to give it")
    try:
        context.load_cert_chain(params.cert_file, params.key_file)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"tls key_file {params.key_file} is not the key of the certificate in {params.cert_file}"
        else:
            text = f"tls cert_file {params.cert_file} or key_file {params.key_file}: {_reason(error)}"
        raise AgentError(text) from None


def _authorities(params: TlsParams) -> str:
    texts = []
    if params.ca_file is not None:
        texts.append(_certificates(params.ca_file, "ca_file"))
    if params.ca_path is not None:
        try:
            files = sorted(path for path in params.ca_path.iterdir() if path.is_file())
        except OSError as error:
            raise AgentError(f"tls ca_path {params.ca_path}: {(error.strerror or str(error)).lower()}") from None
        if not 0 < len(files) <= MAX_CA_FILES:
            raise AgentError(f"tls ca_path {params.ca_path} has {len(files)} files; it takes 1 to {MAX_CA_FILES}")
        texts += [_certificates(path, "ca_path") for path in files]
    return "\n".join(texts)


def _certificates(path: Path, name: str) -> str:
    content = _read(path, name)
    if _CERTIFICATE not in content:
        raise AgentError(f"tls {name} {path} holds no certificate in PEM")
    return content.decode("ascii", "replace")


def _read(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise AgentError(f"tls {name} {path}: {(error.strerror or str(error)).lower()}") from None
    if len(content) > MAX_FILE_BYTES:
        raise AgentError(f"tls {name} {path} is longer than {MAX_FILE_BYTES} bytes")
    return content


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or shorten(str(error))).replace("_", " ").lower()
