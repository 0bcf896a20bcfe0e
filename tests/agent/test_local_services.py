"""What is registered with an agent: kept, published, and the catalog put right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from nodedns.agent import local_services, own_node
from nodedns.checks.outcome import RememberedState
from nodedns.checks.scripts import ScriptRights
from nodedns.errors import ApiError, DataDirError
from nodedns.model.check import Check, CheckStatus
from nodedns.model.member import MemberStatus
from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.net.record_log import RecordLog
from nodedns.observe.metrics import Metrics
from nodedns.table.changes import (
    CheckRegistered,
    ExternalNode,
    MemberUpserted,
    NodeRegistered,
    ServiceDeregistered,
    ServiceRegistered,
)
from nodedns.testing.local_agent import ONE, LocalAgent
from nodedns.testing.table_agent import agent_member

PASSING, WARNING, CRITICAL = CheckStatus.PASSING, CheckStatus.WARNING, CheckStatus.CRITICAL
TTL = {"name": "ping", "ttl": "10s"}
HTTP = {"name": "page", "http": "http://127.0.0.1/", "interval": "10s"}
SECRET: dict[str, Any] = {"token": "secret"}
RESTARTED_AT = 1_700_000_000.0


async def test_service_is_published_with_its_checks(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="web", port=80, tags=["v1"], check=TTL)
        assert {"web": Service("web", "web", ("v1",), port=80)} == agent.catalog_services
        (check,) = agent.catalog_checks.values()
        assert ("service:web", "ping", CRITICAL, "web", "web", ("v1",), "ttl") == (
            check.id,
            check.name,
            check.status,
            check.service_id,
            check.service_name,
            check.service_tags,
            check.type,
        )
        assert ["service:web"] == agent.checker.starts


async def test_deregistered_service_goes_with_its_checks(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="web", checks=[TTL, HTTP])
        await agent.register_check(name="node check", ttl="10s")
        await agent.deregister("web")
        assert ({}, ["node check"]) == (agent.catalog_services, list(agent.catalog_checks))
        assert ["node check"] == list(agent.checker.running)
        with pytest.raises(ApiError, match='404: Unknown service ID "web"'):
            await agent.deregister("web")


async def test_registering_anew_keeps_checks_unless_told_otherwise(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="web", checks=[TTL | {"id": "a"}, HTTP | {"id": "b"}])
        await agent.maintain("web")
        agent.checker.say("b", PASSING, "200")
        await agent.register(name="web", tags=["v2"], check=TTL | {"id": "a"})
        assert ["_service_maintenance:web", "a", "b"] == sorted(agent.own_checks)
        assert {("v2",)} == {check.service_tags for check in agent.catalog_checks.values()}
        await agent.register(name="web", check=TTL | {"id": "c"}, replaces_checks=True)
        assert ["_service_maintenance:web", "c"] == sorted(agent.catalog_checks)
        assert ["c"] == list(agent.checker.running)


async def test_check_that_is_registered_anew_says_what_it_said(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="web", check=TTL)
        await agent.tell("service:web", PASSING, "fine")
        await agent.register(name="web", check=TTL | {"status": "warning"})
        assert (PASSING, "fine") == (agent.own_checks["service:web"].status, agent.own_checks["service:web"].output)


async def test_check_of_an_unknown_service_is_refused(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        with pytest.raises(ApiError, match='404: ServiceID "web" does not exist'):
            await agent.register_check(**TTL, service_id="web")
        assert {} == agent.own_checks


async def test_change_of_status_is_published_at_once_and_of_output_seldom(autojump_clock: MockClock) -> None:
    agent = LocalAgent(update_interval_s=100.0)
    async with agent.run():
        await agent.register_check(**HTTP)
        await trio.sleep(10)
        agent.checker.say("page", PASSING, "1")
        assert (PASSING, "1") == (agent.catalog_checks["page"].status, agent.catalog_checks["page"].output)
        await trio.sleep(50)
        agent.checker.say("page", PASSING, "2")
        agent.checker.say("page", PASSING, "3")
        assert ("1", "3") == (agent.catalog_checks["page"].output, agent.own_checks["page"].output)
        await trio.sleep(45)
        assert "1" == agent.catalog_checks["page"].output
        await trio.sleep(7)
        assert "3" == agent.catalog_checks["page"].output
        agent.checker.say("page", WARNING, "4")
        assert "4" == agent.catalog_checks["page"].output


async def test_output_is_published_at_once_where_the_interval_is_nothing(autojump_clock: MockClock) -> None:
    agent = LocalAgent(update_interval_s=0.0)
    async with agent.run():
        await agent.register_check(**HTTP)
        agent.checker.say("page", CRITICAL, "refused")
        assert "refused" == agent.catalog_checks["page"].output


async def test_foreign_entries_of_our_node_go_and_ours_come_back(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="web", port=80, check=TTL)
        await trio.sleep(5)
        agent.table.apply(
            [
                ServiceRegistered(ONE, Service("foreign", "foreign")),
                CheckRegistered(ONE, Check("foreign", "foreign", PASSING)),
                ServiceDeregistered(ONE, "web"),
                ServiceRegistered(NodeName("two"), Service("theirs", "theirs")),
            ]
        )
        await wait_all_tasks_blocked()
        assert (["web"], ["service:web"]) == (list(agent.catalog_services), list(agent.catalog_checks))
        assert ["theirs"] == [service.id for service in agent.table.registered("two")[0]]


async def test_external_node_of_our_name_is_forgotten_and_does_not_show_once_we_have_left(
    autojump_clock: MockClock,
) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="web", port=80)
        await trio.sleep(5)
        external = ExternalNode(NodeName("ONE"), "", "192.0.2.1")
        agent.table.apply([NodeRegistered(external), ServiceRegistered(ONE, Service("printing", "printing"))])
        await wait_all_tasks_blocked()
        assert (["web"], False) == (list(agent.catalog_services), agent.table.has_external("one"))
        agent.table.apply([MemberUpserted(agent_member("one", status=MemberStatus.LEFT))])
        assert None is agent.table.view.node_services("one")


async def test_external_node_of_our_name_that_comes_unseen_is_forgotten_within_a_minute(
    autojump_clock: MockClock,
) -> None:
    agent = LocalAgent()
    async with agent.run():
        agent.table.apply([NodeRegistered(ExternalNode(ONE, "", "192.0.2.1"))])
        assert agent.table.has_external("one")
        await trio.sleep(61)
        assert not agent.table.has_external("one")


async def test_many_changes_of_files_are_published_in_turns_and_each_service_with_its_check() -> None:
    agent, many, turns = LocalAgent(), 10 * own_node.PARCEL_CHANGES, 0
    bare: list[str] = []
    services = [{"id": f"s{number}", "name": "s", "check": TTL | {"id": f"c{number}"}} for number in range(many)]
    async with agent.run():
        for _ in agent.reload_steps(services):
            turns += 1
            await trio.lowlevel.checkpoint()
            checked = {check.service_id for check in agent.catalog_checks.values()}
            bare += [key for key in agent.catalog_services if key not in checked]
        await wait_all_tasks_blocked()
        assert many == len(agent.catalog_services)
        agent.reload()
        await wait_all_tasks_blocked()
        assert ({}, {}) == (agent.catalog_services, agent.catalog_checks)
    assert [] == bare
    assert turns >= 10


async def test_reload_takes_a_few_services_in_a_step_each_with_all_that_files_say_of_it() -> None:
    agent, many = LocalAgent(), 5 * local_services.STEP_CHANGES
    before = [{"id": f"s{number}", "name": "s", "check": TTL | {"id": f"old{number}"}} for number in range(many)]
    services = [{"id": f"s{number}", "name": "s", "check": TTL | {"id": f"own{number}"}} for number in range(many)]
    checks = [HTTP | {"id": f"apart{number}", "service_id": f"s{number}"} for number in range(many)]
    agent.reload(before)
    async with agent.run():
        begun = len(agent.checker.starts)
        started: list[int] = []
        for _ in agent.reload_steps(services, checks):
            started.append(len(agent.checker.starts) - begun)
            by_service: dict[str, list[str]] = {}
            for check in agent.own_checks.values():
                by_service.setdefault(check.service_id, []).append(check.id.rstrip("0123456789"))
            assert {("old",), ("own", "apart")} >= set(map(tuple, by_service.values()))
            await trio.lowlevel.checkpoint()
        assert 2 * many == len(agent.checker.starts) - begun
        steps = [after - before for before, after in zip([0, *started], started, strict=False)]
        assert max(steps) <= local_services.STEP_CHANGES
        await wait_all_tasks_blocked()
        assert agent.own_checks == agent.catalog_checks


async def test_what_http_asks_for_during_a_reload_is_done_to_what_is_there(autojump_clock: MockClock) -> None:
    agent, many = LocalAgent(), 2 * local_services.STEP_CHANGES
    agent.reload([{"name": f"old{number}"} for number in range(many)])
    async with agent.run():
        steps = agent.reload_steps([{"name": f"new{number}", "port": 1} for number in range(many)])
        next(steps)
        await agent.register(name=f"new{many - 1}", port=2)
        await agent.register(name=f"old{many - 1}", port=2)
        await agent.deregister(f"old{many - 2}")
        for _ in steps:
            pass
        assert {f"new{number}" for number in range(many)} | {f"old{many - 1}"} == set(agent.own_services)
        assert (1, 2) == (agent.own_services[f"new{many - 1}"].port, agent.own_services[f"old{many - 1}"].port)
        await trio.sleep(2)
        assert agent.own_services == agent.catalog_services


async def test_fight_over_a_name_is_slow(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="web")
        await trio.sleep(5)
        del agent.noted[:]
        for _ in range(40):
            agent.table.apply([ServiceDeregistered(ONE, "web")])
            await trio.sleep(0.05)
        assert 1 <= len(agent.noted) <= 4


async def test_what_nobody_saw_change_is_put_right_once_a_minute(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="web")
        await trio.sleep(5)
        agent.table._watchers.clear()
        agent.table.apply([ServiceDeregistered(ONE, "web")])
        await trio.sleep(70)
        assert ["web"] == list(agent.catalog_services)


async def test_tags_of_the_catalog_are_taken_over_where_the_service_lets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_node, "PAUSE_S", 0.0)
    agent = LocalAgent(tmp_path / "local")
    async with agent.run():
        await agent.register(name="web", tags=["ours"], enable_tag_override=True, check=TTL)
        await wait_all_tasks_blocked()
        agent.table.apply([ServiceRegistered(ONE, Service("web", "web", ("theirs",), enable_tag_override=True))])
        await wait_all_tasks_blocked()
        assert ("theirs",) == agent.catalog_services["web"].tags == agent.own_services["web"].tags
        assert ("theirs",) == agent.catalog_checks["service:web"].service_tags
    assert ("theirs",) == restarted(tmp_path).own_services["web"].tags


async def test_service_that_is_critical_for_too_long_goes(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="web", check=HTTP | {"deregister_critical_service_after": "10s"})
        await agent.register(name="db", check=HTTP)
        agent.checker.give_up("service:web")
        agent.checker.give_up("absent")
        await wait_all_tasks_blocked()
        assert ["db"] == sorted(agent.own_services) == sorted(agent.catalog_services)


async def test_check_that_cannot_be_run_here_is_refused(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    agent.checker.refused = {"http"}
    agent.reload([{"name": "file", "check": HTTP}])
    async with agent.run():
        with pytest.raises(ApiError, match="400: Invalid check: no http here"):
            await agent.register(name="web", check=HTTP)
        assert (["file"], {}) == (list(agent.own_services), agent.own_checks)


async def test_checks_of_other_services_are_looked_at_when_any_changes(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        before = agent.checker.looks
        agent.table.apply([ServiceRegistered(NodeName("one"), Service("theirs", "theirs"))])
        assert agent.checker.looks > before


def restarted(tmp_path: Path, scripts: ScriptRights | None = None) -> LocalAgent:
    """The agent that kept its services in ``local``, after a restart and without files."""
    agent = LocalAgent(tmp_path / "local", wall_clock=lambda: RESTARTED_AT, scripts=scripts)
    agent.reload()
    return agent


async def test_what_http_registered_is_there_after_a_crash(tmp_path: Path) -> None:
    agent = LocalAgent(tmp_path / "local")
    async with agent.run():
        await agent.register(name="web", port=80, tags=["v1"], check=TTL | SECRET, **SECRET)
        await agent.register(name="gone")
        await agent.register_check(**HTTP, **SECRET)
        await agent.maintain("web", reason="disk")
        await agent.maintain(reason="all")
        await agent.deregister("gone")
        crashed = (tmp_path / "local.changes.0").read_bytes()
    (tmp_path / "local.changes.0").write_bytes(crashed)
    assert b"secret" not in crashed

    again = restarted(tmp_path)
    assert dict(agent.own_services) == dict(again.own_services)
    assert {check.id: check.notes for check in agent.own_checks.values()} == {
        check.id: check.notes for check in again.own_checks.values()
    }
    async with again.run():
        assert dict(again.own_services) == again.catalog_services
        assert dict(again.own_checks) == again.catalog_checks
        assert ["page", "service:web"] == sorted(again.checker.running)


@pytest.mark.parametrize(("after_s", "status", "left"), [(6.0, PASSING, 4.0), (11.0, CRITICAL, None)])
async def test_ttl_is_restored_if_it_is_not_over(
    tmp_path: Path, after_s: float, status: CheckStatus, left: float | None
) -> None:
    agent = LocalAgent(tmp_path / "local", wall_clock=lambda: RESTARTED_AT)
    async with agent.run():
        await agent.register(name="web", check=TTL)
        await agent.tell("service:web", PASSING, "fine")

    again = LocalAgent(tmp_path / "local", wall_clock=lambda: RESTARTED_AT + after_s)
    async with again.run():
        assert status is again.catalog_checks["service:web"].status
        remembered = again.checker.remembered["service:web"]
        assert left == (remembered.ttl_left_s if remembered else None)


@pytest.mark.parametrize(("after_s", "status"), [(65.0, PASSING), (75.0, CRITICAL)])
async def test_result_of_a_check_is_restored_unless_the_agent_was_down_for_long(
    tmp_path: Path, after_s: float, status: CheckStatus
) -> None:
    agent = LocalAgent(tmp_path / "local", wall_clock=lambda: RESTARTED_AT)
    agent.reload(checks=[HTTP])
    async with agent.run():
        agent.checker.say("page", PASSING, "200 OK")
    again = LocalAgent(tmp_path / "local", wall_clock=lambda: RESTARTED_AT + after_s)
    again.reload(checks=[HTTP])
    assert status is again.own_checks["page"].status


async def test_line_of_the_log_that_makes_no_sense_is_passed_over(tmp_path: Path) -> None:
    log = RecordLog(tmp_path / "local", Metrics())
    list(log.load())
    for line in (b"x", b"[]", b'{"service/web": 7}', b'{"service/db": {"name": "db"}}'):
        await log.append([line], lambda: None)
    assert ["db"] == list(restarted(tmp_path).own_services)


async def test_what_is_not_stored_does_not_appear(tmp_path: Path) -> None:
    agent = LocalAgent(tmp_path / "local")
    (tmp_path / "local.changes.0").mkdir()
    async with agent.run():
        with pytest.raises(DataDirError):
            await agent.register(name="web", check=TTL)
        assert ({}, {}) == (agent.own_services, agent.own_checks)


async def test_files_come_and_go_and_http_stays(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    agent.reload([{"name": "file", "check": TTL}], [HTTP])
    async with agent.run():
        await agent.register(name="http")
        await agent.register_check(name="on file", ttl="10s", service_id="file")
        agent.checker.say("page", PASSING)
        agent.reload([{"name": "file", "port": 1, "check": TTL}, {"name": "new"}], [HTTP])
        assert ["file", "http", "new"] == sorted(agent.catalog_services)
        assert (1, PASSING) == (agent.catalog_services["file"].port, agent.catalog_checks["page"].status)
        assert 1 == agent.checker.starts.count("page")
        agent.reload([{"name": "new"}])
        assert (["http", "new"], []) == (sorted(agent.catalog_services), list(agent.catalog_checks))
        assert {} == agent.checker.running


async def test_check_that_a_file_defines_otherwise_is_started_anew_and_says_what_it_said(
    autojump_clock: MockClock,
) -> None:
    agent = LocalAgent()
    agent.reload(checks=[HTTP])
    async with agent.run():
        agent.checker.say("page", PASSING, "200 OK")
        agent.reload(checks=[HTTP | {"interval": "20s"}])
        assert ["page", "page"] == agent.checker.starts
        assert RememberedState(PASSING, "200 OK") == agent.checker.remembered["page"]


async def test_file_counts_where_http_has_the_same_id(tmp_path: Path) -> None:
    agent = LocalAgent(tmp_path / "local")
    async with agent.run():
        await agent.register(name="web", port=1)
        agent.reload([{"name": "web", "port": 2}])
        assert 2 == agent.catalog_services["web"].port
    again = restarted(tmp_path)
    assert {} == again.own_services


async def test_check_of_http_on_a_service_of_a_file_is_there_after_a_restart(tmp_path: Path) -> None:
    agent = LocalAgent(tmp_path / "local")
    agent.reload([{"name": "file"}])
    async with agent.run():
        await agent.register_check(**TTL, service_id="file")
    again = LocalAgent(tmp_path / "local")
    again.reload([{"name": "file"}])
    assert ["ping"] == list(again.own_checks)
    lost = LocalAgent(tmp_path / "local")
    lost.reload()
    assert {} == lost.own_checks


async def test_script_of_http_is_not_run_once_scripts_are_off(tmp_path: Path) -> None:
    agent = LocalAgent(tmp_path / "local", scripts=ScriptRights(from_anywhere=True))
    async with agent.run():
        await agent.register_check(name="script", args=["/bin/true"], interval="10s")
    assert [] == list(restarted(tmp_path).own_checks)
    assert ["script"] == list((restarted(tmp_path, scripts=ScriptRights(from_anywhere=True))).own_checks)


async def test_maintenance_of_a_service_stays_with_it(tmp_path: Path) -> None:
    agent = LocalAgent(tmp_path / "local")
    agent.reload([{"name": "file"}])
    async with agent.run():
        await agent.maintain("file", reason="disk")
        await agent.maintain("file", reason="other")
        check = agent.catalog_checks["_service_maintenance:file"]
        assert ("Service Maintenance Mode", CRITICAL, "disk", "maintenance", "file") == (
            check.name,
            check.status,
            check.notes,
            check.type,
            check.service_id,
        )
        with pytest.raises(ApiError, match='404: Unknown service ID "absent"'):
            await agent.maintain("absent")
    again = LocalAgent(tmp_path / "local")
    again.reload([{"name": "file"}])
    assert ["_service_maintenance:file"] == list(again.own_checks)
    async with again.run():
        await again.maintain("file", is_on=False)
        await again.maintain("file", is_on=False)
        assert ({}, {}) == (again.own_checks, again.catalog_checks)


async def test_maintenance_of_the_node_has_a_default_reason(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.maintain()
        check = agent.catalog_checks["_node_maintenance"]
        assert ("Node Maintenance Mode", "", CRITICAL) == (check.name, check.service_id, check.status)
        reason = "Maintenance mode is enabled for this node, but no reason was provided. This is a default message."
        assert reason == check.notes
        await agent.deregister_check("_node_maintenance")
        await agent.maintain()
        assert ["_node_maintenance"] == list(agent.own_checks)


@pytest.mark.parametrize("check_id", ["serfHealth", "_node_maintenance", "_service_maintenance:web"])
async def test_check_id_of_the_agent_itself_is_refused(autojump_clock: MockClock, check_id: str) -> None:
    agent = LocalAgent()
    async with agent.run():
        with pytest.raises(ApiError, match=r"400: Invalid check: check ID .* is one that the agent itself uses"):
            await agent.register_check(name="x", id=check_id, ttl="10s")


async def test_what_is_too_long_to_be_replicated_is_refused(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        with pytest.raises(ApiError, match=r"400: The definition of .* is too long"):
            await agent.register(name="web", tags=["x" * 4_000] * 8)
        with pytest.raises(ApiError, match=r"400: The definition of .* is too long"):
            await agent.register_check(name="x", ttl="10s", notes="x" * 30_000)
        with pytest.raises(ApiError, match=r"400: ID .* is too long"):
            await agent.register(name="\U0001f600" * 300)
        assert ({}, {}) == (agent.own_services, agent.own_checks)


async def test_what_the_catalog_does_not_take_is_tried_again(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        agent.refused = {"web"}
        await agent.register(name="web", check=TTL)
        assert ({}, ["service:web"]) == (agent.catalog_services, list(agent.catalog_checks))
        agent.refused = set()
        await trio.sleep(70)
        assert ["web"] == list(agent.catalog_services)


async def test_output_is_cut_and_discarded_as_the_configuration_says(autojump_clock: MockClock) -> None:
    agent = LocalAgent(output_max_size=10)
    async with agent.run():
        await agent.register_check(**HTTP, output_max_size=100)
        assert 10 == agent.checker.running["page"].output_max_size
        agent.services.discard_output(is_on=True)
        agent.checker.say("page", PASSING, "secret")
        assert (PASSING, "") == (agent.own_checks["page"].status, agent.own_checks["page"].output)


async def test_too_many_services_are_refused(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_services, "MAX_SERVICES", 2)
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="a")
        await agent.register(name="b")
        await agent.register(name="b", port=1)
        with pytest.raises(ApiError, match="500: this agent keeps 2 services"):
            await agent.register(name="c")


async def test_whoever_waits_is_woken_by_a_service(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run(), trio.open_nursery() as nursery:
        revision = agent.services.readings().revision
        nursery.start_soon(agent.services.wait_changed, revision)
        await wait_all_tasks_blocked()
        await agent.register(name="web")
        assert agent.services.readings().revision > revision


async def test_figures_count_what_there_is(autojump_clock: MockClock) -> None:
    agent = LocalAgent()
    async with agent.run():
        await agent.register(name="web", checks=[TTL, HTTP])
        await agent.maintain()
        expected = {"check_monitors": "1", "check_ttls": "1", "checks": "3", "services": "1"}
        assert expected == agent.services.figures()
