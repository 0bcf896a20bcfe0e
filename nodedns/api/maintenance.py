"""``/v1/agent/maintenance`` and its like for a service: out of service by hand, and back into it.

Source: Consul agent/agent_endpoint.go (AgentNodeMaintenance, AgentServiceMaintenance); Go's strconv.ParseBool.
"""

from __future__ import annotations

from nodedns.api.actions import Perform
from nodedns.api.context import ApiContext
from nodedns.api.encode import empty_response
from nodedns.api.filter_literals import quote
from nodedns.api.local_actions import SetMaintenance, unknown_service
from nodedns.api.request import Parameters, Request, clean_text
from nodedns.errors import ApiError

__all__ = ["set_node_maintenance", "set_service_maintenance"]

_TRUE_WORDS = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE_WORDS = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def set_node_maintenance(request: Request, _rest: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/maintenance?enable=true&reason=TEXT``."""
    del ctx
    return _perform("", request.parameters)


def set_service_maintenance(request: Request, service_id: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/service/maintenance/ID?enable=true&reason=TEXT``."""
    if not service_id:
        raise ApiError(400, "Missing service ID")
    done = _perform(service_id, request.parameters)
    if service_id not in ctx.local.services:
        raise unknown_service(service_id)
    return done


def _perform(service_id: str, parameters: Parameters) -> Perform:
    if not parameters.has("enable"):
        raise ApiError(400, "Missing value for enable")
    word = parameters.first("enable")
    if word not in _TRUE_WORDS | _FALSE_WORDS:
        raise ApiError(400, f"Invalid value for enable: {quote(word)}")
    reason = clean_text(parameters.first("reason"))
    return Perform(SetMaintenance(service_id, word in _TRUE_WORDS, reason), empty_response())
