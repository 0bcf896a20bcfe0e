"""``Check``: what is known of whether a node or a service is well, as the catalog shows it.

A check of a node counts for each of its services. Who runs it, when, and how
its results add up to a status is no part of this.

Source: Consul's HealthCheck (agent/structs) and its order of health words (api/health.go).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import attrs

__all__ = [
    "NODE_MAINTENANCE",
    "SERF_HEALTH",
    "SERVICE_MAINTENANCE_PREFIX",
    "Check",
    "CheckStatus",
    "Health",
    "health_of",
    "worst_of",
]

SERF_HEALTH = "serfHealth"
"""The check that says whether gossip reaches a member; nobody registers it."""
NODE_MAINTENANCE = "_node_maintenance"
"""The check of a node that is taken out of service by hand."""
SERVICE_MAINTENANCE_PREFIX = "_service_maintenance:"
"""Begins the check of a service likewise; its ID follows."""


class CheckStatus(enum.Enum):
    """What a check says."""

    PASSING = "passing"
    WARNING = "warning"
    CRITICAL = "critical"


class Health(enum.Enum):
    """What several checks say together, as Consul words it."""

    PASSING = "passing"
    WARNING = "warning"
    CRITICAL = "critical"
    MAINTENANCE = "maintenance"


@attrs.frozen
class Check:
    """One check.

    Attributes:
        id: Unique on its node.
        name: For people.
        status: What it said last.
        notes: What it is for.
        output: What it said last in words; data of strangers, cut and decoded already.
        service_id: Whose it is; empty for a check of the node.
        service_name: The name of that service.
        service_tags: Its tags.
        type: ``http``, ``tcp``, ``ttl``, ``script`` and so on; empty where unknown.
        interval: As text of Go's durations, such as ``10s``; empty where there is none.
        timeout: Likewise.
        definition: What of its definition is shown, in Consul's words.
    """

    id: str
    name: str
    status: CheckStatus
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: tuple[str, ...] = ()
    type: str = ""
    interval: str = ""
    timeout: str = ""
    definition: Mapping[str, object] = attrs.field(factory=dict)


_RANKS = {status: rank for rank, status in enumerate(CheckStatus)}


def worst_of(statuses: Iterable[CheckStatus]) -> CheckStatus:
    """Return the worst; passing where there is none."""
    return max(statuses, key=_RANKS.__getitem__, default=CheckStatus.PASSING)


def health_of(checks: Iterable[Check]) -> Health:
    """Return what ``checks`` say together: maintenance before critical, warning and passing; passing for none."""
    worst = CheckStatus.PASSING
    for check in checks:
        if check.id == NODE_MAINTENANCE or check.id.startswith(SERVICE_MAINTENANCE_PREFIX):
            return Health.MAINTENANCE
        worst = worst_of((worst, check.status))
    return Health(worst.value)
