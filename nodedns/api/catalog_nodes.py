"""``/v1/catalog`` of nodes: all of them, and one with its services.

``filter`` is for the nodes of the list, and for the services of one node.

Source: Consul agent/catalog_endpoint.go, agent/consul/catalog_endpoint.go.
"""

from __future__ import annotations

from functools import partial
from operator import attrgetter

from nodedns.api.blocking import Reading, Wait, answer
from nodedns.api.context import ApiContext, Json
from nodedns.api.encode import json_response, node_shape
from nodedns.api.filter_fields import NODE_FIELDS, SERVICE_FIELDS
from nodedns.api.filters import Predicate, filter_of, kept
from nodedns.api.narrowing import Narrowing
from nodedns.api.request import Request, Response
from nodedns.api.shapes import node_service_shape
from nodedns.api.slices import Slices
from nodedns.errors import ApiError
from nodedns.table.parts import NODES, node_part

__all__ = ["get_datacenters", "get_node", "get_node_services", "get_nodes"]


def get_datacenters(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/catalog/datacenters``."""
    return json_response(ctx.view.datacenters(), request, ctx)


def get_nodes(request: Request, _rest: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/catalog/nodes``."""
    return answer(request, ctx, partial(_read_nodes, Narrowing.of(request, NODE_FIELDS)), part=NODES)


def get_node(request: Request, name: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/catalog/node/NAME``; null for a name that is not there."""
    wanted = _wanted_services(request, name)
    return answer(request, ctx, partial(_read_node, _name_here(request, name), wanted), part=node_part(name))


def get_node_services(request: Request, name: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/catalog/node-services/NAME``, where the services are a list."""
    wanted = _wanted_services(request, name)
    return answer(request, ctx, partial(_read_node_services, _name_here(request, name), wanted), part=node_part(name))


def _name_here(request: Request, name: str) -> str:
    # Nothing is imported from any peer, so what a peer is said to have is nowhere.
    return "" if request.parameters.first("peer") else name


def _wanted_services(request: Request, name: str) -> Predicate | None:
    if not name:
        raise ApiError(400, "Missing node name")
    return filter_of(request, SERVICE_FIELDS)


def _read_nodes(narrowing: Narrowing, ctx: ApiContext) -> Reading:
    view = ctx.view

    def shape() -> Slices:
        rows = filter(narrowing.has_node, view.nodes())
        return narrowing.shapes(rows, ctx, attrgetter("name"), node_shape)

    return Reading(view.catalog_index, shape)


def _read_node(name: str, wanted: Predicate | None, ctx: ApiContext) -> Reading:
    found = ctx.view.node_services(name)
    if found is None:
        return Reading(ctx.view.catalog_index, lambda: None, is_missing=True)

    def shape() -> Json:
        services = kept(map(node_service_shape, found.instances), wanted)
        return {"Node": node_shape(found.row), "Services": {str(service["ID"]): service for service in services}}

    return Reading(found.catalog_index, shape)


def _read_node_services(name: str, wanted: Predicate | None, ctx: ApiContext) -> Reading:
    found = ctx.view.node_services(name)
    if found is None:
        return Reading(ctx.view.catalog_index, lambda: {"Node": None, "Services": []}, is_missing=True)

    def shape() -> Json:
        return {
            "Node": node_shape(found.row),
            "Services": kept(map(node_service_shape, found.instances), wanted),
        }

    return Reading(found.catalog_index, shape)
