"""The language of ``filter=``: text in, an expression out.

Strategy: one descent over the text, in which every alternative that fails notes what it
expected and where; the error names what was expected at the furthest of these places. Chains of
``and`` and ``or`` are flat, so depth grows with parentheses and ``not`` only, and is bounded.
Whether a selector exists, and whether an operator suits it, is not decided here.

Grammar, loosest first: ``or``, ``and``, ``not``, parentheses, a match. The words are surrounded by
blanks. A match is ``SELECTOR OPERATOR VALUE``, ``SELECTOR is [not] empty`` or ``VALUE [not] in SELECTOR``.

Source: Consul's documentation of filtering, and the grammar of go-bexpr 0.1.2.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import NoReturn, TypeAlias

import attrs

from nodedns.api.filter_literals import BadLiteral, unquote
from nodedns.errors import ApiError

__all__ = ["All", "Any", "Expression", "Match", "Not", "Operator", "filter_error", "parse_expression"]

MAX_CHARS = 4_096
"""Of an expression; ours. A request line of Consul's clients that long names hundreds of things."""
MAX_DEPTH = 32
"""Of parentheses and ``not`` in each other; ours."""
MAX_MATCHES = 64
"""In one expression; ours: each is tried for every item of a list."""
MAX_PARTS = 8
"""Of one selector; ours. The longest that finds anything has four."""


class Operator(enum.Enum):
    """What a match asks; the value is its name in Consul's errors."""

    EQUAL = "Equal"
    NOT_EQUAL = "Not Equal"
    IN = "In"
    NOT_IN = "Not In"
    IS_EMPTY = "Is Empty"
    IS_NOT_EMPTY = "Is Not Empty"
    MATCHES = "Matches"
    NOT_MATCHES = "Not Matches"


@attrs.frozen
class Match:
    """One comparison.

    Attributes:
        selector: The parts of what is looked at.
        operator: What is asked of it.
        value: What it is compared with, as text; None where nothing is.
    """

    selector: tuple[str, ...]
    operator: Operator
    value: str | None


@attrs.frozen
class Not:
    """True where ``operand`` is false."""

    operand: Expression


@attrs.frozen
class All:
    """True where each of at least two parts is."""

    parts: tuple[Expression, ...]


@attrs.frozen
class Any:
    """True where one of at least two parts is."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = Match | Not | All | Any

_BLANKS = re.compile(r"[ \t\r\n]+")
_IDENTIFIER = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_STRING = re.compile(r'`[^`]*`|"[^"]*"')
_EQUALITY = (("==", Operator.EQUAL), ("!=", Operator.NOT_EQUAL))
# ``contains`` is ``in`` with its sides changed over.
_BEFORE_A_VALUE = (
    (("contains",), Operator.IN),
    (("not", "contains"), Operator.NOT_IN),
    (("matches",), Operator.MATCHES),
    (("not", "matches"), Operator.NOT_MATCHES),
)
_ALONE = ((("is", "empty"), Operator.IS_EMPTY), (("is", "not", "empty"), Operator.IS_NOT_EMPTY))
_BEFORE_A_SELECTOR = ((("in",), Operator.IN), (("not", "in"), Operator.NOT_IN))


def filter_error(reason: str) -> ApiError:
    """Return the error for an expression that cannot be used."""
    return ApiError(500, f"Failed to create boolean expression evaluator: {reason}")


def parse_expression(text: str) -> Expression:
    """Return the expression that ``text`` spells.

    Raises:
        ApiError: 500 with Consul's text; it is none, or beyond a limit.
    """
    if len(text) > MAX_CHARS:
        raise filter_error(f"the expression is too long (limit: {MAX_CHARS} characters)")
    return _Parser(text).parse()


class _Parser:
    """One walk over one text; the methods return None, and the position stays, where they do not fit."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._matches = 0
        self._furthest = 0
        self._expected: dict[str, None] = {}

    def parse(self) -> Expression:
        self._blanks()
        expression = self._or()
        self._blanks()
        if expression is None or self._at < len(self._text):
            self._expect("EOF")
            self._fail_unread()
        return expression

    def _or(self) -> Expression | None:
        parts = self._chain(self._and, "or")
        return parts[0] if len(parts) == 1 else Any(parts) if parts else None

    def _and(self) -> Expression | None:
        parts = self._chain(self._not, "and")
        return parts[0] if len(parts) == 1 else All(parts) if parts else None

    def _chain(self, part: Callable[[], Expression | None], word: str) -> tuple[Expression, ...]:
        found = part()
        if found is None:
            return ()
        parts = [found]
        while True:
            before = self._at
            if not self._spaced((word,)):
                break
            found = part()
            if found is None:
                self._at = before
                break
            parts.append(found)
        return tuple(parts)

    def _not(self) -> Expression | None:
        before = self._at
        if self._word("not") and self._blanks():
            self._deepen()
            operand = self._not()
            self._depth -= 1
            if operand is not None:
                return operand.operand if isinstance(operand, Not) else Not(operand)
        self._at = before
        return self._grouping()

    def _grouping(self) -> Expression | None:
        before = self._at
        if not self._symbol("("):
            return self._match()
        self._blanks()
        self._deepen()
        inner = self._or()
        self._depth -= 1
        if inner is None:
            self._at = before
            return None
        self._blanks()
        if not self._symbol(")"):
            if self._at == len(self._text):
                self._fail("grouping", "Unmatched parentheses")
            self._at = before
            return None
        return inner

    def _match(self) -> Expression | None:
        before = self._at
        found = self._selector_first()
        if found is None:
            self._at = before
            found = self._value_first()
        if found is None:
            self._at = before
            return None
        self._matches += 1
        if self._matches > MAX_MATCHES:
            raise filter_error(f"Number of match expressions ({self._matches}) exceeds the limit ({MAX_MATCHES})")
        return found

    def _selector_first(self) -> Match | None:
        selector = self._selector()
        if selector is None:
            return None
        operator = self._equality() or self._worded(_BEFORE_A_VALUE)
        if operator is not None:
            value = self._value()
            return None if value is None else Match(selector, operator, value)
        operator = self._worded(_ALONE, is_followed=False)
        return None if operator is None else Match(selector, operator, None)

    def _value_first(self) -> Match | None:
        value = self._value()
        operator = None if value is None else self._worded(_BEFORE_A_SELECTOR)
        if operator is None:
            return None
        selector = self._selector()
        if selector is None:
            self._fail("match", "Invalid selector")
        return Match(selector, operator, value)

    def _equality(self) -> Operator | None:
        before = self._at
        self._blanks()
        for symbol, operator in _EQUALITY:
            if self._symbol(symbol):
                self._blanks()
                return operator
        self._at = before
        return None

    def _worded(
        self, choices: tuple[tuple[tuple[str, ...], Operator], ...], *, is_followed: bool = True
    ) -> Operator | None:
        return next((operator for words, operator in choices if self._spaced(words, is_followed=is_followed)), None)

    def _selector(self) -> tuple[str, ...] | None:
        first = self._take(_IDENTIFIER, "selector")
        if first is None:
            return None
        parts = [first]
        while True:
            before = self._at
            part = self._take(_IDENTIFIER, "[a-zA-Z]") if self._symbol(".") else self._index()
            if part is None:
                self._at = before
                return tuple(parts)
            parts.append(part)
            if len(parts) > MAX_PARTS:
                self._fail("selector", f"more than {MAX_PARTS} parts")

    def _index(self) -> str | None:
        if not self._symbol("["):
            return None
        self._blanks()
        key = self._string()
        if key is None:
            self._fail("index", "Invalid index")
        self._blanks()
        if not self._symbol("]"):
            self._fail("index", "Unclosed index expression")
        return key

    def _value(self) -> str | None:
        selector = self._selector()
        if selector is not None:
            return ".".join(selector)
        number = self._number()
        return number if number is not None else self._string()

    def _number(self) -> str | None:
        number = self._take(_NUMBER, "number")
        if number is not None and self._at < len(self._text) and self._text[self._at] not in " \t\r\n)":
            self._fail("number", "Invalid number literal")
        return number

    def _string(self) -> str | None:
        literal = self._take(_STRING, "string")
        if literal is None:
            if self._text[self._at : self._at + 1] in {"`", '"'}:
                self._fail("string", "Unterminated string literal")
            return None
        try:
            return unquote(literal)
        except BadLiteral as error:
            self._fail("string", str(error))

    def _spaced(self, words: tuple[str, ...], *, is_followed: bool = True) -> bool:
        """Whether blanks and ``words`` come, and blanks again where something must follow."""
        before = self._at
        for word in words:
            if not (self._blanks() and self._word(word)):
                self._at = before
                return False
        if is_followed and not self._blanks():
            self._at = before
            return False
        return True

    def _blanks(self) -> bool:
        found = _BLANKS.match(self._text, self._at)
        if found is None:
            self._expect("[ \\t\\r\\n]")
            return False
        self._at = found.end()
        return True

    def _word(self, word: str) -> bool:
        return self._symbol(word)

    def _symbol(self, symbol: str) -> bool:
        if self._text.startswith(symbol, self._at):
            self._at += len(symbol)
            return True
        self._expect(f'"{symbol}"')
        return False

    def _take(self, pattern: re.Pattern[str], name: str) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            self._expect(name)
            return None
        self._at = found.end()
        return found[0]

    def _deepen(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail("grouping", f"nested deeper than {MAX_DEPTH}")

    def _expect(self, what: str) -> None:
        if self._at > self._furthest:
            self._furthest = self._at
            self._expected.clear()
        if self._at == self._furthest:
            self._expected[what] = None

    def _fail(self, rule: str, reason: str) -> NoReturn:
        raise filter_error(f"{self._place(self._at)}: rule {rule}: {reason}")

    def _fail_unread(self) -> NoReturn:
        *others, last = sorted(self._expected)
        listed = f"{', '.join(others)} or {last}" if others else last
        raise filter_error(f"{self._place(self._furthest)}: no match found, expected: {listed}")

    def _place(self, at: int) -> str:
        before = self._text[:at]
        line = before.count("\n") + 1
        column = at - (before.rfind("\n") + 1) + 1
        return f"{line}:{column} ({len(before.encode('utf-8', 'surrogatepass'))})"
