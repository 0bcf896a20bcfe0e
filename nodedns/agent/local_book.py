"""``LocalBook``: the services and checks of this agent, what they say, and what of it is published.

Strategy: a plain machine; ``now`` comes in, and what is to stand in the catalog is read from
``published``. A check's status is published as it changes. Where its output changes and the
status does not, what was published stays until ``update_interval_s`` after the last time, because
outputs hold times and counts that nobody waits for, and each change goes to every agent.

Maintenance is a check without a definition. Nothing is stored or sent from here.

Source: Consul agent/local/state.go (UpdateCheck and its deferred updates).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import attrs

from nodedns.agent.anti_entropy import Published
from nodedns.checks.definition import CheckDefinition
from nodedns.model.check import (
    NODE_MAINTENANCE,
    SERVICE_MAINTENANCE_PREFIX,
    Check,
    CheckStatus,
)
from nodedns.model.service import Service

__all__ = ["LocalBook", "OwnCheck", "Source", "is_maintenance", "maintenance_check"]

DEFAULT_REASON = {
    "node": ("Maintenance mode is enabled for this node, but no reason was provided. This is a default message."),
    "service": ("Maintenance mode is enabled for this service, but no reason was provided. This is a default message."),
}


class Source(enum.Enum):
    """Where a registration comes from, and so who may end it."""

    FILE = "file"
    HTTP = "http"


@attrs.define(eq=False)
class OwnCheck:
    """One check of this agent.

    Attributes:
        check: What it says now.
        published: What the catalog is to say of it.
        definition: How it is run; None for maintenance.
        source: Where it was registered.
        published_at: When ``published`` was last what it says.
    """

    check: Check
    published: Check
    definition: CheckDefinition | None
    source: Source
    published_at: float


class LocalBook:
    """What is registered with this agent.

    Args:
        update_interval_s: Between two times that a check's output alone is published; 0 for each at once.
    """

    def __init__(self, update_interval_s: float) -> None:
        self._update_interval_s = update_interval_s
        self._services: dict[str, Service] = {}
        self._sources: dict[str, Source] = {}
        self._own: dict[str, OwnCheck] = {}
        self._checks: dict[str, Check] = {}
        self._ids_of: dict[str, dict[str, None]] = {}  # service ID to the IDs of its checks; "" for the node's
        self._published: dict[str, Check] = {}
        self.revision = 1

    @property
    def services(self) -> Mapping[str, Service]:
        """By ID; read only."""
        return MappingProxyType(self._services)

    @property
    def checks(self) -> Mapping[str, Check]:
        """What each check says now, by ID; read only."""
        return MappingProxyType(self._checks)

    @property
    def published(self) -> Published:
        """What the catalog is to say."""
        return Published(MappingProxyType(self._services), MappingProxyType(self._published))

    def source_of(self, service_id: str) -> Source | None:
        """Return where a service was registered; None for an unknown one."""
        return self._sources.get(service_id)

    def own_check(self, check_id: str) -> OwnCheck | None:
        """Return all that is known of a check."""
        return self._own.get(check_id)

    def own_checks(self) -> Iterator[OwnCheck]:
        """Return all that is known of each check, in the order they came."""
        return iter(tuple(self._own.values()))

    def checks_of(self, service_id: str) -> list[str]:
        """Return the IDs of a service's checks."""
        return list(self._ids_of.get(service_id, ()))

    def put_service(self, service: Service, source: Source, now: float) -> list[str]:
        """Have a service be as given, and return the IDs of checks that show its name and tags anew."""
        if self._services.get(service.id) != service:
            self._services[service.id] = service
            self.revision += 1
        self._sources[service.id] = source
        changed = []
        for key in self.checks_of(service.id):
            check = self._checks[key]
            renamed = attrs.evolve(check, service_name=service.name, service_tags=service.tags)
            if renamed != check:
                self._show(self._own[key], renamed, now)
                changed.append(key)
        return changed

    def drop_service(self, service_id: str) -> None:
        """Forget a service; its checks are dropped by themselves."""
        if self._services.pop(service_id, None) is not None:
            self.revision += 1
        self._sources.pop(service_id, None)

    def put_check(self, check: Check, definition: CheckDefinition | None, source: Source, now: float) -> None:
        """Have a check be as given, what it says included."""
        known = self._own.get(check.id)
        if known is not None and known.check.service_id != check.service_id:
            self._disown(known.check)
        self._ids_of.setdefault(check.service_id, {})[check.id] = None
        own = self._own[check.id] = OwnCheck(check, check, definition, source, now)
        self._show(own, check, now)

    def drop_check(self, check_id: str) -> None:
        """Forget a check."""
        own = self._own.pop(check_id, None)
        if own is not None:
            self._disown(own.check)
        self._checks.pop(check_id, None)
        self._published.pop(check_id, None)

    def _disown(self, check: Check) -> None:
        ids = self._ids_of[check.service_id]
        del ids[check.id]
        if not ids:
            del self._ids_of[check.service_id]

    def report(self, check_id: str, status: CheckStatus, output: str, now: float) -> bool:
        """Take what a check says, and return whether that is to be published now; an unknown one is passed over."""
        own = self._own.get(check_id)
        if own is None or (own.check.status, own.check.output) == (status, output):
            return False
        said = attrs.evolve(own.check, status=status, output=output)
        if status is own.published.status and now < own.published_at + self._update_interval_s:
            own.check = self._checks[check_id] = said
            return False
        self._show(own, said, now)
        return True

    def publish_due(self, now: float) -> list[str]:
        """Publish the outputs whose time has come, and return whose they are."""
        due = [key for key, own in self._own.items() if self._is_late(own) and self._due_at(own) <= now]
        for key in due:
            self._show(self._own[key], self._own[key].check, now)
        return due

    def due_at(self, check_id: str) -> float:
        """Return when the output of a check may be published again."""
        return self._due_at(self._own[check_id])

    def next_due_at(self) -> float | None:
        """Return when ``publish_due`` has something to do; None for never."""
        return min((self._due_at(own) for own in self._own.values() if self._is_late(own)), default=None)

    def _show(self, own: OwnCheck, check: Check, now: float) -> None:
        own.check = own.published = check
        own.published_at = now
        self._checks[check.id] = self._published[check.id] = check

    @staticmethod
    def _is_late(own: OwnCheck) -> bool:
        return own.check is not own.published

    def _due_at(self, own: OwnCheck) -> float:
        return own.published_at + self._update_interval_s


def is_maintenance(check_id: str) -> bool:
    """Whether a check is there because somebody took its node or service out of service."""
    return check_id == NODE_MAINTENANCE or check_id.startswith(SERVICE_MAINTENANCE_PREFIX)


def maintenance_check(service: Service | None, reason: str) -> Check:
    """Return the check of a node, or of a service, that is out of service.

    Args:
        service: None for the node.
        reason: For people; empty for a default.
    """
    if service is None:
        return Check(
            id=NODE_MAINTENANCE,
            name="Node Maintenance Mode",
            status=CheckStatus.CRITICAL,
            notes=reason or DEFAULT_REASON["node"],
            type="maintenance",
        )
    return Check(
        id=SERVICE_MAINTENANCE_PREFIX + service.id,
        name="Service Maintenance Mode",
        status=CheckStatus.CRITICAL,
        notes=reason or DEFAULT_REASON["service"],
        service_id=service.id,
        service_name=service.name,
        service_tags=service.tags,
        type="maintenance",
    )
