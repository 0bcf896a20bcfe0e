"""``/v1/agent/health/service``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from nodedns.api.context import LocalReadings
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.check import Check, CheckStatus
from nodedns.model.service import Service
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]

PASSING, WARNING, CRITICAL = CheckStatus.PASSING, CheckStatus.WARNING, CheckStatus.CRITICAL
BY_NAME = "/v1/agent/health/service/name/"
BY_ID = "/v1/agent/health/service/id/"


def asked(ask: Ask, target: str, *checks: Check, **headers: str) -> Response:
    """The answer of an agent with two instances of web, one of db, and these checks."""
    agent = TableAgent()
    services = {key: Service(key, key.rstrip("12")) for key in ("web1", "web2", "db")}
    agent.have(LocalReadings(services=services, checks={check.id: check for check in checks}))
    response = ask(agent.api_context(), target, **headers)
    assert isinstance(response, Response)
    return response


def of(service_id: str, status: CheckStatus, check_id: str = "") -> Check:
    return Check(check_id or f"{service_id}-{status.value}", "n", status, service_id=service_id)


def reason(response: Response) -> str:
    return dict(response.headers)["X-Consul-Reason"]


NODE_CRITICAL = of("", CRITICAL, "node")
MAINTENANCE = of("", CRITICAL, "_node_maintenance")


@pytest.mark.parametrize(
    ("checks", "status", "word"),
    [
        ([], 200, "passing"),
        ([of("web1", PASSING)], 200, "passing"),
        ([of("web1", PASSING), of("web1", WARNING)], 429, "warning"),
        ([of("web1", WARNING), of("web1", CRITICAL)], 503, "critical"),
        ([of("web2", CRITICAL)], 200, "passing"),
        ([of("", WARNING)], 429, "warning"),
        ([NODE_CRITICAL], 503, "critical"),
        ([MAINTENANCE], 503, "maintenance"),
        ([of("web1", CRITICAL), of("web1", CRITICAL, "_service_maintenance:web1")], 503, "maintenance"),
    ],
)
def test_health_by_id_is_a_status(ask: Ask, checks: list[Check], status: int, word: str) -> None:
    response = asked(ask, f"{BY_ID}web1", *checks)
    told = json.loads(response.body)
    assert (status, word, word) == (response.status, reason(response), told["AggregatedStatus"])
    assert ["AggregatedStatus", "Service", "Checks"] == list(told)
    text = asked(ask, f"{BY_ID}web1?format=text", *checks)
    assert (status, word, word) == (text.status, reason(text), text.body.decode())


@pytest.mark.parametrize(
    ("checks", "status", "word", "each"),
    [
        ([], 200, "passing", ["passing", "passing"]),
        ([of("web2", WARNING)], 429, "warning", ["passing", "warning"]),
        ([of("web1", CRITICAL), of("web2", WARNING)], 503, "critical", ["critical", "warning"]),
        ([of("db", CRITICAL)], 200, "passing", ["passing", "passing"]),
        ([MAINTENANCE], 503, "maintenance", ["maintenance", "maintenance"]),
    ],
)
def test_worst_instance_decides_for_the_name(
    ask: Ask, checks: list[Check], status: int, word: str, each: list[str]
) -> None:
    response = asked(ask, f"{BY_NAME}web", *checks)
    told = [found["AggregatedStatus"] for found in json.loads(response.body)]
    assert (status, word, each) == (response.status, reason(response), told)


def test_checks_of_the_node_come_before_those_of_the_service(ask: Ask) -> None:
    response = asked(ask, f"{BY_ID}web1", of("web1", PASSING, "a"), NODE_CRITICAL, of("db", PASSING, "b"))
    told = json.loads(response.body)
    assert ["node", "a"] == [check["CheckID"] for check in told["Checks"]]
    assert ("web1", "web") == (told["Service"]["ID"], told["Service"]["Service"])


def test_unknown_name_is_an_empty_list_with_404(ask: Ask) -> None:
    response = asked(ask, f"{BY_NAME}absent")
    assert (404, b"[]", "ServiceName absent Not Found") == (response.status, response.body, reason(response))
    text = asked(ask, f"{BY_NAME}absent?format=text")
    assert (404, b"ServiceName absent Not Found") == (text.status, text.body)


def test_unknown_id_is_critical_and_empty_with_404(ask: Ask) -> None:
    response = asked(ask, f"{BY_ID}web")
    expected = b'{"AggregatedStatus":"critical","Service":null,"Checks":null}'
    assert (404, expected, "ServiceId web not found") == (response.status, response.body, reason(response))


@pytest.mark.parametrize(("path", "text"), [(BY_NAME, b"Missing service Name"), (BY_ID, b"Missing serviceID")])
def test_nothing_asked_for_is_refused(ask: Ask, path: str, text: bytes) -> None:
    response = asked(ask, path)
    assert (400, text) == (response.status, response.body)


def test_client_that_accepts_text_gets_text(ask: Ask) -> None:
    response = asked(ask, f"{BY_NAME}web", accept="text/plain, */*")
    assert (b"passing", True) == (response.body, dict(response.headers)["Content-Type"].startswith("text/plain"))
    assert b"{" == asked(ask, f"{BY_ID}web1?format=json").body[:1]


def test_reason_is_fit_for_a_header(ask: Ask) -> None:
    response = asked(ask, f"{BY_NAME}caf%C3%A9")
    assert "ServiceName caf? Not Found" == reason(response)
