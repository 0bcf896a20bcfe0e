"""Tab in the real bash, zsh and fish, at a terminal, with an agent and without."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from nodedns.testing.loopback import HTTP_PORT, LoneAgent, lone_agent
from nodedns.testing.mixed_pool import ask_until
from nodedns.testing.processes import nodedns_program, run_program
from nodedns.testing.programs import require_program
from nodedns.testing.shell import Shell

Complete = Callable[[str], str]
SHELLS = ["bash", "zsh", "fish"]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path_factory.mktemp("agent"), "lonely") as lone:
        lone.start()
        lone.http("PUT", "/v1/agent/service/register", {"Name": "website", "ID": "website-7", "Tags": ["fast"]})
        yield lone


def environment(folder: Path, address: str) -> dict[str, str]:
    names = {"PATH": f"{nodedns_program().parent}:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {**names, **kept, "CONSUL_HTTP_ADDR": address}


def completing(shell: str, folder: Path, address: str) -> tuple[Complete, Callable[[], str], Callable[[], None]]:
    """Return what completes a line, what shows all that was said, and what ends the shell."""
    program = str(require_program(shell, package=shell))
    variables = environment(folder, address)
    if shell == "fish":
        said: list[str] = []
        script = 'nodedns completion fish | source; complete -C "$argv[1]"'

        def of_fish(line: str) -> str:
            done = run_program([program, "--no-config", "--command", script, line], environment=variables)
            said.append(done.err)
            found = [row.split("\t")[0] for row in done.out.splitlines()]
            if len(found) != 1:
                return line
            return f"{line.rpartition(' ')[0]} {found[0]}{'' if found[0].endswith('=') else ' '}"

        return of_fish, lambda: "".join(said), lambda: None
    argv, load = {
        "bash": ([program, "--norc", "--noprofile", "-i"], 'eval "$(nodedns completion bash)"'),
        "zsh": (
            [program, "-f", "-i"],
            "bindkey -e; unsetopt zle_bracketed_paste prompt_cr prompt_sp; "
            'autoload -U compinit; compinit -u -D; eval "$(nodedns completion zsh)"',
        ),
    }[shell]
    session = Shell(argv, variables)
    session.type(load)
    return session.complete, lambda: session.shown, lambda: session.__exit__(None, None, None)


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_commands_flags_values_files_and_names(shell: str, agent: LoneAgent, tmp_path: Path) -> None:
    (tmp_path / "sample.hcl").write_text("", encoding="utf-8")
    complete, _, end = completing(shell, tmp_path, f"{agent.host}:{HTTP_PORT}")
    try:
        lines = {
            "nodedns memb": "nodedns members ",
            "nodedns catalog serv": "nodedns catalog services ",
            "nodedns members -stat": "nodedns members -status=",
            "nodedns members --stat": "nodedns members --status=",
            "nodedns members -deta": "nodedns members -detailed ",
            "nodedns members -format=j": "nodedns members -format=json ",
            "nodedns members -format j": "nodedns members -format json ",
            "nodedns force-leave -prune lo": "nodedns force-leave -prune lonely ",
            "nodedns catalog nodes -near=lo": "nodedns catalog nodes -near=lonely ",
            "nodedns catalog nodes -near lo": "nodedns catalog nodes -near lonely ",
            "nodedns watch -type=service -service=web": "nodedns watch -type=service -service=website ",
            "nodedns services deregister -id=web": "nodedns services deregister -id=website-7 ",
            f"nodedns validate {tmp_path}/sam": f"nodedns validate {tmp_path}/sample.hcl ",
            "nodedns completion zs": "nodedns completion zsh ",
        }
        if shell == "zsh":  # it takes the blank away again when the cursor leaves the word
            lines = {line: whole.rstrip() for line, whole in lines.items()}
        # Who presses the key waits for an agent no longer than a moment, and presses it again.
        assert lines == {line: ask_until(partial(complete, line), whole) for line, whole in lines.items()}
    finally:
        end()


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_writes_no_name_that_the_shell_would_obey(shell: str, agent: LoneAgent, tmp_path: Path) -> None:
    for number, name in enumerate(("evil$(touch${IFS}owned)", "worse`id`", "two words", "-http-addr=192.0.2.1")):
        agent.http("PUT", "/v1/agent/service/register", {"Name": name, "ID": f"odd-{number}"})
    complete, _, end = completing(shell, tmp_path, f"{agent.host}:{HTTP_PORT}")
    try:
        whole = "nodedns catalog nodes -service website"
        lines = [f"nodedns catalog nodes -service {start}" for start in ("evi", "wor", "two", "-http-addr=192")]
        assert whole == ask_until(lambda: complete("nodedns catalog nodes -service web").rstrip(), whole)
        assert lines == [complete(line).rstrip() for line in lines]
    finally:
        end()


@pytest.mark.parametrize("shell", SHELLS)
def test_without_an_agent_names_stay_as_they_are_and_nothing_is_said(shell: str, tmp_path: Path) -> None:
    complete, shown, end = completing(shell, tmp_path, "127.0.0.1:1")
    try:
        assert "nodedns force-leave lo" == complete("nodedns force-leave lo")
        assert "nodedns memb" != complete("nodedns memb")
        assert "refused" not in shown()
        assert "Error" not in shown()
        assert "Traceback" not in shown()
    finally:
        end()
