"""Firing user events, and waiting for the list of them to change."""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs
import pytest

from nodedns.api.actions import FireEvent, FirePlainEvent, Perform
from nodedns.api.blocking import Topic, Wait
from nodedns.api.request import Response
from nodedns.api.router import Outcome
from nodedns.model.fired_event import FiredEvent
from nodedns.testing.chance import seeded_random
from nodedns.testing.table_agent import TableAgent

Ask = Callable[..., Outcome]

FIRST = FiredEvent(event_id="b54fe110-7af5-cafc-d1fb-afc8ba432b1c", name="deploy", payload=b"1609030", ltime=19)
SECOND = FiredEvent(event_id="00000000-0000-4000-8000-000000000001", name="restart", node_filter="^web")
FIRST_INDEX = 0xB54FE1107AF5CAFC ^ 0xD1FBAFC8BA432B1C
SECOND_INDEX = 0x4000 ^ 0x8000000000000001


def fired(outcome: Outcome) -> FiredEvent:
    assert isinstance(outcome, Perform)
    assert isinstance(outcome.action, FireEvent)
    return outcome.action.event


def index_of(outcome: Outcome) -> int:
    assert isinstance(outcome, Response)
    return int(dict(outcome.headers)["X-Consul-Index"])


def names_in(outcome: Outcome) -> list[str]:
    assert isinstance(outcome, Response)
    return [event["Name"] for event in json.loads(outcome.body)]


# firing


def test_event_is_fired_with_payload_and_filters(ask: Ask, agent: TableAgent) -> None:
    outcome = ask(agent.api_context(), "/v1/event/fire/deploy?node=%5Eweb&service=a&tag=b", "PUT", b"\xff1")
    event = fired(outcome)
    assert event == FiredEvent(
        event_id=event.event_id, name="deploy", payload=b"\xff1", node_filter="^web", service_filter="a", tag_filter="b"
    )


def test_answer_has_consuls_shape(ask: Ask, agent: TableAgent) -> None:
    outcome = ask(agent.api_context(), "/v1/event/fire/deploy", "PUT", b"x")
    assert isinstance(outcome, Perform)
    response = outcome.answer(fired(outcome))
    expected = (
        f'{{"ID":"{fired(outcome).event_id}","Name":"deploy","Payload":"eA==","NodeFilter":"","ServiceFilter":"",'
        '"TagFilter":"","Version":1,"LTime":0}'
    )
    assert (200, expected) == (response.status, response.body.decode())


def test_event_without_payload_has_null(ask: Ask, agent: TableAgent) -> None:
    outcome = ask(agent.api_context(), "/v1/event/fire/deploy", "PUT")
    assert isinstance(outcome, Perform)
    assert json.loads(outcome.answer(fired(outcome)).body)["Payload"] is None


def test_ids_are_random_uuids(ask: Ask, agent: TableAgent) -> None:
    ids = set()
    for seed in range(5):
        ctx = attrs.evolve(agent.api_context(), rng=seeded_random(seed))
        ids.add(fired(ask(ctx, "/v1/event/fire/deploy", "PUT")).event_id)
    assert (5, {"4"}) == (len(ids), {event_id[14] for event_id in ids})


def test_plain_event_may_coalesce_unless_told_otherwise(ask: Ask, agent: TableAgent) -> None:
    for query, can_coalesce in (("plain", True), ("plain=true&coalesce=true", True), ("plain=1&coalesce=false", False)):
        outcome = ask(agent.api_context(), f"/v1/event/fire/deploy?{query}", "PUT", bytes(400))
        assert isinstance(outcome, Perform)
        assert outcome.action == FirePlainEvent("deploy", bytes(400), can_coalesce)


@pytest.mark.parametrize(
    ("target", "size", "status", "text"),
    [
        ("", 0, 400, "Missing name"),
        ("x?dc=dc9", 0, 500, "No path to datacenter"),
        ("x?tag=a", 0, 500, "Cannot provide tag filter without service filter"),
        ("x", 301, 413, "Event payload too large, received 301 bytes, max size: 300 bytes. "),
        ("x?plain&node=a", 0, 400, "A plain Serf event goes to every member; it cannot carry a node filter"),
        ("x?plain=yes", 0, 400, "The parameter 'plain' takes true or false"),
    ],
)
def test_what_cannot_be_fired_is_said(ask: Ask, target: str, size: int, status: int, text: str) -> None:
    response = ask(TableAgent().api_context(), f"/v1/event/fire/{target}", "PUT", bytes(size))
    assert isinstance(response, Response)
    assert status == response.status
    assert response.body.decode().startswith(text)


def test_payload_of_300_bytes_is_taken(ask: Ask, agent: TableAgent) -> None:
    assert 300 == len(fired(ask(agent.api_context(), "/v1/event/fire/x", "PUT", bytes(300))).payload)


# the list


def test_list_without_events_is_empty_with_index_1(ask: Ask, agent: TableAgent) -> None:
    response = ask(agent.api_context(), "/v1/event/list")
    assert isinstance(response, Response)
    assert (b"[]", 1) == (response.body, index_of(response))


def test_list_is_oldest_first_and_its_index_is_of_the_last(ask: Ask, agent: TableAgent) -> None:
    agent.see(FIRST, SECOND)
    response = ask(agent.api_context(), "/v1/event/list")
    assert isinstance(response, Response)
    assert (["deploy", "restart"], SECOND_INDEX) == (names_in(response), index_of(response))
    assert {
        "ID": FIRST.event_id,
        "Name": "deploy",
        "Payload": "MTYwOTAzMA==",
        "NodeFilter": "",
        "ServiceFilter": "",
        "TagFilter": "",
        "Version": 1,
        "LTime": 19,
    } == json.loads(response.body)[0]


def test_name_keeps_the_events_of_that_name(ask: Ask, agent: TableAgent) -> None:
    agent.see(FIRST, SECOND)
    response = ask(agent.api_context(), "/v1/event/list?name=deploy")
    assert (["deploy"], FIRST_INDEX) == (names_in(response), index_of(response))
    assert [] == names_in(ask(agent.api_context(), "/v1/event/list?name=dep"))


def test_names_from_the_network_stay_json(ask: Ask, agent: TableAgent) -> None:
    agent.see(attrs.evolve(FIRST, name='\x1b[2J"<\udcff'))
    response = ask(agent.api_context(), "/v1/event/list")
    assert isinstance(response, Response)
    assert b'"Name":"\\u001b[2J\\"\\u003c\xef\xbf\xbd"' in response.body


@pytest.mark.parametrize("index", [0, 1, FIRST_INDEX - 1, FIRST_INDEX + 1, 2**64 - 1])
def test_any_other_index_is_answered_at_once(ask: Ask, agent: TableAgent, index: int) -> None:
    agent.see(FIRST)
    assert FIRST_INDEX == index_of(ask(agent.api_context(), f"/v1/event/list?index={index}"))


def test_index_of_the_last_event_waits_for_the_next(ask: Ask, agent: TableAgent) -> None:
    agent.see(FIRST)
    wait = ask(agent.api_context(), f"/v1/event/list?index={FIRST_INDEX}&wait=9s")
    assert isinstance(wait, Wait)
    assert (Topic.EVENTS, 1, 9.0) == (wait.topic, wait.view_index, wait.timeout_s)
    agent.see(SECOND)
    assert SECOND_INDEX == index_of(wait.resume(agent.api_context()))


def test_wait_by_name_sleeps_through_other_events(ask: Ask, agent: TableAgent) -> None:
    agent.see(FIRST)
    wait = ask(agent.api_context(), f"/v1/event/list?name=deploy&index={FIRST_INDEX}")
    assert isinstance(wait, Wait)
    agent.see(SECOND)
    again = wait.resume(agent.api_context())
    assert isinstance(again, Wait)
    assert 2 == again.view_index


def test_wait_for_the_first_event_is_by_index_1(ask: Ask, agent: TableAgent) -> None:
    wait = ask(agent.api_context(), "/v1/event/list?index=1")
    assert isinstance(wait, Wait)
    agent.see(FIRST)
    assert FIRST_INDEX == index_of(wait.resume(agent.api_context()))


def test_expired_wait_answers_the_same_list(ask: Ask, agent: TableAgent) -> None:
    agent.see(FIRST)
    wait = ask(agent.api_context(), f"/v1/event/list?index={FIRST_INDEX}")
    assert isinstance(wait, Wait)
    assert FIRST_INDEX == index_of(wait.expire(agent.api_context()))


def test_halves_that_are_equal_give_index_1(ask: Ask, agent: TableAgent) -> None:
    agent.see(attrs.evolve(FIRST, event_id="80000000-0000-4000-8000-000000004000"))
    assert 1 == index_of(ask(agent.api_context(), "/v1/event/list"))


def test_bad_index_is_400(ask: Ask, agent: TableAgent) -> None:
    response = ask(agent.api_context(), "/v1/event/list?index=x")
    assert isinstance(response, Response)
    assert (400, b"Invalid index") == (response.status, response.body)
