"""What meta may hold."""

from __future__ import annotations

import pytest

from nodedns.model.meta import meta_faults


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("", "x", "Key cannot be blank"),
        ("a.b", "x", "Key contains invalid characters"),
        ("k" * 129, "x", "Key is too long (limit: 128 characters)"),
        ("consul-x", "x", "Key prefix 'consul-' is reserved for internal use"),
        ("k", "v" * 513, "Value is too long (limit: 512 characters)"),
    ],
)
def test_a_pair_that_cannot_be_kept_is_named(key: str, value: str, fault: str) -> None:
    assert [fault] == [found.partition("'): ")[2] for found in meta_faults({"fine": "x", key: value})]


def test_the_longest_pair_is_kept() -> None:
    assert [] == meta_faults({"k" * 128: "v" * 512})


def test_more_pairs_than_consul_keeps_are_refused() -> None:
    assert [] == meta_faults({f"k{number}": "" for number in range(64)})
    assert 1 == len(meta_faults({f"k{number}": "" for number in range(65)}))
