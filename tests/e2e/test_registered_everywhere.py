"""Registrations of several real agents: what was answered is lost by nobody, whatever becomes of whom."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest

from nodedns.testing.first_cluster import ONE, TWO, FirstCluster
from nodedns.testing.hosts import Host
from nodedns.testing.loopback import GOSSIP_PORT, LoneAgent, lone_agent
from nodedns.testing.processes import poll

MANY = 400
TOGETHER_S = 60.0


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[LoneAgent]]:
    """Three agents of one pool, not started yet."""
    with ExitStack() as stack:
        agents = []
        for name in ("a", "b", "c"):
            (tmp_path / name).mkdir()
            agents.append(stack.enter_context(lone_agent(tmp_path / name, name)))
        yield agents


def start(agent: LoneAgent, first: LoneAgent) -> None:
    agent.start(f"-retry-join={first.host}:{GOSSIP_PORT}", "-retry-interval=1s")


def register(agent: LoneAgent, number: int) -> int:
    body = {"Node": f"host-{number}", "Address": f"10.0.{number // 250}.{number % 250}"}
    return agent.http("PUT", "/v1/catalog/register", body)[0]


def names(agent: LoneAgent) -> set[str]:
    return {node["Node"] for node in json.loads(agent.http("GET", "/v1/catalog/nodes")[1])}


def hosts_of(agent: LoneAgent) -> set[int]:
    return {int(name.removeprefix("host-")) for name in names(agent) if name.startswith("host-")}


def wait_alive(*agents: LoneAgent) -> None:
    wanted = dict.fromkeys((agent.name for agent in agents), "alive")
    for agent in agents:
        poll(partial(_sees, agent, wanted), "all alive", deadline_s=TOGETHER_S)


def _sees(agent: LoneAgent, wanted: dict[str, str]) -> bool:
    return wanted.items() <= agent.statuses().items()


def test_what_was_answered_200_is_lost_nowhere_by_kill_9(three: list[LoneAgent]) -> None:
    one, two, _ = three
    one.start()
    start(two, one)
    wait_alive(one, two)
    answered: set[int] = set()
    enough = Event()

    def register_on_and_on() -> None:
        for number in count():
            try:
                if register(one, number) != 200:
                    return
            except (OSError, http.client.HTTPException):
                return
            answered.add(number)
            if len(answered) == MANY // 2:
                enough.set()

    client = Thread(target=register_on_and_on)
    client.start()
    assert enough.wait(TOGETHER_S)
    one.process.kill()
    client.join()

    start(one, two)

    assert answered <= hosts_of(one)
    poll(lambda: answered <= hosts_of(two), "all of them on the other", deadline_s=TOGETHER_S)


def test_whole_pool_that_lost_its_power_comes_back_with_its_registrations(three: list[LoneAgent]) -> None:
    one, two, _ = three
    one.start()
    start(two, one)
    wait_alive(one, two)
    for number in range(20):
        assert 200 == register(two, number)
    poll(lambda: len(hosts_of(one)) == 20, "all of them")
    assert 200 == one.http("PUT", "/v1/catalog/deregister", {"Node": "host-7"})[0]
    one.process.kill()
    two.process.kill()

    one.start()
    start(two, one)

    wanted = set(range(20)) - {7}
    assert wanted == hosts_of(one)
    poll(lambda: wanted == hosts_of(two), "the same on the other", deadline_s=TOGETHER_S)


def test_fresh_agent_is_complete_within_seconds_and_holds_what_the_others_lose(
    three: list[LoneAgent], dig_program: Path
) -> None:
    one, two, fresh = three
    one.start()
    start(two, one)
    for number in range(MANY):
        assert 200 == register(one, number)
    assert 200 == one.http("PUT", "/v1/catalog/deregister", {"Node": "host-7"})[0]
    wanted = set(range(MANY)) - {7}

    start(fresh, two)
    wait_alive(fresh)
    poll(lambda: wanted == hosts_of(fresh), "a complete one")

    assert 0 == one.command("leave").code
    two.process.kill()
    poll(lambda: fresh.statuses().get("b") == "failed", "the death of the other", deadline_s=TOGETHER_S)
    assert wanted == hosts_of(fresh)
    assert ["10.0.0.8"] == fresh.dig("host-8.node.consul").data
    # Nobody takes the name of an agent that is alive.
    fresh.http("PUT", "/v1/catalog/register", {"Node": "c", "Address": "10.9.9.9"})
    assert [fresh.host] == fresh.dig("c.node.consul").data


def test_partition_heals_to_the_newest_write(fast: FirstCluster) -> None:
    one, two = fast.hosts[ONE], fast.hosts[TWO]
    put(one, "shared", "10.0.0.1")
    poll(lambda: ["10.0.0.1"] == fast.dig(TWO, "shared.node.consul").data, "it everywhere")

    for host, other in ((one, TWO), (two, ONE)):
        host.check("ip", "route", "add", "blackhole", f"{other}/32")
    fast.wait_statuses(ONE, {"agent-one": "alive", "agent-two": "failed"})
    put(one, "only-one", "10.0.1.1")
    put(two, "only-two", "10.0.1.2")
    put(two, "shared", "10.0.0.2")
    put(one, "shared", "10.0.0.3")
    assert "NXDOMAIN" == fast.dig(ONE, "only-two.node.consul").status

    for host, other in ((one, TWO), (two, ONE)):
        host.check("ip", "route", "del", "blackhole", f"{other}/32")
    for observer in (ONE, TWO):
        fast.wait_statuses(observer, {"agent-one": "alive", "agent-two": "alive"})
    for observer in (ONE, TWO):
        for name, address in (("only-one", "10.0.1.1"), ("only-two", "10.0.1.2"), ("shared", "10.0.0.3")):
            poll(partial(_resolves, fast, observer, name, address), f"{name} at {observer}", deadline_s=TOGETHER_S)


def _resolves(cluster: FirstCluster, observer: str, name: str, address: str) -> bool:
    return [address] == cluster.dig(observer, f"{name}.node.consul").data


REQUEST = """
import json, sys, urllib.request
body = json.dumps({"Node": sys.argv[1], "Address": sys.argv[2]}).encode()
url = "http://127.0.0.1:8500/v1/catalog/register"
with urllib.request.urlopen(urllib.request.Request(url, body, method="PUT"), timeout=10) as response:
    print(response.status)
"""


def put(host: Host, name: str, address: str) -> None:
    """Register a node with the agent on a host."""
    assert "200" == host.check("python3", "-c", REQUEST, name, address).strip()
