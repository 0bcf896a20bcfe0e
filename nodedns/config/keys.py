"""What the fields of settings are made of: keys with a line about each, and the types that only files have."""

from __future__ import annotations

from typing import Any, NewType

import attrs

__all__ = ["KeyText", "Seconds", "key"]

Seconds = NewType("Seconds", float)
"""A duration, written ``"1m30s"`` in files."""


KeyText = NewType("KeyText", str)
"""A secret: no message about it shows it."""


def key(doc: str, *, reloads: bool = False) -> Any:  # noqa: ANN401 - as attrs.field itself
    """Return the field of a key that may be missing.

    Args:
        doc: Its line.
        reloads: Whether a running agent takes another value of it, and of everything in it.
    """
    return attrs.field(default=None, metadata={"doc": doc, "reloads": reloads})
