"""``in_ranges``: the keys of a block that are numbers within bounds, each as the knob that it sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from nodedns.config.draft import Draft
from nodedns.errors import shorten

__all__ = ["Ranges", "in_ranges"]

Ranges = Mapping[str, tuple[str, int, int]]
"""Each key with the knob it sets and the bounds of that, both allowed; a knob in seconds, ``_s``, is a duration in
files."""


def in_ranges(draft: Draft, path: str, given: attrs.AttrsInstance | None, ranges: Ranges) -> dict[str, Any]:
    """Return the knobs that a block sets.

    Args:
        draft: Takes a problem for each key that is out of bounds; its knob is left out.
        path: Of the block.
        given: The block; None if it is not there.
        ranges: Its keys.
    """
    knobs: dict[str, Any] = {}
    for key, (knob, low, high) in ranges.items():
        value = getattr(given, key) if given is not None else None
        if value is None:
            continue
        if low <= value <= high:
            knobs[knob] = value
        else:
            unit = "s" if knob.endswith("_s") else ""
            shown = shorten(value).removesuffix(".0")
            draft.problem(f"{path}.{key}", f"must be between {low}{unit} and {high}{unit}, not {shown}{unit}")
    return knobs
