"""``nodedns why``: the story as an admin reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]

PATH = "GET /v1/agent/why/agent-two"
PROBE = {
    "LastAckSecondsAgo": 3_700.2,
    "LastRTTSeconds": 0.0012,
    "LastMissSecondsAgo": 133.0,
    "LastMissDetail": "no ack over UDP",
}


def change(at: str, text: str, name: str = "agent-two") -> dict[str, Any]:
    return {"Name": name, "At": at, "Text": text}


STORY = {
    "Name": "agent-two",
    "Address": "10.0.0.2:8301",
    "Status": "failed",
    "IsSuspected": False,
    "SinceSeconds": 133.4,
    "Probe": PROBE,
    "Entries": [
        change("2023-11-14T23:59:59.500Z", "suspected by agent-five"),
        change("2023-11-15T00:00:03.000Z", "declared dead by this agent"),
    ],
    "Hints": ["only agent-five accused it"],
}


def test_story_is_told_in_order(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, STORY)
    code, out, err = shell("why", "agent-two")
    assert (0, "") == (code, err)
    assert [
        "agent-two  failed since 2m13s (10.0.0.2:8301)",
        "  2023-11-14 (UTC)",
        "  23:59:59  suspected by agent-five",
        "  2023-11-15 (UTC)",
        "  00:00:03  declared dead by this agent",
        "  last answer over UDP 1h1m ago, in 1.2 ms",
        "  last probe without one 2m13s ago: no ack over UDP",
        "  hint: only agent-five accused it",
    ] == out.splitlines()


def test_nothing_known_is_said_plainly(shell: Shell, fake_agent: Any) -> None:
    nothing = {"LastAckSecondsAgo": None, "LastMissSecondsAgo": None}
    fake_agent.answer(PATH, {**STORY, "SinceSeconds": None, "Entries": [], "Hints": [], "Probe": nothing})
    out = shell("why", "agent-two")[1]
    assert ["agent-two  failed (10.0.0.2:8301)", "  nothing is remembered of it"] == out.splitlines()


def test_suspect_is_called_that(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, {**STORY, "Status": "alive", "IsSuspected": True})
    assert shell("why", "agent-two")[1].startswith("agent-two  alive since 2m13s, now suspected (10.0.0.2:8301)")


def test_hostile_name_does_not_steer_the_terminal(shell: Shell, fake_agent: Any) -> None:
    hostile = {**STORY, "Name": "a\x1b[2J\r\nb", "Entries": [change("2023-11-14T23:59:59.500Z", "by \x9b31m\u202e")]}
    fake_agent.answer(PATH, hostile)
    out = shell("why", "agent-two")[1]
    assert out.startswith("a\\x1b[2J\\r\\nb  failed")
    assert "by \\x9b31m\\u202e" in out


def test_name_is_quoted_on_its_way(shell: Shell, fake_agent: Any) -> None:
    assert 1 == shell("why", "a/b c")[0]
    assert ["GET /v1/agent/why/a%2Fb%20c"] == fake_agent.asked


def test_json_is_what_the_agent_said(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, STORY)
    assert STORY == json.loads(shell("why", "-format=json", "agent-two")[1])


def test_last_changes_of_all_name_their_members(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/agent/why", [change("2023-11-14T23:59:59.500Z", "joined", "one")])
    assert ["  2023-11-14 (UTC)", "  23:59:59  one: joined"] == shell("why", "-last=7")[1].splitlines()
    assert ["GET /v1/agent/why?last=7"] == fake_agent.asked


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a", "b"], "At most one node name"),
        (["-format=xml"], "-format takes text or json"),
        (["-last=0"], "-last takes a number from 1 to 1000, not 0"),
        (["-last=3", "a"], "-last is for the changes of all members"),
    ],
)
def test_wrong_words_are_named(shell: Shell, words: list[str], expected: str) -> None:
    code, _, err = shell("why", *words)
    assert 1 == code
    assert expected in err


def test_unknown_member_is_told_in_the_agents_words(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, status=404, text="No member named 'agent-two' is known here")
    assert (1, "Error asking why: Unexpected response code: 404 (No member named 'agent-two' is known here)\n") == (
        shell("why", "agent-two")[::2]
    )


def test_answer_of_something_else_is_told_apart(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, {"Name": "x"})
    assert "is not that of an agent" in shell("why", "agent-two")[2]
