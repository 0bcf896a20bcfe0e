"""Services of one agent, seen and written to at another."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nodedns.testing.agent_pair import Pair, agent_pair
from nodedns.testing.loopback import LoneAgent
from nodedns.testing.processes import Stopwatch, fastest_s, poll

WITHIN_S = 1.0
WEB = {"Name": "web", "Address": "10.1.2.3", "Port": 80, "Check": {"TTL": "1h", "Status": "passing"}}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with agent_pair(tmp_path) as made:
        yield made


def healthy(agent: LoneAgent) -> list[str]:
    """IDs of web's instances that pass, in the catalog of an agent."""
    found: list[Any] = json.loads(agent.http("GET", "/v1/health/service/web?passing")[1])
    return [instance["Service"]["ID"] for instance in found]


def has_web_alone(agent: LoneAgent) -> bool:
    return names(agent) == ["consul", "web"] and healthy(agent) == ["web"]


def names(agent: LoneAgent) -> list[str]:
    """Every service in the catalog of an agent."""
    return list(json.loads(agent.http("GET", "/v1/catalog/services")[1]))


def test_service_and_its_failure_are_known_at_the_other_agent_within_a_second(pair: Pair, dig_program: Path) -> None:
    assert fastest_s(partial(register_anew, pair), WITHIN_S) < WITHIN_S
    assert ["10.1.2.3"] == pair.two.dig("web.service.consul").data

    assert fastest_s(partial(fail_anew, pair), WITHIN_S) < WITHIN_S
    assert [] == pair.two.dig("web.service.consul").data


def register_anew(pair: Pair) -> None:
    """Register web, which another try may have done before, and wait until the other agent knows it."""
    if healthy(pair.two):
        assert 200 == pair.one.http("PUT", "/v1/agent/service/deregister/web")[0]
        poll(lambda: not healthy(pair.two), "web to be gone")
    assert 200 == pair.one.http("PUT", "/v1/agent/service/register", WEB)[0]
    poll(lambda: healthy(pair.two), "web to be known")


def fail_anew(pair: Pair) -> None:
    """Likewise with its failure."""
    if not healthy(pair.two):
        assert 200 == pair.one.http("PUT", "/v1/agent/check/pass/service:web")[0]
        poll(lambda: healthy(pair.two), "web to pass")
    assert 200 == pair.one.http("PUT", "/v1/agent/check/fail/service:web")[0]
    poll(lambda: not healthy(pair.two), "web to fail")


def test_check_that_fails_is_known_at_the_other_agent_within_a_second_of_its_run(pair: Pair) -> None:
    def is_critical() -> bool:
        return bool(json.loads(pair.one.http("GET", "/v1/agent/checks")[1])["service:web"]["Status"] == "critical")

    def fail() -> float:
        with socket.create_server((pair.one.host, 0)) as server:
            target = f"{pair.one.host}:{server.getsockname()[1]}"
            body = {"Name": "web", "Check": {"TCP": target, "Interval": "1s", "Timeout": "1s"}}
            assert 200 == pair.one.http("PUT", "/v1/agent/service/register", body)[0]
            poll(lambda: healthy(pair.two), "web to pass")
        poll(is_critical, "the check to have run")
        watch = Stopwatch()
        poll(lambda: not healthy(pair.two), "web to fail")
        return watch.elapsed_s

    # A machine that is busy with others may hold it up, but not each time.
    assert any(fail() < WITHIN_S for _ in range(5))


def test_service_that_is_deregistered_elsewhere_comes_back(pair: Pair) -> None:
    pair.one.http("PUT", "/v1/agent/service/register", WEB)
    poll(lambda: healthy(pair.two), "web to be known")
    gone = {"Node": "one", "ServiceID": "web"}
    assert (200, "true") == pair.two.http("PUT", "/v1/catalog/deregister", gone)
    poll(lambda: healthy(pair.one) and healthy(pair.two), "web to be back on both")
    assert "web" in json.loads(pair.one.http("GET", "/v1/agent/services")[1])


def test_service_that_is_registered_elsewhere_under_our_name_goes(pair: Pair) -> None:
    foreign = {"Node": "one", "SkipNodeUpdate": True, "Service": {"Service": "foreign"}}
    assert (200, "true") == pair.two.http("PUT", "/v1/catalog/register", foreign)
    poll(lambda: all("foreign" not in names(agent) for agent in pair), "foreign to go")
    assert ["consul"] == names(pair.two)


def test_services_are_as_registered_after_kill_9_of_their_agent(pair: Pair) -> None:
    pair.one.http("PUT", "/v1/agent/service/register", WEB)
    pair.one.http("PUT", "/v1/agent/service/register", {"Name": "gone"})
    pair.one.http("PUT", "/v1/agent/service/deregister/gone")
    pair.one.process.kill()
    pair.one.start()
    for agent in pair:
        poll(partial(has_web_alone, agent), f"web alone at {agent.name}")
