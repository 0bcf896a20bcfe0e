"""``nodedns doctor``: what it asks of the agent, and what scripts get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nodedns.cli.client import AgentClient
from nodedns.cli.client_settings import ClientSettings
from nodedns.cli.doctor.examine_agent import AgentSays, ask_agent, examine_peers
from nodedns.cli.doctor.listening import Listeners
from nodedns.cli.doctor.patience import Patience
from nodedns.cli.endpoint import parse_endpoint

Shell = Callable[..., tuple[int, str, str]]

NOW = 1_700_000_000.0
SELF: dict[str, Any] = {
    "Config": {"NodeName": "one", "Version": "0.1.0"},
    "DebugConfig": {
        "domain": "consul",
        "alt_domains": ["lan"],
        "dns_addrs": ["0.0.0.0", "127.0.0.9"],
        "dns_port": 8600,
        "retry_join": [],
        "recursion": {"recursors": []},
    },
    "Stats": {"consul": {"cluster_known": "false", "bootstrap_expect": "3"}},
    "Member": {"Addr": "127.0.0.1"},
}
METRICS = """\
# HELP nodedns_gossip_dropped_total gossip input dropped
nodedns_gossip_dropped_total{reason="wrong-key"} 4.0
nodedns_gossip_dropped_total{reason="bad-packet"} 9.0
nodedns_replica_refused{reason="future"} 2.0
nodedns_replica_refused{reason="full"} 7.0
"""


def member(name: str, status: int = 1, port: int = 9) -> dict[str, Any]:
    return {"Name": name, "Addr": "127.0.0.1", "Port": port, "Status": status}


@pytest.fixture
def told(fake_agent: Any) -> Any:
    fake_agent.answer("GET /v1/agent/self", SELF)
    fake_agent.answer("GET /v1/agent/members", [member("one"), member("two"), member("gone", 3), member("bad", 4)])
    fake_agent.answer("GET /v1/agent/metrics", text=METRICS)
    return fake_agent


def client_of(fake_agent: Any) -> AgentClient:
    return AgentClient(parse_endpoint(fake_agent.address), ClientSettings({"token": "secret"}, environment={}))


def patience() -> Patience:
    return Patience(lambda: 0.0, 10.0)


def ask(fake_agent: Any) -> AgentSays:
    return ask_agent(client_of(fake_agent), Listeners(), patience(), lambda: NOW)


def test_agent_says_who_it_is_and_what_it_counted(told: Any) -> None:
    says = ask(told)

    assert ("one", "0.1.0", False, 3) == (
        says.facts.node,
        says.facts.version,
        says.facts.is_known,
        says.facts.wanted_servers,
    )
    assert ("consul", "lan") == says.domains
    assert (("127.0.0.1", 8600), ("127.0.0.9", 8600)) == says.dns
    assert ({"wrong-key": 4}, 2) == (says.facts.undeciphered, says.facts.from_future)
    assert ["bad", "two"] == list(says.members)


def test_client_waits_for_no_servers(told: Any) -> None:
    told.answer("GET /v1/agent/self", SELF | {"Stats": {"consul": {"server": "false"}}})

    assert ask(told).facts.is_known


def test_dns_of_an_agent_elsewhere_is_not_looked_for_on_this_host(told: Any) -> None:
    told.answer("GET /v1/agent/self", SELF | {"Member": {"Addr": "192.0.2.1"}})

    says = ask(told)

    assert (False, (("192.0.2.1", 8600),)) == (says.is_here, says.dns)


def test_agent_that_wants_another_token_is_not_called_gone(fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/agent/self", status=403, text="Permission denied")

    facts = ask(fake_agent).facts

    assert (403, False) == (facts.status, facts.is_reached)


@pytest.mark.parametrize("answer", [[], {"Config": {}}, "text", 5])
def test_what_is_no_agent_is_named(fake_agent: Any, answer: Any) -> None:
    fake_agent.answer("GET /v1/agent/self", answer)

    says = ask(fake_agent)

    assert "no agent of nodedns" in says.facts.error
    assert "(pid " in says.facts.holder


def test_subject_and_failed_members_are_looked_at_first(told: Any) -> None:
    many = [member(f"m{number:02}") for number in range(20)]
    told.answer("GET /v1/agent/members", [member("one"), *many, member("zz", 4)])

    facts = examine_peers(client_of(told), ask(told), "M19", patience(), lambda: NOW)

    assert ["m19", "zz", "m00", "m01", "m02", "m03", "m04", "m05"] == [peer.name for peer in facts.peers]
    assert "connection refused" == (facts.peers[0].dial and facts.peers[0].dial.error)


def test_story_of_a_peer_is_taken_from_the_journal(told: Any) -> None:
    probe = {"LastAckSecondsAgo": 2.5, "MissesInARow": 1}
    told.answer("GET /v1/agent/why/two", {"Probe": probe, "Hints": ["UDP to it gets no answer"]})

    facts = examine_peers(client_of(told), ask(told), "two", patience(), lambda: NOW)

    peer = facts.peers[0]
    assert ("two", 2.5, 1, ("UDP to it gets no answer",)) == (peer.name, peer.acked_s, peer.misses, peer.hints)


def test_clock_of_a_peer_is_read_and_it_is_not_given_our_token(told: Any) -> None:
    told.answer("GET /v1/status/leader", "127.0.0.1:8300")

    facts = examine_peers(client_of(told), ask(told), "two", patience(), lambda: NOW)

    asked = [headers for path, headers in zip(told.asked, told.headers, strict=True) if "leader" in path]
    assert [None, None] == [headers.get("x-consul-token") for headers in asked]
    assert {"two", "bad"} == {clock.who for clock in facts.clocks}
    assert all(clock.ahead_s > 3600.0 for clock in facts.clocks)  # the stand-in goes by the real time


# --- the command -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-format=xml",), "-format takes text or json"),
        (("a", "b"), "At most one name"),
        (("a", "-format=json"), "-format=json stands behind a: flags come first"),
        (("",), "'' is no name that DNS can spell"),
        (("a..b",), "'a..b' is no name that DNS can spell"),
        (("x" * 64,), "is no name that DNS can spell"),
        (("10.0.0.2",), "10.0.0.2 is an address"),
        (("fd00::2",), "fd00::2 is an address"),
    ],
)
def test_command_line_that_makes_no_sense_is_no_fault_of_the_host(
    shell: Shell, words: tuple[str, ...], says: str
) -> None:
    code, out, err = shell("doctor", *words)

    assert (2, "") == (code, out)
    assert says in err


def test_help_says_what_the_exit_status_means_and_how_long_it_takes(shell: Shell) -> None:
    code, out, _ = shell("doctor", "-h")

    assert 0 == code
    for told in ("0 when nothing is broken", "1 when something is", "2 when something could not", "60 seconds"):
        assert told in " ".join(out.split())
