"""What entries take in memory, and that no member can have them take more than there is room for."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from random import Random

import pytest

from nodedns.model.check import Check, CheckStatus
from nodedns.model.names import NodeName
from nodedns.model.service import NamedPort, Service, ServiceAddress
from nodedns.replica.entry import NODE_ID_BYTES, ORIGIN_BYTES, Entry, Kind, Origin, Value
from nodedns.replica.messages import CensusPart, Range
from nodedns.replica.params import SMALL_BYTES, ReplicaParams
from nodedns.replica.replicator import Replicator
from nodedns.replica.state import Outcome, ReplicaState
from nodedns.replica.weight import weight_of
from nodedns.replica.wire import decode_ranges_untrusted, encode_entry, encode_range, join_ranges
from nodedns.table.changes import ExternalNode, NodeRegistered

ORIGIN = Origin(b"o" * ORIGIN_BYTES)
NODE = NodeName("n")
LONG = "x" * 16_384
ROOM_BYTES = 100_000
WALL_MS = 1_800_000_000_000


def noted(name: str, notes: str) -> Check:
    return Check(name, name, CheckStatus.PASSING, notes=notes)


def told(entries: Sequence[tuple[str, Value | None]], after: int = 0) -> Range:
    """Entries about checks with versions from ``after`` on."""
    made = tuple(
        Entry((Kind.CHECK, NODE, item), NODE, after + at, ORIGIN, value) for at, (item, value) in enumerate(entries, 1)
    )
    return Range(ORIGIN, after, after + len(made), made, b"")


def full() -> ReplicaState:
    state = ReplicaState(ROOM_BYTES)
    assert Outcome.FULL is state.apply(told([(f"c{n}", noted(f"c{n}", LONG)) for n in range(20)]), 100)
    return state


VALUES: list[Value] = [
    Service("s", "web", ("v1", "primary"), "10.0.0.1", 80, {"a": "b"}, {"lan": ServiceAddress("10.0.0.1", 80)}),
    Service("s", "web", tuple(f"tag-{n}" for n in range(256))),
    Service("s", "web", ports=tuple(NamedPort(f"p{n}", 80) for n in range(64)), meta={f"k{n}": "" for n in range(64)}),
    Check("c", "c", CheckStatus.PASSING, output="o" * 4_000, service_id="s", service_name="web"),
    Check("c", "c", CheckStatus.PASSING, definition={"Header": [[] for _ in range(1_000)]}),
    ExternalNode(NODE, "", "10.0.0.1", {"lan": "10.0.0.1"}, {"k": "\U0001f600" * 500}),
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_weight_is_about_what_entries_take_in_memory(value: Value) -> None:
    kind = {Service: Kind.SERVICE, Check: Kind.CHECK, ExternalNode: Kind.NODE}[type(value)]
    item = "" if kind is Kind.NODE else "id"
    raw = encode_entry(Entry((kind, NODE, item), NODE, 1, ORIGIN, value))
    packed = [join_ranges([encode_range(ORIGIN, 0, 1, [raw])]) for _ in range(100)]
    tracemalloc.start()
    held = [decode_ranges_untrusted(each)[0].entries for each in packed]
    taken = tracemalloc.get_traced_memory()[0] / len(held)
    tracemalloc.stop()

    assert taken / 2 < weight_of(value) < 3 * taken


def test_what_is_new_is_not_taken_once_there_is_no_room() -> None:
    state = full()

    assert ROOM_BYTES <= state.memory_bytes < ROOM_BYTES + weight_of(noted("c", LONG))
    assert state.known(ORIGIN) == len(state)


def test_a_full_replica_takes_deletions_and_small_changes_and_has_room_again() -> None:
    state = full()
    known = state.known(ORIGIN)
    assert Outcome.APPLIED is state.apply(told([("c0", noted("c0", "short"))], known), 100)
    assert Outcome.APPLIED is state.apply(told([("c1", None), ("new", noted("new", LONG))], known + 1), 100)
    assert Outcome.APPLIED is state.apply(told([("c2", None), ("c3", None)], known + 3), 100)
    before = state.memory_bytes
    state.forget_tombstones(100)

    assert before > state.memory_bytes
    assert not state.is_heavy


def test_no_small_entry_of_a_full_replica_becomes_a_long_one() -> None:
    state = full()
    known = state.known(ORIGIN)
    small = noted("c0", "x" * (SMALL_BYTES - 2_000))
    assert Outcome.APPLIED is state.apply(told([("c0", small), ("new", noted("new", LONG))], known), 100)
    assert state.is_heavy

    assert Outcome.FULL is state.apply(told([("c0", noted("c0", LONG))], known + 2), 100)


def test_a_census_brings_no_more_than_there_is_room_for() -> None:
    state = ReplicaState(ROOM_BYTES)
    entries = told([(f"c{n}", noted(f"c{n}", LONG)) for n in range(20)]).entries
    for _ in state.commit_census([CensusPart(ORIGIN, 0, len(entries), 0, (), entries)]):
        pass

    assert ROOM_BYTES <= state.memory_bytes < ROOM_BYTES + weight_of(noted("c", LONG))


def crammed() -> Replicator:
    return Replicator(ReplicaParams(), b"me".ljust(NODE_ID_BYTES), Random(0), max_memory_bytes=1)


def test_what_we_write_is_held_however_much_others_filled_us_with_and_after_a_restart() -> None:
    replicator, of_log, of_document = crammed(), crammed(), crammed()
    replicator.start(0.0, WALL_MS)
    for name in ("one", "two"):
        replicator.write([NodeRegistered(ExternalNode(NodeName(name), "", "10.0.0.9"))], 0.0, WALL_MS)
    for record in replicator.take_records():
        of_log.restore(record)
    for record in replicator.snapshot_records():
        of_document.restore(record)

    held = [[entry.node for entry in each.entries()] for each in (replicator, of_log, of_document)]
    assert [["one", "two"]] * 3 == held
    assert replicator.is_heavy
