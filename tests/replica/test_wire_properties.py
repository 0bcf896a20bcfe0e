"""Messages and records: there and back, and what garbage does."""

from __future__ import annotations

import contextlib

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nodedns.errors import LocalProtocolError, WireError
from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service, ServiceAddress, Weights
from nodedns.replica.clock import MAX_VERSION
from nodedns.replica.entry import Entry, Key, Kind, Origin, change_of, target_of
from nodedns.replica.messages import BUCKETS, Behind, Census, CensusAsk, Delta, Digest, Fingerprint, Rumours, Summary
from nodedns.replica.params import MAX_ID_BYTES
from nodedns.replica.records import Intent, decode_record, encode_intent
from nodedns.replica.wire import (
    decode_message_untrusted,
    decode_ranges_untrusted,
    encode_behind,
    encode_census,
    encode_census_ask,
    encode_census_part,
    encode_delta,
    encode_digest,
    encode_entry,
    encode_fingerprint,
    encode_own_entry,
    encode_range,
    encode_rumours,
    encode_summary,
    join_ranges,
)
from nodedns.table.changes import ExternalNode

ORIGIN = Origin(bytes(range(24)))
OTHER = Origin(bytes(24))

texts = st.text(st.characters(), max_size=20)
short = st.text(st.characters(), min_size=1, max_size=20)
maps = st.dictionaries(texts, texts, max_size=3)
ports = st.integers(0, 65_535)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
services = st.builds(
    Service,
    id=short,
    name=texts,
    tags=st.lists(texts, max_size=3).map(tuple),
    address=texts,
    port=ports,
    meta=maps,
    tagged_addresses=st.dictionaries(texts, st.builds(ServiceAddress, texts, ports), max_size=2),
    weights=st.builds(Weights, ports, ports),
    enable_tag_override=st.booleans(),
    ports=st.lists(st.builds(NamedPort, texts, ports, st.booleans()), max_size=2).map(tuple),
    socket_path=texts,
)
checks = st.builds(
    Check,
    id=short,
    name=texts,
    status=st.sampled_from(CheckStatus),
    output=texts,
    service_tags=st.lists(texts, max_size=3).map(tuple),
    definition=st.dictionaries(texts, plain, max_size=3),
)
nodes = st.builds(ExternalNode, short.map(NodeName), texts, texts, maps, maps)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    value = draw(services | checks | nodes | st.none())
    name = value.name if isinstance(value, ExternalNode) else NodeName(draw(short))
    kind = {Service: Kind.SERVICE, Check: Kind.CHECK, ExternalNode: Kind.NODE}.get(type(value), Kind.CHECK)
    item = "" if isinstance(value, ExternalNode) else value.id if value is not None else draw(short)
    entry = Entry((kind, "", item), NodeName(name), draw(st.integers(1, MAX_VERSION)), ORIGIN, value)
    key: Key = target_of(change_of(entry))[0]
    return Entry(key, entry.node, entry.version, ORIGIN, value)


def facts(entry: Entry) -> tuple[object, ...]:
    return (entry.key, entry.node, entry.version, entry.origin, entry.value)


@given(entries())
def test_an_entry_comes_back_as_it_went(entry: Entry) -> None:
    raw = encode_range(ORIGIN, 0, MAX_VERSION, [encode_own_entry(entry)])
    (told,) = decode_ranges_untrusted(join_ranges([raw]))
    assert facts(entry) == facts(told.entries[0])
    assert (ORIGIN, 0, MAX_VERSION, raw) == (told.origin, told.after, told.upto, told.raw)


@given(entries())
def test_an_intent_comes_back_as_it_went(entry: Entry) -> None:
    assert Intent(change_of(entry)) == decode_record(encode_intent(change_of(entry)))


ENTRY = Entry((Kind.SERVICE, "n1", "web"), NodeName("N1"), 7, ORIGIN, Service("web", "web", port=80))
RANGE = encode_range(ORIGIN, 5, 9, [encode_entry(ENTRY)])
PART = encode_census_part((ORIGIN, 0, 9, 3), [2, 4], [encode_entry(ENTRY)])
MESSAGES = [
    (encode_fingerprint(2**64 - 1, 0), Fingerprint),
    (encode_summary(range(BUCKETS)), Summary),
    (encode_digest(5, [(ORIGIN, 3), (OTHER, 4)], wants_answer=True), Digest),
    (encode_rumours([RANGE, RANGE]), Rumours),
    (encode_delta(3, [RANGE]), Delta),
    (encode_behind(), Behind),
    (encode_census_ask(9, 0, [(ORIGIN, 3)]), CensusAsk),
    (encode_census(9, 1, [PART], is_last=True), Census),
]


@pytest.mark.parametrize(("payload", "kind"), MESSAGES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_message_is_read_as_what_it_is_and_not_if_anything_is_missing_or_left_over(
    payload: bytes, kind: type
) -> None:
    assert kind is type(decode_message_untrusted(payload))
    for wrong in (payload + b"\x00", payload[:-1]):
        with pytest.raises(WireError):
            decode_message_untrusted(wrong)


def test_a_digest_comes_back_as_it_went() -> None:
    assert Digest(5, {ORIGIN: 3, OTHER: 4}, True) == decode_message_untrusted(MESSAGES[2][0])


@given(st.binary(max_size=200))
@example(b"\x04\xdd\xff\xff\xff\xff")
@example(b"\x04" + b"\x91" * 3000)
def test_any_bytes_are_a_message_or_refused(payload: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_message_untrusted(payload)


@given(st.sampled_from([payload for payload, _ in MESSAGES]), st.data())
def test_any_change_to_a_message_makes_another_or_is_refused(payload: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(payload) - 1))
    with contextlib.suppress(WireError):
        decode_message_untrusted(payload[:at] + data.draw(st.binary(min_size=1, max_size=3)) + payload[at + 1 :])


SERVICE = ["web", [], "", 80, {}, {}, 1, 1, False, [], ""]


@pytest.mark.parametrize(
    "entry",
    [
        [9, "n", "web", 7, None],
        [1, "", "web", 7, None],
        [1, "n", "", 7, None],
        [0, "n", "web", 7, None],
        [1, "n" * (MAX_ID_BYTES + 1), "web", 7, None],
        [1, "n", "web", 5, None],
        [1, "n", "web", 10, None],
        [1, "n", "web", True, None],
        [1, "n", "web", 7, SERVICE[:-1]],
        [1, "n", "web", 7, ["web", [], "", 65_536, *SERVICE[4:]]],
        [1, "n", "web", 7, ["web", [1], *SERVICE[2:]]],
        [1, "n", "web", 7, ["web", [], "", 80, {"k": 1}, *SERVICE[5:]]],
        [1, "n", "web", 7, ["web", [], "", 80, {b"k": "v"}, *SERVICE[5:]]],
        [1, "n", "web", 7, [*SERVICE[:8], 1, [], ""]],
        [2, "n", "c", 7, ["c", "fine", "", "", "", "", [], "", "", "", {}]],
        [2, "n", "c", 7, ["c", "passing", "", "", "", "", [], "", "", "", {"k": [[[[[[[[[1]]]]]]]]]}]],
        [2, "n", "c", 7, ["c", "passing", "", "", "", "", [], "", "", "", {"k": b"bytes"}]],
    ],
    ids=str,
)
def test_what_breaks_a_rule_is_refused(entry: list[object]) -> None:
    payload = encode_rumours([encode_range(ORIGIN, 5, 9, [msgpack.packb(entry)])])
    with pytest.raises(WireError):
        decode_message_untrusted(payload)


def test_the_rules_let_pass_what_keeps_them() -> None:
    payload = encode_rumours([encode_range(ORIGIN, 5, 9, [msgpack.packb([1, "N", "web", 7, SERVICE])])])
    told = decode_message_untrusted(payload)
    assert isinstance(told, Rumours)
    assert (Kind.SERVICE, "n", "web") == told.ranges[0].entries[0].key


def test_entries_out_of_order_are_refused() -> None:
    late = Entry(ENTRY.key, ENTRY.node, 6, ORIGIN, None)
    with pytest.raises(WireError, match="out of order"):
        decode_ranges_untrusted(join_ranges([encode_range(ORIGIN, 5, 9, [encode_entry(ENTRY), encode_entry(late)])]))


def test_what_is_known_is_not_looked_at() -> None:
    payload = encode_rumours([encode_range(ORIGIN, 5, 9, [msgpack.packb("nonsense")])])
    told = decode_message_untrusted(payload, lambda _: 9)
    assert isinstance(told, Rumours)
    assert () == told.ranges[0].entries


@pytest.mark.parametrize("definition", [{"k": 2**70}, {"k": object()}, {"k": (b"x",)}], ids=["big", "object", "bytes"])
def test_an_own_entry_that_others_would_refuse_is_refused_here(definition: dict[str, object]) -> None:
    check = Check("c", "c", CheckStatus.PASSING, definition=definition)
    with pytest.raises(LocalProtocolError):
        encode_own_entry(Entry((Kind.CHECK, "n", "c"), NodeName("n"), 1, ORIGIN, check))
