"""Which missing names are asked most: exact while there is room, bounded in memory and in error after that."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.dns.missing_names import EXACT_BATCH, MAX_NAMES, MissingNames
from nodedns.model.address import Address
from nodedns.testing.chance import seeded_random

CLIENT = Address.from_text("192.0.2.7", 5353)


def wire_of(label: str) -> bytes:
    return bytes([len(label)]) + label.encode() + b"\x04node\x06consul\x00"


def make() -> MissingNames:
    return MissingNames(seeded_random("missing"))


def counts_of(names: MissingNames, limit: int = MAX_NAMES) -> dict[str, int]:
    return {each.name: each.count for each in names.top(limit).names}


def test_few_names_are_counted_exactly_and_the_most_asked_stands_first() -> None:
    names = make()

    for label, times in (("web", 3), ("db", 5), ("cache", 1)):
        for _ in range(times):
            names.note(wire_of(label))

    summary = names.top(2)
    assert [("db.node.consul.", 5), ("web.node.consul.", 3)] == [(each.name, each.count) for each in summary.names]
    assert (9, 0, False) == (summary.total, summary.error, summary.is_estimate)


def test_names_of_the_same_count_are_in_order() -> None:
    names = make()

    for label in ("bb", "aa", "cc"):
        names.note(wire_of(label))

    assert ["aa.node.consul.", "bb.node.consul.", "cc.node.consul."] == list(counts_of(names))


def test_a_client_that_asked_is_told_where_it_is_known() -> None:
    names = make()

    names.note(wire_of("web"), client=CLIENT)
    names.note(wire_of("db"))

    assert {"web.node.consul.": "192.0.2.7", "db.node.consul.": ""} == {
        each.name: each.client for each in names.top(10).names
    }


def test_a_flood_of_new_names_leaves_memory_bounded_and_the_asked_ones_known() -> None:
    names = make()

    for number in range(20 * MAX_NAMES):
        names.note(wire_of(f"x{number}"), client=CLIENT)
        if number % 20 == 0:
            names.note(wire_of("typo"))

    summary = names.top(1)
    assert "typo.node.consul." == summary.names[0].name
    assert MAX_NAMES >= len(names.top(10 * MAX_NAMES).names)
    assert summary.error <= summary.total // (MAX_NAMES // 2)


@given(st.lists(st.integers(0, 40), max_size=300), st.integers(2, 12))
def test_a_count_is_never_too_high_and_too_low_by_the_error_at_most(asked: list[int], room: int) -> None:
    names = MissingNames(seeded_random("small"), max_names=room)
    true = Counter(f"n{number}.node.consul." for number in asked)

    for number in asked:
        names.note(wire_of(f"n{number}"))

    summary = names.top(room)
    counted = {each.name: each.count for each in summary.names}
    assert len(counted) <= room
    assert [] == [name for name in true if not true[name] - summary.error <= counted.get(name, 0) <= true[name]]
    assert summary.error <= len(asked) // (room // 2 + 1)


def test_a_small_batch_is_counted_exactly() -> None:
    names = make()

    names.note_batch([wire_of("web")] * 2 + [wire_of("db")])

    assert {"web.node.consul.": 2, "db.node.consul.": 1} == counts_of(names)
    assert not names.top(1).is_estimate


@pytest.mark.parametrize("size", [EXACT_BATCH + 1, 64, 1_000])
def test_a_large_batch_counts_in_full_and_is_told_to_be_an_estimate(size: int) -> None:
    names = make()

    names.note_batch([wire_of("web")] * size)

    assert {"web.node.consul.": size} == counts_of(names)
    assert (size, True) == (names.top(1).total, names.top(1).is_estimate)


def test_names_of_a_batch_may_stand_within_other_bytes() -> None:
    names = make()

    names.note_batch([b"head" + wire_of("web") + b"\0\1\0\1"], 4)
    names.note_batch([b"head" + wire_of("web") + b"\0\1\0\1"] * 64, 4)

    assert {"web.node.consul.": 65} == counts_of(names)


def test_the_estimate_of_many_batches_is_near_the_truth() -> None:
    names = make()
    batch = [wire_of("often")] * 48 + [wire_of("seldom")] * 16

    for _ in range(500):
        names.note_batch(batch)

    counted = counts_of(names)
    assert 24_000 == pytest.approx(counted["often.node.consul."], rel=0.05)
    assert 8_000 == pytest.approx(counted["seldom.node.consul."], rel=0.1)


def test_counting_begins_anew() -> None:
    names = make()
    names.note_batch([wire_of("web")] * 64)

    names.clear()

    summary = names.top(10)
    assert ((), 0, 0, False) == (summary.names, summary.total, summary.error, summary.is_estimate)
