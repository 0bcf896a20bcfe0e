"""Go's duration texts (``72h``, ``1m30s``, ``500ms``), as the ``rc_tm`` tag holds them.

Source: the format of Go's time.ParseDuration.
"""

from __future__ import annotations

import re

__all__ = ["parse_go_duration_s"]

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
MAX_DURATION_CHARS = 64


def parse_go_duration_s(text: str) -> float | None:
    """Return the seconds that ``text`` names, or None if it is no duration of zero or more."""
    if text in ("0", "+0", "-0"):
        return 0.0
    if len(text) > MAX_DURATION_CHARS:
        return None
    position = 1 if text.startswith("+") else 0
    if position == len(text):
        return None
    total = 0.0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            return None
        total += float(part[1]) * _UNITS_S[part[2]]
        position = part.end()
    return total
