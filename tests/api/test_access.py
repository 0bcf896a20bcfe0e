"""Who may do what over HTTP: rights of routes, tokens, networks, blocked paths."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import attrs
import pytest

from nodedns.api.access import MAX_TOKENS, AccessRules, Right, Tokens, token_of
from nodedns.api.context import ApiContext
from nodedns.api.request import Request, Response
from nodedns.api.router import ROUTES, Outcome, Route, handle

Ask = Callable[..., Outcome]

READER, WRITER, STRANGER = "reader-secret", "writer-secret", "stranger-secret"
TOKENS = Tokens({READER: Right.READ, WRITER: Right.WRITE})
CLOSED = AccessRules(with_tokens=True, denies_by_default=True, tokens=TOKENS, anonymous=Right.NONE, dns=Right.NONE)
NODES, LEAVE = "/v1/catalog/nodes", "/v1/agent/leave"
LACKS_READ = (
    b"Permission denied: anonymous token lacks permission 'read'. "
    b"The anonymous token is used implicitly when a request does not specify a token."
)


def ruled(ctx: ApiContext, rules: AccessRules) -> ApiContext:
    return attrs.evolve(ctx, access=rules)


def answer(outcome: Outcome) -> tuple[int, bytes]:
    assert isinstance(outcome, Response)
    return outcome.status, outcome.body


def is_refused(outcome: Outcome) -> bool:
    return isinstance(outcome, Response) and outcome.status == 403


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_method_of_every_route_names_its_right(route: Route) -> None:
    assert route.methods
    assert all(isinstance(right, Right) for right in route.methods.values())


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_no_change_is_for_readers(route: Route) -> None:
    assert {Right.WRITE} >= {right for method, right in route.methods.items() if method != "GET"}


def test_only_the_status_is_open_to_everybody() -> None:
    is_open = [route.path for route in ROUTES if Right.NONE in route.methods.values()]
    assert ["/v1/status/leader", "/v1/status/peers"] == is_open


def test_gossip_keys_are_not_for_readers(ask: Ask, ctx: ApiContext) -> None:
    assert is_refused(ask(ruled(ctx, CLOSED), "/v1/operator/keyring", **{"x-consul-token": READER}))


@pytest.mark.parametrize(
    ("token", "opens"),
    [("", {Right.NONE}), (READER, {Right.NONE, Right.READ}), (WRITER, {Right.NONE, Right.READ, Right.WRITE})],
)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_token_opens_what_its_right_covers(
    ask: Ask, ctx: ApiContext, route: Route, token: str, opens: set[Right]
) -> None:
    for method, right in route.methods.items():
        outcome = ask(ruled(ctx, CLOSED), route.path, method, **{"x-consul-token": token})
        assert (right in opens) is not is_refused(outcome), method


@pytest.mark.parametrize(
    ("token", "asked", "text"),
    [
        ("", ("GET", NODES), LACKS_READ),
        (READER, ("PUT", LEAVE), b"Permission denied: token lacks permission 'write'"),
        (STRANGER, ("GET", NODES), b"ACL not found"),
        (STRANGER, ("GET", "/v1/status/leader"), b"ACL not found"),
        (READER + "x", ("GET", NODES), b"ACL not found"),
        (READER[:-1], ("GET", NODES), b"ACL not found"),
        ("\u00e9\udc80", ("GET", NODES), b"ACL not found"),
    ],
)
def test_refusal_has_consuls_text(ask: Ask, ctx: ApiContext, token: str, asked: tuple[str, str], text: bytes) -> None:
    method, target = asked
    assert (403, text) == answer(ask(ruled(ctx, CLOSED), target, method, **{"x-consul-token": token}))


def test_wrong_method_is_told_before_the_right_is_asked_for(ask: Ask, ctx: ApiContext) -> None:
    assert 405 == answer(ask(ruled(ctx, CLOSED), NODES, "PUT"))[0]


def test_unknown_token_is_refused_where_everybody_may_do_everything(ask: Ask, ctx: ApiContext) -> None:
    is_open = AccessRules(with_tokens=True, tokens=TOKENS)
    assert 200 == answer(ask(ruled(ctx, is_open), NODES))[0]
    assert (403, b"ACL not found") == answer(ask(ruled(ctx, is_open), NODES, **{"x-consul-token": STRANGER}))


def test_tokens_are_ignored_while_they_are_off(ask: Ask, ctx: ApiContext) -> None:
    assert 200 == answer(ask(ctx, NODES, **{"x-consul-token": STRANGER}))[0]


def test_request_without_token_has_the_default_tokens_right(ask: Ask, ctx: ApiContext) -> None:
    rules = attrs.evolve(CLOSED, anonymous=Right.READ)
    assert 200 == answer(ask(ruled(ctx, rules), NODES))[0]
    assert is_refused(ask(ruled(ctx, rules), LEAVE, "PUT"))


@pytest.mark.parametrize(
    ("query", "headers", "token"),
    [
        ("", {}, ""),
        ("", {"x-consul-token": "a"}, "a"),
        ("", {"authorization": "Bearer a"}, "a"),
        ("", {"authorization": "bearer  a "}, "a"),
        ("", {"authorization": "Basic a"}, ""),
        ("", {"authorization": "Bearer"}, ""),
        ("", {"x-consul-token": "a", "authorization": "Bearer b"}, "a"),
        ("token=c", {"x-consul-token": "a"}, "c"),
        ("token=", {"x-consul-token": "a"}, "a"),
    ],
)
def test_token_is_found(query: str, headers: dict[str, str], token: str) -> None:
    request = Request.from_wire_untrusted("GET", NODES.encode(), query.encode(), headers, b"")
    assert token == token_of(request)


def test_tokens_show_nothing() -> None:
    assert ("hidden", "") == (repr(TOKENS), repr(Tokens()))
    assert "secret" not in repr(CLOSED)


def test_any_number_of_tokens_is_told_apart() -> None:
    rights = {f"token-{number}": Right.READ if number % 2 else Right.WRITE for number in range(MAX_TOKENS)}
    tokens = Tokens(rights)
    assert rights == {secret: tokens.right_of(secret) for secret in rights}
    assert tokens.right_of("token-") is None


NETWORKS = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("client", "may_write"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("fe80::1%eth0", False),
        ("", True),
    ],
)
def test_changes_are_for_listed_networks(ctx: ApiContext, client: str, may_write: bool) -> None:
    rules = AccessRules(write_networks=NETWORKS)
    reading = Request("GET", NODES, client=client)
    writing = Request("PUT", LEAVE, client=client)
    assert 200 == answer(handle(reading, ruled(ctx, rules)))[0]
    outcome = handle(writing, ruled(ctx, rules))
    if may_write:
        assert not is_refused(outcome)
    else:
        assert (403, b"Access is restricted") == answer(outcome)


def test_blocked_paths_are_blocked_for_every_method_that_they_have(ask: Ask, ctx: ApiContext) -> None:
    rules = AccessRules(blocked_paths=("/v1/agent/",))
    text = b"Endpoint is blocked by agent configuration"
    assert (403, text) == answer(ask(ruled(ctx, rules), "/v1/agent/members"))
    assert (403, text) == answer(ask(ruled(ctx, rules), LEAVE, "PUT"))
    assert 200 == answer(ask(ruled(ctx, rules), NODES))[0]


@pytest.mark.parametrize(
    ("rules", "policy"),
    [(AccessRules(), "allow"), (AccessRules(denies_by_default=True), "allow"), (CLOSED, "deny")],
)
def test_answers_tell_the_default_policy(rules: AccessRules, policy: str) -> None:
    assert (("X-Consul-Default-ACL-Policy", policy),) == rules.headers
