"""What the meta of a node or of a service may hold: Consul's limits and texts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from nodedns.errors import shorten

__all__ = ["MAX_META_KEY_CHARS", "MAX_META_PAIRS", "MAX_META_VALUE_CHARS", "meta_faults"]

MAX_META_PAIRS = 64
"""Consul's metaMaxKeyPairs."""
MAX_META_KEY_CHARS = 128
"""Consul's metaKeyMaxLength."""
MAX_META_VALUE_CHARS = 512
"""Consul's metaValueMaxLength."""
RESERVED_META_PREFIX = "consul-"

_META_KEY = re.compile(r"[A-Za-z0-9_-]+")


def meta_faults(pairs: Mapping[str, str]) -> list[str]:
    """Return everything wrong with ``pairs``, in their order; empty for what may be kept."""
    faults = []
    if len(pairs) > MAX_META_PAIRS:
        faults.append(f"Node metadata cannot contain more than {MAX_META_PAIRS} key/value pairs")
    for key, value in pairs.items():
        fault = _pair_fault(key, value)
        if fault:
            pair = f"('{shorten(key)[1:-1]}', '{shorten(value)[1:-1]}')"
            faults.append(f"Couldn't load metadata pair {pair}: {fault}")
    return faults


def _pair_fault(key: str, value: str) -> str:
    if not key:
        return "Key cannot be blank"
    if not _META_KEY.fullmatch(key):
        return "Key contains invalid characters"
    if len(key) > MAX_META_KEY_CHARS:
        return f"Key is too long (limit: {MAX_META_KEY_CHARS} characters)"
    if key.startswith(RESERVED_META_PREFIX):
        return f"Key prefix '{RESERVED_META_PREFIX}' is reserved for internal use"
    if len(value) > MAX_META_VALUE_CHARS:
        return f"Value is too long (limit: {MAX_META_VALUE_CHARS} characters)"
    return ""
