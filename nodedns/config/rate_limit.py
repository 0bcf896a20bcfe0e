"""The rules of ``dns_config.rate_limit``: what the block says, as the DNS room's own policy."""

from __future__ import annotations

import ipaddress

from nodedns.config.draft import Draft
from nodedns.config.ranges import Ranges, in_ranges
from nodedns.config.settings import RateLimitSettings
from nodedns.dns.client_networks import MAX_NETWORKS, IpNetwork
from nodedns.dns.rate_limit import RateLimitPolicy
from nodedns.errors import shorten

__all__ = ["RANGES", "rate_limit_policy"]

PATH = "dns_config.rate_limit"
RANGES: Ranges = {
    "responses_per_second": ("responses_per_second", 0, 1_000_000),
    "slip": ("slip", 0, 10),
    "window": ("window_s", 1, 3_600),
    "ipv4_prefix_length": ("ipv4_prefix_bits", 8, 32),
    "ipv6_prefix_length": ("ipv6_prefix_bits", 40, 128),
    "table_size": ("table_size", 1_024, 16_777_216),
}
"""What each key sets, and the bounds of that."""


def rate_limit_policy(draft: Draft, given: RateLimitSettings | None) -> RateLimitPolicy:
    """Return the knobs of response rate limiting, each checked; those not given have the room's defaults."""
    if given is None:
        return RateLimitPolicy()
    changes = in_ranges(draft, PATH, given, RANGES)
    if given.exempt is not None:
        changes["exempt"] = _networks(draft, f"{PATH}.exempt", given.exempt)
    return RateLimitPolicy(**changes)


def _networks(draft: Draft, path: str, texts: list[str]) -> tuple[IpNetwork, ...]:
    networks: list[IpNetwork] = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            draft.problem(path, f"{shorten(text)} is no network such as 10.0.0.0/8 or fd00::/8")
    if len(networks) > MAX_NETWORKS:
        draft.problem(path, f"holds {len(networks)} networks; the most is {MAX_NETWORKS}")
    return tuple(networks[:MAX_NETWORKS])
