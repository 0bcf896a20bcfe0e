"""``/v1/agent``: this agent, the members it sees, and joining and leaving the pool.

``members`` shows this agent's own gossip view, left and failed members included. There
is one pool, the LAN's: the WAN list is empty and joining a WAN pool is refused.

Source: Consul agent/agent_endpoint.go, api/agent.go.
"""

from __future__ import annotations

from nodedns.api.actions import ForceLeave, Join, Leave, Perform, Reload
from nodedns.api.context import ApiContext, Json
from nodedns.api.encode import empty_response, json_response, member_shape, shape_of_coordinate, sorted_map
from nodedns.api.filter_fields import MEMBER_FIELDS
from nodedns.api.filters import filter_of
from nodedns.api.request import Request, Response
from nodedns.api.slices import sliced
from nodedns.errors import ApiError
from nodedns.model.names import NodeName

__all__ = ["force_leave", "get_members", "get_self", "get_version", "join", "leave", "reload"]

ALL_SEGMENTS = "_all"
BUILD_DATE = "1970-01-01T00:00:01Z"
"""What Consul says where no date was built in; clients parse it."""


def get_members(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/members``."""
    parameters = request.parameters
    segment = parameters.first("segment")
    is_wan = bool(parameters.first("wan"))
    if segment not in {"", ALL_SEGMENTS}:
        reason = "Cannot provide a segment with wan=true" if is_wan else "Network segments are not supported"
        raise ApiError(400, reason)
    wanted = filter_of(request, MEMBER_FIELDS)
    members = () if is_wan else ctx.view.members()
    return json_response(sliced(members, member_shape, wanted), request, ctx)


def get_self(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/self``."""
    facts, view = ctx.facts, ctx.view
    member, row = view.member(view.local_name), view.node(view.local_name)
    here = ctx.coordinates.of(view.local_name) if ctx.coordinates else None
    stats: dict[str, Json] = {group: sorted_map(values) for group, values in sorted(ctx.stats().items())}
    value: Json = {
        "Config": {
            "Datacenter": facts.datacenter,
            "PrimaryDatacenter": "",
            "NodeName": facts.node_name,
            "NodeID": facts.node_id,
            "Revision": facts.revision,
            "Server": facts.is_server,
            "Version": facts.version,
            "BuildDate": BUILD_DATE,
            "BindAddr": facts.bind_addr,
        },
        "DebugConfig": dict(sorted(ctx.debug_config.items())),
        "Coord": None if here is None else shape_of_coordinate(here),
        "Member": None if member is None else member_shape(member),
        "Stats": stats,
        "Meta": {} if row is None else sorted_map(row.meta),
    }
    return json_response(value, request, ctx)


def get_version(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/agent/version``."""
    facts = ctx.facts
    value: Json = {"SHA": facts.revision, "BuildDate": BUILD_DATE, "HumanVersion": facts.version, "FIPS": ""}
    return json_response(value, request, ctx)


def join(request: Request, address: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/join/ADDRESS``."""
    if request.parameters.first("wan"):
        _refuse_wan(ctx)
    if not address:
        raise ApiError(400, "Missing address to join")
    return Perform(Join(address), empty_response())


def leave(_request: Request, _rest: str, _ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/leave``, once the leave is done."""
    return Perform(Leave(), empty_response())


def reload(_request: Request, _rest: str, _ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/reload``, once the configuration is effective."""
    return Perform(Reload(), empty_response())


def force_leave(request: Request, name: str, ctx: ApiContext) -> Perform:
    """Answer ``PUT /v1/agent/force-leave/NAME``; ``prune`` forgets the member."""
    if request.parameters.has("wan"):
        _refuse_wan(ctx)
    if ctx.view.member(name) is None:
        raise ApiError(500, f"agent: No node found with name '{name}'")
    return Perform(ForceLeave(NodeName(name), request.parameters.has("prune")), empty_response())


def _refuse_wan(ctx: ApiContext) -> None:
    reason = "nodedns has no WAN pool" if ctx.facts.is_server else "Must be a server to join WAN cluster"
    raise ApiError(500, reason)
