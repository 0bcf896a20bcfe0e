"""``nodedns query`` against recorded replies."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]

ASKED = {"Type": "asked"}
CLOSED = {"Type": "closed", "Acks": 2, "Responses": 1, "Seconds": 3.2}
PATH = "PUT /v1/agent/query/uptime"


def ack(name: str) -> dict[str, Any]:
    return {"Type": "ack", "From": name, "Seconds": 0.25}


def response(name: str, payload: bytes) -> dict[str, Any]:
    return {"Type": "response", "From": name, "Payload": base64.b64encode(payload).decode(), "Seconds": 0.5}


def test_text_is_that_of_serf(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer_lines(PATH, [ASKED, ack("s1"), response("s1", b"up 3 days\n"), ack("s2"), CLOSED])
    code, out, err = shell("query", "uptime", "x \udcff")
    assert (0, "") == (code, err)
    assert [
        "Query 'uptime' dispatched",
        "Ack from 's1'",
        "Response from 's1': up 3 days",
        "Ack from 's2'",
        "Total Acks: 2",
        "Total Responses: 1",
    ] == out.splitlines()
    assert ([PATH], [b"x \xff"]) == (fake_agent.asked, fake_agent.bodies)


def test_without_acks_none_are_counted(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer_lines(PATH, [ASKED, CLOSED])
    assert "Query 'uptime' dispatched\nTotal Responses: 0\n" == shell("query", "-no-ack", "uptime")[1]


def test_json_is_that_of_serf(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer_lines(PATH, [ASKED, ack("s1"), response("s1", b"a\n\x1b\xff"), CLOSED])
    out = shell("query", "-format=json", "uptime")[1]
    assert {"Acks": ["s1"], "Responses": {"s1": "a\n\x1b\ufffd"}} == json.loads(out)
    assert "\x1b" not in out


def test_answer_cannot_steer_the_terminal_or_pose_as_another(shell: Shell, fake_agent: Any) -> None:
    hostile = b"\x1b[2Ja\tb\r\nAck from 's9'\n\n\xff"
    fake_agent.answer_lines(PATH, [ASKED, response("\x1bs1\n", hostile), CLOSED])
    shown = shell("query", "uptime")[1].splitlines()[1:-2]
    assert [r"Response from '\x1bs1\n': \x1b[2Ja" + "\tb\\r", "    Ack from 's9'", "    ", r"    \xff"] == shown


def test_flags_are_handed_over(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer_lines(PATH, [ASKED, CLOSED])
    flags = ("-node=a", "-node=b", "-tag=role=^web", "-no-ack", "-relay-factor=2", "-timeout=1m5s")
    assert 0 == shell("query", *flags, "uptime")[0]
    assert [f"{PATH}?node=a&node=b&tag=role%3D%5Eweb&no-ack=true&relay-factor=2&timeout=1m5s"] == fake_agent.asked


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "A query name must be specified.\n\nUsage: nodedns query"),
        (("a", "b", "c"), "Too many command line arguments. Only a name and payload must be specified.\n\nUsage"),
        (("-format=xml", "a"), '-format takes text or json, not "xml".'),
        (("-relay-factor=6", "a"), "-relay-factor takes a number from 0 to 5, not 6."),
        (("-tag=bad", "a"), "Error: Invalid tag: 'bad'; -tag takes key=regexp."),
        (("-tag==bad", "a"), "Error: Invalid tag: '=bad'; -tag takes key=regexp."),
    ],
)
def test_wrong_command_line_is_explained(shell: Shell, words: tuple[str, ...], text: str) -> None:
    code, out, err = shell("query", *words)
    assert (1, "") == (code, out)
    assert err.startswith(text)


def test_error_of_the_agent_is_shown(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, status=413, text="too long")
    assert (1, "", "Error sending query: Unexpected response code: 413 (too long)\n") == shell("query", "uptime")


def test_agent_that_stops_early_is_an_error(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer_lines(PATH, [ASKED, ack("s1")])
    code, out, err = shell("query", "uptime")
    assert (1, "Query 'uptime' dispatched\nAck from 's1'\n") == (code, out)
    assert err.startswith("Error sending query: the agent stopped before the query's time was over")


@pytest.mark.parametrize(
    "line",
    [5, [], {}, {"Type": "other"}, {"Type": "ack"}, {"Type": "response", "From": "a", "Payload": "%", "Seconds": 1}],
)
def test_json_of_another_program_is_no_traceback(shell: Shell, fake_agent: Any, line: object) -> None:
    fake_agent.answer_lines(PATH, [line])
    code, _, err = shell("query", "uptime")
    assert 1 == code
    assert err.endswith("is not that of an agent; does something else listen there?\n")


def test_line_that_is_no_json_is_no_traceback(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(PATH, text="<html>\n")
    code, _, err = shell("query", "uptime")
    assert (1, True) == (code, "is no JSON" in err)
