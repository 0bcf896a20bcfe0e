"""What a command line can become, without a shell."""

from __future__ import annotations

import socket
from typing import Any

import click
import pytest

from nodedns.cli import completion
from nodedns.cli.completion import _ARGUMENTS, _VALUES, ANSWER_S, FILES, MAX_CANDIDATES, candidates
from nodedns.cli.completion_scripts import SCRIPTS
from nodedns.cli.goflags import GoCommand
from nodedns.cli.groups import CommandGroup
from nodedns.cli.main import COMMANDS, _root, main
from nodedns.testing.processes import DEADLINE_S, Stopwatch


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that answers is waited for, however busy the machine."""
    monkeypatch.setattr(completion, "ANSWER_S", DEADLINE_S)


def texts(*words: str) -> list[str]:
    return [one.text for one in candidates(_root(), ("nodedns", *words))]


def leaves(group: CommandGroup, path: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name in group.synopses:
        command = group.command(name)
        below = f"{path}{name}"
        found |= leaves(command, f"{below} ") if isinstance(command, CommandGroup) else {below: command}
    return found


def test_first_word_is_a_command_with_what_it_does() -> None:
    assert sorted(COMMANDS) == texts("")
    assert [("members", COMMANDS["members"])] == [
        (one.text, one.note) for one in candidates(_root(), ("nodedns", "memb"))
    ]
    assert [] == texts("nonsense", "")
    assert ["datacenters", "nodes", "services"] == texts("catalog", "")


@pytest.mark.parametrize("path", sorted(leaves(_root())))
def test_every_flag_of_every_command_is_offered_with_one_dash_and_with_two(path: str) -> None:
    command = leaves(_root())[path]
    assert isinstance(command, GoCommand)
    for dashes in ("-", "--"):
        wanted = [
            f"{dashes}{name}{'' if option.is_go_bool else '='}" for name, option in sorted(command.go_options().items())
        ]
        assert wanted == texts(*path.split(), dashes)


def test_what_the_tables_name_is_there() -> None:
    found = leaves(_root())
    assert [] == [path for path in _ARGUMENTS if path not in found]
    for entry in _VALUES:
        path, _, flag = entry.rpartition(" -")
        command = found[path]
        assert isinstance(command, GoCommand)
        assert flag in command.go_options()


def test_values_follow_an_equals_sign_or_stand_alone() -> None:
    assert ["--format=text"] == texts("members", "--format=t")
    assert ["text", "json"] == texts("members", "-format", "")
    assert ["-wan=true", "-wan=false"] == texts("rtt", "-wan=")
    assert [FILES.text] == texts("agent", "-data-dir", "/va")
    assert [] == texts("members", "-status", "")
    assert [] == texts("members", "-nonsense=")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("agent -log-level=w", "warn"),
        ("monitor -log-level=w", "warn"),
        ("watch -state=c", "critical"),
        ("resolver-config -style=static", "static-stub"),
    ],
)
def test_values_of_which_there_are_few_are_offered(line: str, value: str) -> None:
    assert [f"{line.rpartition('=')[0].split()[1]}={value}"] == texts(*line.split())


def test_flags_end_with_the_first_argument() -> None:
    assert [] == texts("validate", "one", "-")[1:]
    assert [] == texts("members", "--", "-")


@pytest.mark.usefixtures("unhurried")
def test_names_come_from_the_agent_that_the_command_would_ask(fake_agent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "127.0.0.1:1")
    fake_agent.answer("GET /v1/agent/members", [{"Name": "b", "Addr": "10.0.0.2"}, {"Name": "a", "Addr": "10.0.0.1"}])
    assert ["a", "b"] == texts("force-leave", f"-http-addr={fake_agent.address}", "-token", "secret", "")
    assert "secret" == fake_agent.headers[-1]["x-consul-token"]
    assert [] == texts("force-leave", "")


@pytest.mark.parametrize("answer", [[{"Node": 1}], {"a": 1}, "text", None, [[]], [None]])
def test_what_no_agent_answers_is_no_name(answer: object, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/nodes", answer)
    assert [] == texts("rtt", f"-http-addr={fake_agent.address}", "")


@pytest.mark.usefixtures("unhurried")
def test_candidates_are_bounded(fake_agent: Any) -> None:
    rows = [{"Node": f"n{number}", "Address": "10.0.0.1"} for number in range(MAX_CANDIDATES + 5)]
    fake_agent.answer("GET /v1/catalog/nodes", rows)
    assert MAX_CANDIDATES == len(texts("rtt", f"-http-addr={fake_agent.address}", ""))


def test_an_agent_that_does_not_answer_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        watch = Stopwatch()
        assert [] == texts("rtt", f"-http-addr=127.0.0.1:{silent.getsockname()[1]}", "")
        assert ANSWER_S <= watch.elapsed_s < DEADLINE_S / 2


def test_script_of_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["completion", "csh"])
    assert "One shell must be specified: bash, fish, zsh" in capsys.readouterr().err


@pytest.mark.usefixtures("unhurried")
def test_names_cannot_break_out_of_their_line(fake_agent: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"Node": "a\nb\tc", "Address": "1"}, {"Node": "a", "Address": "1\r2\x1b[31m"}]
    fake_agent.answer("GET /v1/catalog/nodes", rows)
    assert 0 == main(["completion", "-words", "nodedns", "rtt", f"-http-addr={fake_agent.address}", ""])
    assert "a\t1\\r2\\x1b[31m\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    ["$(id)", "a$(id)", "a`id`", "a;id", "a|id", "a&", "a>b", "a b", "a*", "a'", 'a"', "a\\", "a!b", "-flag", "", "~"],
)
def test_name_that_a_shell_or_the_command_would_obey_is_not_offered(name: str, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/services", {name: [], "web_1.b:80/x@y": []})
    assert ["web_1.b:80/x@y"] == texts("catalog", "nodes", f"-http-addr={fake_agent.address}", "-service", "")


def test_name_of_any_letters_is_offered(fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/services", {"k\u00fcche": [], "9-lives": []})
    assert ["9-lives", "k\u00fcche"] == texts("catalog", "nodes", f"-http-addr={fake_agent.address}", "-service", "")


@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_scripts_are_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["completion", shell])
    assert SCRIPTS[shell] == capsys.readouterr().out
