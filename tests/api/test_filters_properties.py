"""Any text is an expression or is refused; expressions mean what their parts mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from nodedns.api.context import Json
from nodedns.api.filter_fields import SERVICE_FIELDS
from nodedns.api.filter_literals import quote
from nodedns.api.filters import compile_filter
from nodedns.errors import ApiError

Item = Mapping[str, Json]
Meaning = Callable[[Item], bool]
Known = tuple[str, Meaning]

WORDS = st.text("ab", max_size=2)
WORDS_AND_SIGNS = [
    "Service",
    "Meta",
    "Tags",
    ".",
    "==",
    "!=",
    "in",
    "not",
    "and",
    "or",
    "is",
    "empty",
    "contains",
    "matches",
    "(",
    ")",
    "1",
    "-",
    "x",
    "é",
    "\\",
]
TOKENS = st.sampled_from([*WORDS_AND_SIGNS, " ", '["x"]', '"a"', "`b`", "\n"])


def equality(value: str) -> Known:
    return f"Service == {quote(value)}", lambda item: item["Service"] == value


def membership(value: str) -> Known:
    def is_in(item: Item) -> bool:
        tags = item["Tags"]
        assert isinstance(tags, list)
        return value in tags

    return f"{quote(value)} in Tags", is_in


def metadata(value: str) -> Known:
    def differs(item: Item) -> bool:
        meta = item["Meta"]
        assert isinstance(meta, dict)
        return "k" not in meta or meta["k"] != value

    return f"Meta.k != {quote(value)}", differs


def negated(one: Known) -> Known:
    return f"not ({one[0]})", lambda item: not one[1](item)


def joined(one: Known, other: Known) -> Known:
    return f"({one[0]}) and ({other[0]})", lambda item: one[1](item) and other[1](item)


def either(one: Known, other: Known) -> Known:
    return f"( {one[0]} or {other[0]} )", lambda item: one[1](item) or other[1](item)


EXPRESSIONS: st.SearchStrategy[Known] = st.recursive(
    WORDS.map(equality) | WORDS.map(membership) | WORDS.map(metadata),
    lambda inner: inner.map(negated) | st.builds(joined, inner, inner) | st.builds(either, inner, inner),
    max_leaves=8,
)
ITEMS = st.fixed_dictionaries(
    {"Service": WORDS, "Tags": st.lists(WORDS, max_size=2), "Meta": st.dictionaries(st.just("k"), WORDS)}
)


@given(EXPRESSIONS, ITEMS)
def test_expression_means_what_its_parts_mean(expression: Known, item: dict[str, Json]) -> None:
    text, meaning = expression

    assert meaning(item) is compile_filter(text, SERVICE_FIELDS)(item)


@given(st.text(max_size=40) | st.lists(TOKENS, max_size=12).map(" ".join) | st.lists(TOKENS, max_size=12).map("".join))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    try:
        wanted = compile_filter(text, SERVICE_FIELDS)
    except ApiError as error:
        refusal = error
    else:
        assert wanted({}) in {True, False}
        return
    assert 500 == refusal.status
    assert refusal.message.startswith("Failed to create boolean expression evaluator: ")


@given(st.text(max_size=20))
def test_any_value_can_be_quoted(value: str) -> None:
    if not {'"', "\n", "\r", "\t", "\\"}.intersection(value):
        assert compile_filter(f'Service == "{value}"', SERVICE_FIELDS)({"Service": value})
