"""Finding the pool: by names that change while they are tried, and by memory after an outage."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodedns.testing.first_cluster import ONE, TWO, FirstCluster
from nodedns.testing.loopback import DNS_PORT, GOSSIP_PORT, HTTP_PORT, LoneAgent, free_hosts
from nodedns.testing.processes import Process, poll

BOTH_ALIVE = {"agent-one": "alive", "agent-two": "alive"}
SERVICE = "_gossip._tcp.pool.example"
NAMES = ("a", "b", "c")


# --- by name -----------------------------------------------------------------------------


@contextmanager
def resolving(machines: FirstCluster, zone: Path) -> Iterator[Process]:
    """Run a name server on the first host, and let the second ask it."""
    two = machines.hosts[TWO]
    two.check("rm", "/etc/resolv.conf")  # a link to this machine's, in a directory of the host's own
    two.path("/etc/resolv.conf").write_text(f"nameserver {ONE}\nsearch example\n", encoding="ascii")
    with machines.hosts[ONE].start(sys.executable, "-m", "nodedns.testing.name_server", ONE, "53", zone) as server:
        server.wait_line("name server ready")
        yield server


def test_service_is_looked_up_anew_until_its_records_name_a_member(machines: FirstCluster, tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    zone.write_text("", encoding="ascii")
    with resolving(machines, zone):
        machines.start(ONE)
        two = machines.start(TWO, f"-retry-join={SERVICE}", "-retry-interval=500ms")
        two.wait_line("Join cluster failed, will retry.*there is no such name")

        zone.write_text("_gossip._tcp 3600 SRV 0 0 0 .\n", encoding="ascii")
        two.wait_line("Join cluster failed, will retry.*the service is not available there")

        # The first target has moved away; the second is the member.
        records = "_gossip._tcp 3600 SRV 1 1 9 gone\n_gossip._tcp 3600 SRV 2 1 8301 one\n"
        zone.write_text(f"{records}one 60 A {ONE}\n", encoding="ascii")
        two.wait_line("Join cluster completed: contacted=1")

        machines.wait_statuses(ONE, BOTH_ALIVE)


def test_service_is_looked_up_by_the_search_list_as_hosts_are(machines: FirstCluster, tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    zone.write_text(f"_gossip._tcp 60 SRV 1 1 8301 one\none 60 A {ONE}\n", encoding="ascii")
    with resolving(machines, zone):
        machines.start(ONE)
        machines.start(TWO, "-retry-join=_gossip._tcp.pool").wait_line("Join cluster completed: contacted=1")


def test_host_name_is_looked_up_anew_until_it_is_there(machines: FirstCluster, tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    zone.write_text("", encoding="ascii")
    with resolving(machines, zone):
        machines.start(ONE)
        two = machines.start(TWO, "-retry-join=one.pool.example", "-retry-interval=500ms")
        two.wait_line("Join cluster failed, will retry.*looking up 'one.pool.example' failed")

        zone.write_text(f"one 60 A {ONE}\n", encoding="ascii")

        two.wait_line("Join cluster completed: contacted=1")


def test_agent_that_has_tried_often_enough_exits_with_1(lone: LoneAgent) -> None:
    done = lone.refuse("-retry-join=127.0.0.1:9", "-retry-interval=10ms", "-retry-max=2")

    assert 1 == done.code
    told = done.out + done.err
    assert 2 == told.count("Join cluster failed, will retry")
    assert 'Retry join failed: error="agent: max join LAN retry exhausted, exiting"' in told


# --- by memory ---------------------------------------------------------------------------


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[dict[str, LoneAgent]]:
    """Three agents that have joined and remember each other."""
    hosts = free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT)
    agents = {name: LoneAgent(name, next(hosts), tmp_path / name) for name in NAMES}
    try:
        for agent in agents.values():
            agent.start()
            assert 0 == agent.command("join", agents["a"].host).code
        wait_whole(agents, NAMES)
        for agent in agents.values():
            snapshot = agent.data / "serf" / "local.snapshot"
            poll(lambda: all(f"alive: {name} " in snapshot.read_text() for name in NAMES), "all remembered")  # noqa: B023 - asked at once
        yield agents
    finally:
        for agent in agents.values():
            agent.close()


def wait_whole(agents: dict[str, LoneAgent], names: Sequence[str]) -> None:
    wanted = dict.fromkeys(names, "alive")
    for name in names:
        agent = agents[name]
        poll(lambda: agent.statuses() == wanted, f"{name} sees {wanted}")  # noqa: B023 - as above


def kill_all(agents: dict[str, LoneAgent]) -> None:
    for agent in agents.values():
        agent.process.kill()


def test_pool_killed_at_once_is_whole_again_without_any_join(pool: dict[str, LoneAgent]) -> None:
    kill_all(pool)

    for name in reversed(NAMES):
        pool[name].start()

    wait_whole(pool, NAMES)


def test_lone_agent_says_whom_it_seeks_and_finds_whoever_comes(pool: dict[str, LoneAgent]) -> None:
    kill_all(pool)

    alone = pool["a"].start()

    line = alone.wait_line("alone in the pool; trying remembered members again: members=2 ")
    assert f"b {pool['b'].host}:8301, c {pool['c'].host}:8301" in line
    alone.wait_line("alone in the pool; trying remembered members again", count=3)
    assert "2" == pool["a"].figures()["serf_lan.remembered"]

    pool["b"].start()
    wait_whole(pool, ("a", "b"))
    pool["c"].start()
    wait_whole(pool, NAMES)


def test_agent_that_comes_back_at_another_address_finds_the_pool(pool: dict[str, LoneAgent]) -> None:
    kill_all(pool)
    pool["a"].start()
    pool["b"].start()
    wait_whole(pool, ("a", "b"))

    pool["c"].host = next(free_hosts(GOSSIP_PORT, DNS_PORT, HTTP_PORT))
    pool["c"].start()

    wait_whole(pool, NAMES)


def test_agents_that_saw_each_other_fail_find_each_other(pool: dict[str, LoneAgent]) -> None:
    for name in ("b", "c"):
        pool[name].process.kill()
    for name in ("b", "c"):
        pool["a"].process.wait_line(f"EventMemberFailed: name={name}")
    snapshot = pool["a"].data / "serf" / "local.snapshot"
    poll(lambda: snapshot.read_text().count("# failed: ") == 2, "the failed are remembered")
    pool["a"].process.kill()

    pool["a"].start().wait_line("trying remembered members again: members=2 ")
    for name in ("b", "c"):
        (pool[name].data / "serf" / "local.snapshot").unlink()  # they know nobody
        pool[name].start()

    wait_whole(pool, NAMES)
