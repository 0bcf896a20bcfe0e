"""The watch command: what it asks, prints and runs; and the rules for indexes, with a client that plays an agent."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest

from nodedns.cli.client import AgentClient, ClientError
from nodedns.cli.watching import FIRST_PAUSE_S, MAX_PAUSE_S, MIN_ROUND_S, Watch

Shell = Callable[..., tuple[int, str, str]]


class Agent:
    """Answers with what it is told, each once: a list and an index, or an error."""

    def __init__(self, *answers: tuple[Any, int] | ClientError) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []
        self.pauses: list[float] = []
        self.complaints: list[str] = []

    def get_indexed(self, path: str, query: Sequence[tuple[str, str]], answer_s: float) -> tuple[Any, int]:
        assert (path, True) == ("/v1/catalog/nodes", answer_s > 60)
        self.asked.append(dict(query))
        answer = self.answers.pop(0)
        if isinstance(answer, ClientError):
            raise answer
        return answer

    def changes(self, count: int) -> list[tuple[int, Any]]:
        watch = Watch(
            cast("AgentClient", self),
            "/v1/catalog/nodes",
            [("dc", "dc1")],
            pause=self.pauses.append,
            complain=self.complaints.append,
        )
        return [tuple(change) for change in islice(watch.changes(), count)]

    @property
    def indexes(self) -> list[str]:
        return [query.get("index", "") for query in self.asked]


def test_index_goes_with_the_next_question() -> None:
    agent = Agent(([1], 5), ([2], 7), ([3], 9))
    assert [(5, [1]), (7, [2]), (9, [3])] == agent.changes(3)
    assert ["", "5", "7"] == agent.indexes
    assert {"dc": "dc1", "index": "5", "wait": "60s"} == agent.asked[1]
    assert [MIN_ROUND_S, MIN_ROUND_S] == agent.pauses


def test_list_that_is_the_same_is_none_to_tell_of() -> None:
    agent = Agent(([1], 5), ([1], 5), ([1], 6), ([2], 7))
    assert [(5, [1]), (7, [2])] == agent.changes(2)


def test_index_that_goes_back_begins_anew() -> None:
    agent = Agent(([1], 500), ([2], 3), ([3], 4))
    assert [(500, [1]), (3, [2]), (4, [3])] == agent.changes(3)
    assert ["", "500", ""] == agent.indexes


def test_index_below_one_counts_as_one() -> None:
    agent = Agent(([1], 0), ([2], 0), ([3], 2))
    assert [(1, [1]), (1, [2]), (2, [3])] == agent.changes(3)
    assert ["", "1", "1"] == agent.indexes


def test_agent_that_goes_away_is_asked_again_more_and_more_slowly() -> None:
    gone = ClientError("connection refused\nhint")
    agent = Agent(([1], 5), *[gone] * 7, ([1], 2), ([2], 3))
    assert [(5, [1]), (3, [2])] == agent.changes(2)
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] == [pause for pause in agent.pauses if pause != MIN_ROUND_S]
    assert (FIRST_PAUSE_S, MAX_PAUSE_S) == (1.0, 30.0)
    assert "connection refused; asking again in 1 s" == agent.complaints[0]
    assert ["", "5", "", "", "", "", "", "", "", "2"] == agent.indexes


def test_pauses_begin_anew_after_an_answer() -> None:
    gone = ClientError("gone")
    agent = Agent(([1], 5), gone, gone, ([2], 6), gone, ([3], 7))
    agent.changes(3)
    assert [1.0, 2.0, 1.0] == [pause for pause in agent.pauses if pause != MIN_ROUND_S]


@pytest.mark.parametrize("status", [400, 403, 404])
def test_question_that_is_wrong_is_not_asked_again(status: int) -> None:
    agent = Agent(([1], 5), ClientError("refused", status))
    with pytest.raises(ClientError, match="refused"):
        agent.changes(2)


def test_agent_that_cannot_be_asked_the_first_time_is_told() -> None:
    with pytest.raises(ClientError, match="gone"):
        Agent(ClientError("gone")).changes(1)


# --- the command ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        (["-type=nodes"], "/v1/catalog/nodes"),
        (["-type=services", "-filter=a == b", "-datacenter=dc1"], "/v1/catalog/services?dc=dc1&filter=a+%3D%3D+b"),
        (["-type=service", "-service=a/b"], "/v1/health/service/a%2Fb"),
        (
            ["-type=service", "-service=web", "-tag=a", "-tag=b", "-passingonly=true"],
            "/v1/health/service/web?tag=a&tag=b&passing=1",
        ),
        (["-type=service", "-service=web", "-passingonly=false"], "/v1/health/service/web"),
        (["-type=checks"], "/v1/health/state/any"),
        (["-type=checks", "-state=critical"], "/v1/health/state/critical"),
        (["-type=checks", "-service=web"], "/v1/health/checks/web"),
        (["-type=event", "-name=deploy"], "/v1/event/list?name=deploy"),
    ],
)
def test_type_says_what_is_asked(shell: Shell, fake_agent: Any, flags: list[str], asked: str) -> None:
    fake_agent.answer(f"GET {asked.partition('?')[0]}", [{"Node": "one"}])
    text = json.dumps([{"Node": "one"}], indent=4) + "\n"
    assert (0, text, "") == shell("watch", *flags)
    assert [f"GET {asked}"] == fake_agent.asked


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([], "Watch type must be specified\n\nUsage: nodedns watch"),
        (["-type=pods"], "Unsupported watch type: pods; supported: checks, event, nodes, service, services\n"),
        (["-type=key", "x"], "Watch type key is not in nodedns: there is no key-value store.\n"),
        (["-key=x"], "Consul's flag -key is not in nodedns: there is no key-value store."),
        (["-type=service"], "Must specify a single service to watch\n"),
        (["-type=service", "-service=x", "-passingonly=maybe"], "Failed to parse passingonly: 'maybe' is neither"),
        (["-type=checks", "-service=x", "-state=passing"], "Cannot specify service and state\n"),
    ],
)
def test_wrong_command_line_is_explained(shell: Shell, flags: list[str], text: str) -> None:
    code, out, err = shell("watch", *flags)
    assert (1, "") == (code, out)
    assert err.startswith(text)


def test_agent_that_refuses_is_told(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/nodes", status=403, text="ACL not found")
    text = "Error querying Consul agent: Unexpected response code: 403 (ACL not found)\n"
    assert (1, "", text) == shell("watch", "-type=nodes")


def test_handler_gets_the_list_and_the_index_and_its_failure_ends_the_watch(
    shell: Shell, fake_agent: Any, tmp_path: Path
) -> None:
    fake_agent.answer("GET /v1/catalog/nodes", ["one"])
    code, _, err = shell(
        "watch", "-type=nodes", f"cat > {tmp_path}/got;", f"echo $CONSUL_INDEX >> {tmp_path}/got; exit 3"
    )
    assert (1, "Error executing handler: exit status 3\n") == (code, err)
    assert '["one"]\n1\n' == (tmp_path / "got").read_text()


def test_handler_without_a_shell_is_run_as_it_is(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/nodes", [])
    code, _, err = shell("watch", "-type=nodes", "-shell=false", "/absent program")
    assert (1, "Error starting handler: /absent program: no such file or directory\n") == (code, err)
