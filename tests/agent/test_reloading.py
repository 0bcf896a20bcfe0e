"""A reload is taken by every part or by none, one at a time, and told in one line."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import attrs
import pytest
import trio
import trio.lowlevel

from nodedns.agent.reloading import Commit, Reloader
from nodedns.config.load import load
from nodedns.config.reload import Reloaded, reload
from nodedns.config.schema import AgentConfig
from nodedns.config.sources import ConfigSources
from nodedns.errors import AgentError, ConfigError, ConfigProblem
from nodedns.testing.turns import counted_turns

STEPS = 20
DEV = load(ConfigSources(dev=True, flags={"node": "me"}))


@pytest.fixture(autouse=True)
def propagated() -> Iterator[None]:
    """Let pytest see our lines, whatever an earlier test has configured."""
    root = logging.getLogger("nodedns")
    before = root.propagate
    root.propagate = True
    yield
    root.propagate = before


class Part:
    """A part that notes what it takes, or refuses."""

    def __init__(self, refusal: str = "") -> None:
        self.refusal = refusal
        self.taken: list[str] = []

    def prepare(self, config: AgentConfig) -> Commit:
        if self.refusal:
            raise AgentError(self.refusal)
        return lambda: self.taken.append(config.log_level)


def wanted(level: str, *needs_restart: str) -> Reloaded:
    return Reloaded(attrs.evolve(DEV, log_level=level), ("log_level",), needs_restart, ())


def run(story: Callable[[], Awaitable[None]]) -> None:
    trio.run(story)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, object]]]:
    return [(record.getMessage(), vars(record)["nodedns_fields"]) for record in caplog.records]


def test_every_part_takes_what_was_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nodedns")
    parts = Part(), Part()
    reloader = Reloader(DEV, lambda _: wanted("WARN", "ports.dns", "domain"), [part.prepare for part in parts])
    run(reloader.reload)
    assert [["WARN"], ["WARN"]] == [part.taken for part in parts]
    assert "WARN" == reloader.config.log_level
    assert [
        ("Reloading configuration...", {}),
        ("what was changed here takes a restart", {"keys": "ports.dns,domain"}),
        ("configuration reloaded", {"changed": "log_level"}),
    ] == lines(caplog)


def test_no_part_takes_what_one_refuses(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nodedns")
    parts = Part(), Part("it does\nnot fit")
    reloader = Reloader(DEV, lambda _: wanted("WARN"), [part.prepare for part in parts])
    with pytest.raises(AgentError, match=r"^it does not fit$"):
        run(reloader.reload)
    assert [[], []] == [part.taken for part in parts]
    assert reloader.config is DEV
    assert ("configuration not reloaded, nothing has changed", {"error": "it does not fit"}) == lines(caplog)[-1]


def test_what_is_left_to_do_is_done_in_turns_before_the_reload_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nodedns")
    part, done = Part(), 0

    def steps() -> Iterator[None]:
        nonlocal done
        assert ["WARN"] == part.taken
        for _ in range(STEPS):
            done += 1
            yield

    async def story() -> None:
        reloader = Reloader(DEV, lambda _: wanted("WARN"), [lambda _: steps, part.prepare])
        async with counted_turns() as counter, trio.open_nursery() as nursery:
            nursery.start_soon(reloader.reload)
            while done < 1:
                await trio.lowlevel.checkpoint()
            assert "configuration reloaded" not in caplog.text
            began, left = counter.turns, STEPS - done
            nursery.cancel_scope.cancel()  # whoever asked for it is gone
            while done < STEPS:
                with trio.CancelScope(shield=True):
                    await trio.lowlevel.checkpoint()
            assert left - 1 <= counter.turns - began
        assert "WARN" == reloader.config.log_level

    run(story)
    assert "configuration reloaded" in caplog.text


def test_all_problems_are_told_in_one_line() -> None:
    problems = [ConfigProblem("a.hcl", "x", "no"), ConfigProblem("b.hcl", "y", "never")]

    def read(_: AgentConfig) -> Reloaded:
        raise ConfigError(problems)

    with pytest.raises(AgentError, match=r"^a\.hcl: x: no; b\.hcl: y: never$"):
        run(Reloader(DEV, read, []).reload)


def test_agent_without_sources_is_not_reloaded() -> None:
    with pytest.raises(AgentError, match="could be read again"):
        run(Reloader(DEV, None, []).reload)


def test_reloads_take_turns_and_each_reads_for_itself() -> None:
    levels = ["WARN", "ERROR"]
    seen: list[str] = []

    def read(running: AgentConfig) -> Reloaded:
        seen.append(running.log_level)
        return wanted(levels.pop(0))

    part = Part()
    reloader = Reloader(DEV, read, [part.prepare])

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(reloader.reload)

    run(story)
    assert (["DEBUG", "WARN"], ["WARN", "ERROR"]) == (seen, part.taken)


def test_reading_stops_nobody(tmp_path: Path) -> None:
    """Files are read beside the loop, so others have their turns meanwhile."""
    turns: list[int] = []
    go_on = trio.Event()

    def read(_: AgentConfig) -> Reloaded:
        trio.from_thread.run(go_on.wait)
        return reload(ConfigSources(dev=True, flags={"node": "me"}, paths=(tmp_path,)), DEV)

    async def story() -> None:
        reloader = Reloader(DEV, read, [])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reloader.reload)
            for turn in range(5):
                await trio.lowlevel.checkpoint()
                turns.append(turn)
            go_on.set()

    run(story)
    assert 5 == len(turns)
