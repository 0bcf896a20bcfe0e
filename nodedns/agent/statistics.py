"""What an agent tells of itself: the figures of ``nodedns info``, and its configuration as plain values."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Mapping

import attrs

from nodedns import __version__
from nodedns.api.context import Json
from nodedns.api.status import server_addresses
from nodedns.config.schema import AgentConfig
from nodedns.model.names import fold
from nodedns.observe.metrics import DNS_DROPPED, DNS_LIMITED, GOSSIP_DROPPED, Metrics
from nodedns.serf.statistics import SerfStatistics
from nodedns.table.view import TableView

__all__ = ["agent_statistics", "debug_config", "status_line"]

_SECRETIVE = frozenset({"given", "services", "checks"})


def status_line(node_name: str, serf: SerfStatistics) -> str:
    """Return how an agent is, in a few words for people.

    Args:
        node_name: The agent's own.
        serf: The Serf layer's counters now.
    """
    absent = [f"{count} {word}" for count, word in ((serf.failed, "failed"), (serf.left, "left")) if count]
    alive = serf.members - serf.failed - serf.left
    return f"{node_name} serves {alive} alive member{'s' * (alive != 1)}{''.join(f', {text}' for text in absent)}"


def agent_statistics(
    config: AgentConfig,
    view: TableView,
    serf: SerfStatistics,
    serving: Mapping[str, int],
    metrics: Metrics,
    *,
    replication: Mapping[str, int],
) -> dict[str, dict[str, str]]:
    """Return the groups.

    Args:
        config: The running configuration.
        view: The table now.
        serf: The Serf layer's counters now.
        serving: Further counters of the shells, by name.
        metrics: Knows what input was dropped and why.
        replication: Counters of what is replicated now, by name.
    """
    servers = view.servers()
    cluster = {
        "server": _flag(config.server),
        "known_servers": str(len(servers)),
        "known_datacenters": str(len(view.datacenters())),
        "cluster_known": _flag(view.cluster_known),
        "table_index": str(view.index),
        "nodes": str(len(view.nodes())),
    }
    if config.server:
        cluster |= _leadership(config, view)
        cluster["bootstrap"] = _flag(config.bootstrap)
        cluster["bootstrap_expect"] = str(config.bootstrap_expect)
    return {
        "build": {"prerelease": "", "revision": "", "version": __version__, "version_metadata": ""},
        "consul": cluster,
        "dropped": {
            f"{room}_{reason}": str(count)
            for room, spec in (("dns", DNS_DROPPED), ("dns_limited", DNS_LIMITED), ("gossip", GOSSIP_DROPPED))
            for reason, count in metrics.counts(spec).items()
        },
        "replication": {name: str(value) for name, value in replication.items()},
        "runtime": {
            "arch": platform.machine(),
            "cpu_count": str(os.cpu_count() or 1),
            "os": platform.system().lower(),
            "threads": str(threading.active_count()),
            "version": f"python{platform.python_version()}",
        },
        "serf_lan": {name: _text(value) for name, value in attrs.asdict(serf).items()},
        "serving": {name: str(value) for name, value in serving.items()},
    }


def _leadership(config: AgentConfig, view: TableView) -> dict[str, str]:
    # Nobody leads; scripts for Consul look here all the same, so it is what /v1/status/leader names.
    addresses = server_addresses(view)
    is_ours = bool(addresses) and fold(view.servers()[0].name) == fold(config.node_name)
    return {"leader": _flag(is_ours), "leader_addr": addresses[0] if addresses else ""}


def debug_config(config: AgentConfig) -> dict[str, Json]:
    """Return the running configuration for ``/v1/agent/self``; a secret says only that it is there."""
    # What was given is in the rest, and there its secrets are told as such. Definitions have secrets anywhere.
    resolved = attrs.asdict(config, filter=lambda field, _: field.name not in _SECRETIVE)
    shown = {name: _plain(value) for name, value in resolved.items()}
    return shown | {
        "services": [definition.service.id for definition in config.services],
        "checks": [definition.id for definition in config.checks],
    }


def _plain(value: object) -> Json:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


def _text(value: object) -> str:
    return _flag(value) if isinstance(value, bool) else str(value)


def _flag(value: bool) -> str:
    return "true" if value else "false"
