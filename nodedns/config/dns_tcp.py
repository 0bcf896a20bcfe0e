"""The rules of ``dns_config.tcp``: what the block says, as the limits of the server of DNS over TCP."""

from __future__ import annotations

from nodedns.config.draft import Draft
from nodedns.config.ranges import Ranges, in_ranges
from nodedns.net.dns_tcp_limits import DnsTcpLimits

__all__ = ["RANGES", "dns_tcp_limits"]

PATH = "dns_config.tcp"
RANGES: Ranges = {
    "max_connections": ("connections", 1, 65_536),
    "max_connections_per_client": ("connections_per_client", 1, 65_536),
    "idle_timeout": ("idle_s", 1, 3_600),
}
"""What each key sets, and the bounds of that."""


def dns_tcp_limits(draft: Draft) -> DnsTcpLimits:
    """Return what clients may hold, each checked; what is not given has the server's defaults."""
    given = draft.settings.dns_config.tcp if draft.settings.dns_config else None
    return DnsTcpLimits(**in_ranges(draft, PATH, given, RANGES))
