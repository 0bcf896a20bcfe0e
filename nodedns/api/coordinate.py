"""``/v1/coordinate``: where the nodes are in the network, as far as this agent knows.

An agent knows its own coordinate and that of each member it has probed itself;
Consul's servers are told everybody's. A coordinate moves with every probe, so the
lists have an index of their own, which moves every few seconds at most.

There is no second pool between datacenters, hence no list of its coordinates. Coordinates
are measured, never taken from a client: one that was put in could not be told from a measured one.

Source: Consul agent/coordinate_endpoint.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NoReturn

from nodedns.api.blocking import Reading, Topic, Wait, answer, refuse_unless_local
from nodedns.api.context import ApiContext, Json, KnownCoordinates
from nodedns.api.encode import json_response, shape_of_coordinate
from nodedns.api.request import Request, Response
from nodedns.api.slices import Slices, sliced
from nodedns.errors import ApiError
from nodedns.model.coordinate import Coordinate
from nodedns.table.node_row import NodeRow

__all__ = ["get_datacenters", "get_node", "get_nodes", "update"]


def get_datacenters(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/coordinate/datacenters``: empty, for coordinates between datacenters need a WAN pool."""
    _known(ctx)
    return json_response([], request, ctx)


def get_nodes(request: Request, _rest: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/coordinate/nodes``: every node whose coordinate is known, by name."""
    _known(ctx)
    return answer(request, ctx, partial(_read, _in_segment(request), ""), Topic.COORDINATES)


def get_node(request: Request, name: str, ctx: ApiContext) -> Response | Wait:
    """Answer ``GET /v1/coordinate/node/NAME``: a list of one, or 404 and no body where there is none."""
    _known(ctx)
    if not name:
        raise ApiError(400, "Missing node name")
    return answer(request, ctx, partial(_read, _in_segment(request), name), Topic.COORDINATES)


def update(request: Request, _rest: str, ctx: ApiContext) -> NoReturn:
    """Refuse ``PUT /v1/coordinate/update``."""
    _known(ctx)
    refuse_unless_local(request, ctx)
    raise ApiError(400, "nodedns takes no coordinates over HTTP: agents measure their own, and gossip carries them")


def _known(ctx: ApiContext) -> KnownCoordinates:
    if ctx.coordinates is None:
        raise ApiError(401, "Coordinate support disabled")
    return ctx.coordinates


def _in_segment(request: Request) -> bool:
    """Whether the segment asked for is the one there is, whose name is empty."""
    return not request.parameters.first("segment")


def _read(is_wanted: bool, name: str, ctx: ApiContext) -> Reading:
    known, view = _known(ctx), ctx.view
    row = view.node(name) if name else None
    rows = (() if row is None else (row,)) if name else view.nodes()
    found = [row for row in rows if is_wanted and known.of(row.name) is not None]
    return Reading(
        known.index,
        partial(_shape, found, known),
        is_missing=bool(name) and not found,
        missing_status=404,
    )


def _shape(rows: list[NodeRow], known: KnownCoordinates) -> Slices:
    pairs = ((row.name, known.of(row.name)) for row in rows)
    return sliced(((name, coordinate) for name, coordinate in pairs if coordinate is not None), _shape_of_pair)


def _shape_of_pair(pair: tuple[str, Coordinate]) -> Mapping[str, Json]:
    name, coordinate = pair
    return {"Node": name, "Segment": "", "Coord": shape_of_coordinate(coordinate)}
