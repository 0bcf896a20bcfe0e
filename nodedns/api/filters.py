"""``filter=``: which items of a list a client wants to see.

Strategy: an expression is checked against the fields of what is listed and becomes one function, made of
smaller ones, from an item's JSON to whether it stays. Whatever can be wrong is found then, so that trying
an item cannot fail. The list's index does not change by a filter.

A key that a map does not have is unequal to everything, contains nothing, is empty and matches nothing. Of
several records, such as the checks of an instance, one that fits is enough.

Source: Consul's documentation of filtering; go-bexpr 0.1.2, but for ``matches`` of an absent key, which is true
there and became false later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any as Item

from nodedns.api.context import Json
from nodedns.api.filter_fields import Field, Fields, Kind
from nodedns.api.filter_grammar import (
    All,
    Any,
    Expression,
    Match,
    Not,
    Operator,
    filter_error,
    parse_expression,
)
from nodedns.api.filter_literals import BadLiteral, parse_flag, parse_number, quote
from nodedns.api.patterns import BadPattern, compile_search
from nodedns.api.request import Request

__all__ = ["Predicate", "compile_filter", "filter_of", "kept"]

Predicate = Callable[[Mapping[str, Json]], bool]
"""Tells whether an item stays."""

_Test = Callable[[Item], bool]
_Shape = Mapping[str, Json]

_NEGATIVE = {
    Operator.NOT_EQUAL: Operator.EQUAL,
    Operator.NOT_IN: Operator.IN,
    Operator.IS_NOT_EMPTY: Operator.IS_EMPTY,
    Operator.NOT_MATCHES: Operator.MATCHES,
}
_NOTHING: Mapping[Kind, object] = {
    Kind.TEXT: "",
    Kind.NUMBER: 0,
    Kind.FLAG: False,
    Kind.TEXTS: (),
    Kind.MAP: {},
    Kind.RECORD: {},
    Kind.RECORDS: (),
}


def filter_of(request: Request, fields: Fields) -> Predicate | None:
    """Return what the request's ``filter`` asks for; None where it has none.

    Raises:
        ApiError: 500 with Consul's text.
    """
    text = request.parameters.first("filter")
    return compile_filter(text, fields) if text else None


def compile_filter(text: str, fields: Fields) -> Predicate:
    """Return a function that tells whether an item's JSON fits the expression ``text``.

    Args:
        text: In the filter language.
        fields: Of the items.

    Raises:
        ApiError: 500 with Consul's text.
    """
    return _compile(parse_expression(text), fields)


def kept(shapes: Iterable[_Shape], wanted: Predicate | None) -> list[_Shape]:
    """Return the items that fit, in their order; all of them where nothing is wanted."""
    return [shape for shape in shapes if wanted is None or wanted(shape)]


def _compile(expression: Expression, fields: Fields) -> Predicate:
    match expression:
        case Not(operand=operand):
            inner = _compile(operand, fields)
            return lambda item: not inner(item)
        case All(parts=parts):
            tests = [_compile(part, fields) for part in parts]
            return lambda item: all(test(item) for test in tests)
        case Any(parts=parts):
            tests = [_compile(part, fields) for part in parts]
            return lambda item: any(test(item) for test in tests)
        case Match():  # pragma: no branch - the last of the union
            return _compile_match(expression, fields)


def _compile_match(found: Match, fields: Fields) -> Predicate:
    path = _path(found.selector, fields)
    last = path[-1]
    shown = quote(".".join(found.selector))
    if not last.suits(found.operator):
        raise filter_error(f"Invalid match operator {quote(found.operator.value)} for selector {shown}")
    positive = _NEGATIVE.get(found.operator, found.operator)
    is_negative = positive is not found.operator
    test = _test(positive, last, found.value or "", shown)
    wanted = _negated(test) if is_negative else test
    # What an absent key is: empty, and nothing else of what can be asked in the positive.
    absent = (positive is Operator.IS_EMPTY) != is_negative
    for name, field, above in reversed(
        list(zip(found.selector, path, [Field(Kind.RECORD, fields), *path[:-1]], strict=True))
    ):
        wanted = _step(name, field, above, wanted, is_absent_wanted=absent)
    return wanted


def _path(selector: Sequence[str], fields: Fields) -> list[Field]:
    path: list[Field] = []
    above = Field(Kind.RECORD, fields)
    for position, name in enumerate(selector):
        field = above.part(name)
        if field is None:
            raise filter_error(f"Selector {quote('.'.join(selector[: position + 1]))} is not valid")
        path.append(field)
        above = field
    return path


def _step(name: str, field: Field, above: Field, inner: _Test, *, is_absent_wanted: bool) -> _Test:
    """Return a test of what holds a field ``name``, made of a test of the field itself."""
    if above.kind is Kind.MAP:
        return lambda item: inner(item[name]) if name in item else is_absent_wanted
    nothing = _NOTHING[field.kind]

    def test_record(item: Item) -> bool:  # noqa: ANN401 - JSON has no type
        value = item.get(name)
        return inner(nothing if value is None else value)

    if above.kind is Kind.RECORDS:
        return lambda items: any(test_record(item) for item in items)
    return test_record


def _test(operator: Operator, field: Field, text: str, shown: str) -> _Test:
    if operator is Operator.IS_EMPTY:
        return lambda value: not value
    if operator is Operator.IN:
        return lambda value: text in value
    if operator is Operator.MATCHES:
        try:
            return compile_search(text)
        except BadPattern as error:
            raise filter_error(f"Failed to compile regular expression {quote(text)}: {error}") from None
    wanted = _coerced(field, text, shown)
    return lambda value: bool(value == wanted)


def _coerced(field: Field, text: str, shown: str) -> str | int | bool:
    try:
        if field.kind is Kind.NUMBER:
            return parse_number(text)
        return parse_flag(text) if field.kind is Kind.FLAG else text
    except BadLiteral as error:
        raise filter_error(f"Failed to coerce value {quote(text)} for selector {shown}: {error}") from None


def _negated(test: _Test) -> _Test:
    return lambda value: not test(value)
