"""Durations as Go writes them: ``300ms``, ``1.5h``, ``2h45m``.

Source: the documentation of Go's ``time.ParseDuration`` and ``Duration.String``, error texts included.
"""

from __future__ import annotations

import re

__all__ = ["format_duration", "parse_duration"]

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
NANOSECOND_DIGITS = 9
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
    return sign * round(total_s, NANOSECOND_DIGITS)  # so that 700ms and 0.7s are equal, as they are in Go


def format_duration(seconds: float) -> str:
    """Return the duration as Go prints it, to the nanosecond: ``1h0m0s``, ``1.5s``, ``300ms``."""
    sign, nanoseconds = "-" if seconds < 0 else "", round(abs(seconds) * 1e9)
    for unit, size in (("ns", 1), ("\u00b5s", 1_000), ("ms", 1_000_000)):
        if 0 < nanoseconds < size * 1_000:
            return f"{sign}{_decimal(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    above = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{above}{_decimal(rest, 1_000_000_000)}s"


def _decimal(nanoseconds: int, size: int) -> str:
    whole, rest = divmod(nanoseconds, size)
    fraction = str(rest).zfill(len(str(size)) - 1).rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)
