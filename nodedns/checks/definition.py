"""``CheckDefinition`` and ``ServiceDefinition``: what somebody wants registered and checked.

Values alone: ``decode_check`` and ``decode_service`` make them from what a file or a
request holds, ``encode`` turns them back. What the catalog shows of a check is made here;
how it is at the moment is not part of a definition.

Source: Consul's check and service definitions (agent/structs).
"""

from __future__ import annotations

import attrs

from nodedns.checks.kinds import Kind, ScriptKind, type_of
from nodedns.model.check import Check, CheckStatus
from nodedns.model.durations import format_duration
from nodedns.model.names import is_dns_label, is_dotted_name
from nodedns.model.service import Service

__all__ = ["CheckDefinition", "ServiceDefinition", "check_warnings", "service_warnings"]

MIN_INTERVAL_S = 1.0
"""Between two runs of one check; a shorter interval is raised to it (Consul)."""
MIN_DEREGISTER_AFTER_S = 60.0
"""Of being critical, before a service is deregistered for it; less is raised to it (Consul)."""
MAX_OUTPUT_BYTES = 4096
"""Of a check's output that are kept, at most; a definition may ask for less (Consul)."""


@attrs.frozen
class CheckDefinition:
    """One check, as asked for.

    Attributes:
        id: Unique on its node.
        name: For people.
        kind: What it looks at.
        notes: What it is for.
        service_id: Whose it is; empty for a check of the node.
        status: What it says until it was run.
        interval_s: Between the end of a run and the next; 0 for kinds that are not run.
        timeout_s: Of one run; 0 for kinds that are not run.
        success_before_passing: How many good results in a row it takes to say so.
        failures_before_warning: How many bad ones to warn; 0 for as many as for critical.
        failures_before_critical: How many bad ones to be critical.
        deregister_critical_service_after_s: Of being critical, until its service goes; 0 for never.
        output_max_size: Bytes of output that are kept.
        token: What whoever registered it had to show.
    """

    id: str
    name: str
    kind: Kind
    notes: str = ""
    service_id: str = ""
    status: CheckStatus = CheckStatus.CRITICAL
    interval_s: float = 0.0
    timeout_s: float = 0.0
    success_before_passing: int = 0
    failures_before_warning: int = 0
    failures_before_critical: int = 0
    deregister_critical_service_after_s: float = 0.0
    output_max_size: int = MAX_OUTPUT_BYTES
    token: str = attrs.field(default="", repr=False)

    @property
    def type(self) -> str:
        """Consul's word for the kind."""
        return type_of(self.kind)

    @property
    def is_script(self) -> bool:
        """Whether it runs a program of the definition's choice."""
        return isinstance(self.kind, ScriptKind)

    @property
    def run_interval_s(self) -> float:
        """Seconds between runs as they are kept."""
        return max(self.interval_s, MIN_INTERVAL_S)

    @property
    def reap_after_s(self) -> float | None:
        """Seconds of being critical after which its service goes, as they are kept; None for never."""
        after_s = self.deregister_critical_service_after_s
        return max(after_s, MIN_DEREGISTER_AFTER_S) if after_s > 0 and self.service_id else None

    @property
    def output_limit(self) -> int:
        """Bytes of output that are kept."""
        return min(self.output_max_size, MAX_OUTPUT_BYTES)

    def shown(self, status: CheckStatus, output: str, service: Service | None) -> Check:
        """Return what the catalog shows.

        Nothing is shown under ``Definition``, as with Consul's agents: headers and bodies hold
        secrets, and every agent holds the catalog.

        Args:
            status: What it says.
            output: In words.
            service: The one it belongs to; None for a check of the node.
        """
        return Check(
            id=self.id,
            name=self.name,
            status=status,
            notes=self.notes,
            output=output,
            service_id="" if service is None else service.id,
            service_name="" if service is None else service.name,
            service_tags=() if service is None else service.tags,
            type=self.type,
            interval=format_duration(self.interval_s) if self.interval_s else "",
            timeout=format_duration(self.timeout_s) if self.timeout_s else "",
        )


@attrs.frozen
class ServiceDefinition:
    """One service, as asked for.

    Attributes:
        service: What is registered.
        checks: Its own, each with the service's ID.
        token: What whoever registered it had to show.
    """

    service: Service
    checks: tuple[CheckDefinition, ...] = ()
    token: str = attrs.field(default="", repr=False)


def check_warnings(definition: CheckDefinition) -> tuple[str, ...]:
    """Return what of it is not done as asked, for people."""
    found = []
    if 0 < definition.interval_s < MIN_INTERVAL_S:
        found.append(f"check {definition.id} has an interval below the least one, {format_duration(MIN_INTERVAL_S)}")
    if 0 < definition.deregister_critical_service_after_s < MIN_DEREGISTER_AFTER_S:
        least = format_duration(MIN_DEREGISTER_AFTER_S)
        found.append(f"check {definition.id} has a deregister_critical_service_after below the least one, {least}")
    return tuple(found)


def service_warnings(definition: ServiceDefinition) -> tuple[str, ...]:
    """Return what of it DNS cannot answer for, and what of its checks is not done as asked."""
    found = []
    service = definition.service
    label = "label (letters, digits and dashes, 1 to 63)"
    if not is_dns_label(service.name):
        found.append(f"Service name {service.name!r} is no DNS {label}, so DNS has no name for it")
    found += [
        f"Service tag {tag!r} is no DNS {label}, nor labels with dots between, so DNS has no name for it"
        for tag in service.tags
        if not is_dotted_name(tag)
    ]
    for check in definition.checks:
        found.extend(check_warnings(check))
    return tuple(found)
