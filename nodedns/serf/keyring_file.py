"""The keyring file: a JSON list of base64 keys, the primary first.

Strategy: Serf's own form, so that a file may be moved between the two.

What it doesn't do: open files (they are to have mode 0600), or judge which keys
may be used. Source: a keyring file written by Serf 0.9.4.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from nodedns.errors import GossipWireError, LocalProtocolError
from nodedns.gossip.key_text import decode_key_text, encode_key_text
from nodedns.gossip.keyring import MAX_KEYS

__all__ = ["decode_keyring_file_untrusted", "encode_keyring_file"]


def encode_keyring_file(keys: Sequence[bytes]) -> bytes:
    """Return the file that holds ``keys``, the primary first."""
    return json.dumps([encode_key_text(key) for key in keys], indent=2).encode()


def decode_keyring_file_untrusted(data: bytes) -> tuple[bytes, ...]:
    """Return the keys in a keyring file, the primary first.

    Raises:
        GossipWireError: Not JSON, not a list of base64 text, no or too many keys, or one of a wrong length.
    """
    try:
        entries = json.loads(data)
    except json.JSONDecodeError as problem:
        raise GossipWireError("keyring file", problem.pos, "not JSON") from None
    except (ValueError, RecursionError):  # bytes that are no UTF-8, or nested without end
        raise GossipWireError("keyring file", 0, "not JSON") from None
    if not isinstance(entries, list):
        raise GossipWireError("keyring file", 0, "not a list of keys")
    if not entries:
        raise GossipWireError("keyring file", 0, "no key in it")
    if len(entries) > MAX_KEYS:
        raise GossipWireError("keyring file", 0, f"{len(entries)} keys, more than {MAX_KEYS}")
    return tuple(_decode_key_untrusted(index, entry) for index, entry in enumerate(entries))


def _decode_key_untrusted(index: int, entry: object) -> bytes:
    # The entry itself stays out of the message: it may be a secret with a typo in it.
    if not isinstance(entry, str):
        raise GossipWireError("keyring file", 0, f"key {index + 1} is no text")
    try:
        return decode_key_text(entry)
    except LocalProtocolError as problem:
        raise GossipWireError("keyring file", 0, f"key {index + 1}: {problem}") from None
