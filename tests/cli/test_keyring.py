"""``nodedns keyring`` against recorded answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]

PATH = "/v1/operator/keyring"
A, B = "MDEyMzQ1Njc4OWFiY2RlZg==", "ZmVkY2JhOTg3NjU0MzIxMA=="
POOL = {"WAN": False, "Datacenter": "dc1", "Segment": "", "Keys": {B: 2, A: 3}, "PrimaryKeys": {A: 3}, "NumNodes": 3}


@pytest.mark.parametrize(
    ("flag", "method", "progress"),
    [
        ("install", "POST", "Installing new gossip encryption key..."),
        ("use", "PUT", "Changing primary gossip encryption key..."),
        ("remove", "DELETE", "Removing gossip encryption key..."),
    ],
)
def test_change_sends_the_key_and_says_what_it_does(
    shell: Shell, fake_agent: Any, flag: str, method: str, progress: str
) -> None:
    fake_agent.answer(f"{method} {PATH}")
    assert (0, f"==> {progress}\n", "") == shell("keyring", f"-{flag}={A}", "-relay-factor=2")
    assert [f"{method} {PATH}?relay-factor=2"] == fake_agent.asked
    assert [{"Key": A}] == [json.loads(body) for body in fake_agent.bodies]


def test_failed_change_prints_the_agents_words(shell: Shell, fake_agent: Any) -> None:
    text = "1 error occurred:\n\t* dc1 (LAN) error: 2/3 nodes reported success\n\n"
    fake_agent.answer(f"PUT {PATH}", status=500, text=text)
    code, _, err = shell("keyring", f"-use={A}")
    assert (1, f"error: Unexpected response code: 500 ({text.strip()})\n") == (code, err)


def test_list_counts_each_key(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(f"GET {PATH}", [POOL])
    expected = f"==> Gathering installed encryption keys...\n\ndc1 (LAN):\n  {A} [3/3]\n  {B} [2/3]\n"
    assert (0, expected, "") == shell("keyring", "-list", "-local-only")
    assert [f"GET {PATH}?local-only=true"] == fake_agent.asked


def test_primary_keys_are_listed_by_themselves(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(f"GET {PATH}", [POOL])
    expected = f"==> Gathering installed primary encryption keys...\n\ndc1 (LAN):\n  {A} [3/3]\n"
    assert (0, expected, "") == shell("keyring", "-list-primary")


def test_members_that_lag_behind_are_named_and_a_silent_one_fails_the_command(shell: Shell, fake_agent: Any) -> None:
    lagging = {"Messages": {"two": "did not answer", "\x1b[2J": "x"}, "Error": "2/3 nodes reported success"}
    fake_agent.answer(f"GET {PATH}", [POOL | lagging])
    code, out, err = shell("keyring", "-list")
    assert (1, "error: 2/3 nodes reported success\n") == (code, err)
    assert ["dc1 (LAN):", "  ===> \\x1b[2J: x", "  ===> two: did not answer", f"  {A} [3/3]"] == out.splitlines()[2:6]


def test_member_that_only_lacks_a_key_does_not_fail_the_command(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(f"GET {PATH}", [POOL | {"Messages": {"two": f"lacks key {B}"}}])
    code, out, _ = shell("keyring", "-list")
    assert 0 == code
    assert f"  ===> two: lacks key {B}\n" in out


def test_pool_of_consuls_wan_is_named_so(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(f"GET {PATH}", [POOL | {"WAN": True}])
    assert "\nWAN:\n" in shell("keyring", "-list")[1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "One of -install, -use, -remove, -list and -list-primary must be given.\n\nUsage: nodedns keyring"),
        (("-list", f"-use={A}"), "Only a single action is allowed\n"),
        (("-list", "-relay-factor=6"), "Error parsing relay factor: Relay factor must be in range: [0, 5]\n"),
        ((f"-use={A}", "-local-only"), "Error validating local-only: local-only can only be set for list requests\n"),
        (("-list", "more"), "Too many arguments (expected 0, got 1)\n"),
    ],
)
def test_wrong_use_is_explained_and_asks_nobody(
    shell: Shell, fake_agent: Any, words: tuple[str, ...], text: str
) -> None:
    code, _, err = shell("keyring", *words)
    assert 1 == code
    assert err.startswith(text)
    assert [] == fake_agent.asked


@pytest.mark.parametrize("answer", [[7], [{}], [POOL | {"Keys": 7}], {}])
def test_answer_of_something_else_is_named_as_that(shell: Shell, fake_agent: Any, answer: Any) -> None:
    fake_agent.answer(f"GET {PATH}", answer)
    code, _, err = shell("keyring", "-list")
    assert 1 == code
    assert "is not that of an agent" in err
