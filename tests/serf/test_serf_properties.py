"""Whatever a stranger sends, nothing is raised, and what is kept stays within its bounds."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from nodedns.gossip.params import LOCAL
from nodedns.model.address import Address
from nodedns.model.names import NodeName
from nodedns.serf.filters import NodeFilter, TagFilter, encode_filter
from nodedns.serf.lamport import MAX_LTIME
from nodedns.serf.messages import (
    JoinIntent,
    LeaveIntent,
    Query,
    QueryResponse,
    Relay,
    SerfMessage,
    UserEvent,
    encode_message,
)
from nodedns.serf.params import SerfParams
from nodedns.serf.serf import Serf

STRANGER = Address(bytes([10, 9, 9, 9]), 9999)
LTIMES = st.one_of(st.integers(0, 20), st.integers(MAX_LTIME - 3, MAX_LTIME))
NAMES = st.sampled_from(["me", "x", "", "a b", "\u00e9"])
PACKED = st.sampled_from([b"", b"\x01", STRANGER.packed, bytes(16)])
PORTS = st.integers(0, 3)
FILTERS = st.one_of(
    st.lists(NAMES, max_size=2).map(lambda names: encode_filter(NodeFilter(tuple(names)))),
    st.text(alphabet="me^$.*(|)[", max_size=5).map(lambda pattern: encode_filter(TagFilter("role", pattern))),
    st.binary(min_size=1, max_size=4),
)
QUERY_NAMES = st.sampled_from(
    ["q", "_serf_ping", "_serf_conflict", "_serf_list-keys", "_serf_install-key", "_serf_zzz"]
)
QUERIES = st.builds(
    Query,
    LTIMES,
    st.integers(0, 3),
    PACKED,
    PORTS,
    NAMES,
    st.lists(FILTERS, max_size=3).map(tuple),
    st.integers(0, 3),
    st.integers(0, 255),
    st.integers(-(2**63), 2**63 - 1),
    QUERY_NAMES,
    st.binary(min_size=1, max_size=5),
)
RESPONSES = st.builds(QueryResponse, LTIMES, st.integers(0, 3), NAMES, st.integers(0, 1), st.binary(max_size=5))
MESSAGES: st.SearchStrategy[SerfMessage] = st.one_of(
    st.builds(LeaveIntent, LTIMES, NAMES, st.booleans()),
    st.builds(JoinIntent, LTIMES, NAMES),
    st.builds(UserEvent, LTIMES, NAMES, st.binary(max_size=5), st.booleans()),
    QUERIES,
    RESPONSES,
    st.builds(Relay, PACKED, PORTS, NAMES, RESPONSES.map(encode_message)),
)


def started() -> Serf:
    rng = Random(1)  # a seeded test
    core = Serf(
        SerfParams(), LOCAL, NodeName("me"), Address(bytes([10, 0, 0, 1]), 7946), {"role": "me"}, rng, rng.randbytes
    )
    core.start(0.0)
    return core


def drain(core: Serf, now: float) -> None:
    core.datagrams_to_send(now)
    while core.next_event() is not None:
        pass


@given(st.lists(MESSAGES, max_size=30))
def test_any_messages_are_taken_without_harm(messages: list[SerfMessage]) -> None:
    core = started()
    for number, message in enumerate(messages):
        core.receive_datagram(b"\x08" + encode_message(message), STRANGER, float(number))
        core.handle_timer(float(number))
        drain(core, float(number))
    assert core.member("me") is not None
    statistics = core.statistics()
    assert max(statistics.member_time, statistics.event_time, statistics.query_time) <= MAX_LTIME


@given(MESSAGES.map(encode_message), st.integers(0, 200), st.binary(max_size=3))
def test_damaged_messages_are_taken_without_harm(message: bytes, at: int, patch: bytes) -> None:
    core = started()
    damaged = message[:at] + patch + message[at + len(patch) :]
    core.receive_datagram(b"\x08" + damaged, STRANGER, 0.0)
    drain(core, 0.0)
    assert core.member("me") is not None


@given(st.binary(max_size=64))
def test_any_bytes_are_taken_without_harm(data: bytes) -> None:
    core = started()
    core.receive_datagram(b"\x08" + data, STRANGER, 0.0)
    core.receive_datagram(data, STRANGER, 0.0)
    drain(core, 0.0)
    assert core.member("me") is not None
