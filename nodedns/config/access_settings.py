# ruff: noqa: RUF009 - key makes an attrs field, which is no mutable default
"""The blocks of ``Settings`` that say who may use the HTTP API, and how it is encrypted; Consul's names."""

from __future__ import annotations

import attrs

from nodedns.config.keys import KeyText, Seconds, key

__all__ = [
    "AclSettings",
    "HttpSettings",
    "LimitSettings",
    "TlsDefaultSettings",
    "TlsHttpsSettings",
    "TlsSettings",
    "TokenSettings",
]


@attrs.frozen(kw_only=True)
class TokenSettings:
    """The tokens; the lists are nodedns's own keys."""

    initial_management: KeyText | None = key("A token that may read and write.")
    default: KeyText | None = key("The token that requests without one are taken to have, and DNS clients too.")
    dns: KeyText | None = key("The token that DNS clients are taken to have instead.")
    read: list[KeyText] | None = key("Tokens that may read; nodedns's own key.")
    write: list[KeyText] | None = key("Tokens that may read and write; nodedns's own key.")


@attrs.frozen(kw_only=True)
class AclSettings:
    """Who may read and write."""

    enabled: bool | None = key("Whether tokens are looked at.")
    default_policy: str | None = key("allow or deny: what a request without a token may do.")
    tokens: TokenSettings | None = key("The tokens.")


@attrs.frozen(kw_only=True)
class HttpSettings:
    """What the HTTP API takes and sends."""

    allow_write_http_from: list[str] | None = key("Networks whose clients may change things.")
    block_endpoints: list[str] | None = key("Beginnings of paths that nobody may ask for.")
    response_headers: dict[str, str] | None = key("Headers added to every answer.")


@attrs.frozen(kw_only=True)
class LimitSettings:
    """What one client may take."""

    http_max_conns_per_client: int | None = key("HTTP connections of one address.")
    https_handshake_timeout: Seconds | None = key("Time in which a client must have finished its TLS handshake.")


@attrs.frozen(kw_only=True)
class TlsHttpsSettings:
    """TLS of the HTTP API."""

    cert_file: str | None = key("The agent's certificate and those above it, in PEM.")
    key_file: str | None = key("The certificate's private key, in PEM without a password.")
    ca_file: str | None = key("Authorities that clients' certificates are checked against, in PEM.")
    ca_path: str | None = key("A directory of such files.")
    tls_min_version: str | None = key("TLSv1_2 or TLSv1_3: the oldest version that is spoken.")
    tls_cipher_suites: str | None = key("Names of the ciphers for TLS 1.2, separated by commas.")
    verify_incoming: bool | None = key("Whether a client must show a certificate of one of the authorities.")


@attrs.frozen(kw_only=True)
class TlsDefaultSettings:
    """The same, where ``tls.https`` says nothing; Consul has further users of it."""

    cert_file: str | None = key("As tls.https.cert_file, unless that is given.")
    key_file: str | None = key("As tls.https.key_file, unless that is given.")
    ca_file: str | None = key("As tls.https.ca_file, unless that is given.")
    ca_path: str | None = key("As tls.https.ca_path, unless that is given.")
    tls_min_version: str | None = key("As tls.https.tls_min_version, unless that is given.")
    tls_cipher_suites: str | None = key("As tls.https.tls_cipher_suites, unless that is given.")
    verify_incoming: bool | None = key("As tls.https.verify_incoming, unless that is given.")


@attrs.frozen(kw_only=True)
class TlsSettings:
    """TLS."""

    defaults: TlsDefaultSettings | None = key("What counts where tls.https says nothing.")
    https: TlsHttpsSettings | None = key("TLS of the HTTP API.")
