"""``nodedns event`` against recorded answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]

ID = "b54fe110-7af5-cafc-d1fb-afc8ba432b1c"
FIRED = {"ID": ID, "Name": "deploy", "Payload": None, "Version": 1, "LTime": 0}


def test_id_is_printed(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/event/fire/deploy", FIRED)
    assert (0, f"Event ID: {ID}\n", "") == shell("event", "-name=deploy", "1.2 \udcff")
    assert (["PUT /v1/event/fire/deploy"], [b"1.2 \xff"]) == (fake_agent.asked, fake_agent.bodies)


def test_filters_are_handed_over(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/event/fire/a%2Fb", FIRED)
    shell("event", "-name=a/b", "-node=^web", "-service=s", "-tag=t", "-datacenter=dc1")
    assert ["PUT /v1/event/fire/a%2Fb?dc=dc1&node=%5Eweb&service=s&tag=t"] == fake_agent.asked


@pytest.mark.parametrize(("flags", "coalesce"), [((), "true"), (("-coalesce=false",), "false")])
def test_plain_event_says_whether_it_may_coalesce(
    shell: Shell, fake_agent: Any, flags: tuple[str, ...], coalesce: str
) -> None:
    fake_agent.answer("PUT /v1/event/fire/deploy", FIRED)
    assert 0 == shell("event", "-name=deploy", "-plain", *flags)[0]
    assert [f"PUT /v1/event/fire/deploy?plain=true&coalesce={coalesce}"] == fake_agent.asked


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "Event name must be specified\n\nUsage: nodedns event"),
        (("-name=x", "-tag=y"), "Cannot provide tag filter without service filter.\n\nUsage"),
        (("-name=x", "a", "b"), "Too many command line arguments.\n\nUsage"),
        (("-name=x", "-coalesce"), "-coalesce goes with -plain"),
        (("-name=x", "-namespace=t"), "Consul's flag -namespace is not in nodedns"),
    ],
)
def test_wrong_command_line_is_explained(shell: Shell, words: tuple[str, ...], text: str) -> None:
    code, out, err = shell("event", *words)
    assert (1, "") == (code, out)
    assert err.startswith(text)


def test_bad_filter_has_consuls_text(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/event/fire/x", status=500, text="Invalid node filter: missing )")
    assert (1, "", "Failed to compile node filter regexp: missing )\n") == shell("event", "-name=x", "-node=(")


def test_error_of_the_agent_is_shown(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/event/fire/x", status=413, text="too large")
    assert (1, "", "Error firing event: Unexpected response code: 413 (too large)\n") == shell("event", "-name=x")


@pytest.mark.parametrize("answer", [5, [], {}, {"ID": 5}])
def test_json_of_another_program_is_no_traceback(shell: Shell, fake_agent: Any, answer: object) -> None:
    fake_agent.answer("PUT /v1/event/fire/x", answer)
    code, _, err = shell("event", "-name=x")
    assert 1 == code
    assert err.endswith("is not that of an agent; does something else listen there?\n")
