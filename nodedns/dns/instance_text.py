"""Service meta as the TXT record of a DNS-SD instance: one string for each pair, in one record.

A key has printable ASCII without ``=``, and letter case does not tell two apart; what cannot be said so
is left out, a pair too long for a string as well, since a part of a value is another value. Pairs go by key, so
that one table gives one record. Nothing to say is one empty string, for a record without strings is none.

Keys should have at most nine characters, which is up to those who choose them. Source: RFC 6763 section 6.
"""

from __future__ import annotations

from collections.abc import Mapping

from nodedns.dns.meta_text import MAX_STRING_BYTES
from nodedns.dns.name import text_bytes
from nodedns.model.names import fold

__all__ = ["MAX_RECORD_BYTES", "instance_text"]

MAX_RECORD_BYTES = 1_300  # RFC 6763 section 6.2: more than that is not recommended at all

_KEY_CHARS = frozenset(chr(code) for code in range(0x20, 0x7F)) - {"="}


def instance_text(meta: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the strings of the TXT record that says ``meta``."""
    strings: dict[str, bytes] = {}
    left = MAX_RECORD_BYTES
    for key in sorted(meta):
        pair = text_bytes(f"{key}={meta[key]}")
        is_key = key and _KEY_CHARS.issuperset(key) and fold(key) not in strings
        if is_key and len(pair) <= MAX_STRING_BYTES and len(pair) < left:
            strings[fold(key)] = pair
            left -= 1 + len(pair)
    return tuple(strings.values()) or (b"",)
