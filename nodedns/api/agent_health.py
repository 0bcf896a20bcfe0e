"""``/v1/agent/health/service``: how well a service of this agent is, as a status code.

Strategy: for load balancers that read nothing but the status: 200 passing, 429 warning, 503
critical or in maintenance, 404 unknown. Checks of the node count for each of its
services. Of several instances of one name the worst decides.

Knows only what is registered with this agent; the catalog's health is elsewhere.

Source: Consul agent/agent_endpoint.go (AgentHealthServiceByName, AgentHealthServiceByID).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from nodedns.api.context import ApiContext, Json
from nodedns.api.encode import json_response, text_response
from nodedns.api.local_shapes import local_service_shape
from nodedns.api.request import Request, Response
from nodedns.api.shapes import shape_of_check
from nodedns.errors import ApiError
from nodedns.model.check import Check, Health, health_of
from nodedns.model.service import Service

__all__ = ["get_health_by_id", "get_health_by_name"]

STATUS_CODES = {Health.PASSING: 200, Health.WARNING: 429, Health.CRITICAL: 503, Health.MAINTENANCE: 503}
NOT_FOUND = 404


def get_health_by_name(request: Request, name: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/health/service/name/NAME``."""
    if not name:
        raise ApiError(400, "Missing service Name")
    found = [_health(service, ctx) for service in ctx.local.services.values() if service.name == name]
    if not found:
        return _answer(request, ctx, NOT_FOUND, f"ServiceName {name} Not Found", [])
    # The first of the worst, so that maintenance does not hide a critical instance, nor the other way about.
    worst = max(found, key=lambda health: STATUS_CODES[health.health])
    shapes = [health.shape(ctx) for health in found]
    return _answer(request, ctx, STATUS_CODES[worst.health], worst.health.value, shapes)


def get_health_by_id(request: Request, service_id: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/health/service/id/ID``."""
    if not service_id:
        raise ApiError(400, "Missing serviceID")
    service = ctx.local.services.get(service_id)
    if service is None:
        nothing = {"AggregatedStatus": Health.CRITICAL.value, "Service": None, "Checks": None}
        return _answer(request, ctx, NOT_FOUND, f"ServiceId {service_id} not found", nothing)
    found = _health(service, ctx)
    return _answer(request, ctx, STATUS_CODES[found.health], found.health.value, found.shape(ctx))


@attrs.frozen
class _ServiceHealth:
    service: Service
    checks: Sequence[Check]
    health: Health

    def shape(self, ctx: ApiContext) -> Json:
        return {
            "AggregatedStatus": self.health.value,
            "Service": local_service_shape(self.service, ctx.facts.datacenter),
            "Checks": [shape_of_check(check, ctx.facts.node_name) for check in self.checks],
        }


def _health(service: Service, ctx: ApiContext) -> _ServiceHealth:
    known = ctx.local.checks
    counted = [known[key] for key in sorted(known) if known[key].service_id in ("", service.id)]
    counted.sort(key=lambda check: check.service_id)  # the node's, which have none, first
    return _ServiceHealth(service, counted, health_of(counted))


def _answer(request: Request, ctx: ApiContext, status: int, reason: str, shape: Json) -> Response:
    told = ("X-Consul-Reason", _header_safe(reason))
    if _wants_text(request):
        return text_response(status, reason).with_headers(told)
    return attrs.evolve(json_response(shape, request, ctx), status=status).with_headers(told)


def _header_safe(text: str) -> str:
    # A name may hold what a header cannot: HTTP's headers are Latin-1 at most (RFC 9110 section 5.5).
    return text.encode("ascii", "replace").decode("ascii")


def _wants_text(request: Request) -> bool:
    if request.headers.get("accept", "").startswith("text/plain"):
        return True
    return request.parameters.first("format") == "text"
