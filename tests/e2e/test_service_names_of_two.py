"""Services registered over HTTP with one agent, and asked for by name at another, through every end they may meet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from nodedns.testing.agent_pair import Pair, agent_pair
from nodedns.testing.loopback import LoneAgent
from nodedns.testing.processes import poll

NAME = "web.service.consul"
SRV = "_web._tcp.service.consul"
WEB = {"Name": "web", "Address": "10.1.2.3", "Port": 80, "Check": {"TTL": "1h", "Status": "passing"}}
SETTINGS = 'gossip_profile = "local"\ndns_config { service_order = "near" }'


@pytest.fixture
def pair(tmp_path: Path, dig_program: Path) -> Iterator[Pair]:
    assert dig_program
    settings = tmp_path / "settings.hcl"
    settings.write_text(SETTINGS, encoding="ascii")
    with agent_pair(tmp_path, f"-config-file={settings}") as made:
        yield made


@pytest.fixture
def with_web(pair: Pair) -> Pair:
    """Have web registered with the first, and known at the second."""
    assert 200 == pair.one.http("PUT", "/v1/agent/service/register", WEB)[0]
    poll(lambda: addresses(pair.two), "web to be known")
    return pair


def addresses(agent: LoneAgent) -> list[str]:
    return agent.dig(NAME).data


def in_order(agent: LoneAgent) -> list[str]:
    """The addresses as they are answered."""
    return [record.data for record in agent.dig(NAME).answer]


def has_two(agent: LoneAgent) -> bool:
    return len(addresses(agent)) == 2


def is_denied(agent: LoneAgent) -> bool:
    """Whether neither address, nor SRV, nor the name is there."""
    answers = [agent.dig(NAME), agent.dig(SRV, "SRV")]
    return [("NXDOMAIN", [])] * 2 == [(answer.status, answer.data) for answer in answers]


def test_service_has_address_srv_and_pointer_at_the_other_agent(with_web: Pair) -> None:
    two = with_web.two
    assert ["10.1.2.3"] == addresses(two)
    assert ["1 1 80 0a010203.addr.dc1.consul."] == two.dig(SRV, "SRV").data
    assert ["web.service.dc1.consul."] == two.dig("-x", "10.1.2.3").data


def test_service_whose_check_fails_is_gone_and_back_when_it_passes(with_web: Pair) -> None:
    assert 200 == with_web.one.http("PUT", "/v1/agent/check/fail/service:web")[0]
    poll(lambda: is_denied(with_web.two), "web to be gone")
    assert ["web.service.dc1.consul."] == with_web.two.dig("-x", "10.1.2.3").data
    assert 200 == with_web.one.http("PUT", "/v1/agent/check/pass/service:web")[0]
    poll(lambda: ["10.1.2.3"] == addresses(with_web.two), "web to be back")


def test_service_of_a_killed_agent_is_gone_once_that_has_failed(with_web: Pair) -> None:
    with_web.one.process.kill()
    poll(lambda: is_denied(with_web.two), "web to be gone")
    assert "failed" == with_web.two.statuses()["one"]


def test_service_of_an_agent_that_leaves_is_gone_with_its_pointer(with_web: Pair) -> None:
    assert 0 == with_web.one.command("leave").code
    poll(lambda: is_denied(with_web.two), "web to be gone")
    assert "left" == with_web.two.statuses()["one"]
    poll(lambda: [] == with_web.two.dig("-x", "10.1.2.3").data, "the pointer to be gone")


def test_service_of_an_external_node_outlives_the_agent_it_was_registered_with(pair: Pair) -> None:
    router = {"Node": "router", "Address": "10.4.0.1", "Service": {"Service": "web", "Port": 80}}
    assert (200, "true") == pair.one.http("PUT", "/v1/catalog/register", router)
    poll(lambda: addresses(pair.two), "web to be known")
    pair.one.process.kill()
    poll(lambda: "failed" == pair.two.statuses()["one"], "the first to have failed")
    assert ["10.4.0.1"] == addresses(pair.two)
    assert ["1 1 80 router.node.dc1.consul."] == pair.two.dig(SRV, "SRV").data


def test_each_agent_names_its_own_instance_first(with_web: Pair) -> None:
    assert 200 == with_web.two.http("PUT", "/v1/agent/service/register", {**WEB, "Address": "10.1.2.4"})[0]
    for agent in with_web:
        poll(partial(has_two, agent), "both to be known")
    assert [["10.1.2.3", "10.1.2.4"]] * 8 == [in_order(with_web.one) for _ in range(8)]
    assert [["10.1.2.4", "10.1.2.3"]] * 8 == [in_order(with_web.two) for _ in range(8)]
