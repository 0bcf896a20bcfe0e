"""``/v1/agent/checks`` and ``/v1/agent/check``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodedns.api.actions import Perform
from nodedns.api.context import ApiContext, LocalReadings
from nodedns.api.local_actions import DeregisterCheck, RegisterCheck, UpdateTtl
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.model.check import Check, CheckStatus
from nodedns.model.service import Service
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]
Get = Callable[..., object]

CHECKS = "/v1/agent/checks"
REGISTER = "/v1/agent/check/register"
PING = Check("ping", "Ping", CheckStatus.PASSING, "notes", "out", "web1", "web", ("v1",), "ttl")
PAGE = Check("page", "Page", CheckStatus.CRITICAL, type="http", interval="10s", timeout="1s")


@pytest.fixture
def ctx() -> ApiContext:
    agent = TableAgent()
    agent.have(LocalReadings(services={"web1": Service("web1", "web")}, checks={"ping": PING, "page": PAGE}))
    return agent.api_context()


def answered(outcome: Outcome) -> Response:
    assert isinstance(outcome, Response)
    return outcome


def test_checks_are_listed_by_id_with_consul_s_fields_in_order(ask: Ask, ctx: ApiContext) -> None:
    expected = (
        '{"page":{"Node":"one","CheckID":"page","Name":"Page","Status":"critical","Notes":"","Output":"",'
        '"ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"http","Interval":"10s","Timeout":"1s",'
        '"ExposedPort":0,"Definition":{},"CreateIndex":0,"ModifyIndex":0},'
        '"ping":{"Node":"one","CheckID":"ping","Name":"Ping","Status":"passing","Notes":"notes","Output":"out",'
        '"ServiceID":"web1","ServiceName":"web","ServiceTags":["v1"],"Type":"ttl","Interval":"","Timeout":"",'
        '"ExposedPort":0,"Definition":{},"CreateIndex":0,"ModifyIndex":0}}'
    )
    assert expected == answered(ask(ctx, CHECKS)).body.decode()


def test_no_checks_are_an_empty_object(ask: Ask) -> None:
    assert b"{}" == answered(ask(TableAgent().api_context(), CHECKS)).body


def test_checks_are_filtered(get: Get, ctx: ApiContext) -> None:
    kept = get(ctx, f"{CHECKS}?filter=Status==critical")
    assert isinstance(kept, dict)
    assert ["page"] == list(kept)


@pytest.mark.parametrize(
    "body",
    [
        {"Name": "mem", "TTL": "10s", "ServiceID": "web1", "Status": "passing"},
        {"id": "m", "name": "mem", "http": "http://127.0.0.1/", "interval": "10s", "tls_skip_verify": True},
    ],
)
def test_check_is_registered(ask: Ask, ctx: ApiContext, body: dict[str, object]) -> None:
    outcome = ask(ctx, REGISTER, "PUT", body)
    assert isinstance(outcome, Perform)
    assert (RegisterCheck(decode_check_untrusted(body)), b"") == (outcome.action, outcome.answer(None).body)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"x", 400, "Request decode failed: "),
        ({"Nmae": "x"}, 400, 'Request decode failed: json: unknown field "Nmae"'),
        ({"TTL": "10s"}, 400, "Missing check name"),
        ({"Name": "x", "TTL": "10s", "Status": "fine"}, 400, "Bad check status"),
        ({"Name": "x"}, 400, "Invalid check: TTL must be > 0 for TTL checks"),
        ({"Name": "x", "HTTP": "http://h/"}, 400, "Invalid check: Interval must be > 0 for Script, HTTP"),
        ({"Name": "x", "TTL": "ten"}, 400, "Request decode failed: time: invalid duration"),
        ({"Name": "x", "TTL": "10s", "ServiceID": "web"}, 404, 'ServiceID "web" does not exist'),
        ({"Name": "x", "Args": ["/bin/true"], "Interval": "1s"}, 500, "Scripts are disabled on this agent from remote"),
    ],
)
def test_check_that_cannot_be_registered_is_refused(
    ask: Ask, ctx: ApiContext, body: object, status: int, text: str
) -> None:
    response = answered(ask(ctx, REGISTER, "PUT", body))
    assert (status, True) == (response.status, response.body.decode().startswith(text)), response.body


def test_check_is_deregistered(ask: Ask, ctx: ApiContext) -> None:
    outcome = ask(ctx, "/v1/agent/check/deregister/page", "PUT")
    assert isinstance(outcome, Perform)
    assert DeregisterCheck("page") == outcome.action


@pytest.mark.parametrize(
    ("verb", "status"),
    [("pass", CheckStatus.PASSING), ("warn", CheckStatus.WARNING), ("fail", CheckStatus.CRITICAL)],
)
def test_ttl_is_told_by_path_with_a_note(ask: Ask, ctx: ApiContext, verb: str, status: CheckStatus) -> None:
    for query, note in (("", ""), ("?note=all+is+%C3%A9%FF", "all is é\ufffd")):
        outcome = ask(ctx, f"/v1/agent/check/{verb}/ping{query}", "PUT")
        assert isinstance(outcome, Perform)
        assert (UpdateTtl("ping", status, note), b"") == (outcome.action, outcome.answer(None).body)


@pytest.mark.parametrize("word", ["passing", "warning", "critical"])
def test_ttl_is_told_by_body(ask: Ask, ctx: ApiContext, word: str) -> None:
    outcome = ask(ctx, "/v1/agent/check/update/ping", "PUT", {"Status": word, "Output": "so"})
    assert isinstance(outcome, Perform)
    assert UpdateTtl("ping", CheckStatus(word), "so") == outcome.action


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("update/absent", 404, 'Unknown check ID "absent". Ensure that the check ID is passed, not the check name.'),
        ("update/page", 500, 'CheckID "page" does not have associated TTL'),
        ("pass/absent", 404, 'Unknown check ID "absent". Ensure that the check ID is passed, not the check name.'),
        ("pass/", 404, 'Unknown check ID "". Ensure that the check ID is passed, not the check name.'),
        ("warn/page", 500, 'CheckID "page" does not have associated TTL'),
        ("fail/page", 500, 'CheckID "page" does not have associated TTL'),
        ("deregister/no", 404, 'Unknown check ID "no". Ensure that the check ID is passed, not the check name.'),
    ],
)
def test_what_makes_no_sense_of_a_check_is_refused(
    ask: Ask, ctx: ApiContext, path: str, status: int, text: str
) -> None:
    response = answered(ask(ctx, f"/v1/agent/check/{path}", "PUT", {"Status": "passing"}))
    assert (status, text) == (response.status, response.body.decode())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"x", "Request decode failed: "),
        ({}, "Invalid check status: ''"),
        ({"Status": "pass"}, "Invalid check status: 'pass'"),
    ],
)
def test_update_that_says_no_status_is_refused(ask: Ask, ctx: ApiContext, body: object, text: str) -> None:
    response = answered(ask(ctx, "/v1/agent/check/update/ping", "PUT", body))
    assert (400, True) == (response.status, response.body.decode().startswith(text))
