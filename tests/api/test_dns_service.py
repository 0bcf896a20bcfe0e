"""``/v1/dns``: the most asked missing names, and the query log."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from nodedns.api.actions import ForgetMissingNames, Perform, SwitchQueryLog
from nodedns.api.context import ApiContext, DnsReadings, QueryLogState
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.missing_name import MissingName, MissingSummary

Ask = Callable[..., Outcome]
Get = Callable[..., object]


def summary(limit: int) -> MissingSummary:
    names = tuple(MissingName(f"n{number}.consul.", 2_000 - number, "192.0.2.7") for number in range(limit))
    return MissingSummary(names, 5_000, 3, True)


@pytest.fixture
def serving(ctx: ApiContext) -> ApiContext:
    return attrs.evolve(ctx, dns=DnsReadings(top_missing=summary, query_log=lambda: QueryLogState(True, 5, 2)))


def test_top_lists_names_and_says_how_sure_it_is(get: Get, serving: ApiContext) -> None:
    assert {
        "Total": 5_000,
        "Error": 3,
        "IsEstimate": True,
        "Names": [{"Name": "n0.consul.", "Count": 2_000, "Client": "192.0.2.7"}],
    } == get(serving, "/v1/dns/top?n=1")


@pytest.mark.parametrize(("query", "names"), [("", 10), ("?n=", 10), ("?n=3", 3), ("?n=1000", 1000)])
def test_top_lists_as_many_as_asked(get: Get, serving: ApiContext, query: str, names: int) -> None:
    value = get(serving, f"/v1/dns/top{query}")

    assert isinstance(value, dict)
    assert names == len(value["Names"])


@pytest.mark.parametrize("n", ["0", "-1", "1001", "x", "1.5", "99999999999999999999", "%C2%B2", "٣"])
def test_a_number_that_is_none_is_refused(ask: Ask, serving: ApiContext, n: str) -> None:
    response = ask(serving, f"/v1/dns/top?n={n}" if n.isascii() else "/v1/dns/top?n=%D9%A3")

    assert isinstance(response, Response)
    text = b"Invalid value for n: it must be a whole number from 1 to 1000"
    assert (400, text) == (response.status, response.body)


def test_delete_counts_anew(ask: Ask, serving: ApiContext) -> None:
    outcome = ask(serving, "/v1/dns/top", "DELETE")

    assert isinstance(outcome, Perform)
    assert ForgetMissingNames() == outcome.action
    assert 200 == outcome.answer(None).status


def test_query_log_tells_its_state(get: Get, serving: ApiContext) -> None:
    assert {"Enabled": True, "Lines": 5, "Suppressed": 2} == get(serving, "/v1/dns/query-log")


@pytest.mark.parametrize(("enable", "is_on"), [("true", True), ("1", True), ("false", False), ("F", False)])
def test_query_log_is_switched(ask: Ask, serving: ApiContext, enable: str, is_on: bool) -> None:
    outcome = ask(serving, f"/v1/dns/query-log?enable={enable}", "PUT")

    assert isinstance(outcome, Perform)
    assert SwitchQueryLog(is_on) == outcome.action


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "Missing value for enable"),
        ("?enable=", "Invalid value for enable: it must be true or false"),
        ("?enable=yes", "Invalid value for enable: it must be true or false"),
    ],
)
def test_query_log_wants_a_truth_value(ask: Ask, serving: ApiContext, query: str, text: str) -> None:
    response = ask(serving, f"/v1/dns/query-log{query}", "PUT")

    assert isinstance(response, Response)
    assert (400, text) == (response.status, response.body.decode())
