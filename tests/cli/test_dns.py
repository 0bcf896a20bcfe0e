"""``nodedns dns``, against recorded answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]

TOP = {
    "Total": 12,
    "Error": 0,
    "IsEstimate": False,
    "Names": [
        {"Name": "wbe.node.consul.", "Count": 10, "Client": "192.0.2.7"},
        {"Name": "x.consul.", "Count": 2, "Client": ""},
    ],
}


def test_top_prints_a_table(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/dns/top", TOP)
    lines = [
        "Count  Name              Asked by",
        "10     wbe.node.consul.  192.0.2.7",
        "2      x.consul.         -",
        "",
        "12 questions for missing names in all",
    ]
    assert (0, "\n".join(lines) + "\n", "") == shell("dns", "top")
    assert ["GET /v1/dns/top"] == fake_agent.asked


def test_one_question_is_not_questions(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/dns/top", TOP | {"Total": 1})
    assert shell("dns", "top")[1].endswith("\n1 question for missing names in all\n")


def test_top_asks_for_as_many_as_told(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/dns/top", TOP)
    shell("dns", "top", "-n", "20")
    assert ["GET /v1/dns/top?n=20"] == fake_agent.asked


def test_top_says_how_sure_it_is(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/dns/top", TOP | {"Error": 3, "IsEstimate": True})
    out = shell("dns", "top")[1]
    assert out.endswith("in all (counts may be 3 too low; some were counted by samples)\n")


def test_top_without_names_says_so(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/dns/top", {"Total": 0, "Names": []})
    assert (0, "No name that does not exist was asked for\n", "") == shell("dns", "top")


@pytest.mark.parametrize("answer", [{}, {"Names": 5}, {"Names": [5]}, {"Names": [{}]}, []])
def test_top_of_another_program_is_no_traceback(shell: Shell, fake_agent: Any, answer: object) -> None:
    fake_agent.answer("GET /v1/dns/top", answer)
    code, _, err = shell("dns", "top")
    assert 1 == code
    assert err.endswith("is not that of an agent; does something else listen there?\n")


@pytest.mark.parametrize(
    ("flag", "asked", "line"),
    [
        ("-enable", "PUT /v1/dns/query-log?enable=true", "Query log is now enabled\n"),
        ("-disable", "PUT /v1/dns/query-log?enable=false", "Query log is now disabled\n"),
    ],
)
def test_query_log_is_switched(shell: Shell, fake_agent: Any, flag: str, asked: str, line: str) -> None:
    fake_agent.answer("PUT /v1/dns/query-log", text="")
    assert (0, line, "") == shell("dns", "query-log", flag)
    assert [asked] == fake_agent.asked


def test_query_log_without_a_flag_tells_its_state(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/dns/query-log", {"Enabled": True, "Lines": 7, "Suppressed": 2})
    assert (0, "Query log is enabled; 7 lines written, 2 held back\n", "") == shell("dns", "query-log")


def test_query_log_takes_one_flag_of_the_two(shell: Shell, fake_agent: Any) -> None:
    assert (1, "", "Only one of -enable or -disable may be provided\n") == shell(
        "dns", "query-log", "-enable", "-disable"
    )
    assert [] == fake_agent.asked


@pytest.mark.parametrize("command", ["top", "query-log"])
def test_refusal_of_the_agent_is_shown(shell: Shell, fake_agent: Any, command: str) -> None:
    fake_agent.answer(f"GET /v1/dns/{command}", status=400, text="why")
    assert (1, "", "Error querying agent: Unexpected response code: 400 (why)\n") == shell("dns", command)


@pytest.mark.parametrize("command", ["top", "query-log"])
def test_arguments_are_refused(shell: Shell, command: str) -> None:
    code, _, err = shell("dns", command, "x")
    assert 1 == code
    assert err.startswith("Too many arguments (expected 0, got 1)\n")
