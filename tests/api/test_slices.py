"""Long values, made slice by slice."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodedns.api.context import Json
from nodedns.api.encode import json_response
from nodedns.api.request import Parameters, Request, Response
from nodedns.api.slices import SLICE_ITEMS, Slices, Slowly, sliced
from nodedns.testing.table_agent import TableAgent

CTX = TableAgent().api_context()
ITEMS = st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text()))


def body_of(answer: Response) -> bytes:
    return answer.body + b"".join(answer.rest or ())


@given(st.lists(st.lists(ITEMS)), st.booleans())
def test_a_list_in_slices_reads_as_in_one_piece(parts: Sequence[Sequence[Json]], is_pretty: bool) -> None:
    parameters = Parameters.from_query_untrusted(b"pretty" if is_pretty else b"")
    request = Request("GET", "/", parameters)
    whole = json_response([item for part in parts for item in part], request, CTX)

    assert whole.body == body_of(json_response(Slices(iter(parts)), request, CTX))


@pytest.mark.parametrize("count", [0, 1, SLICE_ITEMS, SLICE_ITEMS + 1])
def test_a_short_list_is_whole_at_once(count: int) -> None:
    answer = json_response(sliced(range(count), lambda number: {"N": number}), Request("GET", "/"), CTX)

    assert (None, count) == (answer.rest, len(json.loads(answer.body)))


def test_a_long_list_is_begun_and_then_made_as_it_is_taken() -> None:
    made: list[int] = []

    def shape(number: int) -> dict[str, Json]:
        made.append(number)
        return {"N": number}

    answer = json_response(sliced(range(100 * SLICE_ITEMS), shape), Request("GET", "/"), CTX)

    assert 4 * SLICE_ITEMS == len(made)
    assert answer.rest is not None
    next(answer.rest)
    assert 5 * SLICE_ITEMS == len(made)


def test_what_was_not_found_is_not_listed_and_counts_as_work() -> None:
    nothing_else = [None] * SLICE_ITEMS * 10
    parts = list(sliced([*nothing_else, 1], lambda number: {"N": number}).parts)

    assert [*[[]] * 10, [{"N": 1}]] == parts


def test_a_value_that_takes_long_is_there_at_the_end() -> None:
    answer = json_response(Slowly(iter([None] * 9 + [{"a": 1}])), Request("GET", "/"), CTX)

    assert b'{"a":1}' == body_of(answer)
