"""The rules of ``dns_config.tcp``: what the block says, as the limits of the server of DNS over TCP."""

from __future__ import annotations

from typing import Any

from nodedns.config.draft import Draft
from nodedns.errors import shorten
from nodedns.net.dns_tcp_limits import DnsTcpLimits

__all__ = ["RANGES", "dns_tcp_limits"]

PATH = "dns_config.tcp"
RANGES: dict[str, tuple[str, int, int]] = {
    "max_connections": ("connections", 1, 65_536),
    "max_connections_per_client": ("connections_per_client", 1, 65_536),
    "idle_timeout": ("idle_s", 1, 3_600),
}
"""Each key with the limit it sets and the bounds of that; those in seconds are durations in files."""


def dns_tcp_limits(draft: Draft) -> DnsTcpLimits:
    """Return what clients may hold, each checked; what is not given has the server's defaults."""
    given = draft.settings.dns_config.tcp if draft.settings.dns_config else None
    changes: dict[str, Any] = {}
    for key, (limit, low, high) in RANGES.items():
        value = getattr(given, key) if given else None
        if value is None:
            continue
        if low <= value <= high:
            changes[limit] = value
        else:
            unit = "s" if limit.endswith("_s") else ""
            shown = shorten(value).removesuffix(".0")
            draft.problem(f"{PATH}.{key}", f"must be between {low}{unit} and {high}{unit}, not {shown}{unit}")
    return DnsTcpLimits(**changes)
