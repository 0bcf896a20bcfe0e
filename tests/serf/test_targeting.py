from __future__ import annotations

import pytest

from nodedns.model.names import NodeName
from nodedns.serf.filter_budget import COMPILE_STEPS, FilterTooCostly
from nodedns.serf.targeting import MAX_FILTERS_TRIED, encode_filters, passes_filters

ME = NodeName("me")


def freely(_steps: int) -> bool:
    return True


@pytest.mark.parametrize(
    ("nodes", "tags", "passes"),
    [
        ((), {}, True),
        (("me", "you"), {}, True),
        (("you",), {}, False),
        ((), {"role": "^web$"}, True),
        ((), {"role": "db"}, False),
        ((), {"missing": "^$"}, True),
        (("me",), {"role": "db"}, False),
        ((), {"role": "(?=web)"}, False),
    ],
)
def test_member_passes_when_every_filter_lets_it(nodes: tuple[str, ...], tags: dict[str, str], *, passes: bool) -> None:
    assert passes == passes_filters(encode_filters(nodes, tags), ME, {"role": "web"}, freely)


@pytest.mark.parametrize("packed", [b"", b"\x02\x90", b"\x00", b"\x01\xc1"])
def test_filter_that_cannot_be_read_lets_nobody_pass(packed: bytes) -> None:
    assert not passes_filters((packed,), ME, {}, freely)


def test_more_filters_than_are_tried_let_nobody_pass() -> None:
    one = encode_filters(("me",), {})
    assert passes_filters(one * MAX_FILTERS_TRIED, ME, {}, freely)
    assert not passes_filters(one * (MAX_FILTERS_TRIED + 1), ME, {}, freely)


def test_expression_is_paid_for_before_it_is_matched() -> None:
    asked: list[int] = []

    def only_to_compile(steps: int) -> bool:
        asked.append(steps)
        return steps == COMPILE_STEPS

    with pytest.raises(FilterTooCostly):
        passes_filters(encode_filters((), {"role": "w(e|x)+b"}), ME, {"role": "web" * 40}, only_to_compile)
    assert asked[0] == COMPILE_STEPS
    assert asked[1] > 120


def test_expression_that_is_none_has_to_be_paid_for_too() -> None:
    with pytest.raises(FilterTooCostly):
        passes_filters(encode_filters((), {"role": "((){100}){100}"}), ME, {}, lambda _steps: False)


def test_names_cost_nothing() -> None:
    assert passes_filters(encode_filters(("me",), {}), ME, {}, lambda _steps: False)
