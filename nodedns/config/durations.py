"""Durations as Go writes them: ``300ms``, ``1.5h``, ``2h45m``.

Source: the documentation of Go's ``time.ParseDuration``, error texts included.
"""

from __future__ import annotations

import re

__all__ = ["parse_duration"]

UNIT_S = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,  # micro sign
    "\u03bcs": 1e-6,  # Greek mu
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
MAX_DURATION_S = 2**63 / 1e9  # Go counts nanoseconds in 63 bits

_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)")


def parse_duration(text: str) -> float:
    """Return the seconds that ``text`` spells; negative ones too.

    Raises:
        ValueError: With Go's message.
    """
    sign = -1.0 if text.startswith("-") else 1.0
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0.0
    total_s = 0.0
    position = 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if part is None:
            raise ValueError(f'time: invalid duration "{text}"')
        number, unit = part.groups()
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in UNIT_S:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total_s += float(number) * UNIT_S[unit]
        position = part.end()
    if not rest or total_s >= MAX_DURATION_S:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * total_s
