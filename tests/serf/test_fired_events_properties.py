"""Any bytes in an event of Consul's give an event, nothing, or an error of the wire."""

from __future__ import annotations

import uuid

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from nodedns.errors import GossipWireError
from nodedns.model.fired_event import FiredEvent
from nodedns.serf.events import UserEventReceived
from nodedns.serf.fired_events import decode_fired_event_untrusted, encode_fired_event

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=40) | st.uuids().map(str)
KEYS = st.sampled_from(["ID", "n", "p", "nf", "sf", "tf", "v", "x"])
MAPS = st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=3)).map(msgpack.packb)
TEXTS = st.text(max_size=20)


@given(
    payload=st.binary(max_size=200) | MAPS, name=st.sampled_from(["consul:event:x", "consul:event:", "x", "consul:x"])
)
def test_any_payload_is_read_or_refused(payload: bytes, name: str) -> None:
    try:
        event = decode_fired_event_untrusted(UserEventReceived(1, name, payload, can_coalesce=True))
    except GossipWireError:
        return
    assert event is None or uuid.UUID(event.event_id)


@given(
    event=st.builds(
        FiredEvent,
        event_id=st.uuids().map(str),
        name=TEXTS.filter(lambda name: name != "_rexec"),
        payload=st.binary(max_size=300),
        node_filter=TEXTS,
        service_filter=TEXTS,
        tag_filter=TEXTS,
        ltime=st.integers(0, 2**64 - 1),
    )
)
def test_event_survives_the_round_trip(event: FiredEvent) -> None:
    name, payload = encode_fired_event(event)
    assert event == decode_fired_event_untrusted(UserEventReceived(event.ltime, name, payload, can_coalesce=False))
