"""``/v1/agent/conflicts``: both claimants of a name, in words and times of the wall clock."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from nodedns.api.context import Chronicle
from nodedns.model.address import Address
from nodedns.model.conflict import Claimant, Conflict
from nodedns.model.names import NodeName
from nodedns.testing.table_agent import TableAgent

Get = Callable[..., object]

HOLDER = Claimant(NodeName("web"), Address.from_text("10.0.0.1", 8301), "id-1", 4)
RIVAL = Claimant(NodeName("web"), Address.from_text("2001:db8::2", 8301), "id-2", 1)
TELLER = Address.from_text("10.0.0.9", 8301)
CONFLICT = Conflict(HOLDER, RIVAL, TELLER, "teller", since=100.0, seen_at=130.5, is_local=True)


def told(get: Get, *conflicts: Conflict) -> object:
    chronicle = Chronicle(now=160.0, wall_now=1_700_000_060.0)
    ctx = attrs.evolve(TableAgent("one").api_context(), chronicle=chronicle, conflicts=lambda: conflicts)
    return get(ctx, "/v1/agent/conflicts")


def test_conflict_is_told_with_both_claimants_and_who_told_us(get: Get) -> None:
    expected = {
        "Name": "web",
        "Kind": "address",
        "Holder": {"Name": "web", "Address": "10.0.0.1:8301", "ID": "id-1", "Incarnation": 4},
        "Rival": {"Name": "web", "Address": "[2001:db8::2]:8301", "ID": "id-2", "Incarnation": 1},
        "ToldBy": "teller",
        "ToldByAddress": "10.0.0.9:8301",
        "Since": "2023-11-14T22:13:20.000Z",
        "Seen": "2023-11-14T22:13:50.500Z",
        "IsOurs": True,
    }
    assert [expected] == told(get, CONFLICT)


def test_two_spellings_are_a_conflict_of_case_that_nobody_told(get: Get) -> None:
    rival = attrs.evolve(RIVAL, name=NodeName("WEB"))
    answer = told(get, attrs.evolve(CONFLICT, rival=rival, told_by=None, told_by_name=""))
    assert isinstance(answer, list)
    assert ("case", "", "") == (answer[0]["Kind"], answer[0]["ToldBy"], answer[0]["ToldByAddress"])


@pytest.mark.parametrize("count", [0, 3])
def test_there_are_as_many_as_are_open(get: Get, count: int) -> None:
    answer = told(get, *[CONFLICT] * count)
    assert isinstance(answer, list)
    assert count == len(answer)
