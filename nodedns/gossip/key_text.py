"""Encryption keys as people write them: base64 of 16, 24 or 32 bytes.

A refusal says where the text goes wrong and never what it says: a key with a
typo in it is still a secret. The words are Go's and memberlist's, since scripts
look for them.
"""

from __future__ import annotations

import base64
import string

from nodedns.errors import LocalProtocolError

__all__ = ["KEY_SIZES_BYTES", "check_key", "decode_key_text", "encode_key_text"]

KEY_SIZES_BYTES = (16, 24, 32)  # AES-128, AES-192, AES-256

_ALPHABET = frozenset(string.ascii_letters + string.digits + "+/")
_LINE_ENDS = str.maketrans("", "", "\r\n")
_QUANTUM_CHARS = 4


def check_key(key: bytes) -> None:
    """Pass a key that AES can use.

    Raises:
        LocalProtocolError: Its length is another than 16, 24 or 32.
    """
    if len(key) not in KEY_SIZES_BYTES:
        raise LocalProtocolError("key size must be 16, 24 or 32 bytes")


def decode_key_text(text: str) -> bytes:
    """Return the key that ``text`` spells.

    Raises:
        LocalProtocolError: No base64, or another length than 16, 24 or 32 bytes.
    """
    plain = text.translate(_LINE_ENDS)  # Go skips them too, so a key may come from a file as it is
    fault = _first_fault(plain)
    if fault is not None:
        raise LocalProtocolError(f"illegal base64 data at input byte {fault}")
    key = base64.b64decode(plain)
    check_key(key)
    return key


def encode_key_text(key: bytes) -> str:
    """Return a key as text."""
    return base64.b64encode(key).decode("ascii")


def _first_fault(text: str) -> int | None:
    """Return where ``text`` stops being base64, or None; an unfinished group counts from its start."""
    digits = next((at for at, char in enumerate(text) if char not in _ALPHABET), len(text))
    left = digits % _QUANTUM_CHARS
    padding = text[digits:]
    if not padding:
        return digits - left if left else None
    # One digit of a group is not even a byte.
    return None if left >= 2 and padding == "=" * (_QUANTUM_CHARS - left) else digits
