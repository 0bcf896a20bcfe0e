"""``/v1/operator/keyring``: what is asked of the agent, and how its report is told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from nodedns.api.actions import KeyringReport, KeyringVerb, OperateKeyring, Perform
from nodedns.api.context import ApiContext
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.errors import ApiError

Ask = Callable[..., Outcome]

PATH = "/v1/operator/keyring"
A, B = "MDEyMzQ1Njc4OWFiY2RlZg==", "ZmVkY2JhOTg3NjU0MzIxMA=="


def performed(outcome: Outcome) -> Perform:
    assert isinstance(outcome, Perform)
    return outcome


@pytest.mark.parametrize(
    ("method", "verb"),
    [
        ("GET", KeyringVerb.LIST),
        ("POST", KeyringVerb.INSTALL),
        ("PUT", KeyringVerb.USE),
        ("DELETE", KeyringVerb.REMOVE),
    ],
)
def test_method_says_what_to_do(ask: Ask, ctx: ApiContext, method: str, verb: KeyringVerb) -> None:
    outcome = performed(ask(ctx, f"{PATH}?relay-factor=3", method, {"key": A}))
    assert OperateKeyring(verb, "" if method == "GET" else A, 3) == outcome.action


def test_change_that_worked_is_answered_with_nothing(ask: Ask, ctx: ApiContext) -> None:
    response = performed(ask(ctx, PATH, "PUT", {"Key": A})).answer(KeyringReport(nodes=3))
    assert (200, b"") == (response.status, response.body)


def test_list_has_consuls_shape(ask: Ask, ctx: ApiContext) -> None:
    report = KeyringReport(keys={B: 1, A: 2}, primary_keys={A: 2}, nodes=2)
    response = performed(ask(ctx, PATH)).answer(report)
    expected = {
        "WAN": False,
        "Datacenter": "dc1",
        "Segment": "",
        "Keys": {A: 2, B: 1},
        "PrimaryKeys": {A: 2},
        "NumNodes": 2,
    }
    assert [expected] == json.loads(response.body)
    assert [list(expected)] == [list(pool) for pool in json.loads(response.body)]


def test_list_with_members_that_lag_behind_names_them_and_is_still_shown(ask: Ask, ctx: ApiContext) -> None:
    report = KeyringReport(
        error="1/2 nodes reported success",
        messages={"two": "did not answer"},
        keys={A: 1},
        primary_keys={A: 1},
        nodes=2,
    )
    response = performed(ask(ctx, PATH)).answer(report)
    (pool,) = json.loads(response.body)
    assert (200, {"two": "did not answer"}) == (response.status, pool["Messages"])
    assert "1/2 nodes reported success" == pool["Error"]


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", {"Key": A})])
def test_failure_names_the_pool_and_each_member(ask: Ask, ctx: ApiContext, method: str, body: object) -> None:
    messages = {"two": "did not answer", "one": "Removing the primary key is not allowed"}
    report = KeyringReport(error="1/2 nodes reported failure", messages=messages, nodes=2)
    with pytest.raises(ApiError) as refusal:
        performed(ask(ctx, PATH, method, body)).answer(report)
    assert (
        500,
        "3 errors occurred:\n\t* dc1 (LAN) error: 1/2 nodes reported failure"
        "\n\t* one: Removing the primary key is not allowed\n\t* two: did not answer\n\n",
    ) == (refusal.value.status, refusal.value.message)


@pytest.mark.parametrize(
    ("method", "query", "text"),
    [
        ("GET", "relay-factor=x", 'Error parsing relay factor: strconv.Atoi: parsing "x": invalid syntax'),
        ("GET", "relay-factor=6", "Invalid relay-factor: Relay factor must be in range: [0, 5]"),
        ("GET", "relay-factor=-1", "Invalid relay-factor: Relay factor must be in range: [0, 5]"),
        ("GET", "local-only=x", 'Error parsing local-only: strconv.ParseBool: parsing "x": invalid syntax'),
        ("PUT", "local-only=true", "Invalid use of local-only: local-only can only be set for list requests"),
    ],
)
def test_bad_parameter_is_refused_in_consuls_words(
    ask: Ask, ctx: ApiContext, method: str, query: str, text: str
) -> None:
    response = ask(ctx, f"{PATH}?{query}", method, {"Key": A})
    assert isinstance(response, Response)
    assert (400, text) == (response.status, response.body.decode())


@pytest.mark.parametrize("query", ["local-only=true", "local-only=0", "local-only", "relay-factor="])
def test_list_may_be_local(ask: Ask, ctx: ApiContext, query: str) -> None:
    assert OperateKeyring(KeyringVerb.LIST) == performed(ask(ctx, f"{PATH}?{query}")).action


@pytest.mark.parametrize(("body", "reason"), [(b"", "EOF"), (b'{"Key": 1}', "Key must be a string, not 1")])
def test_body_without_a_key_is_refused(ask: Ask, ctx: ApiContext, body: bytes, reason: str) -> None:
    response = ask(ctx, PATH, "POST", body)
    assert isinstance(response, Response)
    assert (400, f"Request decode failed: {reason}") == (response.status, response.body.decode())


def test_key_is_not_in_the_text_of_the_action() -> None:
    assert A not in repr(OperateKeyring(KeyringVerb.USE, A))
    assert A not in repr(KeyringReport(keys={A: 1}, primary_keys={A: 1}))


def test_report_of_another_kind_is_a_fault_of_ours(ask: Ask, ctx: ApiContext) -> None:
    with pytest.raises(TypeError):
        performed(ask(ctx, PATH)).answer(None)
