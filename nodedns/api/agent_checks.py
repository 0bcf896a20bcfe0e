"""``/v1/agent/checks`` and ``/v1/agent/check``: the checks that this agent runs or is told the results of.

``serfHealth`` is none of them: gossip says it, and the catalog shows it.

Source: Consul agent/agent_endpoint.go.
"""

from __future__ import annotations

from nodedns.api.actions import Perform
from nodedns.api.agent_services import refuse_scripts
from nodedns.api.body import Body, decode_object_untrusted
from nodedns.api.context import ApiContext
from nodedns.api.encode import empty_response, json_response
from nodedns.api.filter_fields import CHECK_FIELDS
from nodedns.api.filter_literals import quote
from nodedns.api.filters import filter_of
from nodedns.api.local_actions import DeregisterCheck, RegisterCheck, UpdateTtl, unknown_check
from nodedns.api.request import Request, Response, clean_text
from nodedns.api.shapes import shape_of_check
from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.errors import ApiError, DefinitionError
from nodedns.model.check import CheckStatus

__all__ = ["deregister_check", "fail_check", "get_checks", "pass_check", "register_check", "update_check", "warn_check"]

TTL_TYPE = "ttl"


def get_checks(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/checks``."""
    wanted = filter_of(request, CHECK_FIELDS)
    checks = ctx.local.checks
    shapes = {key: shape_of_check(checks[key], ctx.facts.node_name) for key in sorted(checks)}
    return json_response({key: shape for key, shape in shapes.items() if not wanted or wanted(shape)}, request, ctx)


def register_check(request: Request, _rest: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/check/register``."""
    try:
        definition = decode_check_untrusted(decode_object_untrusted(request.body))
    except DefinitionError as error:
        raise ApiError(400, str(error)) from error
    refuse_scripts((definition,), ctx)
    if definition.service_id and definition.service_id not in ctx.local.services:
        raise ApiError(404, f"ServiceID {quote(definition.service_id)} does not exist")
    return Perform(RegisterCheck(definition), empty_response())


def deregister_check(request: Request, check_id: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/check/deregister/ID``."""
    del request
    if check_id not in ctx.local.checks:
        raise unknown_check(check_id)
    return Perform(DeregisterCheck(check_id), empty_response())


def pass_check(request: Request, check_id: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/check/pass/ID?note=TEXT``."""
    return _update(check_id, CheckStatus.PASSING, request.parameters.first("note"), ctx)


def warn_check(request: Request, check_id: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/check/warn/ID?note=TEXT``."""
    return _update(check_id, CheckStatus.WARNING, request.parameters.first("note"), ctx)


def fail_check(request: Request, check_id: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/check/fail/ID?note=TEXT``."""
    return _update(check_id, CheckStatus.CRITICAL, request.parameters.first("note"), ctx)


def update_check(request: Request, check_id: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/check/update/ID`` with a body of Status and Output."""
    body = Body.decode_untrusted(request.body)
    word = body.text("Status")
    output = body.text("Output")
    try:
        status = CheckStatus(word)
    except ValueError:
        raise ApiError(400, f"Invalid check status: '{word}'") from None
    return _update(check_id, status, output, ctx)


def _update(check_id: str, status: CheckStatus, output: str, ctx: ApiContext) -> Perform:
    check = ctx.local.checks.get(check_id)
    if check is None:
        raise unknown_check(check_id)
    if check.type != TTL_TYPE:
        raise ApiError(500, f"CheckID {quote(check_id)} does not have associated TTL")
    return Perform(UpdateTtl(check_id, status, clean_text(output)), empty_response())
