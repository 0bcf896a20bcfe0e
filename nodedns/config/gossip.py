"""The rules for how members watch each other: the profile, the ``gossip_lan`` keys, and the networks allowed.

Strategy: a profile gives every knob a value (with ``-dev``, Consul's fast one), each key of ``gossip_lan``
replaces one. Consul checks none of this.

Source: memberlist's profiles; Consul's defaults and error texts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import attrs

from nodedns.config.draft import Draft
from nodedns.errors import shorten
from nodedns.gossip.params import DEV, LAN, PROFILES, GossipParams, IpNetwork
from nodedns.model.durations import format_duration

__all__ = ["RANGES", "gossip"]

DEAD_NODE_RECLAIM_S = 30.0  # Consul's; memberlist's own default is never
MINUTE_S = 60.0
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

RANGES: Mapping[str, tuple[float, float]] = {
    "gossip_interval": (0.01, MINUTE_S),
    "gossip_nodes": (1, 128),
    "probe_interval": (0.01, 10 * MINUTE_S),
    "probe_timeout": (0.001, 10 * MINUTE_S),
    "retransmit_mult": (1, 64),
    "suspicion_mult": (1, 128),
    "suspicion_max_timeout_mult": (1, 64),
    "awareness_max_multiplier": (1, 64),
    "indirect_checks": (0, 64),
    "tcp_timeout": (0.1, 10 * MINUTE_S),
    "push_pull_interval": (0.0, DAY_S),
    "gossip_to_the_dead": (0.0, DAY_S),
    "dead_node_reclaim": (0.0, 30 * DAY_S),
}
"""Least and greatest value of each key of ``gossip_lan``: ours. Below, an agent would keep a core busy or never
get an answer in time; above, nobody would see a failure the same day."""
PUSH_PULL_INTERVAL_MIN_S = 1.0
"""Ours, where it is not 0: each exchange carries every member both ways."""


def gossip(draft: Draft, advertise_addr: str) -> GossipParams:
    """Return the knobs of failure detection and dissemination.

    Args:
        draft: Holds the keys; takes the problems.
        advertise_addr: IP text that the others are told; empty where that is wrong.
    """
    params = _with_time_for_others(draft, _with_own_values(draft, _base(draft)))
    if 0 < params.push_pull_interval_s < PUSH_PULL_INTERVAL_MIN_S:
        least, given = format_duration(PUSH_PULL_INTERVAL_MIN_S), format_duration(params.push_pull_interval_s)
        draft.problem("gossip_lan.push_pull_interval", f"must be 0s or at least {least}, not {given}")
    return attrs.evolve(params, allowed_cidrs=_allowed_cidrs(draft, advertise_addr))


def _base(draft: Draft) -> GossipParams:
    name = draft.settings.gossip_profile
    if name is None:
        profile = DEV if draft.dev else LAN
    elif name in PROFILES:
        profile = PROFILES[name]
    else:
        rule = f"gossip_profile must be {', '.join(PROFILES)}, not {shorten(name)}"
        draft.problem("gossip_profile", rule)
        profile = LAN
    return attrs.evolve(profile, dead_node_reclaim_s=DEAD_NODE_RECLAIM_S)


def _with_own_values(draft: Draft, base: GossipParams) -> GossipParams:
    given = draft.settings.gossip_lan
    changes: dict[str, Any] = {}
    for key, (low, high) in RANGES.items():
        value = getattr(given, key) if given else None
        if value is None:
            continue
        field = key if hasattr(base, key) else f"{key}_s"
        if low <= value <= high:
            changes[field] = value
            continue
        shown = [format_duration(n) if field.endswith("_s") else f"{n:.15g}" for n in (low, high, value)]
        draft.problem(f"gossip_lan.{key}", f"must be between {shown[0]} and {shown[1]}, not {shown[2]}")
    return attrs.evolve(base, **changes)


def _with_time_for_others(draft: Draft, params: GossipParams) -> GossipParams:
    """Leave a probe time to ask others, where the keys given leave less than none.

    Consul takes any two values, so its users' files must load. A time-out beyond the interval would
    never be reached; half the interval is taken instead, the share that the LAN profile gives.
    """
    if params.probe_timeout_s <= params.probe_interval_s:
        return params
    shorter_s = params.probe_interval_s / 2
    if "gossip_lan.probe_timeout" in draft.origins:
        took, every = format_duration(params.probe_timeout_s), format_duration(params.probe_interval_s)
        draft.warnings.append(
            f"gossip_lan.probe_timeout ({took}) is longer than probe_interval ({every}), so that no time is left to "
            f"ask others about a silent member; {format_duration(shorter_s)} is used."
        )
    return attrs.evolve(params, probe_timeout_s=shorter_s)


def _allowed_cidrs(draft: Draft, advertise_addr: str) -> tuple[IpNetwork, ...]:
    path = "serf_lan_allowed_cidrs"
    given = draft.settings.serf_lan_allowed_cidrs or []
    networks = [(text, _network(text)) for text in given]
    for text in (text for text, network in networks if network is None):
        draft.problem(path, f"{path}: invalid cidr: {shorten(text)}; it takes a network such as 10.0.0.0/8")
    allowed = tuple(network for _, network in networks if network is not None)
    if given and len(allowed) == len(given) and advertise_addr:
        own = ipaddress.ip_address(advertise_addr)
        if not any(own in network for network in allowed):
            draft.problem(path, f"{path} does not hold {own}, which this agent advertises: add its network")
    return allowed


def _network(text: str) -> IpNetwork | None:
    if "/" not in text:  # Go's ParseCIDR wants the length of the prefix
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
