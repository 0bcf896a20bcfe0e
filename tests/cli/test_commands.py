"""join, leave, force-leave, info and catalog, against recorded answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]

REFUSED = "1 error occurred:\n\t* Failed to join 10.0.0.9:8301: dial tcp 10.0.0.9:8301: i/o timeout\n\n"

NODES = [
    {
        "ID": "6f6bd3e4-6a57-4d0c-9f2e-0d0a1f6f2b11",
        "Node": "agent-one",
        "Address": "10.0.0.1",
        "Datacenter": "dc1",
        "TaggedAddresses": {"wan": "10.0.0.1", "lan": "10.0.0.1"},
        "Meta": {"rack": "a7"},
        "CreateIndex": 5,
        "ModifyIndex": 6,
    },
    {"ID": "", "Node": "printer", "Address": "10.0.0.7", "Datacenter": "dc1", "TaggedAddresses": None, "Meta": None},
]


# join


def test_join_counts_what_worked(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/agent/join/10.0.0.1")
    fake_agent.answer("PUT /v1/agent/join/%5Bfd00%3A%3A1%5D%3A8301")
    assert (0, "Successfully joined cluster by contacting 2 nodes.\n", "") == shell(
        "join", "10.0.0.1", "[fd00::1]:8301"
    )


def test_join_goes_on_after_a_failure(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/agent/join/10.0.0.9", status=500, text=REFUSED)
    fake_agent.answer("PUT /v1/agent/join/10.0.0.1")
    code, out, err = shell("join", "10.0.0.9", "10.0.0.1")
    assert (0, "Successfully joined cluster by contacting 1 nodes.\n") == (code, out)
    assert f"Error joining address '10.0.0.9': Unexpected response code: 500 ({REFUSED.strip()})\n" == err


def test_join_that_reaches_nobody_fails(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/agent/join/10.0.0.9", status=500, text="no")
    code, out, err = shell("join", "10.0.0.9")
    assert (1, "") == (code, out)
    assert "Failed to join any nodes." == err.splitlines()[-1]


def test_join_wants_an_address(shell: Shell) -> None:
    code, _, err = shell("join")
    assert 1 == code
    assert err.startswith("At least one address to join must be specified.\n\nUsage: nodedns join")


# leave and force-leave


def test_leave_says_when_it_is_done(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/agent/leave")
    assert (0, "Graceful leave complete\n", "") == shell("leave")


def test_reload_says_that_it_is_done(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/agent/reload")
    assert (0, "Configuration reload triggered\n", "") == shell("reload")


def test_reload_says_why_nothing_has_changed(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/agent/reload", status=500, text="a.json: log_level: bad")
    assert (1, "", "Error reloading: Unexpected response code: 500 (a.json: log_level: bad)\n") == shell("reload")


def test_reload_takes_no_arguments(shell: Shell) -> None:
    code, _, err = shell("reload", "x")
    assert (1, True) == (code, err.startswith("Error found unexpected args: [x]\n\nUsage: nodedns reload"))


def test_force_leave_says_nothing(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/agent/force-leave/a%2Fb")
    assert (0, "", "") == shell("force-leave", "a/b")
    assert ["PUT /v1/agent/force-leave/a%2Fb"] == fake_agent.asked


def test_force_leave_prunes(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/agent/force-leave/x")
    assert 0 == shell("force-leave", "-prune", "x")[0]
    assert ["PUT /v1/agent/force-leave/x?prune=1"] == fake_agent.asked


def test_force_leave_of_a_stranger_fails(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("PUT /v1/agent/force-leave/x", status=500, text="agent: No node found with name 'x'")
    expected = "Error force leaving: Unexpected response code: 500 (agent: No node found with name 'x')\n"
    assert (1, "", expected) == shell("force-leave", "x")


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_force_leave_takes_one_name(shell: Shell, names: tuple[str, ...]) -> None:
    code, _, err = shell("force-leave", *names)
    assert 1 == code
    assert err.startswith("A single node name must be specified to force leave.\n")


@pytest.mark.parametrize("words", [("join", "-wan", "x"), ("force-leave", "-wan", "x")])
def test_wan_is_refused_honestly(shell: Shell, words: tuple[str, ...]) -> None:
    code, _, err = shell(*words)
    assert 1 == code
    assert "no WAN pool" in err


# info


def test_info_is_sorted(shell: Shell, fake_agent: Any) -> None:
    stats = {"serf_lan": {"members": "2", "failed": "0"}, "agent": {"checks": "0"}}
    fake_agent.answer("GET /v1/agent/self", {"Stats": stats})
    assert (0, "agent:\n\tchecks = 0\nserf_lan:\n\tfailed = 0\n\tmembers = 2\n", "") == shell("info")


# catalog


def test_nodes_may_be_listed_by_distance(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/nodes", NODES)
    code, _, _ = shell("catalog", "nodes", "-near=_agent", "-node-meta=rack=a7")
    assert (0, ["GET /v1/catalog/nodes?near=_agent&node-meta=rack%3Aa7"]) == (code, fake_agent.asked)


def test_datacenters_are_one_per_line(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/datacenters", ["dc1", "dc2"])
    assert (0, "dc1\ndc2\n", "") == shell("catalog", "datacenters")


def test_nodes_are_a_table(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/nodes", NODES)
    code, out, _ = shell("catalog", "nodes")
    assert 0 == code
    assert [
        "Node       ID        Address   DC",
        "agent-one  6f6bd3e4  10.0.0.1  dc1",
        "printer              10.0.0.7  dc1",
    ] == out.splitlines()


def test_detailed_nodes_show_maps(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/nodes", NODES[:1])
    lines = shell("catalog", "nodes", "-detailed")[1].splitlines()
    assert ["Node", "ID", "Address", "DC", "TaggedAddresses", "Meta"] == lines[0].split()
    assert lines[1].endswith("2b11  10.0.0.1  dc1  lan=10.0.0.1, wan=10.0.0.1  rack=a7")


def test_nodes_are_asked_for_by_meta_and_datacenter(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/nodes", NODES)
    shell("catalog", "nodes", "-stale", "-node-meta=a=1", "-node-meta", "b=2", "-datacenter=dc2")
    assert ["GET /v1/catalog/nodes?dc=dc2&node-meta=a%3A1&node-meta=b%3A2"] == fake_agent.asked


def test_no_nodes_is_no_error(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/nodes", [])
    expected = "No nodes match the given query - try expanding your search.\n"
    assert (0, "", expected) == shell("catalog", "nodes")


def test_meta_without_a_value_is_refused(shell: Shell) -> None:
    code, _, err = shell("catalog", "nodes", "-node-meta=a")
    assert 1 == code
    assert err.startswith('invalid value "a" for flag -node-meta: it takes key=value')


@pytest.mark.parametrize("command", ["nodes", "datacenters", "services"])
def test_catalog_takes_no_arguments(shell: Shell, command: str) -> None:
    assert (1, "", "Too many arguments (expected 0, got 2)\n") == shell("catalog", command, "a", "b")


@pytest.mark.parametrize(
    ("words", "asked", "intro"),
    [
        (("catalog", "nodes"), "GET /v1/catalog/nodes", "Error listing nodes"),
        (("catalog", "datacenters"), "GET /v1/catalog/datacenters", "Error listing datacenters"),
        (("catalog", "services"), "GET /v1/catalog/services", "Error listing services"),
        (("catalog", "services", "-node=a"), "GET /v1/catalog/node/a", "Error listing services"),
        (("catalog", "nodes", "-service=a"), "GET /v1/catalog/service/a", "Error listing nodes"),
        (("info",), "GET /v1/agent/self", "Error querying agent"),
        (("leave",), "PUT /v1/agent/leave", "Error leaving"),
    ],
)
def test_error_of_the_agent_is_shown(
    shell: Shell, fake_agent: Any, words: tuple[str, ...], asked: str, intro: str
) -> None:
    fake_agent.answer(asked, status=500, text="why")
    assert (1, "", f"{intro}: Unexpected response code: 500 (why)\n") == shell(*words)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("members",), "GET /v1/agent/members"),
        (("info",), "GET /v1/agent/self"),
        (("catalog", "nodes"), "GET /v1/catalog/nodes"),
        (("catalog", "datacenters"), "GET /v1/catalog/datacenters"),
    ],
)
@pytest.mark.parametrize("answer", [5, "x", [5], [{}], {"Stats": {"a": 1}}, {"Stats": [1]}])
def test_json_of_another_program_is_no_traceback(
    shell: Shell, fake_agent: Any, words: tuple[str, ...], asked: str, answer: object
) -> None:
    fake_agent.answer(asked, answer)
    code, _, err = shell(*words)
    is_named = err.endswith("is not that of an agent; does something else listen there?\n")
    assert (1, True) == (code, is_named) or ("datacenters" in words and isinstance(answer, list))
