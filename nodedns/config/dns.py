"""The rules of ``dns_config``: what the block says, as the DNS room's own policy."""

from __future__ import annotations

from typing import Any

from nodedns import __version__
from nodedns.config.draft import Draft
from nodedns.config.rate_limit import rate_limit_policy
from nodedns.config.settings import DnsSettings
from nodedns.dns.name import text_bytes
from nodedns.dns.policy import MAX_SAID_BYTES, DnsPolicy, ServiceTtls
from nodedns.dns.reverse_names import cut_reverse_zone
from nodedns.errors import LocalProtocolError, shorten
from nodedns.table.address_index import Digits

__all__ = ["dns_policy", "failed_nodes_grace", "reverse_zones"]

MAX_SECONDS = 2**31 - 1  # RFC 2181 section 8, for everything DNS counts in seconds
AMPLIFICATION_RANGE = (0, 100)
KEEP, DROP = "keep", "drop"
SHUFFLE, NEAR = "shuffle", "near"
FAILED_NODES_GRACE_S = 30.0  # Consul's dead_node_reclaim: after that, the name may be another machine's
UDP_PAYLOAD_RANGE = (512, 4096)  # RFC 6891 section 6.2


def dns_policy(draft: Draft, node_name: str) -> DnsPolicy:
    """Return the knobs of DNS answers, each checked; those not given have the room's defaults.

    What an agent says of itself is its node name and version where nothing else is told.
    """
    changes: dict[str, Any] = {"nsid": node_name, "version": f"nodedns {__version__}"}
    given = draft.settings.dns_config
    if given is None:
        return DnsPolicy(**_short_enough(draft, changes))
    changes |= {key: said for key in ("nsid", "version") if (said := getattr(given, key)) is not None}
    if given.node_ttl is not None:
        changes["node_ttl_s"] = _ttl_s(draft, "dns_config.node_ttl", given.node_ttl)
        changes["ptr_ttl_s"] = changes["node_ttl_s"]
    if given.ptr_ttl is not None:
        changes["ptr_ttl_s"] = _ttl_s(draft, "dns_config.ptr_ttl", given.ptr_ttl)
    if given.enable_additional_node_meta_txt is not None:
        changes["enable_additional_node_meta_txt"] = given.enable_additional_node_meta_txt
    changes |= _service_changes(draft, given)
    if given.udp_payload_bytes is not None:
        path = "dns_config.udp_payload_bytes"
        changes["udp_payload_bytes"] = _in_range(draft, path, given.udp_payload_bytes, *UDP_PAYLOAD_RANGE)
    if given.amplification_limit is not None:
        path = "dns_config.amplification_limit"
        changes["amplification_limit"] = _in_range(draft, path, given.amplification_limit, *AMPLIFICATION_RANGE)
    changes["rate_limit"] = rate_limit_policy(draft, given.rate_limit)
    for name in ("refresh", "retry", "expire", "min_ttl"):
        value = getattr(given.soa, name) if given.soa else None
        if value is not None:
            changes[f"soa_{name}_s"] = _in_range(draft, f"dns_config.soa.{name}", value, 0, MAX_SECONDS)
    return DnsPolicy(**_short_enough(draft, changes))


def _service_changes(draft: Draft, given: DnsSettings) -> dict[str, Any]:
    changes: dict[str, Any] = {"nearest_first": given.service_order == NEAR}
    if given.service_order not in (None, SHUFFLE, NEAR):
        draft.problem(
            "dns_config.service_order", f'must be "{SHUFFLE}" or "{NEAR}", not {shorten(given.service_order)}'
        )
    if given.only_passing is not None:
        changes["only_passing"] = given.only_passing
    for key in ("a_record_limit", "udp_answer_limit"):
        limit = getattr(given, key)
        if limit is None:
            continue
        if limit < 0:
            path = f"dns_config.{key}"
            draft.problem(path, f"{path} cannot be {limit}. Must be greater than or equal to zero")
        changes[key] = max(limit, 0)
    if given.service_ttl is not None:
        ttls = {
            pattern: _ttl_s(draft, f"dns_config.service_ttl.{pattern}", ttl_s)
            for pattern, ttl_s in given.service_ttl.items()
        }
        changes["service_ttl"] = ServiceTtls(ttls)
    return changes


def _short_enough(draft: Draft, changes: dict[str, Any]) -> dict[str, Any]:
    """Return ``changes`` with what may be said; a node name that is too long is a problem of its own."""
    for key in ("nsid", "version"):
        if len(text_bytes(changes[key])) > MAX_SAID_BYTES:
            if draft.settings.dns_config and getattr(draft.settings.dns_config, key) is not None:
                draft.problem(f"dns_config.{key}", f"cannot be longer than {MAX_SAID_BYTES} bytes")
            changes[key] = ""
    return changes


def reverse_zones(draft: Draft) -> tuple[Digits, ...] | None:
    """Return the prefixes of the reverse zones, each once and cut to their borders; None where none were given."""
    given = draft.settings.dns_config.reverse_zones if draft.settings.dns_config else None
    if given is None:
        return None
    prefixes: list[Digits] = []
    for text in given:
        try:
            prefixes += cut_reverse_zone(text)
        except LocalProtocolError as error:
            draft.problem("dns_config.reverse_zones", str(error))
    return tuple(dict.fromkeys(prefixes))


def failed_nodes_grace(draft: Draft) -> float | None:
    """Return for how many seconds DNS still answers for a failed node; None for as long as it is listed."""
    given = draft.settings.dns_config
    policy = given.failed_nodes if given else None
    grace_s = given.failed_nodes_grace if given else None
    if policy not in (None, KEEP, DROP):
        draft.problem("dns_config.failed_nodes", f'must be "{KEEP}" or "{DROP}", not {shorten(policy)}')
    if grace_s is not None and grace_s < 0:
        draft.problem("dns_config.failed_nodes_grace", f"cannot be negative: {grace_s:g}s")
    if policy == DROP:
        return FAILED_NODES_GRACE_S if grace_s is None else max(grace_s, 0.0)
    if grace_s is not None:
        draft.warnings.append(f'dns_config.failed_nodes_grace is not used: failed_nodes is not "{DROP}"')
    return None


def _ttl_s(draft: Draft, path: str, given: float) -> int:
    ttl_s = _in_range(draft, path, int(given), 0, MAX_SECONDS)
    if ttl_s != given and 0 <= given <= MAX_SECONDS:
        draft.warnings.append(f"{path} is counted in whole seconds: {given:g}s is taken for {ttl_s}s")
    return ttl_s


def _in_range(draft: Draft, path: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        draft.problem(path, f"must be between {low} and {high}, not {shorten(value)}")
    return min(max(value, low), high)
