"""The laws of last-writer-wins: in any order, number and pieces, the same writes make the same state."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from nodedns.model.names import NodeName
from nodedns.model.service import Service
from nodedns.replica.clock import MAX_VERSION
from nodedns.replica.entry import Entry, Kind, Origin
from nodedns.replica.messages import Range
from nodedns.replica.state import Outcome, ReplicaState

ORIGINS = [Origin(bytes([number]) * 24) for number in range(3)]


@st.composite
def streams(draw: st.DrawFn) -> list[list[Range]]:
    """What some origins wrote, a range for each write; versions may be equal between origins."""
    made = []
    for origin in ORIGINS:
        after, stream = 0, []
        for step in draw(st.lists(st.integers(1, 3), max_size=8)):
            version = after + step
            item = draw(st.sampled_from(["a", "b"]))
            value = draw(
                st.none() | st.builds(lambda port, item=item: Service(item, item, port=port), st.integers(1, 9))
            )
            entry = Entry((Kind.SERVICE, "n", item), NodeName("n"), version, origin, value)
            stream.append(Range(origin, after, version, (entry,), b""))
            after = version
        made.append(stream)
    return made


def told(ranges: list[Range]) -> ReplicaState:
    state = ReplicaState()
    for one in ranges:
        state.apply(one, MAX_VERSION)
    return state


def shuffled(made: list[list[Range]], rng: Random) -> list[Range]:
    """All ranges in some order that leaves each stream as it is, some of them twice."""
    left = [list(stream) for stream in made]
    order: list[Range] = []
    while any(left):
        stream = rng.choice([stream for stream in left if stream])
        order.append(stream.pop(0))
        if rng.random() < 0.3:
            order.append(rng.choice(order))
    return order


def facts(state: ReplicaState) -> tuple[object, ...]:
    entries = {entry.key: (entry.version, entry.origin, entry.value) for entry in state.entries()}
    return (entries, state.hashes, sorted(state.lines()), state.tombstones)


@given(streams(), st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_order_and_doubling_do_not_matter(made: list[list[Range]], one: Random, other: Random) -> None:
    assert facts(told(shuffled(made, one))) == facts(told(shuffled(made, other)))


@given(streams())
def test_the_newest_write_of_each_key_is_held(made: list[list[Range]]) -> None:
    state = told([one for stream in made for one in stream])
    newest: dict[object, Entry] = {}
    for entry in [entry for stream in made for one in stream for entry in one.entries]:
        held = newest.get(entry.key)
        if held is None or (entry.version, entry.origin) > (held.version, held.origin):
            newest[entry.key] = entry
    assert newest == {entry.key: entry for entry in state.entries()}


@given(streams(), st.randoms(use_true_random=False))
def test_a_stream_told_at_once_is_the_same_as_bit_by_bit(made: list[list[Range]], rng: Random) -> None:
    whole = [
        Range(stream[0].origin, 0, stream[-1].upto, tuple(entry for one in stream for entry in one.entries), b"")
        for stream in made
        if stream
    ]
    rng.shuffle(whole)
    assert facts(told([one for stream in made for one in stream])) == facts(told(whole))


@given(streams(), st.data())
def test_changes_lead_a_table_from_one_state_to_the_next(made: list[list[Range]], data: st.DataObject) -> None:
    ranges = shuffled(made, data.draw(st.randoms(use_true_random=False)))
    cut = data.draw(st.integers(0, len(ranges)))
    state = told(ranges[:cut])
    before = live(state)
    state.take_changed()
    for one in ranges[cut:]:
        state.apply(one, MAX_VERSION)
    changed = {key: entry.value for key, entry in state.take_changed().items()}
    after = live(state)
    assert {key: after.get(key) for key in {**before, **after} if before.get(key) != after.get(key)} == changed
    assert {} == state.take_changed()


def live(state: ReplicaState) -> dict[object, object]:
    return {entry.key: entry.value for entry in state.entries() if entry.value is not None}


def test_what_has_a_gap_before_it_is_not_taken_in() -> None:
    state = ReplicaState()
    assert Outcome.GAP is state.apply(Range(ORIGINS[0], 5, 6, (), b""), MAX_VERSION)
    assert 0 == state.known(ORIGINS[0])
