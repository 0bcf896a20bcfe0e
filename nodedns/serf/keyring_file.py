"""The keyring file: a JSON list of base64 keys, the primary first.

Strategy: Serf's own form, so that a file may be moved between the two.

What it doesn't do: open files (they are to have mode 0600), or judge which keys
may be used. Source: a keyring file written by Serf 0.9.4.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from nodedns.errors import GossipWireError, shorten
from nodedns.gossip.keyring import KEY_SIZES_BYTES

__all__ = ["decode_keyring_file_untrusted", "encode_keyring_file"]


def encode_keyring_file(keys: Sequence[bytes]) -> bytes:
    """Return the file that holds ``keys``, the primary first."""
    return json.dumps([base64.b64encode(key).decode() for key in keys], indent=2).encode()


def decode_keyring_file_untrusted(data: bytes) -> tuple[bytes, ...]:
    """Return the keys in a keyring file, the primary first.

    Raises:
        GossipWireError: Not JSON, not a list of base64 text, or a key of a wrong length.
    """
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError) as problem:  # UnicodeDecodeError is a ValueError
        raise GossipWireError("keyring file", 0, f"not JSON: {shorten(str(problem))}") from None
    if not isinstance(entries, list):
        raise GossipWireError("keyring file", 0, "not a list")
    return tuple(_decode_key_untrusted(index, entry) for index, entry in enumerate(entries))


def _decode_key_untrusted(index: int, entry: object) -> bytes:
    # The entry itself stays out of the message: it may be a secret with a typo in it.
    if not isinstance(entry, str):
        raise GossipWireError("keyring file", 0, f"key {index + 1} is no text")
    try:
        key = base64.b64decode(entry, validate=True)
    except (binascii.Error, ValueError):
        raise GossipWireError("keyring file", 0, f"key {index + 1} is no base64") from None
    if len(key) not in KEY_SIZES_BYTES:
        raise GossipWireError("keyring file", 0, f"key {index + 1} has {len(key)} bytes, not 16, 24 or 32")
    return key
