"""``/v1/health``: checks by node, service and state, and the instances of a service with their checks.

Source: Consul agent/health_endpoint.go, agent/consul/health_endpoint.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from nodedns.api.blocking import Reading, Wait, answer
from nodedns.api.catalog_services import node_of, refuse_no_service_name
from nodedns.api.context import ApiContext
from nodedns.api.filter_fields import CHECK_FIELDS, HEALTH_FIELDS
from nodedns.api.filter_literals import BadLiteral, parse_flag
from nodedns.api.narrowing import Narrowing
from nodedns.api.request import Request, Response
from nodedns.api.shapes import check_shape, health_shape
from nodedns.api.slices import Slices
from nodedns.errors import ApiError
from nodedns.model.check import CheckStatus
from nodedns.table.node_row import NodeRow
from nodedns.table.parts import CHECKS, WHOLE, node_part, service_part
from nodedns.table.service_rows import CheckRow, Instance, ServiceGroup

__all__ = ["get_checks", "get_node", "get_service", "get_state"]

ANY_STATE = "any"

_Placed = tuple[NodeRow, CheckRow]
"""A check and the node that it is on."""


def get_node(request: Request, name: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/health/node/NAME``: every check of a node and of its services."""
    if not name:
        raise ApiError(400, "Missing node name")
    narrowing = Narrowing.of(request, CHECK_FIELDS)
    return answer(request, ctx, partial(_read_node, name, narrowing), part=node_part(name))


def get_checks(request: Request, name: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/health/checks/NAME``: the checks of a service's instances, without those of their nodes."""
    refuse_no_service_name(name)
    narrowing = Narrowing.of(request, CHECK_FIELDS)
    return answer(request, ctx, partial(_read_checks, name, narrowing), part=service_part(name))


def get_service(request: Request, name: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/health/service/NAME``; ``passing`` keeps instances all of whose checks pass."""
    refuse_no_service_name(name)
    is_passing_wanted = _parse_passing(request)
    narrowing = Narrowing.of(request, HEALTH_FIELDS)
    read = partial(_read_service, name, narrowing, is_passing_wanted=is_passing_wanted)
    return answer(request, ctx, read, part=service_part(name))


def get_state(request: Request, state: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/health/state/STATE``; ``any`` lists every check, a word that is no state none."""
    if not state:
        raise ApiError(400, "Missing check state")
    narrowing = Narrowing.of(request, CHECK_FIELDS)
    # What meta a node has is no part of its checks.
    part = WHOLE if narrowing.meta else CHECKS
    return answer(request, ctx, partial(_read_state, state, narrowing), part=part)


def _parse_passing(request: Request) -> bool:
    text = request.parameters.first("passing")
    if not text:
        return request.parameters.has("passing")
    try:
        return parse_flag(text)
    except BadLiteral as error:
        raise ApiError(400, "Invalid value for ?passing") from error


def _read_node(name: str, narrowing: Narrowing, ctx: ApiContext) -> Reading:
    found = ctx.view.node_services(name)
    if found is None:
        return Reading(ctx.view.catalog_index, list, is_missing=True)
    placed = [(found.row, check) for check in found.checks]
    return Reading(found.checks_index, lambda: _shapes(placed, narrowing, ctx))


def _read_checks(name: str, narrowing: Narrowing, ctx: ApiContext) -> Reading:
    group = ctx.view.service(name)
    if group is None:
        return Reading(ctx.view.services_index, list, is_missing=True)
    return Reading(group.index, lambda: _shapes(_own_checks(group, narrowing), narrowing, ctx))


def _own_checks(group: ServiceGroup, narrowing: Narrowing) -> Iterator[_Placed]:
    for instance in group.instances:
        if narrowing.has_node(instance.row):
            for check in instance.checks:
                if check.check.service_id:
                    yield instance.row, check


def _read_service(name: str, narrowing: Narrowing, ctx: ApiContext, *, is_passing_wanted: bool) -> Reading:
    group = ctx.view.service(name)
    if group is None:
        return Reading(ctx.view.services_index, list, is_missing=True)

    def is_wanted(instance: Instance) -> bool:
        if is_passing_wanted and instance.status is not CheckStatus.PASSING:
            return False
        return narrowing.has_instance(instance)

    def shape() -> Slices:
        return narrowing.shapes([one for one in group.instances if is_wanted(one)], ctx, node_of, health_shape)

    return Reading(group.index, shape)


def _read_state(state: str, narrowing: Narrowing, ctx: ApiContext) -> Reading:
    view = ctx.view
    status = next((status for status in CheckStatus if status.value == state), None)
    if status is None and state != ANY_STATE:
        return Reading(view.checks_index, list, is_missing=True)

    def placed() -> Iterator[_Placed | None]:
        for row in view.nodes():
            yield None  # few of many may be in that state
            services = view.node_services(row.name)
            if services is not None and narrowing.has_node(row):
                for check in services.checks:
                    if status in {None, check.check.status}:
                        yield row, check

    index = view.checks_index if status is None else view.status_index(status)
    if narrowing.meta:
        index = max(index, view.catalog_index)
    return Reading(index, lambda: _shapes(placed(), narrowing, ctx))


def _shapes(placed: Iterable[_Placed | None], narrowing: Narrowing, ctx: ApiContext) -> Slices:
    return narrowing.shapes(placed, ctx, lambda item: item[0].name, lambda item: check_shape(*item))
