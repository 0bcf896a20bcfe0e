"""``/v1/health``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nodedns.api.blocking import Wait
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.check import Check, CheckStatus
from nodedns.model.coordinate import ORIGIN, Coordinate
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.table.changes import CheckDeregistered, CheckRegistered, MemberUpserted, ServiceRegistered
from nodedns.table.parts import CHECKS, node_part, service_part
from nodedns.testing.table_agent import TableAgent, agent_member

Ask = Callable[..., Outcome]
Get = Callable[..., object]

PRINTER = NodeName("printer")


def checked(node: str, check_id: str, status: CheckStatus, service: str = "", output: str = "") -> CheckRegistered:
    check = Check(check_id, f"the {check_id}", status, "notes", output, service, service, ("v1",) if service else ())
    return CheckRegistered(NodeName(node), check)


@pytest.fixture
def agent(agent: TableAgent) -> TableAgent:
    """``agent`` with web on one (passing), two (failed) and the printer (warning); indexes to 110."""
    agent.apply(
        *(ServiceRegistered(NodeName(node), Service("web", "web", ("v1", node))) for node in ("one", "two", "printer")),
        checked("one", "http", CheckStatus.PASSING, "web"),
        checked("printer", "ink", CheckStatus.WARNING),
        checked("printer", "paper", CheckStatus.PASSING, "web", "full"),
    )
    return agent


def placed(found: Any) -> list[tuple[str, str]]:
    return [(check["Node"], check["CheckID"]) for check in found]


def test_check_has_consuls_fields_in_consuls_order(get: Get, agent: TableAgent) -> None:
    found: Any = get(agent.api_context(), "/v1/health/node/PRINTER")
    wanted = {
        "Node": "printer",
        "CheckID": "paper",
        "Name": "the paper",
        "Status": "passing",
        "Notes": "notes",
        "Output": "full",
        "ServiceID": "web",
        "ServiceName": "web",
        "ServiceTags": ["v1"],
        "Type": "",
        "Interval": "",
        "Timeout": "",
        "ExposedPort": 0,
        "Definition": {},
        "CreateIndex": 110,
        "ModifyIndex": 110,
    }
    assert ["ink", "paper"] == [check["CheckID"] for check in found]
    assert list(wanted.items()) == list(found[1].items())


def test_definition_of_a_check_is_shown_as_told(get: Get, agent: TableAgent) -> None:
    told = {"HTTP": "http://x/", "Header": {"a": ["b"]}, "TLSSkipVerify": True}
    agent.apply(CheckRegistered(PRINTER, Check("c", "c", CheckStatus.PASSING, definition=told)))
    found: Any = get(agent.api_context(), "/v1/health/node/printer?filter=CheckID%20==%20c")
    assert [told] == [check["Definition"] for check in found]


def test_members_have_the_check_of_gossip(get: Get, agent: TableAgent) -> None:
    found: Any = get(agent.api_context(), "/v1/health/state/any?filter=CheckID%20==%20serfHealth")
    assert [
        ("one", "passing", "Serf Health Status", "Agent alive and reachable"),
        ("two", "critical", "Serf Health Status", "Agent not live or unreachable"),
    ] == [(check["Node"], check["Status"], check["Name"], check["Output"]) for check in found]


@pytest.mark.parametrize(
    ("state", "checks"),
    [
        (
            "any",
            [("one", "http"), ("one", "serfHealth"), ("printer", "ink"), ("printer", "paper"), ("two", "serfHealth")],
        ),
        ("passing", [("one", "http"), ("one", "serfHealth"), ("printer", "paper")]),
        ("warning", [("printer", "ink")]),
        ("critical", [("two", "serfHealth")]),
        ("unheard-of", []),
        ("any?node-meta=rack:one", [("one", "http"), ("one", "serfHealth")]),
        ("any?filter=ServiceName%20==%20web", [("one", "http"), ("printer", "paper")]),
    ],
)
def test_checks_are_listed_by_state(get: Get, agent: TableAgent, state: str, checks: list[tuple[str, str]]) -> None:
    assert checks == placed(get(agent.api_context(), f"/v1/health/state/{state}"))


def test_checks_of_a_service_are_its_own(get: Get, agent: TableAgent) -> None:
    assert [("one", "http"), ("printer", "paper")] == placed(get(agent.api_context(), "/v1/health/checks/WEB"))
    assert [("one", "http")] == placed(get(agent.api_context(), "/v1/health/checks/web?node-meta=rack:one"))


def test_checks_near_a_node_come_first(get: Get, agent: TableAgent) -> None:
    agent.locate("printer", ORIGIN)
    agent.locate("one", Coordinate((0.01, *[0.0] * 7)))
    found = get(agent.api_context(), "/v1/health/checks/web?near=printer")
    assert [("printer", "paper"), ("one", "http")] == placed(found)


def test_instance_has_its_node_its_service_and_the_checks_of_both(get: Get, agent: TableAgent) -> None:
    found: Any = get(agent.api_context(), "/v1/health/service/web")
    one, printer, two = found
    assert ["Node", "Service", "Checks"] == list(one)
    assert ("one", "web", ["v1", "one"]) == (one["Node"]["Node"], one["Service"]["ID"], one["Service"]["Tags"])
    assert [["serfHealth", "http"], ["ink", "paper"], ["serfHealth"]] == [
        [check["CheckID"] for check in instance["Checks"]] for instance in (one, printer, two)
    ]


@pytest.mark.parametrize(
    ("query", "nodes"),
    [
        ("", ["one", "printer", "two"]),
        ("passing", ["one"]),
        ("passing=1", ["one"]),
        ("passing=true", ["one"]),
        ("passing=false", ["one", "printer", "two"]),
        ("tag=V1&tag=PRINTER", ["printer"]),
        ("tag=", []),
        ("node-meta=rack:two", ["two"]),
        ("filter=Checks.Status%20==%20warning", ["printer"]),
        ("filter=Service.Meta%20is%20empty%20and%20Node.Node%20!=%20one", ["printer", "two"]),
        ("near=two", ["two", "one", "printer"]),
    ],
)
def test_instances_are_those_asked_for(get: Get, agent: TableAgent, query: str, nodes: list[str]) -> None:
    agent.locate("two", ORIGIN)
    agent.locate("one", Coordinate((0.01, *[0.0] * 7)))
    found: Any = get(agent.api_context(), f"/v1/health/service/WEB?{query}")
    assert nodes == [instance["Node"]["Node"] for instance in found]


@pytest.mark.parametrize("path", ["node/nobody", "checks/none", "service/none", "state/Passing"])
def test_what_is_not_there_is_an_empty_list(get: Get, agent: TableAgent, path: str) -> None:
    assert [] == get(agent.api_context(), f"/v1/health/{path}")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("node/", 400, "Missing node name"),
        ("checks/", 400, "Missing service name"),
        ("service/", 400, "Missing service name"),
        ("state/", 400, "Missing check state"),
        ("service/web?passing=maybe", 400, "Invalid value for ?passing"),
        ("service/web?index=x", 400, "Invalid index"),
        ("service/web?dc=dc9", 500, "No path to datacenter"),
        (
            "state/any?filter=Service%20==%20x",
            500,
            'Failed to create boolean expression evaluator: Selector "Service" is not valid',
        ),
    ],
)
def test_bad_request_has_consuls_text(ask: Ask, agent: TableAgent, path: str, status: int, text: str) -> None:
    response = ask(agent.api_context(), f"/v1/health/{path}")
    assert isinstance(response, Response)
    assert (status, text) == (response.status, response.body.decode())


def waiting(ask: Ask, agent: TableAgent, path: str) -> Wait:
    wait = ask(agent.api_context(), f"/v1/health/{path}?index=110")
    assert isinstance(wait, Wait)
    return wait


def test_node_wakes_for_its_checks_alone(ask: Ask, agent: TableAgent) -> None:
    wait = waiting(ask, agent, "node/Printer")
    assert node_part("printer") == wait.part
    agent.apply(ServiceRegistered(PRINTER, Service("db", "db")), checked("one", "http", CheckStatus.CRITICAL, "web"))
    again = wait.resume(agent.api_context())
    assert isinstance(again, Wait)
    agent.apply(checked("printer", "paper", CheckStatus.PASSING, "web", "half full"))
    response = again.resume(agent.api_context())
    assert isinstance(response, Response)
    assert "half full" == json.loads(response.body)[1]["Output"]


@pytest.mark.parametrize("path", ["service/web", "checks/web"])
def test_service_wakes_for_a_check_of_its_own_and_not_of_another(ask: Ask, agent: TableAgent, path: str) -> None:
    wait = waiting(ask, agent, path)
    assert service_part("web") == wait.part
    agent.apply(
        MemberUpserted(agent_member("four", "10.0.0.4")), ServiceRegistered(NodeName("four"), Service("x", "x"))
    )
    agent.apply(checked("four", "c", CheckStatus.CRITICAL, "x"))
    again = wait.resume(agent.api_context())
    assert isinstance(again, Wait)
    agent.apply(checked("one", "http", CheckStatus.CRITICAL, "web"))
    response = again.resume(agent.api_context())
    assert isinstance(response, Response)
    assert b'"critical"' in response.body


def test_service_wakes_when_gossip_loses_its_node(ask: Ask, agent: TableAgent) -> None:
    wait = waiting(ask, agent, "service/web")
    agent.apply(MemberUpserted(agent_member("one", "10.0.0.1", is_server=True, status=MemberStatus.FAILED)))
    assert isinstance(wait.resume(agent.api_context()), Response)


def test_state_sleeps_through_checks_of_other_states(ask: Ask, agent: TableAgent) -> None:
    critical, anything = waiting(ask, agent, "state/critical"), waiting(ask, agent, "state/any")
    assert CHECKS == critical.part
    agent.apply(checked("printer", "ink", CheckStatus.PASSING))
    again = critical.resume(agent.api_context())
    assert isinstance(again, Wait)
    assert isinstance(anything.resume(agent.api_context()), Response)
    agent.apply(checked("printer", "ink", CheckStatus.CRITICAL))
    assert isinstance(again.resume(agent.api_context()), Response)


def test_state_wakes_when_a_check_leaves_it(ask: Ask, agent: TableAgent) -> None:
    wait = waiting(ask, agent, "state/warning")
    agent.apply(CheckDeregistered(PRINTER, "ink"))
    response = wait.resume(agent.api_context())
    assert isinstance(response, Response)
    assert b"[]" == response.body
