"""Watches and monitors of a real agent, over its restarts."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodedns.testing.loopback import HTTP_PORT, LoneAgent, lone_agent
from nodedns.testing.processes import Process, nodedns_program, poll, run_program


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[LoneAgent]:
    with lone_agent(tmp_path) as made:
        made.start()
        yield made


def follower(agent: LoneAgent, *words: str) -> Process:
    command, *flags = words
    return Process([nodedns_program(), command, f"-http-addr={agent.host}:{HTTP_PORT}", *flags])


def register(agent: LoneAgent, name: str) -> None:
    assert (200, "true") == agent.http("PUT", "/v1/catalog/register", {"Node": name, "Address": "10.0.0.9"})


def test_list_is_printed_once(agent: LoneAgent) -> None:
    done = agent.command("watch", "-type=nodes")
    assert (0, ["lone"]) == (done.code, [node["Node"] for node in json.loads(done.out)])
    assert done.out.startswith('[\n    {\n        "ID"')


def test_changes_are_followed_over_a_restart(agent: LoneAgent) -> None:
    with follower(agent, "watch", "-type=nodes", "-follow") as watch:
        watch.wait_line('"Node":"lone"')
        register(agent, "printer")
        line = watch.wait_line('"Node":"printer"')
        assert ["lone", "printer"] == [node["Node"] for node in json.loads(line)]
        agent.process.send(signal.SIGKILL)
        watch.wait_line("asking again in 1 s")
        agent.process.wait_exit()
        agent.start()
        register(agent, "scanner")
        watch.wait_line('"Node":"scanner"')
        assert watch.is_running


def test_checks_and_services_are_watched(agent: LoneAgent) -> None:
    for kind, part in (("checks", "serfHealth"), ("services", "consul")):
        done = agent.command("watch", f"-type={kind}")
        assert (0, True) == (done.code, part in done.out), done.err
    done = agent.command("watch", "-type=service", "-service=consul", "-passingonly=true")
    assert ["lone"] == [each["Node"]["Node"] for each in json.loads(done.out)]


def test_handler_runs_for_each_change(agent: LoneAgent, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    with follower(agent, "watch", "-type=nodes", f"cat >> {seen}; echo $CONSUL_INDEX >> {seen}"):
        poll(lambda: seen.exists() and seen.read_text().count("\n") == 2, "the first run")
        register(agent, "printer")
        poll(lambda: seen.read_text().count("\n") == 4, "the second run")
    first, index, second, later = seen.read_text().splitlines()
    assert [1, 2] == [len(json.loads(text)) for text in (first, second)]
    assert int(later) > int(index) > 0


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("command", [("watch", "-type=nodes", "-follow"), ("monitor",)])
def test_interrupt_is_a_good_end(agent: LoneAgent, command: tuple[str, ...]) -> None:
    with follower(agent, *command) as process:

        def is_followed() -> str:
            agent.http("PUT", "/v1/agent/join/127.0.0.1:1")
            return process.output

        poll(is_followed, "a line")
        process.send(signal.SIGINT)
        assert 0 == process.wait_exit()


def test_monitor_shows_finer_lines_than_the_agent_writes(agent: LoneAgent) -> None:
    with follower(agent, "monitor", "-log-level=debug", "-log-json") as monitor:

        def is_followed() -> bool:
            agent.http("PUT", "/v1/agent/join/127.0.0.1:1")
            return bool(monitor.lines("couldn't join"))

        poll(is_followed, "a line of the log")
        assert "agent" == json.loads(monitor.lines("couldn't join")[0])["@module"]
        agent.process.send(signal.SIGTERM)
        monitor.wait_line("Remote side ended the monitor!")
        assert 1 == monitor.wait_exit()


def test_monitor_at_a_level_that_is_none_is_refused(agent: LoneAgent) -> None:
    done = run_program([nodedns_program(), "monitor", f"-http-addr={agent.host}:{HTTP_PORT}", "-log-level=loud"])
    text = "Error starting monitor: Unexpected response code: 400 (Unknown log level: loud)\n"
    assert (1, "", text) == (done.code, done.out, done.err)
