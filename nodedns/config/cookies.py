"""``CookieParams``: whether DNS cookies are given, what they are signed with, and whether clients must have one.

The secrets are ``Secret``: whatever shows the configuration shows that there are
some and not which.
"""

from __future__ import annotations

import attrs

from nodedns.config.draft import Draft
from nodedns.config.encryption import Secret
from nodedns.dns.cookies import MAX_SECRETS, SECRET_BYTES

__all__ = ["CookieParams", "cookies"]


@attrs.frozen(kw_only=True)
class CookieParams:
    """How DNS cookies are made.

    Attributes:
        is_enabled: Whether cookies are answered at all.
        is_required: Whether a UDP client that sends a cookie is answered only once it has one of ours.
        secrets: 16 bytes each; the first signs, each of them checks. None: the agent makes its own.
    """

    is_enabled: bool = True
    is_required: bool = False
    secrets: tuple[Secret, ...] = ()


def cookies(draft: Draft) -> CookieParams:
    """Return the settings of ``dns_config.cookies``, each checked."""
    given = draft.settings.dns_config.cookies if draft.settings.dns_config else None
    if given is None:
        return CookieParams()
    texts = given.secrets or []
    if len(texts) > MAX_SECRETS:
        draft.problem("dns_config.cookies.secrets", f"holds {len(texts)} secrets; at most {MAX_SECRETS} are used")
    secrets = [_secret(text) for text in texts]
    if None in secrets:
        draft.problem(
            "dns_config.cookies.secrets", f"each must be {SECRET_BYTES} bytes as {2 * SECRET_BYTES} hex digits"
        )
    return CookieParams(
        is_enabled=given.enabled is not False,
        is_required=bool(given.required),
        secrets=tuple(secret for secret in secrets if secret is not None),
    )


def _secret(text: str) -> Secret | None:
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        return None
    return Secret(secret) if len(secret) == SECRET_BYTES else None
