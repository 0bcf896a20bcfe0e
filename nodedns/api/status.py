"""``/v1/status``: who leads. Nobody does, but clients ask as a ping, so the servers are named.

The leader is the first alive server by name, the peers are all alive servers,
each by its gossip address and port. Before the expected servers were
seen there is neither, as in Consul.

Source: Consul agent/status_endpoint.go.
"""

from __future__ import annotations

from nodedns.api.blocking import parse_options, refuse_unless_local
from nodedns.api.context import ApiContext
from nodedns.api.encode import json_response
from nodedns.api.request import Request, Response
from nodedns.errors import ApiError
from nodedns.table.view import TableView

__all__ = ["get_leader", "get_peers", "server_addresses"]


def get_leader(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/status/leader``; an empty string where there is none."""
    servers = _servers(request, ctx)
    return json_response(servers[0] if servers else "", request, ctx)


def get_peers(request: Request, _rest: str, ctx: ApiContext) -> Response:
    """Answer ``GET /v1/status/peers``."""
    return json_response(_servers(request, ctx), request, ctx)


def server_addresses(view: TableView) -> list[str]:
    """Return address and port of each alive server by name, the leader first; none before the cluster is known."""
    members = (view.member(row.name) for row in view.servers())
    return [str(member.address) for member in members if member is not None] if view.cluster_known else []


def _servers(request: Request, ctx: ApiContext) -> list[str]:
    parse_options(request, ctx.query_times)
    refuse_unless_local(request, ctx)
    if not (ctx.view.servers() or ctx.facts.is_server):
        raise ApiError(500, "No known Consul servers")
    return server_addresses(ctx.view)
