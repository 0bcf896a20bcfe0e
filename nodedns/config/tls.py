"""The rules of ``tls``: the keys of ``tls.https``, and behind them those of ``tls.defaults``.

The files are read when the agent starts and when it reloads, not here: who checks a configuration need not be able to
read the private key.

Source: Consul's keys and its names of versions and ciphers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nodedns.config.draft import Draft
from nodedns.errors import shorten
from nodedns.net.tls import CIPHERS, TlsParams

__all__ = ["https_params"]

HTTPS, DEFAULTS = "tls.https", "tls.defaults"
VERSIONS = {"TLSv1_2": False, "TLSv1_3": True, "tls12": False, "tls13": True}
"""Whether TLS 1.3 alone is spoken, by Consul's names, the older ones last."""


def https_params(draft: Draft, *, is_served: bool) -> TlsParams | None:
    """Return how the HTTP API is encrypted, each key checked; None where it is not.

    Args:
        draft: Holds what was given; takes the problems.
        is_served: Whether there is a port for it.
    """
    params = TlsParams(
        cert_file=Path(_given(draft, "cert_file") or ""),
        key_file=Path(_given(draft, "key_file") or ""),
        ca_file=_path(draft, "ca_file"),
        ca_path=_path(draft, "ca_path"),
        is_1_3_only=_is_1_3_only(draft),
        ciphers=_ciphers(draft),
        verifies_clients=bool(_given(draft, "verify_incoming")),
    )
    if not is_served:
        _warn_of_no_port(draft)
        return None
    for key in ("cert_file", "key_file"):
        if not _given(draft, key):
            draft.problem("ports.https", f"{HTTPS}.{key} must be given, or there is nothing to encrypt with")
    if params.verifies_clients and params.ca_file is None and params.ca_path is None:
        text = f"needs {HTTPS}.ca_file or ca_path: the authorities of the clients' certificates"
        draft.problem(_where(draft, "verify_incoming"), text)
    return params


def _warn_of_no_port(draft: Draft) -> None:
    tls = draft.settings.tls
    if tls is not None and tls.https is not None and (tls.https.cert_file or tls.https.verify_incoming):
        draft.warnings.append(f"{HTTPS} is not used: ports.https is not given")


def _given(draft: Draft, key: str) -> Any:  # noqa: ANN401 - any key's value
    tls = draft.settings.tls
    for block in (tls.https, tls.defaults) if tls else ():
        value = getattr(block, key) if block else None
        if value is not None:
            return value
    return None


def _where(draft: Draft, key: str) -> str:
    return f"{HTTPS}.{key}" if f"{HTTPS}.{key}" in draft.origins else f"{DEFAULTS}.{key}"


def _path(draft: Draft, key: str) -> Path | None:
    text = _given(draft, key)
    return Path(text) if text else None


def _is_1_3_only(draft: Draft) -> bool:
    version = _given(draft, "tls_min_version")
    if version and version not in VERSIONS:
        text = f"must be TLSv1_2 or TLSv1_3, not {shorten(version)}; older versions are not safe"
        draft.problem(_where(draft, "tls_min_version"), text)
    return VERSIONS.get(version or "", False)


def _ciphers(draft: Draft) -> tuple[str, ...]:
    names = [name.strip() for name in (_given(draft, "tls_cipher_suites") or "").split(",") if name.strip()]
    for name in names:
        if name not in CIPHERS:
            text = f"unsupported cipher {shorten(name)}; supported: {', '.join(sorted(CIPHERS))}"
            draft.problem(_where(draft, "tls_cipher_suites"), text)
    return tuple(CIPHERS[name] for name in names if name in CIPHERS)
