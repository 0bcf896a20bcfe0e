"""When checks are run, what is reported of them, and what they cannot do to the agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import attrs
import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock, wait_all_tasks_blocked

from nodedns.checks.decode_check import decode_check_untrusted
from nodedns.checks.definition import CheckDefinition
from nodedns.checks.outcome import Outcome, RememberedState
from nodedns.errors import DefinitionError
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.net.checker import MAX_RUNNING_CHECKS, Checker
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import CheckRegistered, ExternalNode, NodeRegistered, ServiceRegistered
from nodedns.table.node_table import NodeTable
from nodedns.table.service_rows import NodeServices
from nodedns.testing.check_runners import Behaviour, FakeRunner

PASSING, WARNING, CRITICAL = CheckStatus.PASSING, CheckStatus.WARNING, CheckStatus.CRITICAL


def script(name: str, **keys: object) -> CheckDefinition:
    return decode_check_untrusted({"name": name, "args": [name], "interval": "10s", "timeout": "2s", **keys})


def ttl(name: str, **keys: object) -> CheckDefinition:
    return decode_check_untrusted({"name": name, "ttl": "10s", **keys})


@attrs.define
class Bench:
    """A checker on a fake runner, and what it said."""

    runner: FakeRunner = attrs.field(factory=FakeRunner)
    said: list[tuple[float, str, CheckStatus, str]] = attrs.field(factory=list)
    overdue: list[str] = attrs.field(factory=list)
    nodes: dict[str, NodeServices] = attrs.field(factory=dict)
    metrics: Metrics = attrs.field(factory=Metrics)
    began_at: float = attrs.field(factory=trio.current_time)
    _checker: Checker | None = None

    @property
    def checker(self) -> Checker:
        if self._checker is None:
            self._checker = Checker(
                runner=self.runner,
                report=self.hear,
                on_overdue=self.overdue.append,
                node_services=self.nodes.get,
                rng=Random(1),
                metrics=self.metrics,
            )
        return self._checker

    def hear(self, check_id: str, status: CheckStatus, output: str) -> None:
        self.said.append((round(trio.current_time() - self.began_at, 6), check_id, status, output))

    def statuses(self, check_id: str) -> list[CheckStatus]:
        return [status for _, said_of, status, _ in self.said if said_of == check_id]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Checker]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.checker.run)
            yield self.checker
            nursery.cancel_scope.cancel()


@pytest.fixture
async def bench() -> Bench:  # async, so that it is made under the test's clock
    return Bench()


async def test_a_check_is_first_run_within_its_interval_and_then_an_interval_after_it_ended(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.runner.behaviours["a"] = Behaviour(takes_s=1.0)
    async with bench.running() as checker:
        checker.start(script("a"))
        await trio.sleep(40)
    first, second, third = [at for at, _ in bench.runner.began[:3]]

    assert 0 <= first < 10
    assert [11.0, 11.0] == [pytest.approx(second - first), pytest.approx(third - second)]


async def test_checks_of_one_file_are_spread_over_the_interval(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        for number in range(200):
            checker.start(script(f"s{number}"))
        await trio.sleep(10)
    tenths = [int(at) for at, _ in bench.runner.began]

    assert all(8 <= tenths.count(tenth) <= 35 for tenth in range(10))


async def test_checks_started_before_the_checker_runs_are_run_too(autojump_clock: MockClock, bench: Bench) -> None:
    bench.checker.start(script("early"))
    async with bench.running():
        await trio.sleep(10)

    assert [PASSING] == bench.statuses("early")


async def test_only_what_changes_is_reported(autojump_clock: MockClock, bench: Bench) -> None:
    bench.runner.behaviours["a"] = Behaviour(Outcome(PASSING, "fine"))
    async with bench.running() as checker:
        assert Outcome(CRITICAL) == checker.start(script("a"))
        await trio.sleep(35)
        bench.runner.behaviours["a"] = Behaviour(Outcome(PASSING, "fine too"))
        await trio.sleep(15)
        bench.runner.behaviours["a"] = Behaviour(Outcome(CRITICAL, "bad"))
        await trio.sleep(15)

    assert [(PASSING, "fine"), (PASSING, "fine too"), (CRITICAL, "bad")] == [said[2:] for said in bench.said]


async def test_thresholds_hold_back_a_change(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        checker.start(script("a", success_before_passing=2, failures_before_warning=2, failures_before_critical=3))
        await trio.sleep(35)
        bench.runner.behaviours["a"] = Behaviour(Outcome(CRITICAL, "bad"))
        await trio.sleep(40)

    assert [PASSING, WARNING, CRITICAL] == bench.statuses("a")


async def test_at_most_so_many_run_at_once_and_the_rest_wait_their_turn(
    autojump_clock: MockClock, bench: Bench
) -> None:
    many = MAX_RUNNING_CHECKS * 2
    async with bench.running() as checker:
        for number in range(many):
            bench.runner.behaviours[f"s{number}"] = Behaviour(takes_s=30.0)
            checker.start(script(f"s{number}", timeout="100s"))
        await trio.sleep(29)

        assert many - MAX_RUNNING_CHECKS == bench.metrics.value("nodedns_checks_waiting")
        assert MAX_RUNNING_CHECKS == bench.metrics.value("nodedns_checks_running") == bench.runner.most_running
        await trio.sleep(60)

    assert many == len({target for _, target in bench.runner.began})
    assert bench.runner.most_running == MAX_RUNNING_CHECKS


async def test_waiting_does_not_count_as_running(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        for number in range(MAX_RUNNING_CHECKS * 2):
            bench.runner.behaviours[f"s{number}"] = Behaviour(takes_s=1.9)
            checker.start(script(f"s{number}", interval="1s"))
        await trio.sleep(20)

    assert {PASSING} == {status for _, _, status, _ in bench.said}


async def test_a_stopped_check_is_broken_off_and_says_nothing_more(autojump_clock: MockClock, bench: Bench) -> None:
    bench.runner.behaviours["a"] = Behaviour(takes_s=1.5)
    async with bench.running() as checker:
        checker.start(script("a", interval="1s"))
        await trio.sleep(1.2)
        assert ["a"] == bench.runner.running
        checker.stop("a")
        await wait_all_tasks_blocked()

        assert [] == bench.runner.running
        await trio.sleep(20)
    assert [] == bench.said
    assert None is bench.checker.state("a")


async def test_starting_what_runs_already_disturbs_nothing(autojump_clock: MockClock, bench: Bench) -> None:
    bench.runner.behaviours["a"] = Behaviour(Outcome(PASSING, "fine"))
    async with bench.running() as checker:
        checker.start(script("a"))
        await trio.sleep(15)
        runs = len(bench.runner.began)

        assert Outcome(PASSING, "fine") == checker.start(script("a"))
        await trio.sleep(9.9)
    assert 1 == len(bench.said)
    assert runs + 1 == len(bench.runner.began)


async def test_another_definition_takes_the_place_of_the_first(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        checker.start(script("a"))
        await trio.sleep(15)
        checker.start(script("a", args=["b"]))
        await trio.sleep(15)
        targets = {target for at, target in bench.runner.began if at > 15}

    assert {"b"} == targets


async def test_what_was_said_before_a_restart_is_said_until_the_first_run(
    autojump_clock: MockClock, bench: Bench
) -> None:
    async with bench.running() as checker:
        first = checker.start(script("a"), RememberedState(WARNING, "so so"))

        assert Outcome(WARNING, "so so") == first
        assert RememberedState(WARNING, "so so") == checker.state("a")
        await trio.sleep(10)
    assert [PASSING] == bench.statuses("a")


async def test_an_exception_is_that_checks_result_and_nothing_elses(autojump_clock: MockClock, bench: Bench) -> None:
    bench.runner.behaviours["a"] = Behaviour(error=RuntimeError("who would have thought"))
    async with bench.running() as checker:
        checker.start(script("a"))
        checker.start(script("b"))
        await trio.sleep(45)

    assert [(CRITICAL, "RuntimeError: who would have thought")] == [said[2:] for said in bench.said if said[1] == "a"]
    assert [PASSING] == bench.statuses("b")
    assert 4 <= len([target for _, target in bench.runner.began if target == "a"])


async def test_what_cannot_be_run_here_is_refused(autojump_clock: MockClock, bench: Bench) -> None:
    bench.runner.refusals["a"] = "there is no a on this machine"
    async with bench.running() as checker:
        with pytest.raises(DefinitionError, match="there is no a on this machine"):
            checker.start(script("a"))

    assert None is bench.checker.state("a")


async def test_a_ttl_expires_and_is_taken_up_again(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        checker.start(ttl("t"))
        await trio.sleep(5)
        assert checker.update_ttl("t", PASSING, "here")
        await trio.sleep(9)
        assert [PASSING] == bench.statuses("t")
        await trio.sleep(20)
        assert checker.update_ttl("t", WARNING, "again")
        await trio.sleep(9)

    assert [
        (5.0, "t", PASSING, "here"),
        (15.0, "t", CRITICAL, "TTL expired (last output before timeout follows): here"),
        (34.0, "t", WARNING, "again"),
    ] == bench.said


async def test_a_ttl_is_kept_alive_by_being_told_the_same(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        checker.start(ttl("t", status="passing"))
        for _ in range(5):
            await trio.sleep(9)
            checker.update_ttl("t", PASSING, "")

    assert [] == bench.said


async def test_a_ttl_told_of_in_the_very_moment_it_passes_goes_on(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        checker.start(ttl("t", status="passing"))
        await trio.sleep(10)
        checker.update_ttl("t", PASSING, "")
        await trio.sleep(9)

        assert PASSING is bench.checker.state("t").status  # type: ignore[union-attr]


async def test_a_ttl_goes_on_after_a_restart_with_what_was_left(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        assert Outcome(PASSING, "here") == checker.start(ttl("t"), RememberedState(PASSING, "here", 3.0))
        assert Outcome(CRITICAL) == checker.start(ttl("late"), RememberedState(PASSING, "here", 0.0))
        await trio.sleep(2)
        left = checker.state("t")
        await trio.sleep(2)

    assert left is not None
    assert (PASSING, "here") == (left.status, left.output)
    assert left.ttl_left_s == pytest.approx(1.0)
    assert [(3.0, "t", CRITICAL)] == [said[:3] for said in bench.said]


async def test_only_a_check_with_a_ttl_is_told(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        checker.start(script("a"))

        assert [False, False] == [checker.update_ttl(name, PASSING, "") for name in ("a", "nobody")]


async def test_a_long_note_is_cut(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        checker.start(ttl("t", output_max_size=10))
        checker.update_ttl("t", PASSING, "x" * 100)

    assert ["xxxxxxxxxx ... (captured 10 of 100 bytes)"] == [said[3] for said in bench.said]


async def test_a_service_that_is_critical_for_too_long_is_given_up(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        checker.start(ttl("t", service_id="web", deregister_critical_service_after="2m"))
        checker.start(ttl("short", service_id="db", deregister_critical_service_after="1s"))
        checker.start(ttl("kept", service_id="db"))
        checker.update_ttl("t", PASSING, "")
        await trio.sleep(61)
        assert [] == bench.overdue  # a second is raised to a minute, and it is looked every thirty
        await trio.sleep(30)
        assert ["short"] == bench.overdue
        checker.stop("short")
        await trio.sleep(60)

    assert ["short", "t"] == bench.overdue


async def test_a_service_that_recovers_in_between_is_kept(autojump_clock: MockClock, bench: Bench) -> None:
    async with bench.running() as checker:
        checker.start(ttl("t", service_id="web", deregister_critical_service_after="1m"))
        for _ in range(10):
            await trio.sleep(55)
            checker.update_ttl("t", PASSING, "")

    assert [] == bench.overdue


def services_of(status: CheckStatus) -> NodeServices:
    node = NodeName("self")
    table = NodeTable("dc1", NodeName("other"), 100)
    of_web = Check("web-ping", "ping", status, output="pong", service_id="web", service_name="web")
    table.apply([NodeRegistered(ExternalNode(node, "", "10.0.0.1")), ServiceRegistered(node, Service("web", "web"))])
    table.apply([CheckRegistered(node, of_web)])
    found = table.view.node_services("self")
    assert found is not None
    return found


async def test_an_alias_follows_what_it_stands_for(autojump_clock: MockClock, bench: Bench) -> None:
    alias = decode_check_untrusted({"name": "a", "alias_service": "web"})
    bench.nodes[""] = services_of(PASSING)
    async with bench.running() as checker:
        assert Outcome(PASSING, "All checks passing.") == checker.start(alias)
        bench.nodes[""] = services_of(CRITICAL)
        checker.services_changed()
        await trio.sleep(1)
        bench.nodes[""] = services_of(PASSING)
        checker.services_changed()
        await trio.sleep(1)

    assert [(CRITICAL, 'Aliased check "ping" failing: pong'), (PASSING, "All checks passing.")] == [
        said[2:] for said in bench.said
    ]


async def test_many_changes_at_once_are_one_look(autojump_clock: MockClock, bench: Bench) -> None:
    alias = decode_check_untrusted({"name": "a", "alias_service": "web", "alias_node": "far"})
    looks: list[str] = []
    async with bench.running() as checker:
        assert Outcome(CRITICAL, "Service web could not be found on node far") == checker.start(alias)
        bench.nodes["far"] = services_of(PASSING)
        for _ in range(100):
            checker.services_changed()
            await trio.lowlevel.checkpoint()
        await trio.sleep(1)
        looks = [status.value for status in bench.statuses("a")]

    assert ["passing"] == looks
