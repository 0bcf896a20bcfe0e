"""Limits of the texts that a registration may hold, with the words of a refusal."""

from __future__ import annotations

from collections.abc import Mapping

from nodedns.errors import ApiError, shorten

__all__ = ["check_pairs", "check_text"]

MAX_PAIRS = 64
"""Pairs of meta, and of tagged addresses (Consul's metaMaxKeyPairs)."""
MAX_KEY_CHARS = 128
"""Of a key of meta or a tag (Consul's metaKeyMaxLength)."""
MAX_VALUE_CHARS = 512
"""Of a value of meta (Consul's metaValueMaxLength)."""
MAX_NAME_CHARS = 255
"""Of a name, an ID, a tag or an address; no DNS name is longer (RFC 1035 section 2.3.4)."""


def check_text(key: str, text: str) -> None:
    """Raise ``ApiError`` 400 for a name that is too long or could move a cursor."""
    if len(text) > MAX_NAME_CHARS:
        raise ApiError(400, f"{key} is too long (limit: {MAX_NAME_CHARS} characters)")
    if not text.isprintable():
        raise ApiError(400, f"{key} holds characters that cannot be printed")


def check_pairs(pairs: Mapping[str, str], all_of_them: str, one: str) -> None:
    """Raise ``ApiError`` 400 for a map beyond Consul's limits.

    Args:
        pairs: The map.
        all_of_them: What the map is called in a refusal.
        one: What a pair is called there.
    """
    if len(pairs) > MAX_PAIRS:
        raise ApiError(400, f"{all_of_them} cannot contain more than {MAX_PAIRS} key/value pairs")
    for key, value in pairs.items():
        problem = ""
        if not key:
            problem = "Key cannot be blank"
        elif len(key) > MAX_KEY_CHARS:
            problem = f"Key is too long (limit: {MAX_KEY_CHARS} characters)"
        elif len(value) > MAX_VALUE_CHARS:
            problem = f"Value is too long (limit: {MAX_VALUE_CHARS} characters)"
        if problem:
            raise ApiError(400, f"Couldn't load {one} ({shorten(key)}, {shorten(value)}): {problem}")
