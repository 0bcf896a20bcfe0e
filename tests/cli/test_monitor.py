from __future__ import annotations

from collections.abc import Callable
from typing import Any

Shell = Callable[..., tuple[int, str, str]]
ENDED = "Remote side ended the monitor! This usually means that the remote side has exited or crashed.\n"


def test_lines_are_printed_until_the_agent_ends_them(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/agent/monitor", text="one\ntwo\x1b[2J\n")
    assert (1, "one\ntwo\\x1b[2J\n", ENDED) == shell("monitor")
    assert ["GET /v1/agent/monitor"] == fake_agent.asked


def test_level_and_form_are_asked_for(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/agent/monitor", text="")
    shell("monitor", "-log-level=debug", "-log-json")
    assert ["GET /v1/agent/monitor?loglevel=debug&logjson=true"] == fake_agent.asked


def test_refusal_is_told(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/agent/monitor", status=400, text="Unknown log level: x")
    text = "Error starting monitor: Unexpected response code: 400 (Unknown log level: x)\n"
    assert (1, "", text) == shell("monitor", "-log-level=x")


def test_words_behind_it_are_refused(shell: Shell) -> None:
    code, _, err = shell("monitor", "x")
    assert (1, True) == (code, err.startswith("Too many arguments (expected 0, got 1)"))
