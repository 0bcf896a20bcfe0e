"""``/v1/agent/services`` and ``/v1/agent/service``: what is registered with this agent.

Strategy: a definition is decoded and checked here in full; what comes out is an action. Reading one
service can wait for its content to change: the client sends the hash of what it has.

Reads nothing of the catalog, so it answers while the cluster is not known yet.

Source: Consul agent/agent_endpoint.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from nodedns.api.actions import Perform
from nodedns.api.blocking import JITTER_FRACTION, Topic, Wait, parse_options
from nodedns.api.body import decode_object_untrusted
from nodedns.api.context import ApiContext, Json
from nodedns.api.encode import empty_response, json_response
from nodedns.api.filter_fields import SERVICE_FIELDS
from nodedns.api.filters import filter_of
from nodedns.api.local_actions import DeregisterService, RegisterService, unknown_service
from nodedns.api.local_shapes import content_hash, local_service_shape
from nodedns.api.request import Request, Response
from nodedns.checks.decode_service import decode_service_untrusted
from nodedns.checks.definition import CheckDefinition
from nodedns.errors import ApiError, DefinitionError

__all__ = ["deregister_service", "get_service", "get_services", "refuse_scripts", "register_service"]

HASH_HEADER = "X-Consul-ContentHash"


def get_services(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/services``."""
    wanted = filter_of(request, SERVICE_FIELDS)
    services = ctx.local.services
    shapes = {key: local_service_shape(services[key], ctx.facts.datacenter) for key in sorted(services)}
    return json_response({key: shape for key, shape in shapes.items() if not wanted or wanted(shape)}, request, ctx)


def get_service(request: Request, service_id: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/agent/service/ID``; with ``hash`` once the content has another one, or ``wait`` is over."""
    options = parse_options(request, ctx.query_times)
    known_hash = request.parameters.first("hash")
    if not known_hash:
        return _tell(request, _shape(service_id, ctx), ctx)
    timeout_s = options.timeout_s + ctx.rng.uniform(0, options.timeout_s / JITTER_FRACTION)
    return _look(request, service_id, known_hash, timeout_s, ctx)


def _look(request: Request, service_id: str, known_hash: str, timeout_s: float, ctx: ApiContext) -> Response | Wait:
    shape = _shape(service_id, ctx)
    if content_hash(shape) != known_hash:
        return _tell(request, shape, ctx)
    return Wait(
        view_index=ctx.local.revision,
        timeout_s=timeout_s,
        resume=lambda later: _look(request, service_id, known_hash, timeout_s, later),
        expire=lambda later: _tell(request, _shape(service_id, later), later),
        topic=Topic.LOCAL,
    )


def _shape(service_id: str, ctx: ApiContext) -> dict[str, Json]:
    service = ctx.local.services.get(service_id)
    if service is None:
        raise ApiError(404, f"unknown service ID: {service_id}")
    return local_service_shape(service, ctx.facts.datacenter)


def _tell(request: Request, shape: dict[str, Json], ctx: ApiContext) -> Response:
    told_hash = content_hash(shape)
    datacenter = shape.pop("Datacenter")  # stands behind the hash
    shape |= {"ContentHash": told_hash, "Datacenter": datacenter}
    return json_response(shape, request, ctx).with_headers((HASH_HEADER, told_hash))


def register_service(request: Request, _rest: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/service/register``."""
    try:
        definition = decode_service_untrusted(decode_object_untrusted(request.body))
    except DefinitionError as error:
        raise ApiError(400, str(error)) from error
    refuse_scripts(definition.checks, ctx)
    flag = request.parameters
    replaces = flag.has("replace-existing-checks") and flag.first("replace-existing-checks") in ("", "true")
    return Perform(RegisterService(definition, replaces), empty_response())


def deregister_service(request: Request, service_id: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/service/deregister/ID``."""
    del request
    if service_id not in ctx.local.services:
        raise unknown_service(service_id)
    return Perform(DeregisterService(service_id), empty_response())


def refuse_scripts(checks: Sequence[CheckDefinition], ctx: ApiContext) -> None:
    """Raise 500 for checks that run a program, unless the configuration takes such over HTTP."""
    refusal = ctx.local.scripts.refusal(checks, is_remote=True)
    if refusal:
        raise ApiError(500, refusal)
