"""What the fields of settings are made of: keys with a line about each, and the types that only files have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NewType

import attrs

__all__ = ["Given", "KeyText", "Seconds", "key"]

Seconds = NewType("Seconds", float)
"""A duration, written ``"1m30s"`` in files."""


KeyText = NewType("KeyText", str)
"""A secret: no message about it shows it."""


@attrs.frozen
class Given:
    """A definition as a file has it, still to be read; where it stands is no part of what it says.

    Attributes:
        values: Its keys.
        source: The file.
        path: Of the block in the file, such as ``services[2]``.
    """

    values: Mapping[str, Any]
    source: str = attrs.field(eq=False)
    path: str = attrs.field(eq=False)


def key(doc: str, *, reloads: bool = False) -> Any:  # noqa: ANN401 - as attrs.field itself
    """Return the field of a key that may be missing.

    Args:
        doc: Its line.
        reloads: Whether a running agent takes another value of it, and of everything in it.
    """
    return attrs.field(default=None, metadata={"doc": doc, "reloads": reloads})
