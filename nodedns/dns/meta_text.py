"""Node meta as TXT strings.

A pair becomes ``key=value`` (RFC 1464), in which a backquote hides what would
otherwise be read as syntax; a key that starts with ``rfc1035-`` says that the
value is to stand alone. Pairs go by key, so that one table gives one answer
(Consul leaves the order to chance). Texts are cut into strings of at most 255
bytes, where Consul sends no reply at all.

A pair that is a fingerprint of an SSH host key has an SSHFP record, and no text.
"""

from __future__ import annotations

from collections.abc import Mapping

from nodedns.dns.name import text_bytes
from nodedns.model.host_key import is_fingerprint_pair

__all__ = ["MAX_STRING_BYTES", "MAX_TEXT_BYTES", "meta_texts"]

MAX_STRING_BYTES = 255  # RFC 1035 section 3.3: one length byte
MAX_TEXT_BYTES = 4096  # ours: Consul's longest pair (key 128, value 512 characters) as UTF-8 fits

VERBATIM_PREFIX = "rfc1035-"


def meta_texts(meta: Mapping[str, str]) -> tuple[tuple[bytes, ...], ...]:
    """Return the strings of one TXT record for each pair of ``meta``, by key, each record once.

    A pair longer than ``MAX_TEXT_BYTES`` has no record, nor has the fingerprint of a host key.
    """
    records: dict[tuple[bytes, ...], None] = {}  # RFC 2181 section 5: an RRset has no duplicates
    for key in sorted(meta):
        if is_fingerprint_pair(key, meta[key]):
            continue
        text = text_bytes(_pair_text(key, meta[key]))
        if len(text) <= MAX_TEXT_BYTES:
            records[_strings(text)] = None
    return tuple(records)


def _pair_text(key: str, value: str) -> str:
    if key.lower().startswith(VERBATIM_PREFIX):
        return value
    return f"{_escaped_key(key)}={value.replace('`', '``')}"


def _escaped_key(key: str) -> str:
    inner = key.strip(" ")
    if not inner:
        return "` " * len(key)
    leading = len(key) - len(key.lstrip(" "))
    trailing = len(key) - len(key.rstrip(" "))
    escaped = inner.replace("`", "``").replace("=", "`=")
    return "` " * leading + escaped + "` " * trailing


def _strings(text: bytes) -> tuple[bytes, ...]:
    # An empty text is one empty string: a TXT record has at least one.
    return tuple(text[start : start + MAX_STRING_BYTES] for start in range(0, max(len(text), 1), MAX_STRING_BYTES))
