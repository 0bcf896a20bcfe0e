"""Which request goes where: paths, methods, and what every answer carries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodedns.api.context import ApiContext
from nodedns.api.request import Response
from nodedns.api.router import ROUTES, Outcome, Route

Ask = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/", 200, "nodedns agent: there is no web UI; the HTTP API is below /v1/"),
        ("/v1/nothing", 404, "Invalid URL path: not a recognized HTTP API endpoint\n"),
        ("/x/v1/catalog/nodes", 404, "Invalid URL path: not a recognized HTTP API endpoint\n"),
        ("/v1/catalog/nodes/", 404, "Invalid URL path: not a recognized HTTP API endpoint\n"),
        ("/v1/catalog/node", 404, "Invalid URL path: not a recognized HTTP API endpoint\n"),
        (
            "/ui",
            404,
            "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n",
        ),
    ],
)
def test_unknown_path_says_so_for_every_method(ask: Ask, ctx: ApiContext, path: str, status: int, text: str) -> None:
    for method in ("GET", "PUT", "OPTIONS"):
        response = ask(ctx, path, method)
        assert isinstance(response, Response)
        assert (status, text) == (response.status, response.body.decode())


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_options_lists_the_methods(ask: Ask, ctx: ApiContext, route: Route) -> None:
    response = ask(ctx, route.path, "OPTIONS")
    assert isinstance(response, Response)
    assert (200, b"") == (response.status, response.body)
    assert ("Allow", ",".join(["OPTIONS", *route.methods])) in response.headers


def test_options_of_the_whole_server_lists_all_methods(ask: Ask, ctx: ApiContext) -> None:
    assert Response(200, b"", (("Allow", "OPTIONS,PUT,GET,DELETE,POST"),)) == ask(ctx, "*", "OPTIONS")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE", "BREW"])
def test_other_method_is_not_allowed(ask: Ask, ctx: ApiContext, route: Route, method: str) -> None:
    if method in route.methods:
        return
    response = ask(ctx, route.path, method)
    assert isinstance(response, Response)
    assert (405, f"method {method} not allowed") == (response.status, response.body.decode())
    assert ("Allow", ",".join(["OPTIONS", *route.methods])) in response.headers


def test_get_of_a_change_is_not_allowed(ask: Ask, ctx: ApiContext) -> None:
    response = ask(ctx, "/v1/agent/join/10.0.0.2")
    assert isinstance(response, Response)
    assert 405 == response.status


def test_of_two_prefixes_of_a_path_the_longer_counts(ask: Ask, ctx: ApiContext) -> None:
    response = ask(ctx, "/v1/agent/service/deregister/absent", "GET")
    assert isinstance(response, Response)
    assert ("Allow", "OPTIONS,PUT") in response.headers
