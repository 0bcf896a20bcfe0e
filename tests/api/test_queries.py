"""Questions to the pool as HTTP asks them, and the lines that answer."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from nodedns.api.queries import Acked, Answered, Asked, AskPool, Closed, Follow, Progress, line_of
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("target", "question"),
    [
        ("uptime", AskPool(name="uptime")),
        ("a%2Fb?node=x&node=y", AskPool(name="a/b", nodes=("x", "y"))),
        ("q?tag=role%3D%5Eweb&tag=a=b=c", AskPool(name="q", tags={"role": "^web", "a": "b=c"})),
        ("q?no-ack", AskPool(name="q", wants_acks=False)),
        ("q?no-ack=false", AskPool(name="q")),
        ("q?relay-factor=5&timeout=1m5s", AskPool(name="q", relay_factor=5, timeout_s=65.0)),
        ("_serf_ping", AskPool(name="_serf_ping")),
    ],
)
def test_question_is_read(ask: Ask, target: str, question: AskPool) -> None:
    assert Follow(question) == ask(TableAgent().api_context(), f"/v1/agent/query/{target}", "PUT")


def test_body_is_the_payload(ask: Ask) -> None:
    outcome = ask(TableAgent().api_context(), "/v1/agent/query/q", "PUT", b"\xff\x00")
    assert Follow(AskPool(name="q", payload=b"\xff\x00")) == outcome


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("", "Missing name"),
        ("_serf_list-keys", "Queries cannot contain the '_serf_' prefix"),
        ("q?tag=role", "Invalid tag: 'role'; it takes key=regexp"),
        ("q?tag==x", "Invalid tag: '=x'; it takes key=regexp"),
        ("q?" + "&".join(f"tag={n}=x" for n in range(16)), "A query takes at most 15 tag filters"),
        ("q?relay-factor=6", "Invalid relay-factor: it is a number from 0 to 5"),
        ("q?relay-factor=-1", "Invalid relay-factor: it is a number from 0 to 5"),
        ("q?relay-factor=%D9%A3", "Invalid relay-factor: it is a number from 0 to 5"),
        ("q?timeout=5", "Invalid timeout: it takes a duration such as 15s"),
        ("q?timeout=-5s", "Invalid timeout: it is at most 600 s"),
        ("q?timeout=11m", "Invalid timeout: it is at most 600 s"),
    ],
)
def test_bad_question_is_400(ask: Ask, target: str, text: str) -> None:
    response = ask(TableAgent().api_context(), f"/v1/agent/query/{target}", "PUT")
    assert isinstance(response, Response)
    assert (400, text) == (response.status, response.body.decode())


def test_ping_carries_no_payload(ask: Ask) -> None:
    response = ask(TableAgent().api_context(), "/v1/agent/query/_serf_ping", "PUT", b"x")
    assert isinstance(response, Response)
    assert 400 == response.status


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Asked(), {"Type": "asked"}),
        (Acked("a", 0.0012345678), {"Type": "ack", "From": "a", "Seconds": 0.001235}),
        (Answered("a", b"\xff", 1.0), {"Type": "response", "From": "a", "Payload": "/w==", "Seconds": 1.0}),
        (Closed(2, 1, 3.2), {"Type": "closed", "Acks": 2, "Responses": 1, "Seconds": 3.2}),
    ],
)
def test_what_happened_is_one_line(progress: Progress, line: dict[str, object]) -> None:
    text = line_of(progress)
    assert line == json.loads(text)
    assert (1, True) == (text.count(b"\n"), text.endswith(b"\n"))


def test_names_from_the_network_cannot_break_a_line() -> None:
    line = line_of(Acked('a\n"\x1b\udcff\u2028', 0.0))
    assert b'{"Type":"ack","From":"a\\n\\"\\u001b\\udcff\\u2028","Seconds":0.0}\n' == line
