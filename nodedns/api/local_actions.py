"""What a request asks to be done with the services and checks of this agent, as values.

Each is checked in full before it is made; what can still fail is that the thing it is about has gone
meanwhile (404), or that the disk refuses it.
"""

from __future__ import annotations

import attrs

from nodedns.api.filter_literals import quote
from nodedns.checks.definition import CheckDefinition, ServiceDefinition
from nodedns.errors import ApiError
from nodedns.model.check import CheckStatus

__all__ = [
    "DeregisterCheck",
    "DeregisterService",
    "LocalAction",
    "RegisterCheck",
    "RegisterService",
    "SetMaintenance",
    "UpdateTtl",
    "unknown_check",
    "unknown_service",
]


@attrs.frozen
class RegisterService:
    """Keep a service with its checks, over restarts too. Done when it is stored.

    Attributes:
        definition: What it is.
        replaces_checks: Whether checks that the service had and that are not told of go.
    """

    definition: ServiceDefinition
    replaces_checks: bool = False


@attrs.frozen
class DeregisterService:
    """Forget a service and its checks. Done when that is stored."""

    service_id: str


@attrs.frozen
class RegisterCheck:
    """Keep a check, over restarts too. Done when it is stored."""

    definition: CheckDefinition


@attrs.frozen
class DeregisterCheck:
    """Forget a check. Done when that is stored."""

    check_id: str


@attrs.frozen
class UpdateTtl:
    """Tell a TTL check how things are.

    Attributes:
        check_id: A TTL check.
        status: What it says from now on, until its time is over.
        output: In words.
    """

    check_id: str
    status: CheckStatus
    output: str


@attrs.frozen
class SetMaintenance:
    """Take the node or a service out of service, or back into it. Done when it is stored.

    Attributes:
        service_id: Of the service; empty for the node.
        is_on: Whether it is to be in maintenance.
        reason: Why, for people; empty for a default.
    """

    service_id: str
    is_on: bool
    reason: str = ""


LocalAction = RegisterService | DeregisterService | RegisterCheck | DeregisterCheck | UpdateTtl | SetMaintenance


def unknown_service(service_id: str) -> ApiError:
    """Return the refusal of an ID that no service of this agent has."""
    shown = quote(service_id)
    return ApiError(404, f"Unknown service ID {shown}. Ensure that the service ID is passed, not the service name.")


def unknown_check(check_id: str) -> ApiError:
    """Return the refusal of an ID that no check of this agent has."""
    shown = quote(check_id)
    return ApiError(404, f"Unknown check ID {shown}. Ensure that the check ID is passed, not the check name.")
