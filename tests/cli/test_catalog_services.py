"""``catalog services``, and ``catalog nodes`` by service and filter, against recorded answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Shell = Callable[..., tuple[int, str, str]]

SERVICES = "GET /v1/catalog/services"
NOTHING = "No services match the given query - try expanding your search.\n"
ON_NODE = {
    "Node": {"Node": "a/b"},
    "Services": {
        "web1": {"ID": "web1", "Service": "web", "Tags": ["v1"]},
        "web2": {"ID": "web2", "Service": "web", "Tags": ["v2", "v1"]},
        "db": {"ID": "db", "Service": "db", "Tags": None},
    },
}


def instance(node: str, **facts: object) -> dict[str, object]:
    return {"Node": node, "ID": "6f6bd3e4-6a57", "Address": "10.0.0.1", "Datacenter": "dc1", **facts}


def test_services_are_listed_by_name(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(SERVICES, {"web": ["v2", "v1"], "consul": []})

    assert (0, "consul\nweb\n", "") == shell("catalog", "services")


def test_tags_stand_beside_the_names(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(SERVICES, {"web": ["v2", "v1"], "consul": None, "db": ["\x1b[1m"]})

    assert (0, "consul\ndb          \\x1b[1m\nweb         v1,v2\n", "") == shell("catalog", "services", "-tags")


def test_services_of_one_node_are_joined_by_name(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer("GET /v1/catalog/node/a%2Fb", ON_NODE)

    assert (0, "db\nweb      v1,v2\n", "") == shell("catalog", "services", "-node=a/b", "-tags")


def test_meta_and_datacenter_are_handed_over(shell: Shell, fake_agent: Any) -> None:
    fake_agent.answer(SERVICES, {"web": []})
    shell("catalog", "services", "-datacenter=dc1", "-node-meta=a=b", "-node-meta=c=")

    assert [f"{SERVICES}?dc=dc1&node-meta=a%3Ab&node-meta=c%3A"] == fake_agent.asked


@pytest.mark.parametrize(
    ("words", "asked", "answer"),
    [((), SERVICES, "{}"), (("-node=x",), "GET /v1/catalog/node/x", "null")],
)
def test_nothing_found_is_no_failure(
    shell: Shell, fake_agent: Any, words: tuple[str, ...], asked: str, answer: str
) -> None:
    fake_agent.answer(asked, text=answer)

    assert (0, "", NOTHING) == shell("catalog", "services", *words)


def test_nodes_of_a_service_are_listed_once(shell: Shell, fake_agent: Any) -> None:
    one, two = instance("one", NodeMeta={"rack": "a7"}, ServiceID="x"), instance("two", NodeMeta=None)
    fake_agent.answer("GET /v1/catalog/service/web%20x", [one, {**one, "ServiceID": "y"}, two])
    code, out, _ = shell("catalog", "nodes", "-service=web x", "-detailed", "-filter=ServicePort == 80")

    assert (0, 3) == (code, len(out.splitlines()))
    assert out.splitlines()[1].split() == ["one", "6f6bd3e4-6a57", "10.0.0.1", "dc1", "rack=a7"]
    assert ["GET /v1/catalog/service/web%20x?filter=ServicePort+%3D%3D+80"] == fake_agent.asked


@pytest.mark.parametrize(
    ("words", "asked", "answer"),
    [
        (("services",), SERVICES, {"web": 5}),
        (("services",), SERVICES, []),
        (("services", "-node=x"), "GET /v1/catalog/node/x", {"Services": [5]}),
        (("services", "-node=x"), "GET /v1/catalog/node/x", [5]),
        (("nodes", "-service=x"), "GET /v1/catalog/service/x", [5]),
    ],
)
def test_answer_of_another_program_is_no_traceback(
    shell: Shell, fake_agent: Any, words: tuple[str, ...], asked: str, answer: object
) -> None:
    fake_agent.answer(asked, answer)
    code, _, err = shell("catalog", *words)

    assert (1, True) == (code, err.endswith("is not that of an agent; does something else listen there?\n"))
