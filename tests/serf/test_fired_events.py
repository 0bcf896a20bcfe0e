from __future__ import annotations

from typing import Any

import attrs
import msgpack
import pytest

from nodedns.errors import GossipWireError
from nodedns.model.fired_event import FiredEvent
from nodedns.serf.events import UserEventReceived
from nodedns.serf.filter_budget import COMPILE_STEPS, FilterTooCostly
from nodedns.serf.fired_events import (
    FilteredService,
    check_filters,
    decode_fired_event_untrusted,
    encode_fired_event,
    is_meant_for,
)
from nodedns.serf.regex import BadPattern

ID = "b54fe110-7af5-cafc-d1fb-afc8ba432b1c"
WEB = FilteredService("web", ("v1", "green"))
DB = FilteredService("db")


def freely(_steps: int) -> bool:
    return True


def event(**changes: Any) -> FiredEvent:
    return attrs.evolve(FiredEvent(event_id=ID, name="deploy"), **changes)


def received(payload: object, name: str = "consul:event:deploy", ltime: int = 7) -> UserEventReceived:
    body = payload if isinstance(payload, bytes) else msgpack.packb(payload, use_bin_type=False)
    return UserEventReceived(ltime, name, body, can_coalesce=False)


def test_event_is_packed_as_consul_packs_it() -> None:
    name, payload = encode_fired_event(event(payload=b"1.2", node_filter="^web-"))
    assert name == "consul:event:deploy"
    assert msgpack.unpackb(payload) == {"ID": ID, "n": "deploy", "nf": "^web-", "p": "1.2", "v": 1}


def test_what_is_empty_is_left_out() -> None:
    _, payload = encode_fired_event(event())
    assert msgpack.unpackb(payload) == {"ID": ID, "n": "deploy", "v": 1}


def test_event_survives_the_round_trip_and_gets_its_time() -> None:
    sent = event(payload=b"\xff\x00", node_filter="a", service_filter="b", tag_filter="c")
    name, payload = encode_fired_event(sent)
    assert decode_fired_event_untrusted(received(payload, name)) == attrs.evolve(sent, ltime=7)


def test_id_is_in_lower_case() -> None:
    read = decode_fired_event_untrusted(received({"ID": ID.upper(), "n": "x", "v": 1}))
    assert read is not None
    assert read.event_id == ID


@pytest.mark.parametrize("name", ["consul:new-leader", "consul:", "consul:eventful"])
def test_talk_of_consuls_servers_is_no_event(name: str) -> None:
    assert decode_fired_event_untrusted(received(b"agent-one", name)) is None


def test_remote_execution_is_no_event() -> None:
    assert decode_fired_event_untrusted(received({"ID": ID, "n": "_rexec", "v": 1}, "consul:event:_rexec")) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        [],
        {},
        {"ID": "", "n": "x", "v": 1},
        {"ID": ID + "0", "n": "x", "v": 1},
        {"ID": "g" * 36, "n": "x", "v": 1},
        {"ID": ID, "n": 5, "v": 1},
        {"ID": ID, "n": "x", "v": 2},
        {"ID": ID, "n": "x", "v": -1},
    ],
)
def test_what_is_named_as_consuls_and_is_not_is_refused(payload: object) -> None:
    with pytest.raises(GossipWireError):
        decode_fired_event_untrusted(received(payload))


def test_plain_event_gets_an_id_that_everybody_gives_it() -> None:
    first = decode_fired_event_untrusted(received(b"x", "deploy"))
    assert first == FiredEvent(
        event_id="0d7c89a1-5646-5b94-9184-d622745935ab", name="deploy", payload=b"x", version=0, ltime=7
    )


def test_plain_events_that_serf_holds_apart_have_ids_of_their_own() -> None:
    plain = [
        received(b"x", "deploy"),
        received(b"x", "deploy", ltime=8),
        received(b"y", "deploy"),
        received(b"", "deploy78"),
        received(b"", "a\udcff"),
    ]
    read = [decode_fired_event_untrusted(one) for one in plain]
    assert len({one.event_id for one in read if one is not None}) == len(plain)


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({}, True),
        ({"node_filter": "^web-"}, True),
        ({"node_filter": "b-1$"}, True),
        ({"node_filter": "db"}, False),
        ({"service_filter": "we"}, True),
        ({"service_filter": "^we$"}, False),
        ({"service_filter": "web", "tag_filter": "gr"}, True),
        ({"service_filter": "web", "tag_filter": "blue"}, False),
        ({"service_filter": "db", "tag_filter": "green"}, False),
        ({"service_filter": "db", "tag_filter": ""}, True),
        ({"node_filter": "db", "service_filter": "web"}, False),
    ],
)
def test_filters_choose(filters: dict[str, str], passes: bool) -> None:
    assert is_meant_for(event(**filters), "web-1", [DB, WEB], freely) is passes


def test_without_services_a_service_filter_lets_nothing_through() -> None:
    assert not is_meant_for(event(service_filter=".*"), "web-1", (), freely)


@pytest.mark.parametrize(
    "filters", [{"node_filter": "("}, {"service_filter": "a(?=b)"}, {"service_filter": "a", "tag_filter": "["}]
)
def test_filter_that_re2_would_refuse_is_an_error(filters: dict[str, str]) -> None:
    with pytest.raises(BadPattern):
        is_meant_for(event(**filters), "web-1", [WEB], freely)


@pytest.mark.parametrize("kind", ["node", "service", "tag"])
def test_bad_filter_is_named(kind: str) -> None:
    with pytest.raises(BadPattern, match=f"^Invalid {kind} filter: "):
        check_filters(event(**{f"{kind}_filter": "("}))


def test_matching_is_paid_for_before_it_is_done() -> None:
    asked: list[int] = []

    def may_spend(steps: int) -> bool:
        asked.append(steps)
        return steps == COMPILE_STEPS

    with pytest.raises(FilterTooCostly):
        is_meant_for(event(node_filter="a{100}"), "x" * 9, (), may_spend)
    assert len(asked) == 2
    assert 1_000 <= asked[1] <= 1_100


@pytest.mark.parametrize("kind", ["node", "service", "tag"])
def test_pattern_that_is_none_has_to_be_paid_for_too(kind: str) -> None:
    filters = {"service_filter": "web", f"{kind}_filter": "((){100}){100}"}
    with pytest.raises(FilterTooCostly):
        is_meant_for(event(**filters), "web-1", [WEB], lambda _steps: False)


def test_event_without_filters_costs_nothing() -> None:
    assert is_meant_for(event(), "web-1", [WEB], lambda _steps: False)
