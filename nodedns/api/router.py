"""``handle``: the one entry point; a request and a context in, what to do out.

Strategy: one table of routes. A path that ends in a slash takes everything
below it, the rest of the path being the handler's argument; any other matches
exactly. Each method of a route names the right that it needs (``access``). Methods are looked at only
once the path is known, and the right only once the method is. An ``ApiError`` out
of a handler becomes its answer; any other exception is a fault of ours and
goes up to the shell.

Source: Consul agent/http.go, agent/http_register.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from nodedns.api import (
    agent,
    agent_checks,
    agent_health,
    agent_services,
    catalog_nodes,
    catalog_services,
    conflicts,
    coordinate,
    dns_service,
    events,
    health,
    keyring,
    maintenance,
    metrics,
    monitor,
    queries,
    registration,
    status,
    why,
)
from nodedns.api.access import Right, check_access
from nodedns.api.actions import Perform
from nodedns.api.blocking import Wait
from nodedns.api.context import ApiContext
from nodedns.api.encode import empty_response, error_response, text_response
from nodedns.api.request import Request, Response
from nodedns.api.tenancy import refuse_other_tenants
from nodedns.errors import ApiError

__all__ = ["ROUTES", "Handler", "Outcome", "Route", "handle"]

Outcome = Response | Wait | Perform | queries.Follow | monitor.FollowLog
Handler = Callable[[Request, str, ApiContext], Outcome]

API_PREFIX = "/v1/"
WHOLE_SERVER = "*"


@attrs.frozen
class Route:
    """Where requests for ``path`` go.

    Attributes:
        path: Exact, or everything below it where it ends in a slash.
        methods: Those that ``handler`` takes, each with the right that it needs.
        handler: Gets the request, the rest of the path and the context.
    """

    path: str
    methods: Mapping[str, Right]
    handler: Handler


_GET: Mapping[str, Right] = {"GET": Right.READ}
_PUT: Mapping[str, Right] = {"PUT": Right.WRITE}
_READ_AND_PUT: Mapping[str, Right] = {"GET": Right.READ, "PUT": Right.WRITE}
_READ_AND_DELETE: Mapping[str, Right] = {"GET": Right.READ, "DELETE": Right.WRITE}
# Who has the gossip keys can be a member and write anything, so they are not for readers.
_KEYRING = dict.fromkeys(("GET", "PUT", "POST", "DELETE"), Right.WRITE)
_OPEN: Mapping[str, Right] = {"GET": Right.NONE}  # Consul's clients look with it whether an agent is there

ROUTES = (
    Route("/v1/agent/check/deregister/", _PUT, agent_checks.deregister_check),
    Route("/v1/agent/check/fail/", _PUT, agent_checks.fail_check),
    Route("/v1/agent/check/pass/", _PUT, agent_checks.pass_check),
    Route("/v1/agent/check/register", _PUT, agent_checks.register_check),
    Route("/v1/agent/check/update/", _PUT, agent_checks.update_check),
    Route("/v1/agent/check/warn/", _PUT, agent_checks.warn_check),
    Route("/v1/agent/checks", _GET, agent_checks.get_checks),
    Route("/v1/agent/conflicts", _GET, conflicts.get_conflicts),
    Route("/v1/agent/force-leave/", _PUT, agent.force_leave),
    Route("/v1/agent/health/service/id/", _GET, agent_health.get_health_by_id),
    Route("/v1/agent/health/service/name/", _GET, agent_health.get_health_by_name),
    Route("/v1/agent/join/", _PUT, agent.join),
    Route("/v1/agent/leave", _PUT, agent.leave),
    Route("/v1/agent/maintenance", _PUT, maintenance.set_node_maintenance),
    Route("/v1/agent/members", _GET, agent.get_members),
    Route("/v1/agent/metrics", _GET, metrics.get_metrics),
    Route("/v1/agent/monitor", _GET, monitor.monitor),
    Route("/v1/agent/query/", _PUT, queries.ask),
    Route("/v1/agent/reload", _PUT, agent.reload),
    Route("/v1/agent/self", _GET, agent.get_self),
    Route("/v1/agent/service/", _GET, agent_services.get_service),
    Route("/v1/agent/service/deregister/", _PUT, agent_services.deregister_service),
    Route("/v1/agent/service/maintenance/", _PUT, maintenance.set_service_maintenance),
    Route("/v1/agent/service/register", _PUT, agent_services.register_service),
    Route("/v1/agent/services", _GET, agent_services.get_services),
    Route("/v1/agent/version", _GET, agent.get_version),
    Route("/v1/agent/why", _GET, why.get_latest),
    Route("/v1/agent/why/", _GET, why.get_why),
    Route("/v1/catalog/connect/", _GET, catalog_services.get_connect),
    Route("/v1/catalog/datacenters", _GET, catalog_nodes.get_datacenters),
    Route("/v1/catalog/deregister", _PUT, registration.deregister),
    Route("/v1/catalog/gateway-services/", _GET, catalog_services.get_gateway_services),
    Route("/v1/catalog/node/", _GET, catalog_nodes.get_node),
    Route("/v1/catalog/node-services/", _GET, catalog_nodes.get_node_services),
    Route("/v1/catalog/nodes", _GET, catalog_nodes.get_nodes),
    Route("/v1/catalog/register", _PUT, registration.register),
    Route("/v1/catalog/service/", _GET, catalog_services.get_service),
    Route("/v1/catalog/services", _GET, catalog_services.get_services),
    Route("/v1/coordinate/datacenters", _GET, coordinate.get_datacenters),
    Route("/v1/coordinate/node/", _GET, coordinate.get_node),
    Route("/v1/coordinate/nodes", _GET, coordinate.get_nodes),
    Route("/v1/coordinate/update", _PUT, coordinate.update),
    Route("/v1/dns/query-log", _READ_AND_PUT, dns_service.query_log),
    Route("/v1/dns/top", _READ_AND_DELETE, dns_service.top),
    Route("/v1/event/fire/", _PUT, events.fire),
    Route("/v1/event/list", _GET, events.get_list),
    Route("/v1/health/checks/", _GET, health.get_checks),
    Route("/v1/health/connect/", _GET, catalog_services.get_connect),
    Route("/v1/health/ingress/", _GET, catalog_services.get_connect),
    Route("/v1/health/node/", _GET, health.get_node),
    Route("/v1/health/service/", _GET, health.get_service),
    Route("/v1/health/state/", _GET, health.get_state),
    Route("/v1/operator/keyring", _KEYRING, keyring.operate_keyring),
    Route("/v1/status/leader", _OPEN, status.get_leader),
    Route("/v1/status/peers", _OPEN, status.get_peers),
)
"""Every endpoint; of two prefixes of a path the longer counts."""

_METHODS = tuple(dict.fromkeys(("OPTIONS", *(method for route in ROUTES for method in route.methods))))
_EXACT = {route.path: route for route in ROUTES if not route.path.endswith("/")}
_PREFIXED = tuple(
    sorted((route for route in ROUTES if route.path.endswith("/")), key=lambda route: len(route.path), reverse=True)
)


def handle(request: Request, ctx: ApiContext) -> Outcome:
    """Return the response, what to wait for, what to carry out first, or what to ask and follow."""
    if (request.method, request.path) == ("OPTIONS", WHOLE_SERVER):
        # RFC 9110 section 9.3.7: a question to the server, of no path; Go's answers it before Consul is asked.
        return empty_response(("Allow", ",".join(_METHODS)))
    found = _find(request.path)
    if found is None:
        return _unknown_path(request.path)
    route, rest = found
    allowed = ("Allow", ",".join(("OPTIONS", *route.methods)))
    if request.method == "OPTIONS":
        return empty_response(allowed)
    if request.method not in route.methods:
        error = ApiError(405, f"method {request.method} not allowed")
        return error_response(error).with_headers(allowed)
    try:
        check_access(request, route.methods[request.method], ctx.access)
        refuse_other_tenants(request)
        return route.handler(request, rest, ctx)
    except ApiError as error:
        return error_response(error)


def _find(path: str) -> tuple[Route, str] | None:
    exact = _EXACT.get(path)
    if exact is not None:
        return exact, ""
    for route in _PREFIXED:
        if path.startswith(route.path):
            return route, path.removeprefix(route.path)
    return None


def _unknown_path(path: str) -> Response:
    if path == "/":
        return text_response(200, "nodedns agent: there is no web UI; the HTTP API is below /v1/")
    if API_PREFIX in path:
        return text_response(404, "Invalid URL path: not a recognized HTTP API endpoint\n")
    return text_response(
        404,
        "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n",
    )
