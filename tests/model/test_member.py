"""Members: numbers on the wire and in the API, words for people, versions byte by byte."""

from __future__ import annotations

import pytest

from nodedns.model.member import MemberStatus, NodeState, Versions


def test_statuses_have_consul_s_numbers_and_words() -> None:
    words = {0: "none", 1: "alive", 2: "leaving", 3: "left", 4: "failed"}
    assert words == {int(status): status.word for status in MemberStatus}


def test_states_have_memberlist_s_numbers() -> None:
    assert {"ALIVE": 0, "SUSPECT": 1, "DEAD": 2, "LEFT": 3} == {state.name: int(state) for state in NodeState}


@pytest.mark.parametrize(
    ("packed", "fields", "is_complete"),
    [
        (bytes([1, 5, 2, 2, 5, 4]), (1, 5, 2, 2, 5, 4), True),
        (bytes([1, 5]), (1, 5, 0, 0, 0, 0), False),
        (b"", (0, 0, 0, 0, 0, 0), False),
    ],
)
def test_versions_that_are_not_there_read_as_zero(packed: bytes, fields: tuple[int, ...], is_complete: bool) -> None:
    versions = Versions(packed)
    assert fields == (
        versions.protocol_min,
        versions.protocol_max,
        versions.protocol_current,
        versions.delegate_min,
        versions.delegate_max,
        versions.delegate_current,
    )
    assert is_complete is versions.is_complete
