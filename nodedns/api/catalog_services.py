"""``/v1/catalog`` of services: their names, and the instances of one.

Names are compared with ASCII case folded, as in DNS. There is no mesh, so nothing is able to connect.

Source: Consul agent/catalog_endpoint.go, agent/consul/state/catalog.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from nodedns.api.blocking import Reading, Wait, answer
from nodedns.api.context import ApiContext, Json
from nodedns.api.filter_fields import SERVICE_NODE_FIELDS
from nodedns.api.narrowing import Narrowing
from nodedns.api.request import Request, Response
from nodedns.api.shapes import service_node_shape
from nodedns.api.slices import Slices, Slowly, sliced
from nodedns.errors import ApiError
from nodedns.table.parts import INSTANCES, SERVICES, service_part
from nodedns.table.service_rows import Instance

__all__ = ["get_connect", "get_gateway_services", "get_service", "get_services", "node_of", "refuse_no_service_name"]


def get_services(request: Request, _rest: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/catalog/services``: each name with the tags of its instances.

    ``node-meta`` and ``filter`` keep instances, and so the names of those that are left and their tags.
    """
    narrowing = Narrowing.of(request, SERVICE_NODE_FIELDS)
    if narrowing.meta or narrowing.wanted or narrowing.is_of_peer:
        return answer(request, ctx, partial(_read_narrowed_services, narrowing), part=INSTANCES)
    return answer(request, ctx, _read_services, part=SERVICES)


def get_service(request: Request, name: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/catalog/service/NAME``."""
    refuse_no_service_name(name)
    narrowing = Narrowing.of(request, SERVICE_NODE_FIELDS)
    return answer(request, ctx, partial(_read_service, name, narrowing), part=service_part(name))


def get_connect(request: Request, name: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET`` of ``/v1/catalog/connect/``, ``/v1/health/connect/`` and ``/v1/health/ingress/NAME``: nothing."""
    refuse_no_service_name(name)
    return answer(request, ctx, _read_nothing, part=service_part(name))


def get_gateway_services(request: Request, name: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/catalog/gateway-services/NAME``: no gateway is there, so none serves anything."""
    if not name:
        raise ApiError(400, "Missing gateway name")
    return answer(request, ctx, _read_nothing, part=service_part(name))


def node_of(instance: Instance) -> str:
    """Return the name of the node that an instance is on."""
    return instance.row.name


def refuse_no_service_name(name: str) -> None:
    """Raise 400 for a path that names no service."""
    if not name:
        raise ApiError(400, "Missing service name")


def _read_services(ctx: ApiContext) -> Reading:
    view = ctx.view

    def shape() -> Json:
        tags: dict[str, Json] = {group.name: group.tags for group in view.services()}
        return dict(sorted(tags.items()))

    return Reading(view.services_index, shape)


def _read_narrowed_services(narrowing: Narrowing, ctx: ApiContext) -> Reading:
    view = ctx.view

    def steps() -> Iterator[Json]:
        found: dict[str, Json] = {}
        for group in view.services():
            instances = filter(narrowing.has_instance, group.instances)
            tags: dict[str, None] = {}
            is_shown = False
            for shapes in sliced(instances, service_node_shape, narrowing.wanted).parts:
                is_shown |= bool(shapes)
                tags.update(dict.fromkeys(str(tag) for shape in shapes for tag in _tags_of(shape)))
                yield None
            if is_shown:
                found[group.name] = sorted(tags)
        yield dict(sorted(found.items()))

    return Reading(max(view.registered_index, view.services_index), lambda: Slowly(steps()))


def _read_service(name: str, narrowing: Narrowing, ctx: ApiContext) -> Reading:
    group = ctx.view.service(name)
    if group is None:
        return Reading(ctx.view.services_index, list, is_missing=True)

    def shape() -> Slices:
        instances = filter(narrowing.has_instance, group.instances)
        return narrowing.shapes(instances, ctx, node_of, service_node_shape)

    return Reading(group.catalog_index, shape)


def _read_nothing(ctx: ApiContext) -> Reading:
    return Reading(ctx.view.services_index, list, is_missing=True)


def _tags_of(shape: Json) -> list[Json]:
    tags = shape["ServiceTags"] if isinstance(shape, Mapping) else ()
    return tags if isinstance(tags, list) else []
