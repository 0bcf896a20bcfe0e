"""``nodedns rtt``, against recorded answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]


def entry(node: str, x: float = 0.0, **changes: object) -> Mapping[str, object]:
    coordinate = {"Vec": [x, *[0.0] * 7], "Error": 1.5, "Adjustment": 0.0, "Height": 1e-05}
    return {"Node": node, "Segment": "", "Coord": coordinate | changes}


NODES = [entry("agent-one"), entry("agent-two", 0.03, Adjustment=0.001, Height=0.002), entry("agent-three", -0.01)]
NODES_PATH = "GET /v1/coordinate/nodes"
DATACENTERS_PATH = "GET /v1/coordinate/datacenters"
SELF = {"Config": {"NodeName": "agent-three", "Datacenter": "dc1"}}


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (("agent-one", "agent-two"), "Estimated agent-one <-> agent-two rtt: 33.010 ms (using LAN coordinates)\n"),
        (("AGENT-TWO", "Agent-One"), "Estimated AGENT-TWO <-> Agent-One rtt: 33.010 ms (using LAN coordinates)\n"),
        (("agent-one", "agent-one"), "Estimated agent-one <-> agent-one rtt: 0.020 ms (using LAN coordinates)\n"),
        (("agent-one",), "Estimated agent-one <-> agent-three rtt: 10.020 ms (using LAN coordinates)\n"),
    ],
)
def test_estimate_is_printed_as_consul_does(shell: Shell, fake_agent: Any, names: tuple[str, ...], line: str) -> None:
    fake_agent.answer(NODES_PATH, NODES)
    fake_agent.answer("GET /v1/agent/self", SELF)
    assert (0, line, "") == shell("rtt", *names)


@pytest.mark.parametrize("names", [(), ("a", "b", "c")])
def test_one_or_two_names_are_wanted(shell: Shell, names: tuple[str, ...]) -> None:
    code, out, err = shell("rtt", *names)
    assert (1, "") == (code, out)
    assert err.startswith("One or two node names must be specified\n\nUsage: nodedns rtt [flags] <node> [<other-node>]")


@pytest.mark.parametrize("names", [("agent-one", "nobody"), ("nobody", "agent-one")])
def test_node_without_a_coordinate_is_named(shell: Shell, fake_agent: Any, names: tuple[str, ...]) -> None:
    fake_agent.answer(NODES_PATH, NODES)
    assert (1, "", 'Could not find a coordinate for node "nobody"\n') == shell("rtt", *names)


def test_refusal_of_the_agent_is_shown(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(NODES_PATH, status=401, text="Coordinate support disabled")
    refusal = "Error getting coordinates: Unexpected response code: 401 (Coordinate support disabled)\n"
    assert (1, "", refusal) == shell("rtt", "a", "b")


def test_agent_that_does_not_say_its_name_is_an_error(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/agent/self", status=500, text="why")
    assert (1, "", "Unable to look up agent info: Unexpected response code: 500 (why)\n") == shell("rtt", "a")


@pytest.mark.parametrize(
    "answer",
    [
        5,
        [5],
        [{}],
        [{"Node": "a"}],
        [{"Node": 5, "Coord": None}],
        [entry("a", Vec=[1.0])],
        [entry("a", Vec=["x"] * 8)],
        [entry("a", Height="inf")],
    ],
)
def test_coordinates_of_another_program_are_no_traceback(shell: Shell, fake_agent: Any, answer: object) -> None:
    fake_agent.answer(NODES_PATH, answer)
    code, _, err = shell("rtt", "a", "b")
    assert 1 == code
    assert err.endswith("is not that of an agent; does something else listen there?\n")


# -wan


def test_wan_compares_nodes_of_datacenters(shell: Shell, fake_agent: Any) -> None:
    datacenters = [
        {"Datacenter": "dc1", "AreaID": "wan", "Coordinates": [entry("agent-three")]},
        {"Datacenter": "dc2", "AreaID": "wan", "Coordinates": [entry("far", 0.1)]},
    ]
    fake_agent.answer(DATACENTERS_PATH, datacenters)
    fake_agent.answer("GET /v1/agent/self", SELF)
    line = "Estimated far.dc2 <-> agent-three.dc1 rtt: 100.020 ms (using WAN coordinates)\n"
    assert (0, line, "") == shell("rtt", "-wan", "far.dc2")


def test_wan_finds_nothing_without_a_wan_pool(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(DATACENTERS_PATH, [])
    assert (1, "", 'Could not find a coordinate for node "a.dc1"\n') == shell("rtt", "-wan", "a.dc1", "b.dc2")


@pytest.mark.parametrize("names", [("a", "b.dc1"), ("a.dc1", "b"), ("a.b.dc1", "b.dc1")])
def test_wan_wants_the_datacenter_in_the_name(shell: Shell, fake_agent: Any, names: tuple[str, ...]) -> None:
    fake_agent.answer(DATACENTERS_PATH, [])
    text = "Node names must be specified as <node name>.<datacenter> with -wan\n"
    assert (1, "", text) == shell("rtt", "-wan", *names)
