"""``nodedns reachability`` against recorded members and acks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]

PING = "PUT /v1/agent/query/_serf_ping"
MEMBERS = "GET /v1/agent/members"
ALIVE, LEFT, FAILED = 1, 3, 4
CLOSED = {"Type": "closed", "Acks": 0, "Responses": 0, "Seconds": 3.2}


def acks(*names: str) -> list[Any]:
    return [{"Type": "asked"}, *({"Type": "ack", "From": name, "Seconds": 0.25} for name in names), CLOSED]


def members(**statuses: int) -> list[Any]:
    return [
        {"Name": name, "Addr": f"10.0.0.{at}", "Port": 8301, "Status": status, "Tags": {}}
        for at, (name, status) in enumerate(statuses.items(), 1)
    ]


def test_all_reached_is_0(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(MEMBERS, members(a=ALIVE, b=ALIVE, gone=LEFT))
    fake_agent.answer_lines(PING, acks("a", "b"))
    assert (
        0,
        "Total members: 3, live members: 2\nStarting reachability test...\nSuccessfully contacted all live nodes\n",
        "",
    ) == shell("reachability")


def test_verbose_tells_each_ack_and_the_times(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(MEMBERS, members(a=ALIVE))
    fake_agent.answer_lines(PING, acks("a"))
    assert [
        "\tAck from 'a'",
        "Query time: 3.20 sec, time to last response: 0.25 sec",
        "Successfully contacted all live nodes",
    ] == shell("reachability", "-verbose")[1].splitlines()[2:]


@pytest.mark.parametrize(
    ("second", "third", "cause"),
    [
        (["b"], [], "it acked when asked again, so packets get lost"),
        ([], ["b"], "its ack comes through other members only; does a firewall or NAT stop"),
        ([], [], "no ack by any way; if it is down, it will show as failed soon"),
    ],
)
def test_missing_ack_is_told_with_its_likely_cause(
    shell: Shell, fake_agent: Any, second: list[str], third: list[str], cause: str
) -> None:
    fake_agent.answer(MEMBERS, members(a=ALIVE, b=ALIVE))
    fake_agent.answer_lines(PING, acks("a"), acks(*second), acks(*third))
    code, out, _ = shell("reachability")
    assert 1 == code
    lines = out.splitlines()
    assert ["Received less acks than live nodes! Missing acks from:", "\tb"] == lines[2:4]
    assert lines[-1].startswith(f"\tb (10.0.0.2:8301): {cause}")


# Serf relays nothing for a query that wants as many relays as there are members.
@pytest.mark.parametrize(("others", "relays"), [({}, 1), ({"c": ALIVE}, 2), ({"c": LEFT, "d": ALIVE, "e": ALIVE}, 3)])
def test_missing_member_is_asked_again_by_name_and_then_through_others(
    shell: Shell, fake_agent: Any, others: dict[str, int], relays: int
) -> None:
    fake_agent.answer(MEMBERS, members(a=ALIVE, b=ALIVE, **others))
    fake_agent.answer_lines(PING, acks("a", "c", "d", "e"), acks())
    shell("reachability")
    assert [PING, f"{PING}?node=b&relay-factor=0", f"{PING}?node=b&relay-factor={relays}"] == [
        asked for asked in fake_agent.asked if asked.startswith(PING)
    ]


def test_member_that_fails_meanwhile_is_told_as_gone(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer_lines(PING, acks("a"), acks())
    fake_agent.answer_lists(MEMBERS, members(a=ALIVE, b=ALIVE), members(a=ALIVE, b=FAILED))
    code, out, _ = shell("reachability")
    assert (1, "\tb (10.0.0.2:8301): it is gone meanwhile; see nodedns members") == (code, out.splitlines()[-1])


def test_only_so_many_are_asked_again(shell: Shell, fake_agent: Any) -> None:
    names = [f"{number:02}" + "x" * 60 for number in range(20)]
    fake_agent.answer(MEMBERS, members(**dict.fromkeys(names, ALIVE)))
    fake_agent.answer_lines(PING, acks())
    out = shell("reachability")[1]
    assert 9 == fake_agent.asked[2].count("node=")
    assert 11 == out.count("not asked again, there are too many")


def test_ack_of_a_member_that_is_not_alive_is_told(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(MEMBERS, members(a=ALIVE, b=FAILED))
    fake_agent.answer_lines(PING, acks("a", "b", "\x1bc"))
    code, out, _ = shell("reachability")
    assert 1 == code
    assert ["Received more acks than live nodes! Acks from non-live nodes:", "\tb", r"	\x1bc"] == out.splitlines()[
        2:5
    ]


def test_ack_of_a_member_that_came_meanwhile_is_no_surprise(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer_lists(MEMBERS, members(a=ALIVE), members(a=ALIVE, b=ALIVE))
    fake_agent.answer_lines(PING, acks("a", "b"))
    assert 0 == shell("reachability")[0]


def test_error_of_the_agent_is_shown(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(MEMBERS, status=500, text="why")
    assert (1, "", "Error testing reachability: Unexpected response code: 500 (why)\n") == shell("reachability")


def test_arguments_are_refused(shell: Shell) -> None:
    code, _, err = shell("reachability", "x")
    assert 1 == code
    assert err.startswith("Too many arguments (expected 0, got 1)\n\nUsage: nodedns reachability")


def test_json_of_another_program_is_no_traceback(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(MEMBERS, [{"Name": "a"}])
    code, _, err = shell("reachability")
    assert 1 == code
    assert err.endswith("is not that of an agent; does something else listen there?\n")
