"""``nodedns maint`` against recorded answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]

CHECKS = "GET /v1/agent/checks"
NODE = "PUT /v1/agent/maintenance"
SERVICE = "PUT /v1/agent/service/maintenance/web%2F1"


@pytest.mark.parametrize(
    ("flags", "asked", "said"),
    [
        (["-enable"], f"{NODE}?enable=true", "Node maintenance is now enabled\n"),
        (["-enable", "-reason=a b"], f"{NODE}?enable=true&reason=a+b", "Node maintenance is now enabled\n"),
        (["-disable"], f"{NODE}?enable=false", "Node maintenance is now disabled\n"),
        (
            ["-enable", "-service=web/1", "-reason=x"],
            f"{SERVICE}?enable=true&reason=x",
            'Service maintenance is now enabled for "web/1"\n',
        ),
        (
            ["-disable", "-service=web/1"],
            f"{SERVICE}?enable=false",
            'Service maintenance is now disabled for "web/1"\n',
        ),
    ],
)
def test_maintenance_is_switched(shell: Shell, fake_agent: Any, flags: list[str], asked: str, said: str) -> None:
    fake_agent.answer(NODE)
    fake_agent.answer(SERVICE)
    assert (0, said, "") == shell("maint", *flags)
    assert [asked] == fake_agent.asked


def test_what_is_in_maintenance_is_listed(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(
        CHECKS,
        {
            "_node_maintenance": {"CheckID": "_node_maintenance", "Node": "one", "Notes": "new disk"},
            "_service_maintenance:web": {
                "CheckID": "_service_maintenance:web",
                "ServiceID": "web",
                "Notes": "odd\x1b[2J",
            },
            "ping": {"CheckID": "ping", "Notes": "not maintenance"},
        },
    )
    expected = "Node:\n  Name:   one\n  Reason: new disk\n\nService:\n  ID:     web\n  Reason: odd\\x1b[2J\n\n"
    assert (0, expected, "") == shell("maint")


def test_nothing_in_maintenance_prints_nothing(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(CHECKS, {})
    assert (0, "", "") == shell("maint")


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["-enable", "-disable"], "Only one of -enable or -disable may be provided"),
        (["-reason=x"], "Reason may only be provided with -enable"),
        (["-disable", "-reason=x"], "Reason may only be provided with -enable"),
        (["-service=web"], "Service requires either -enable or -disable"),
        (["web"], "Too many arguments (expected 0, got 1)"),
    ],
)
def test_flags_that_make_no_sense_are_refused(shell: Shell, fake_agent: Any, flags: list[str], text: str) -> None:
    assert (1, "", f"{text}\n") == shell("maint", *flags)
    assert [] == fake_agent.asked


@pytest.mark.parametrize(
    ("flags", "doing"),
    [
        (["-enable"], "enabling node maintenance"),
        (["-disable", "-service=web"], "disabling service maintenance"),
        ([], "getting checks"),
    ],
)
def test_refusal_of_the_agent_is_told(shell: Shell, fake_agent: Any, flags: list[str], doing: str) -> None:
    refusal = (404, b"no")
    fake_agent.answers |= {NODE: refusal, CHECKS: refusal, "PUT /v1/agent/service/maintenance/web": refusal}
    assert (1, "", f"Error {doing}: Unexpected response code: 404 (no)\n") == shell("maint", *flags)


@pytest.mark.parametrize("answer", [{"x": 7}, {"x": {}}, {"x": {"CheckID": "_node_maintenance"}}])
def test_answer_of_another_shape_is_an_error(shell: Shell, fake_agent: Any, answer: object) -> None:
    fake_agent.answer(CHECKS, answer)
    status, _, error = shell("maint")
    assert 1 == status
    assert error.startswith("Error getting checks: the answer to /v1/agent/checks is not that of an agent")
