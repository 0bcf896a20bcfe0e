"""``Encryption``: the gossip key, what it is enforced on, and the label of the pool.

The key is a ``Secret``: whatever shows the configuration shows that there is one
and not which. Source: Consul's keys and error texts.
"""

from __future__ import annotations

import attrs

from nodedns.config.draft import Draft
from nodedns.errors import LocalProtocolError, shorten
from nodedns.gossip.envelope import MAX_LABEL_BYTES
from nodedns.gossip.key_text import decode_key_text
from nodedns.model.secret import Secret

__all__ = ["Encryption", "Secret", "encryption"]


@attrs.frozen(kw_only=True)
class Encryption:
    """How gossip is sealed.

    Attributes:
        key: 16, 24 or 32 bytes, or none; the keyring file may know better.
        verify_incoming: Whether what is not encrypted is refused.
        verify_outgoing: Whether what is sent is encrypted.
        keyring_file: Whether the keys are kept in the data directory.
        label: At most 255 bytes of UTF-8; empty for none.
    """

    key: Secret
    verify_incoming: bool
    verify_outgoing: bool
    keyring_file: bool
    label: str


def encryption(draft: Draft) -> Encryption:
    """Return the settings, each checked."""
    settings = draft.settings
    return Encryption(
        key=_key(draft),
        verify_incoming=settings.encrypt_verify_incoming is not False,
        verify_outgoing=settings.encrypt_verify_outgoing is not False,
        # -dev keeps nothing on disk.
        keyring_file=not settings.disable_keyring_file and not draft.dev,
        label=_label(draft),
    )


def _key(draft: Draft) -> Secret:
    given = draft.settings.encrypt
    if not given:
        if given is not None:  # what a variable of the shell that is not set leaves of -encrypt=$KEY
            draft.warnings.append("encrypt is given and empty, so that gossip is not encrypted")
        return Secret()
    try:
        return Secret(decode_key_text(given))
    except LocalProtocolError as problem:
        draft.problem("encrypt", f"encrypt has invalid key: {problem}")
        return Secret()


def _label(draft: Draft) -> str:
    label = draft.settings.gossip_label or ""
    size = len(label.encode(errors="surrogateescape"))
    if size > MAX_LABEL_BYTES:
        draft.problem("gossip_label", f"cannot be longer than {MAX_LABEL_BYTES} bytes: {shorten(label)} has {size}")
    return label
